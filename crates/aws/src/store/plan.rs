//! A new release: its record, first journal entry, artifact item, index items and the head, in one
//! transaction.

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};
use perch_app::ports::{PlanRelease, Planned, PortError};
use perch_core::journal::JournalEntry;
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use super::item::{number, put, read_item, text, write_item, write_value};
use super::{Table, keys};
use crate::error::port_error;

/// What is known about an artifact that was released to a target.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ArtifactItem {
    pub(super) release: perch_core::names::ReleaseId,
    #[serde(default)]
    pub(super) outcome: Option<String>,
}

/// The places of the conditional writes in the transaction, and so of their cancellation reasons.
const RECORD: usize = 0;
const ARTIFACT: usize = 1;
const HEAD: usize = 2;

impl PlanRelease for Table {
    async fn plan(&self, release: &Release, entry: &JournalEntry) -> Result<Planned, PortError> {
        let writes = vec![
            self.new_record(release)?,
            self.new_artifact(release)?,
            self.new_holder(release)?,
            self.new_entry(entry)?,
            self.index_by_target(release)?,
            self.index_by_time(release)?,
        ];
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let error = match sent {
            Ok(_) => return Ok(Planned::Created),
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
            Some((HEAD, reason)) => {
                let item = reason.item.unwrap_or_default();
                match super::text_of(&item, "active").parse() {
                    Ok(active) => Ok(Planned::Busy { active }),
                    // Free, but with another fence: someone was faster. Read again.
                    Err(_) => {
                        Err(transaction_error(&keys::head(&release.target).to_string(), error))
                    }
                }
            }
            _ => Err(transaction_error(&keys::record(&release.id).to_string(), error)),
        }
    }
}

impl Table {
    fn new_record(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let item = write_item(&keys::record(&release.id), release)?;
        let put = put(&self.name, item).condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn new_artifact(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let item = ArtifactItem { release: release.id.clone(), outcome: None };
        let key = keys::artifact(&release.target, &release.artifact);
        let put = put(&self.name, write_item(&key, &item)?)
            .condition_expression("attribute_not_exists(pk) OR outcome IN (:rejected, :superseded)")
            .expression_attribute_values(":rejected", text("Rejected"))
            .expression_attribute_values(":superseded", text("Superseded"))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn new_holder(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let key = keys::head(&release.target);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(
                "SET target = :target, fence = :fence, active = :id, exposed = :no REMOVE ledger",
            )
            .condition_expression(
                "attribute_not_exists(active) AND (attribute_not_exists(pk) OR fence = :before)",
            )
            .expression_attribute_values(":target", text(release.target.as_str()))
            .expression_attribute_values(":fence", number(release.fence))
            .expression_attribute_values(":before", number(release.fence.saturating_sub(1)))
            .expression_attribute_values(":id", text(release.id.as_str()))
            .expression_attribute_values(":no", write_value(&key, &false)?)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    pub(super) fn new_entry(&self, entry: &JournalEntry) -> Result<TransactWriteItem, PortError> {
        let item = write_item(&keys::journal(&entry.release, entry.seq), entry)?;
        let put = put(&self.name, item).condition_expression("attribute_not_exists(pk)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    fn index_by_target(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let key = keys::release_of_target(&release.target, release.started_at, &release.id);
        let item = write_item(&key, &super::releases::Listed { release: release.id.clone() })?;
        let put = built(put(&self.name, item).build())?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn index_by_time(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let key = keys::release_by_time(release.started_at, &release.id);
        let item = write_item(&key, &super::releases::Listed { release: release.id.clone() })?;
        let put = built(put(&self.name, item).build())?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// A request that was built without a required member: a defect, reported and never sent.
pub(super) fn built<T>(request: Result<T, BuildError>) -> Result<T, PortError> {
    request.map_err(|error| PortError::Invalid {
        what: "a request to DynamoDB".into(),
        message: error.to_string(),
    })
}

type SendError = SdkError<TransactWriteItemsError>;

/// The first write whose condition failed, with its place.
fn refusal(error: &SendError) -> Option<(usize, CancellationReason)> {
    reasons(error)
        .iter()
        .position(|reason| reason.code() == Some("ConditionalCheckFailed"))
        .and_then(|place| Some((place, reasons(error).get(place)?.clone())))
}

fn reasons(error: &SendError) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            canceled.cancellation_reasons()
        }
        _ => &[],
    }
}

/// A failed condition is a conflict; a collision with another transaction may pass.
pub(super) fn transaction_error(what: &str, error: SendError) -> PortError {
    match refusal(&error) {
        Some((place, _)) => PortError::Conflict {
            what: what.to_owned(),
            expected: "it unchanged".into(),
            found: format!("condition {place} of the transaction failed"),
        },
        None => port_error(what, error),
    }
}
