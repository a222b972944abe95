//! One step of a release: its record, its journal entries and what the head has to know, in one
//! transaction.

use aws_sdk_dynamodb::types::TransactWriteItem;
use perch_app::ports::{CommitRelease, PortError, Transition};
use perch_core::artifact::Lane;
use perch_core::phase::Phase;
use perch_core::release::{Driver, Release};
use perch_core::stamp;

use super::Table;
use super::item::{Change, number, text, write_item, write_value};
use super::keys::{self, Key};
use super::transaction::{putting, transaction_error, updating};

impl CommitRelease for Table {
    async fn commit(&self, transition: &Transition) -> Result<(), PortError> {
        let release = &transition.release;
        let mut writes = vec![self.record(transition)?, self.holder(transition)?];
        for entry in &transition.entries {
            writes.push(self.add(&keys::journal(&entry.release, entry.seq), entry)?);
        }
        if release.phase.is_final() {
            writes.push(self.outcome(release)?);
        }
        let what = format!("release {}", release.id);
        self.transact(writes).await.map_err(|error| transaction_error(&what, error))
    }
}

impl Table {
    fn record(&self, transition: &Transition) -> Result<TransactWriteItem, PortError> {
        let release = &transition.release;
        let put = self.put(write_item(&keys::record(&release.id), release)?);
        putting(
            put.condition_expression(
                "seq = :seq AND (attribute_not_exists(kept) OR kept <= :kept)",
            )
            .expression_attribute_values(":seq", number(transition.expected_seq))
            .expression_attribute_values(":kept", number(release.kept)),
        )
    }

    fn holder(&self, transition: &Transition) -> Result<TransactWriteItem, PortError> {
        let release = &transition.release;
        let key = keys::head(&release.target);
        let update = self
            .update(&key, follow(&key, transition)?)
            .condition_expression("active = :id AND fence = :held")
            .expression_attribute_values(":id", text(release.id.as_str()))
            .expression_attribute_values(":held", number(transition.fence));
        updating(update)
    }
}

/// What [`Head::follow`](perch_core::head::Head::follow) does to a head whose fence is the
/// transition's, without reading it.
fn follow(key: &Key, transition: &Transition) -> Result<Change, PortError> {
    let release = &transition.release;
    if !release.phase.is_over() {
        let ledger = release.ledger.as_ref().map(|ledger| write_value(key, ledger)).transpose()?;
        let exposed = write_value(key, &release.is_guarded())?;
        return Ok(Change::default().set("exposed", exposed).put("ledger", ledger));
    }
    let ended = Change::default()
        .set("exposed", write_value(key, &false)?)
        .set("fence", number(transition.fence + 1))
        .remove("active")
        .remove("ledger");
    Ok(match &release.phase {
        Phase::Promoted => promoted(key, ended, release)?,
        Phase::Superseded { by: None } => ended.remove(serving_by(release)),
        _ => ended,
    })
}

/// The horizon only grows, and needs no comparison: `start_release` starts nothing that was pushed
/// before it, except for a person, whose order counts as pushed now.
fn promoted(key: &Key, ended: Change, release: &Release) -> Result<Change, PortError> {
    let serving = release.serving().map(|serving| write_value(key, &serving)).transpose()?;
    let horizon = match release.artifact.lane() {
        Lane::Code => "horizon",
        Lane::Model => "modelHorizon",
    };
    Ok(ended
        .put(serving_by(release), serving)
        .set(horizon, text(stamp::text(release.cause.pushed_at())))
        .remove("drift"))
}

/// The attribute that has what a release like this promoted last.
fn serving_by(release: &Release) -> &'static str {
    match release.plan.driver {
        Driver::Alias(_) | Driver::Service(_) => "serving",
        Driver::Servers(_) => "modelServing",
    }
}
