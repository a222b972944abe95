//! Releases: reading and listing.

use std::collections::HashMap;

use jiff::{Timestamp, ToSpan};
use perch_app::ports::{ListReleases, LoadRelease, PortError};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::release::Release;
use serde::{Deserialize, Serialize};

use super::item::read_items;
use super::{Range, Table, keys};

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

impl Table {
    /// The records of these releases, in this order.
    async fn records(&self, ids: &[ReleaseId]) -> Result<Vec<Release>, PortError> {
        let mut found: HashMap<ReleaseId, Release> = HashMap::new();
        for chunk in ids.chunks(KEYS_PER_CALL) {
            let wanted = chunk.iter().map(|id| keys::record(id).item()).collect();
            let items = self.get_all("releases", wanted, false).await?;
            let releases: Vec<Release> = read_items(items)?;
            found.extend(releases.into_iter().map(|release| (release.id.clone(), release)));
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
