//! A new release: its record, first journal entry, artifact item, index items, the trace of its event
//! and the head, in one transaction.

use aws_sdk_dynamodb::types::{
    ConditionCheck, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
};
use perch_app::ports::{KnownArtifact, LoadArtifact, PlanRelease, Planned, PortError};
use perch_app::reconcile::ACTIVE;
use perch_core::artifact::Artifact;
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use super::item::{Change, number, read_attribute, read_item, text, write_item, write_value};
use super::releases::Listed;
use super::transaction::{
    SendError, built, putting, refusal, refused_item, transaction_error, updating,
};
use super::{Table, keys};

/// What is known about an artifact that was released to a target.
#[derive(Debug, Serialize, Deserialize)]
struct ArtifactItem {
    release: ReleaseId,
    /// Missing, not null, while the release goes on: conditions ask whether it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
}

/// The places of the conditional writes in the transaction, and so of their cancellation reasons.
const RECORD: usize = 0;
const ARTIFACT: usize = 1;
const HEAD: usize = 2;
const STOP: usize = 3;

impl PlanRelease for Table {
    async fn plan(&self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        let listed = Listed { release: release.id.clone() };
        let (target, id, start) = (&release.target, &release.id, release.started_at);
        let writes = vec![
            self.add(&keys::record(id), release)?,
            self.new_artifact(release)?,
            self.new_holder(release)?,
            self.no_stop_of_all()?,
            self.add(&keys::journal(id, entry.seq), entry)?,
            self.replace(&keys::release_of_target(target, start, id), &listed)?,
            self.replace(&keys::release_by_time(start, id), &listed)?,
            self.trace_of(release)?,
        ];
        let error = match self.transact(writes).await {
            Ok(()) => return Ok(Planned::Created),
            Err(error) => error,
        };
        match refusal(&error) {
            Some((RECORD, _)) => Ok(Planned::Repeated),
            Some((ARTIFACT, reason)) => {
                let key = keys::artifact(&release.target, &release.artifact);
                let item: ArtifactItem = read_item(&key, reason.item.unwrap_or_default())?;
                let outcome =
                    item.outcome.map_or("not ended yet".to_owned(), |o| format!("ended {o}"));
                Ok(Planned::AlreadyReleased { by: item.release, outcome })
            }
            Some((HEAD | STOP, _)) => not_free(release, error),
            _ => Err(transaction_error(&keys::record(&release.id).to_string(), error)),
        }
    }
}

/// Why the target does not take the release: a stop, before that a release holds it; or it is free
/// with another fence because someone was faster, which is for the caller to read again.
fn not_free(release: &Release, error: SendError) -> Result<Planned, PortError> {
    let (key, head) = (keys::head(&release.target), refused_item(&error, HEAD));
    if let Some(stop) = read_attribute(&key, &head.clone().unwrap_or_default(), "stopped")? {
        return Ok(Planned::Stopped(stop));
    }
    if let Some(stop) = refused_item(&error, STOP) {
        return Ok(Planned::Stopped(read_item(&keys::stop_of_all(), stop)?));
    }
    match read_attribute(&key, &head.unwrap_or_default(), "active")? {
        Some(active) => Ok(Planned::Busy { active }),
        None => Err(transaction_error(&key.to_string(), error)),
    }
}

impl Table {
    /// One release for each artifact, and another after a rejection or a replacement; a person may
    /// have another after any end.
    fn new_artifact(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let item = ArtifactItem { release: release.id.clone(), outcome: None };
        let key = keys::artifact(&release.target, &release.artifact);
        let put = self.put(write_item(&key, &item)?);
        let put = if release.cause.is_person() {
            put.condition_expression("attribute_not_exists(pk) OR attribute_exists(outcome)")
        } else {
            put.condition_expression(
                "attribute_not_exists(pk) OR outcome IN (:rejected, :superseded)",
            )
            .expression_attribute_values(":rejected", text("Rejected"))
            .expression_attribute_values(":superseded", text("Superseded"))
        };
        putting(put.return_values_on_condition_check_failure(OnFailure::AllOld))
    }

    fn new_holder(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let key = keys::head(&release.target);
        let look = release.started_at.saturating_add(ACTIVE).unwrap_or(release.started_at);
        let change = Change::default()
            .set("target", text(release.target.as_str()))
            .set("fence", number(release.fence))
            .set("active", text(release.id.as_str()))
            .set("exposed", write_value(&key, &false)?)
            .due_at(look)
            .remove("ledger");
        let update = self
            .update(&key, change)
            .condition_expression(
                "attribute_not_exists(active) AND attribute_not_exists(stopped) \
                 AND (attribute_not_exists(pk) OR fence = :before)",
            )
            .expression_attribute_values(":before", number(release.fence.saturating_sub(1)))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        updating(update)
    }

    fn no_stop_of_all(&self) -> Result<TransactWriteItem, PortError> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(keys::stop_of_all().item()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
    }

    /// How the artifact's release ended, which decides whether it may have another.
    pub(super) fn outcome(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let item = ArtifactItem {
            release: release.id.clone(),
            outcome: Some(release.phase.name().to_owned()),
        };
        self.replace(&keys::artifact(&release.target, &release.artifact), &item)
    }
}

impl LoadArtifact for Table {
    async fn artifact(
        &self,
        target: &TargetName,
        artifact: &Artifact,
    ) -> Result<Option<KnownArtifact>, PortError> {
        let item: Option<ArtifactItem> = self.get(&keys::artifact(target, artifact)).await?;
        Ok(item.map(|ArtifactItem { release, outcome }| KnownArtifact { release, outcome }))
    }
}
