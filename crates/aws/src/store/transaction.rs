//! Transactions: their writes, and what a refused condition of one means.

use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{CancellationReason, Delete, Put, TransactWriteItem, Update};
use perch_app::ports::PortError;
use serde::Serialize;

use super::Table;
use super::item::{Change, Item, write_item};
use super::keys::Key;
use crate::error::port_error;

/// A request that was built without a required member: a defect, reported and never sent.
pub(super) fn built<T>(request: Result<T, BuildError>) -> Result<T, PortError> {
    request.map_err(|error| PortError::Invalid {
        what: "a request to DynamoDB".into(),
        message: error.to_string(),
    })
}

/// A put as one write of a transaction.
pub(super) fn putting(put: PutBuilder) -> Result<TransactWriteItem, PortError> {
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}

/// An update as one write of a transaction.
pub(super) fn updating(update: UpdateBuilder) -> Result<TransactWriteItem, PortError> {
    Ok(TransactWriteItem::builder().update(built(update.build())?).build())
}

impl Table {
    /// Writes all or nothing.
    pub(super) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<(), SendError> {
        self.client.transact_write_items().set_transact_items(Some(writes)).send().await?;
        Ok(())
    }

    /// A put of `item`, with the condition that the caller adds.
    pub(super) fn put(&self, item: Item) -> PutBuilder {
        Put::builder().table_name(&self.name).set_item(Some(item))
    }

    /// An update of the item under `key`, with the condition that the caller adds.
    pub(super) fn update(&self, key: &Key, change: Change) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression(change.expression())
            .set_expression_attribute_values(change.values())
    }

    /// A put that replaces whatever is there.
    pub(super) fn replace<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
    ) -> Result<TransactWriteItem, PortError> {
        putting(self.put(write_item(key, value)?))
    }

    /// A put of an item that must not be there yet.
    pub(super) fn add<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
    ) -> Result<TransactWriteItem, PortError> {
        let put = self.put(write_item(key, value)?);
        putting(put.condition_expression("attribute_not_exists(pk)"))
    }

    /// A deletion, whatever is there.
    pub(super) fn delete(&self, key: &Key) -> Result<TransactWriteItem, PortError> {
        let delete = Delete::builder().table_name(&self.name).set_key(Some(key.item()));
        Ok(TransactWriteItem::builder().delete(built(delete.build())?).build())
    }
}

pub(super) type SendError = SdkError<TransactWriteItemsError>;

/// The first write whose condition failed, with its place.
pub(super) fn refusal(error: &SendError) -> Option<(usize, CancellationReason)> {
    let mut reasons = reasons(error).iter().enumerate();
    reasons.find(|(_, reason)| is_refused(reason)).map(|(place, reason)| (place, reason.clone()))
}

/// The item that did not meet the condition of the write at `place`; `None` where that was not refused.
pub(super) fn refused_item(error: &SendError, place: usize) -> Option<Item> {
    let reason = reasons(error).get(place).filter(|reason| is_refused(reason))?;
    Some(reason.item.clone().unwrap_or_default())
}

fn is_refused(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
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
