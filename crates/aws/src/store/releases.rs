//! Releases: reading, committing a transition, listing.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem, Update};
use jiff::{Timestamp, ToSpan};
use perch_app::ports::{CommitRelease, ListReleases, LoadRelease, PortError, Transition};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use super::item::{number, put, read_items, text, write_item, write_value};
use super::plan::{built, transaction_error};
use super::{Range, Table, keys};
use crate::error::port_error;

/// An index item that leads to a release.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listed {
    pub(super) release: ReleaseId,
}

/// `BatchGetItem` takes this many keys at once (API Reference).
const KEYS_PER_CALL: usize = 100;
/// How many months back a list of all releases looks.
const MONTHS: i32 = 12;

impl LoadRelease for Table {
    async fn release(&self, id: &ReleaseId) -> Result<Option<Release>, PortError> {
        self.get(&keys::record(id)).await
    }
}

impl CommitRelease for Table {
    async fn commit(&self, transition: &Transition) -> Result<(), PortError> {
        let release = &transition.release;
        let mut writes = vec![self.record(transition)?, self.holder(transition)?];
        for entry in &transition.entries {
            writes.push(self.new_entry(entry)?);
        }
        if release.phase.is_final() {
            writes.push(self.outcome(release)?);
        }
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send();
        let what = format!("release {}", release.id);
        sent.await.map_err(|error| transaction_error(&what, error))?;
        Ok(())
    }
}

impl Table {
    fn record(&self, transition: &Transition) -> Result<TransactWriteItem, PortError> {
        let release = &transition.release;
        let put = put(&self.name, write_item(&keys::record(&release.id), release)?)
            .condition_expression("seq = :seq")
            .expression_attribute_values(":seq", number(transition.expected_seq));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// What the head has to know: whether the canary may serve, the way back, and whether the
    /// release still holds the target. A release that is Stuck keeps it.
    fn holder(&self, transition: &Transition) -> Result<TransactWriteItem, PortError> {
        let release = &transition.release;
        let key = keys::head(&release.target);
        let over = release.phase.is_final() && !matches!(release.phase, Phase::Stuck { .. });
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .condition_expression("active = :id AND fence = :fence")
            .expression_attribute_values(":id", text(release.id.as_str()))
            .expression_attribute_values(":fence", number(transition.fence))
            .expression_attribute_values(
                ":exposed",
                write_value(&key, &(release.phase.is_exposed() && !over))?,
            );
        let update = match &release.ledger {
            Some(ledger) if !over => update
                .update_expression("SET exposed = :exposed, ledger = :ledger")
                .expression_attribute_values(":ledger", write_value(&key, ledger)?),
            _ if over => update.update_expression("SET exposed = :exposed REMOVE active, ledger"),
            _ => update.update_expression("SET exposed = :exposed"),
        };
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    fn outcome(&self, release: &Release) -> Result<TransactWriteItem, PortError> {
        let key = keys::artifact(&release.target, &release.artifact);
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .update_expression("SET #release = :id, outcome = :outcome")
            .expression_attribute_names("#release", "release")
            .expression_attribute_values(":id", text(release.id.as_str()))
            .expression_attribute_values(":outcome", text(release.phase.name()));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    /// The records of these releases, in this order.
    async fn records(&self, ids: &[ReleaseId]) -> Result<Vec<Release>, PortError> {
        let mut found: HashMap<ReleaseId, Release> = HashMap::new();
        for chunk in ids.chunks(KEYS_PER_CALL) {
            let mut wanted: Vec<_> = chunk.iter().map(|id| keys::record(id).item()).collect();
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder().set_keys(Some(wanted));
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, built(request.build())?)
                    .send()
                    .await
                    .map_err(|e| port_error("releases", e))?;
                let items = answer.responses.and_then(|mut r| r.remove(&self.name));
                let releases: Vec<Release> = read_items(items.unwrap_or_default())?;
                found.extend(releases.into_iter().map(|release| (release.id.clone(), release)));
                let left = answer.unprocessed_keys.and_then(|mut keys| keys.remove(&self.name));
                wanted = left.map(|keys| keys.keys).unwrap_or_default();
            }
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    async fn listed(
        &self,
        pk: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<ReleaseId>, PortError> {
        let items = self.query(pk, Range::newest(prefix, limit)).await?;
        let listed: Vec<Listed> = read_items(items)?;
        Ok(listed.into_iter().map(|listed| listed.release).collect())
    }
}

impl ListReleases for Table {
    async fn releases(
        &self,
        target: Option<&TargetName>,
        limit: usize,
    ) -> Result<Vec<Release>, PortError> {
        let mut ids = Vec::new();
        if let Some(target) = target {
            ids = self.listed(&keys::target_pk(target), keys::RELEASE, limit).await?;
        } else {
            for month in last_months(Timestamp::now()) {
                if ids.len() >= limit {
                    break;
                }
                ids.extend(self.listed(&month, "", limit - ids.len()).await?);
            }
        }
        self.records(&ids).await
    }
}

/// The partitions of this month and those before it, newest first.
fn last_months(now: Timestamp) -> Vec<String> {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    (0..MONTHS)
        .filter_map(|back| today.checked_sub(back.months()).ok())
        .map(|day| format!("RELEASES#{}", day.strftime("%Y-%m")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_back_over_the_year() {
        let months = last_months("2026-02-15T00:00:00Z".parse().unwrap());
        assert_eq!(months[..3], ["RELEASES#2026-02", "RELEASES#2026-01", "RELEASES#2025-12"]);
        assert_eq!(months.len(), 12);
        assert_eq!(months[0], keys::month("2026-02-28T23:59:59Z".parse().unwrap()));
    }
}
