//! The model versions that a target has heard of, as a set of names per source.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use perch_app::ports::{Heard, KeepHeard, PortError};
use perch_core::names::{TargetName, Version};
use perch_core::target::ModelSource;

use super::item::{Change, Item, read_attribute};
use super::{Table, keys};
use crate::error::port_error;

fn set<'a>(versions: impl IntoIterator<Item = &'a Version>) -> AttributeValue {
    AttributeValue::Ss(versions.into_iter().map(ToString::to_string).collect())
}

impl KeepHeard for Table {
    async fn heard(&self, target: &TargetName, source: &ModelSource) -> Result<Heard, PortError> {
        let key = keys::heard(target, source);
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(key.to_string(), error))?;
        let item: Item = found.item.unwrap_or_default();
        let versions = read_attribute::<BTreeSet<Version>>(&key, &item, "versions")?;
        let swept = read_attribute::<bool>(&key, &item, "swept")?;
        Ok(Heard { versions: versions.unwrap_or_default(), swept: swept.unwrap_or_default() })
    }

    async fn hear(
        &self,
        target: &TargetName,
        source: &ModelSource,
        version: &Version,
    ) -> Result<(), PortError> {
        let key = keys::heard(target, source);
        let added = self
            .change(&key)
            .update_expression("ADD versions :version")
            .expression_attribute_values(":version", set([version]))
            .send()
            .await;
        added.map(drop).map_err(|error| port_error(key.to_string(), error))
    }

    async fn swept(
        &self,
        target: &TargetName,
        source: &ModelSource,
        versions: &BTreeSet<Version>,
    ) -> Result<(), PortError> {
        let key = keys::heard(target, source);
        // A set in the table has at least one member.
        let versions = (!versions.is_empty()).then(|| set(versions));
        let change =
            Change::default().set("swept", AttributeValue::Bool(true)).put("versions", versions);
        let written = self
            .change(&key)
            .update_expression(change.expression())
            .set_expression_attribute_values(change.values())
            .send()
            .await;
        written.map(drop).map_err(|error| port_error(key.to_string(), error))
    }
}
