//! Items to and from Rust types, and the changes of an update.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
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

/// One attribute of an item, if it is there.
pub(super) fn read_attribute<T: DeserializeOwned>(
    key: &Key,
    item: &Item,
    name: &str,
) -> Result<Option<T>, PortError> {
    let value = item.get(name).cloned();
    value
        .map(|v| serde_dynamo::from_attribute_value(v).map_err(|e| unreadable(key, &e)))
        .transpose()
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

/// What an update sets and removes, each value under a placeholder of its attribute's name. An
/// attribute whose name DynamoDB reserves can't be written this way.
#[derive(Debug, Default)]
pub(super) struct Change {
    set: Vec<String>,
    remove: Vec<&'static str>,
    values: Item,
}

impl Change {
    /// Sets an attribute.
    pub(super) fn set(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.set.push(format!("{name} = :{name}"));
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Sets an attribute that the item does not have.
    pub(super) fn set_new(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.set.push(format!("{name} = if_not_exists({name}, :{name})"));
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Removes an attribute.
    pub(super) fn remove(mut self, name: &'static str) -> Self {
        self.remove.push(name);
        self
    }

    /// Sets or removes an attribute.
    pub(super) fn put(self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// The update expression.
    pub(super) fn expression(&self) -> String {
        let part = |verb: &str, list: String| format!("{verb} {list}");
        let set = (!self.set.is_empty()).then(|| part("SET", self.set.join(", ")));
        let remove = (!self.remove.is_empty()).then(|| part("REMOVE", self.remove.join(", ")));
        set.into_iter().chain(remove).collect::<Vec<_>>().join(" ")
    }

    /// The values of the placeholders; none where nothing is set.
    pub(super) fn values(self) -> Option<Item> {
        (!self.values.is_empty()).then_some(self.values)
    }
}
