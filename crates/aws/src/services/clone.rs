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

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    /// Any JSON, a few levels deep.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-zA-Z0-9:/ ]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                fields(inner).prop_map(Value::Object),
            ]
        })
    }

    fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        btree_map("[a-z][a-zA-Z]{2,12}", value, 0..5).prop_map(|of| of.into_iter().collect())
    }

    fn container(name: &str, more: Map<String, Value>) -> Value {
        let mut made = more;
        made.insert("name".into(), name.into());
        made.insert("image".into(), format!("{name}:old").into());
        made.into()
    }

    proptest! {
        #[test]
        fn what_is_not_known_survives(
            top in fields(anything()),
            own in fields(anything()),
            other in fields(anything()),
            outputs in vec(anything(), OUTPUTS.len()),
        ) {
            let mut definition = top.clone();
            let containers =
                vec![container("proxy", other.clone()), container("server", own.clone())];
            definition.insert("containerDefinitions".into(), containers.into());
            for (name, value) in OUTPUTS.iter().zip(outputs) {
                definition.insert((*name).into(), value);
            }
            let described = json!({ "taskDefinition": definition });
            let made = clone_with(&described, "server", "new@sha256:aa", ("a", "b")).unwrap();
            let mut expected = top;
            expected.retain(|name, _| !OUTPUTS.contains(&name.as_str()));
            let mut released = container("server", own);
            released["image"] = "new@sha256:aa".into();
            let containers = vec![container("proxy", other), released];
            expected.insert("containerDefinitions".into(), containers.into());
            expected.insert("tags".into(), json!([{ "key": "a", "value": "b" }]));
            prop_assert_eq!(made, Value::Object(expected));
        }
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let made = |described| clone_with(&described, "server", "new", ("a", "b"));
        assert_eq!(made(json!({})), Err(Unclonable::Nothing));
        let none = json!({ "taskDefinition": { "containerDefinitions": [{ "name": "proxy" }] } });
        assert_eq!(made(none), Err(Unclonable::NoContainer("server".into())));
    }
}
