//! The bytes that a signature is over: the manifest without its signature, as JSON with sorted keys
//! and without white space. `json.dumps(manifest, sort_keys=True, separators=(",", ":"),
//! ensure_ascii=False)` of Python gives the same for numbers from 1e-4 to 1e15.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::InvalidManifest;

/// The bytes that the manifest's signature is over.
///
/// # Errors
/// [`InvalidManifest`] for a text that is not a JSON object.
pub fn signed_bytes(manifest: &[u8]) -> Result<Vec<u8>, InvalidManifest> {
    let malformed = |error: serde_json::Error| InvalidManifest::Malformed(error.to_string());
    let mut fields: BTreeMap<String, Value> =
        serde_json::from_slice(manifest).map_err(malformed)?;
    fields.remove("signature");
    let sorted: BTreeMap<String, Sorted> =
        fields.into_iter().map(|(name, value)| (name, Sorted::from(value))).collect();
    serde_json::to_vec(&sorted).map_err(malformed)
}

/// A JSON value whose objects have their keys in order.
#[derive(Serialize)]
#[serde(untagged)]
enum Sorted {
    Plain(Value),
    List(Vec<Sorted>),
    Object(BTreeMap<String, Sorted>),
}

impl From<Value> for Sorted {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(items) => Sorted::List(items.into_iter().map(Sorted::from).collect()),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name, Sorted::from(value)));
                Sorted::Object(fields.collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                Sorted::Plain(plain)
            }
        }
    }
}
