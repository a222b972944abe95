//! Deletes entries of former generations, a bounded number in a bounded time.

use std::time::Duration;

use perch_app::ports::PortError;
use perch_core::names::ModelName;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, FromRedisValue, Value};
use tokio::time::Instant;

use super::connection::{Connection, To, port_error};

/// Keys looked at in one call: about a millisecond of the server's single thread.
const LOOKED_AT: usize = 1_000;
/// A clean-up is a courtesy: what is left after this is left to the entries' own expiry.
const WITHIN: Duration = Duration::from_secs(20);

/// Where a sweep goes: the one server, or a primary of a cluster.
type Node = Option<(String, u16)>;

impl Connection {
    /// Deletes entries whose generation is not among `keep`, on every primary; how many were deleted.
    pub(super) async fn clean_up(
        &mut self,
        model: &ModelName,
        pointer: &str,
        keep: &[&str],
        most: u64,
    ) -> Result<u64, PortError> {
        let until = Instant::now() + WITHIN;
        let mut deleted = 0;
        for node in self.nodes().await? {
            let mut cursor = String::from("0");
            loop {
                let (next, mut keys) = self.scan(&node, &cursor, model).await?;
                keys.retain(|key| key != pointer && is_former(key, model, keep));
                keys.truncate(usize::try_from(most - deleted).unwrap_or(usize::MAX));
                if !keys.is_empty() {
                    deleted += self.ask::<u64>(redis::cmd("UNLINK").arg(&keys)).await?;
                }
                if deleted >= most || Instant::now() >= until {
                    return Ok(deleted);
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(deleted)
    }

    async fn nodes(&mut self) -> Result<Vec<Node>, PortError> {
        match self.to {
            To::Server(_) => Ok(vec![None]),
            To::Cluster(_) => {
                let slots: Value = self.ask(redis::cmd("CLUSTER").arg("SLOTS")).await?;
                Ok(primaries(&slots).into_iter().map(Some).collect())
            }
        }
    }

    async fn scan(
        &mut self,
        node: &Node,
        cursor: &str,
        model: &ModelName,
    ) -> Result<(String, Vec<String>), PortError> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{model}:*")).arg("COUNT").arg(LOOKED_AT);
        match (&mut self.to, node) {
            (To::Cluster(connection), Some((host, port))) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                let scan: Cmd = scan;
                let answer = connection.route_command(scan, RoutingInfo::SingleNode(node)).await;
                let read = answer.and_then(|value| Ok(FromRedisValue::from_redis_value(value)?));
                read.map_err(|e| port_error(&self.what, e))
            }
            _ => self.ask(&scan).await,
        }
    }
}

/// Whether a key is `MODEL:GENERATION:...` of a generation that is not kept.
fn is_former(key: &str, model: &ModelName, keep: &[&str]) -> bool {
    key.strip_prefix(model.as_str())
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(generation, _)| !keep.contains(&generation))
}

/// The primaries in an answer to `CLUSTER SLOTS`: of every range, the first node after start and end.
fn primaries(slots: &Value) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    let Value::Array(ranges) = slots else { return found };
    for range in ranges {
        let Value::Array(range) = range else { continue };
        let Some(Value::Array(node)) = range.get(2) else { continue };
        let (Some(Value::BulkString(host)), Some(Value::Int(port))) = (node.first(), node.get(1))
        else {
            continue;
        };
        let Ok(port) = u16::try_from(*port) else { continue };
        let node = (String::from_utf8_lossy(host).into_owned(), port);
        if !found.contains(&node) {
            found.push(node);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_of_other_generations_are_former() {
        let model = "news".parse().unwrap();
        for (key, former) in [
            ("news:v1:a", true),
            ("news:v1:a:b", true),
            ("news:v2:a", false),
            ("news:generation", false),
            ("news:", false),
            ("newsletter:v1:a", false),
            ("other:news:v1", false),
        ] {
            assert_eq!(is_former(key, &model, &["v2", "v3"]), former, "{key}");
        }
    }
}
