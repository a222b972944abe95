//! The sweep: targets that are due, heads to mend, and its own journal.

use jiff::Timestamp;
use perch_app::ports::{Due, FindDue, KeepRuns, MendHead, PortError, SweepRun};
use perch_core::head::Fence;
use perch_core::journal::Notice;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::stamp;

use super::head::refused;
use super::item::{Change, Item, number, read_items, text, write_item, write_value};
use super::transaction::updating;
use super::{Range, Table, keys, text_of};
use crate::error::port_error;

/// How long a run is kept: 30 days.
const RUN_SECONDS: i64 = 30 * 24 * 3600;

impl FindDue for Table {
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, PortError> {
        let found = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::DUE_INDEX)
            .key_condition_expression("due = :due AND dueAt < :now")
            .expression_attribute_values(":due", text(keys::DUE))
            .expression_attribute_values(":now", text(stamp::text(now)))
            .set_limit(i32::try_from(limit).ok())
            .send()
            .await
            .map_err(|e| port_error("targets that are due", e))?;
        found.items.unwrap_or_default().iter().map(due).collect()
    }

    async fn claim(&self, due: &Due, next: Timestamp) -> Result<bool, PortError> {
        let key = keys::head(&due.target);
        let claimed = self
            .change(&key)
            .update_expression("SET dueAt = :next")
            .condition_expression("dueAt = :found")
            .expression_attribute_values(":next", text(stamp::text(next)))
            .expression_attribute_values(":found", text(stamp::text(due.at)))
            .send()
            .await;
        match claimed {
            Ok(_) => Ok(true),
            Err(error) if refused(&error).is_some() => Ok(false),
            Err(error) => Err(port_error(key.to_string(), error)),
        }
    }
}

/// The target of a head, from its keys.
fn due(item: &Item) -> Result<Due, PortError> {
    let (pk, at) = (text_of(item, "pk"), text_of(item, "dueAt"));
    let target = keys::name_of(&pk).and_then(|name| name.parse().ok());
    match (target, at.parse()) {
        (Some(target), Ok(at)) => Ok(Due { target, at }),
        _ => Err(PortError::Invalid {
            what: format!("item {pk}/HEAD"),
            message: format!("`{at}` is not when a target is due"),
        }),
    }
}

impl MendHead for Table {
    async fn free_target(
        &self,
        target: &TargetName,
        release: &ReleaseId,
        fence: Fence,
        notice: &Notice,
    ) -> Result<bool, PortError> {
        let key = keys::head(target);
        let change = Change::default()
            .set("exposed", write_value(&key, &false)?)
            .set("fence", number(fence + 1))
            .remove("active")
            .remove("ledger");
        let update = self
            .update(&key, change)
            .condition_expression("active = :id AND fence = :held")
            .expression_attribute_values(":id", text(release.as_str()))
            .expression_attribute_values(":held", number(fence));
        self.with_notice(updating(update)?, notice).await
    }

    async fn tell_drift(
        &self,
        target: &TargetName,
        drift: Option<&str>,
        notice: &Notice,
    ) -> Result<(), PortError> {
        // A release that started since moves the alias itself: then nothing is told.
        let change = Change::default().put("drift", drift.map(text));
        let update = self
            .update(&keys::head(target), change)
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(active)");
        self.with_notice(updating(update)?, notice).await.map(|_| ())
    }
}

impl KeepRuns for Table {
    async fn run(&self, run: &SweepRun) -> Result<(), PortError> {
        let key = keys::run(run.at, &run.id);
        let mut item = write_item(&key, run)?;
        item.insert("expiresAt".into(), number(run.at.as_second() + RUN_SECONDS));
        let sent = self.client.put_item().table_name(&self.name).set_item(Some(item)).send();
        sent.await.map_err(|error| port_error(key.to_string(), error))?;
        Ok(())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<SweepRun>, PortError> {
        read_items(self.query(keys::SWEEPS, Range::newest(keys::RUN, limit)).await?)
    }
}
