//! The head: reading it, alone or with the stop that holds, and taking the fence.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;
use perch_app::ports::{Claim, LoadHead, LoadStanding, PortError, Standing, TakeFence};
use perch_core::head::Head;
use perch_core::names::TargetName;
use perch_core::stamp;

use super::item::{Change, Item, number, read_item, text};
use super::keys::{self, Key};
use super::{Table, text_of};
use crate::error::port_error;

impl LoadHead for Table {
    async fn head(&self, target: &TargetName) -> Result<Option<Head>, PortError> {
        self.get(&keys::head(target)).await
    }
}

impl LoadStanding for Table {
    async fn standing(&self, target: &TargetName) -> Result<Standing, PortError> {
        let (head, stop) = (keys::head(target), keys::stop_of_all());
        let what = format!("head and stop of target {target}");
        let mut found = self.get_all(&what, vec![head.item(), stop.item()], true).await?;
        let mut take = |key: &Key| {
            let place = found.iter().position(|item| text_of(item, "pk") == key.pk);
            place.map(|place| found.swap_remove(place))
        };
        let (head_item, stop_item) = (take(&head), take(&stop));
        let head: Option<Head> = head_item.map(|item| read_item(&head, item)).transpose()?;
        let own = head.as_ref().and_then(|head| head.stopped.clone());
        let of_all = stop_item.map(|item| read_item(&stop, item)).transpose()?;
        Ok(Standing { head, stop: own.or(of_all) })
    }
}

impl TakeFence for Table {
    async fn take_fence(
        &self,
        target: &TargetName,
        claim: Claim<'_>,
    ) -> Result<Option<Head>, PortError> {
        let key = keys::head(target);
        let update = self
            .change(&key)
            .update_expression("SET fence = fence + :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let update = match claim {
            Claim::Holder(id) => update
                .condition_expression("active = :holder")
                .expression_attribute_values(":holder", text(id.as_str())),
            Claim::Guard { at } => update
                .condition_expression(
                    "attribute_exists(active) AND exposed = :yes AND ledger.takenAt <= :at",
                )
                .expression_attribute_values(":yes", AttributeValue::Bool(true))
                .expression_attribute_values(":at", text(stamp::text(end_of_second(at)))),
        };
        match update.send().await {
            Ok(updated) => updated.attributes.map(|item| read_item(&key, item)).transpose(),
            Err(error) if refused(&error).is_some() => Ok(None),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }
}

/// The second after the one that `at` is in. Events tell times in whole seconds: a ledger that was
/// taken in the second of the alarm may be older than the alarm, so it counts as older.
fn end_of_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() + 1).unwrap_or(Timestamp::MAX)
}

impl Table {
    /// An update of one item.
    pub(super) fn change(&self, key: &Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).set_key(Some(key.item()))
    }
}

impl Change {
    /// Makes a target due for the sweep at this time.
    pub(super) fn due_at(self, at: Timestamp) -> Self {
        self.set("due", text(keys::DUE)).set("dueAt", text(stamp::text(at)))
    }

    /// What a head has to have, where there is none yet.
    pub(super) fn on_head_of(self, target: &TargetName) -> Self {
        self.set("target", text(target.as_str())).set_new("fence", number(0))
    }
}

/// The item that did not meet the update's condition, as far as it was asked for; `None` for another
/// error.
pub(super) fn refused<R>(error: &SdkError<UpdateItemError, R>) -> Option<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Some(failed.item.clone().unwrap_or_default())
        }
        _ => None,
    }
}
