//! The artifact that waits for its turn.

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use jiff::Timestamp;
use perch_app::ports::{Behind, PortError, Turn, WaitForTurn};
use perch_core::artifact::Lane;
use perch_core::head::Waiting;
use perch_core::names::TargetName;
use perch_core::stamp;

use super::head::refused;
use super::item::{Change, read_attribute, text, write_value};
use super::{Table, keys};
use crate::error::port_error;

/// The attribute of the head that has what waits in a lane.
fn attribute(lane: Lane) -> &'static str {
    match lane {
        Lane::Code => "waiting",
        Lane::Model => "modelWaiting",
    }
}

impl WaitForTurn for Table {
    async fn wait_for_turn(
        &self,
        target: &TargetName,
        waiting: &Waiting,
        behind: Behind<'_>,
    ) -> Result<Turn, PortError> {
        let key = keys::head(target);
        let lane = attribute(waiting.artifact.lane());
        let newest = format!("(attribute_not_exists({lane}) OR {lane}.pushedAt <= :at)");
        let change = Change::default().set(lane, write_value(&key, waiting)?);
        let (change, condition) = match behind {
            Behind::Release(_) => (change, format!("active = :active AND {newest}")),
            // A stop of all has its own item, and the target may have no head yet.
            Behind::Stop => (change.on_head_of(target), newest),
        };
        let mut update = self
            .change(&key)
            .update_expression(change.expression())
            .set_expression_attribute_values(change.values())
            .condition_expression(condition)
            .expression_attribute_values(":at", text(stamp::text(waiting.pushed_at)))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        if let Behind::Release(active) = behind {
            update = update.expression_attribute_values(":active", text(active.as_str()));
        }
        let error = match update.send().await {
            Ok(kept) => {
                let before = kept.attributes.unwrap_or_default();
                return Ok(Turn::Waits { instead_of: read_attribute(&key, &before, lane)? });
            }
            Err(error) => error,
        };
        let Some(found) = refused(&error) else {
            return Err(port_error(key.to_string(), error));
        };
        if let Behind::Release(expected) = behind
            && read_attribute(&key, &found, "active")?.as_ref() != Some(expected)
        {
            return Ok(Turn::Free);
        }
        match read_attribute(&key, &found, lane)? {
            Some(by) => Ok(Turn::Overtaken { by }),
            None => Err(port_error(key.to_string(), error)),
        }
    }

    async fn forget_waiting(
        &self,
        target: &TargetName,
        lane: Lane,
        pushed_at: Timestamp,
    ) -> Result<(), PortError> {
        // Where it is refused, a newer artifact waits by now, or none does.
        let lane = attribute(lane);
        let change = Change::default().remove(lane);
        self.change_if(target, change, &format!("{lane}.pushedAt = :at"), pushed_at).await
    }

    async fn mark_seen(&self, target: &TargetName, pushed_at: Timestamp) -> Result<(), PortError> {
        let change = Change::default().set("seen", text(stamp::text(pushed_at)));
        let condition = "attribute_exists(pk) AND (attribute_not_exists(seen) OR seen < :at)";
        self.change_if(target, change, condition, pushed_at).await
    }
}

impl Table {
    /// Changes the head if a condition on the time `:at` holds; where it does not, nothing is to do.
    async fn change_if(
        &self,
        target: &TargetName,
        change: Change,
        condition: &str,
        at: Timestamp,
    ) -> Result<(), PortError> {
        let key = keys::head(target);
        let changed = self
            .change(&key)
            .update_expression(change.expression())
            .set_expression_attribute_values(change.values())
            .condition_expression(condition)
            .expression_attribute_values(":at", text(stamp::text(at)))
            .send()
            .await;
        match changed {
            Ok(_) => Ok(()),
            Err(error) if refused(&error).is_some() => Ok(()),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }
}
