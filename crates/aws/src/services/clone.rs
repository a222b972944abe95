//! A task definition made from another one (ECS API Reference, `DescribeTaskDefinition`,
//! `RegisterTaskDefinition`).

use serde_json::{Map, Value, json};

/// What a description has that ECS says itself. All else is input, also what is not known here.
const OUTPUTS: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// A description that nothing can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclonable {
    /// No task definition is in it.
    #[error("ECS described no task definition")]
    Nothing,
    /// The container is not in it.
    #[error("it has no container {0}")]
    NoContainer(String),
}

/// The input that registers a definition which differs from the described one in the image of one container
/// alone. `tag` is added to its tags; those of AWS's own can't be given.
pub(super) fn clone_with(
    described: &Value,
    container: &str,
    image: &str,
    tag: (&str, &str),
) -> Result<Value, Unclonable> {
    let mut made: Map<String, Value> =
        described["taskDefinition"].as_object().ok_or(Unclonable::Nothing)?.clone();
    made.retain(|name, _| !OUTPUTS.contains(&name.as_str()));
    let containers = made.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let found = containers.into_iter().flatten().find(|of| of["name"] == container);
    let found = found.ok_or_else(|| Unclonable::NoContainer(container.to_owned()))?;
    found["image"] = image.into();
    let (key, value) = tag;
    let is_kept = |tag: &&Value| {
        let name = tag["key"].as_str().unwrap_or_default();
        name != key && !name.to_ascii_lowercase().starts_with("aws:")
    };
    let mut tags: Vec<Value> =
        described["tags"].as_array().into_iter().flatten().filter(is_kept).cloned().collect();
    tags.push(json!({ "key": key, "value": value }));
    made.insert("tags".into(), tags.into());
    Ok(made.into())
}
