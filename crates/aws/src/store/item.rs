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

/// `DynamoDB` refuses numbers nearer to zero ("Supported data types", Number); evidence can be as strong.
const SMALLEST: f64 = 1e-130;

/// The item of `value` under `key`.
pub(super) fn write_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, PortError> {
    let mut item: Item = serde_dynamo::to_item(value).map_err(|e| unreadable(key, &e))?;
    item.values_mut().for_each(make_storable);
    item.extend(key.item());
    Ok(item)
}

pub(super) fn write_value<T: Serialize>(key: &Key, value: &T) -> Result<AttributeValue, PortError> {
    let mut value = serde_dynamo::to_attribute_value(value).map_err(|e| unreadable(key, &e))?;
    make_storable(&mut value);
    Ok(value)
}

/// Makes those numbers zero that the table refuses for being so small.
fn make_storable(value: &mut AttributeValue) {
    match value {
        AttributeValue::N(number) => {
            let tiny = number.parse::<f64>().is_ok_and(|x| x != 0.0 && x.abs() < SMALLEST);
            if tiny {
                "0".clone_into(number);
            }
        }
        AttributeValue::L(list) => list.iter_mut().for_each(make_storable),
        AttributeValue::M(map) => map.values_mut().for_each(make_storable),
        _ => {}
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_too_small_for_the_table_are_zero_wherever_they_are() {
        let key = Key { pk: "p".into(), sk: "s".into() };
        let value = json!({
            "tail": 3.2e-140, "looks": [{"tail": -1e-200, "kept": 1e-129}], "zero": 0.0, "count": 7,
        });
        let item = write_item(&key, &value).unwrap();
        assert_eq!(item["tail"], AttributeValue::N("0".into()));
        let back: Value = read_item(&key, item).unwrap();
        assert_eq!(back["looks"][0]["tail"].as_f64(), Some(0.0));
        assert_eq!(back["looks"][0]["kept"].as_f64(), Some(1e-129));
        assert_eq!((back["zero"].as_f64(), back["count"].as_u64()), (Some(0.0), Some(7)));
        let tail = write_value(&key, &1e-131).unwrap();
        assert_eq!(tail, AttributeValue::N("0".into()));
    }
}
