//! DynamoDB: one table, every hot read a `GetItem`, a `BatchGetItem` or a `Query` on a key.
//!
//! | pk | sk | holds |
//! |---|---|---|
//! | `TARGET#name` | `SPEC` | the target as applied |
//! | `TARGET#name` | `HEAD` | who may touch its traffic; with `due` and `dueAt` for the sweep |
//! | `TARGET#name` | `ARTIFACT#identity` | the release that an artifact had, and how it ended |
//! | `TARGET#name` | `HEARD#bucket/prefix` | the model versions of a source that it has heard of |
//! | `TARGET#name` | `RELEASE#start#id` | index: releases of a target by time |
//! | `TARGET#name`, `UNMATCHED` | `NOTE#time#event` | why an event led to nothing; with a TTL |
//! | `TARGET#name`, `INSTALLATION` | `NOTICE#time#id` | what happened outside of releases; the outbox |
//! | `INSTALLATION` | `STOP` | the stop of all targets |
//! | `EVENT#id` | `name` or `-` | what became of an event for a target; with a TTL |
//! | `SWEEPS` | `RUN#time#id` | the sweep's runs; with a TTL |
//! | `RELEASE#id` | `RECORD` | the release |
//! | `RELEASE#id` | `JOURNAL#seq` | what happened to it; the outbox |
//! | `SOURCE#...` | `TARGET#name` | index: source -> targets, with globs |
//! | `GUARD#alarm` | `TARGET#name` | index: guard -> targets |
//! | `SERVICE#...` | `TARGET` | the one target that may move an alias |
//! | `TARGETS` | `name` | index: all targets |
//! | `RELEASES#yyyy-mm` | `start#id` | index: all releases by time |
//!
//! The index `due` over `due` and `dueAt` holds the keys of the heads alone: no other item has both.

mod commit;
mod head;
mod heard;
mod item;
mod journal;
mod keys;
mod line;
mod plan;
mod releases;
mod sweep;
mod targets;
mod transaction;
mod waiting;

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use perch_app::ports::PortError;
use serde::de::DeserializeOwned;

use self::item::{Item, read_item, text};
use self::keys::Key;
use self::transaction::built;
use crate::error::port_error;

pub(crate) use journal::stream_image;

/// The table.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(sdk: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(sdk), name }
    }

    /// The table's ARN, which also tells account and region.
    ///
    /// # Errors
    /// [`PortError`] when the table does not exist or may not be described.
    pub async fn arn(&self) -> Result<String, PortError> {
        let what = format!("table {}", self.name);
        let described = self.client.describe_table().table_name(&self.name).send().await;
        let table = described.map_err(|e| port_error(what.as_str(), e))?.table;
        table.and_then(|table| table.table_arn).ok_or(PortError::NotFound { what })
    }

    /// The item under a key as last written.
    async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| port_error(key.to_string(), e))?;
        found.item.map(|item| read_item(key, item)).transpose()
    }

    /// The items under these keys, at most 100, that exist, in any order.
    async fn get_all(
        &self,
        what: &str,
        keys: Vec<Item>,
        consistent: bool,
    ) -> Result<Vec<Item>, PortError> {
        let (mut wanted, mut found) = (keys, Vec::new());
        while !wanted.is_empty() {
            let request = KeysAndAttributes::builder().set_keys(Some(wanted));
            let request = request.set_consistent_read(consistent.then_some(true));
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, built(request.build())?)
                .send()
                .await
                .map_err(|e| port_error(what, e))?;
            let of_table = |mut all: HashMap<_, _>| all.remove(&self.name);
            found.extend(answer.responses.and_then(of_table).unwrap_or_default());
            let left = answer.unprocessed_keys.and_then(|mut keys| keys.remove(&self.name));
            wanted = left.map(|keys| keys.keys).unwrap_or_default();
        }
        Ok(found)
    }

    /// Items of one partition whose sort key begins with `prefix`, page by page, up to `limit`.
    async fn query(&self, pk: &str, range: Range<'_>) -> Result<Vec<Item>, PortError> {
        let condition = match range {
            Range { after: Some(_), .. } => "pk = :pk AND sk BETWEEN :sk AND :end",
            // DynamoDB refuses an empty text for a key, also as a prefix.
            Range { prefix: "", .. } => "pk = :pk",
            Range { .. } => "pk = :pk AND begins_with(sk, :sk)",
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(pk))
            .scan_index_forward(!range.newest_first)
            .consistent_read(true)
            .set_limit(i32::try_from(range.limit).ok());
        if let Some(after) = range.after {
            query = query
                .expression_attribute_values(":sk", text(format!("{after}\0")))
                .expression_attribute_values(":end", text(format!("{}\u{10ffff}", range.prefix)));
        } else if !range.prefix.is_empty() {
            query = query.expression_attribute_values(":sk", text(range.prefix));
        }
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|e| port_error(format!("items of {pk}"), e))?);
            if items.len() == range.limit {
                break;
            }
        }
        Ok(items)
    }
}

/// Which items of a partition to read.
struct Range<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    newest_first: bool,
    limit: usize,
}

impl<'a> Range<'a> {
    fn all(prefix: &'a str) -> Self {
        Self { prefix, after: None, newest_first: false, limit: usize::MAX }
    }

    fn newest(prefix: &'a str, limit: usize) -> Self {
        Self { prefix, after: None, newest_first: true, limit }
    }
}

/// The text attribute of an item, or nothing.
fn text_of(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| AttributeValue::as_s(value).ok()).cloned().unwrap_or_default()
}
