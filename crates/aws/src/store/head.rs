//! The head: reading it, taking the fence, and the artifact that waits.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;
use perch_app::ports::{LoadHead, PortError, TakeFence, WaitForTurn};
use perch_core::head::{Head, Waiting};
use perch_core::names::{ReleaseId, TargetName};

use super::Table;
use super::item::{number, read_item, text, write_value};
use super::keys;
use crate::error::port_error;

impl LoadHead for Table {
    async fn head(&self, target: &TargetName) -> Result<Option<Head>, PortError> {
        self.get(&keys::head(target)).await
    }
}

impl TakeFence for Table {
    async fn take_fence(
        &self,
        target: &TargetName,
        holder: Option<&ReleaseId>,
    ) -> Result<Option<Head>, PortError> {
        let key = keys::head(target);
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression("SET fence = fence + :one")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let update = match holder {
            Some(id) => update
                .condition_expression("active = :holder")
                .expression_attribute_values(":holder", text(id.as_str())),
            None => update
                .condition_expression("attribute_exists(active) AND exposed = :yes")
                .expression_attribute_values(":yes", true_value()),
        };
        match update.send().await {
            Ok(updated) => updated.attributes.map(|item| read_item(&key, item)).transpose(),
            Err(error) if refused(&error) => Ok(None),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }
}

impl WaitForTurn for Table {
    async fn wait_for_turn(
        &self,
        target: &TargetName,
        waiting: &Waiting,
    ) -> Result<bool, PortError> {
        let key = keys::head(target);
        let kept = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression("SET waiting = :waiting")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(waiting) OR waiting.pushedAt <= :at)",
            )
            .expression_attribute_values(":waiting", write_value(&key, waiting)?)
            .expression_attribute_values(":at", write_value(&key, &waiting.pushed_at)?)
            .send()
            .await;
        match kept {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }

    async fn forget_waiting(
        &self,
        target: &TargetName,
        pushed_at: Timestamp,
    ) -> Result<(), PortError> {
        let key = keys::head(target);
        let forgotten = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression("REMOVE waiting")
            .condition_expression("waiting.pushedAt = :at")
            .expression_attribute_values(":at", write_value(&key, &pushed_at)?)
            .send()
            .await;
        match forgotten {
            Ok(_) => Ok(()),
            // A newer artifact waits by now, or none does.
            Err(error) if refused(&error) => Ok(()),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }
}

fn true_value() -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::Bool(true)
}

fn refused<R>(error: &aws_sdk_dynamodb::error::SdkError<UpdateItemError, R>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}
