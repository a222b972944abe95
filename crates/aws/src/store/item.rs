//! Items to and from Rust types.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use perch_app::ports::PortError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::Key;

/// An item of the table.
pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The item of `value` under `key`.
pub(super) fn write_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, PortError> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(|e| unreadable(key, &e))?;
    item.extend(key.item());
    Ok(item)
}

pub(super) fn write_value<T: Serialize>(key: &Key, value: &T) -> Result<AttributeValue, PortError> {
    serde_dynamo::to_attribute_value(value).map_err(|e| unreadable(key, &e))
}

/// The value of an item, without the attributes that only the table needs.
pub(super) fn read_item<T: DeserializeOwned>(key: &Key, mut item: Item) -> Result<T, PortError> {
    for attribute in ["pk", "sk", "expiresAt"] {
        item.remove(attribute);
    }
    serde_dynamo::from_item(item).map_err(|e| unreadable(key, &e))
}

/// Reads items of a query, whose keys they carry.
pub(super) fn read_items<T: DeserializeOwned>(items: Vec<Item>) -> Result<Vec<T>, PortError> {
    items
        .into_iter()
        .map(|item| {
            let key = Key { pk: super::text_of(&item, "pk"), sk: super::text_of(&item, "sk") };
            read_item(&key, item)
        })
        .collect()
}

fn unreadable(key: &Key, error: &serde_dynamo::Error) -> PortError {
    PortError::Invalid { what: key.to_string(), message: error.to_string() }
}

/// A put of `item`, with the condition that `put` adds.
pub(super) fn put(table: &str, item: Item) -> aws_sdk_dynamodb::types::builders::PutBuilder {
    Put::builder().table_name(table).set_item(Some(item))
}
