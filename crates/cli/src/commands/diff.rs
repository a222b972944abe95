//! What applying a target changes: fields of the target, and the items that events find it by.

use perch_core::target::Target;
use serde::Serialize;
use serde_json::Value;

use crate::target_file;

/// A field or item that is added, changed or taken away.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Difference {
    /// The path of the field, or what the item leads to the target.
    pub(super) what: String,
    /// As it is stored now.
    pub(super) before: Option<Value>,
    /// As it will be.
    pub(super) after: Option<Value>,
}

impl Difference {
    /// One line: `+` added, `-` taken away, `~` changed.
    pub(super) fn line(&self) -> String {
        let what = &self.what;
        match (&self.before, &self.after) {
            (None, Some(after)) => format!("+ {what}{}", colon(after)),
            (Some(before), None) => format!("- {what}{}", colon(before)),
            (Some(before), Some(after)) => format!("~ {what}: {} -> {}", show(before), show(after)),
            (None, None) => format!("  {what}"),
        }
    }
}

fn colon(value: &Value) -> String {
    if *value == Value::Bool(true) { String::new() } else { format!(": {}", show(value)) }
}

fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The fields that differ.
pub(super) fn fields(before: Option<&Target>, after: &Target) -> Vec<Difference> {
    let before = before.map(flat).unwrap_or_default();
    compare(before, flat(after))
}

/// The index items that differ.
pub(super) fn index(before: Option<&Target>, after: &Target) -> Vec<Difference> {
    compare(before.map(items).unwrap_or_default(), items(after))
}

type Flat = Vec<(String, Value)>;

fn compare(before: Flat, after: Flat) -> Vec<Difference> {
    let find = |all: &Flat, what: &str| {
        all.iter().find(|(other, _)| other == what).map(|(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(what, _)| find(&after, what).is_none());
    let gone = gone.map(|(what, value)| Difference {
        what: what.clone(),
        before: Some(value.clone()),
        after: None,
    });
    let kept = after.iter().map(|(what, value)| Difference {
        what: what.clone(),
        before: find(&before, what),
        after: Some(value.clone()),
    });
    kept.filter(|d| d.before != d.after).chain(gone).collect()
}

/// Every field with its path.
fn flat(target: &Target) -> Flat {
    // Weights (weight, raiseWeight) are stored as numbers; people write them with the sign.
    let weight = |(path, value): (String, Value)| match value {
        Value::Number(number) if path.ends_with("eight") => (path, format!("{number}%").into()),
        // A bare true stands for an item that is there.
        Value::Bool(set) => (path, set.to_string().into()),
        value => (path, value),
    };
    target_file::fields(target).into_iter().map(weight).collect()
}

/// The items by which a target is found: alias, sources, guards.
fn items(target: &Target) -> Flat {
    let mut items = Vec::new();
    if let Some(lambda) = &target.service.lambda {
        let alias = format!("alias {}:{}", lambda.function, lambda.alias);
        items.push((alias, Value::Bool(true)));
    }
    if let Some(servers) = &target.service.model_servers {
        items.push((format!("model {}", servers.model), Value::Bool(true)));
    }
    if let Some(model) = &target.sources.model {
        items.push((format!("models s3://{}/{}", model.bucket, model.prefix), Value::Bool(true)));
    }
    if let Some(image) = &target.sources.image {
        items.push((format!("repository {}", image.repository), image.tags.join(", ").into()));
    }
    if let Some(package) = &target.sources.package {
        items.push((format!("bucket {}", package.bucket), package.keys.join(", ").into()));
    }
    items.extend(target.guards.iter().map(|guard| (format!("guard {guard}"), Value::Bool(true))));
    items
}
