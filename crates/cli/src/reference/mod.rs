//! The format of target files for editors (JSON Schema) and for people (docs/target-file.md), both
//! from the types of the core.

mod markdown;
#[cfg(test)]
mod tests;

pub(crate) use markdown::markdown;

use perch_core::manifest::Manifest;
use perch_core::target::Target;
use serde_json::Value;

/// The JSON Schema of a target file.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Target).to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".into(), "Perch target, perch/v1".into());
    }
    tidy(&mut schema);
    if let Some(Value::Array(presets)) = schema.pointer_mut("/$defs/Preset/oneOf") {
        presets.extend(presets.clone().into_iter().map(in_codedeploy));
    }
    schema
}

/// The JSON Schema of the manifest of a model version.
pub(crate) fn manifest_schema() -> Value {
    let mut schema = schemars::schema_for!(Manifest).to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".into(), "Perch model manifest, version 1".into());
    }
    tidy(&mut schema);
    schema
}

/// The prefix that CodeDeploy's own names of the presets have.
const CODEDEPLOY: &str = "CodeDeployDefault.";

/// The same preset under CodeDeploy's full name, which the parser takes as an alias.
fn in_codedeploy(mut preset: Value) -> Value {
    if let Some(name) = preset["const"].as_str().map(str::to_owned) {
        preset["const"] = format!("{CODEDEPLOY}{name}").into();
        preset["description"] = format!("The same as `{name}`.").into();
    }
    preset
}

/// Takes out what follows from Rust rather than from the format: an optional field may be left out,
/// but nobody writes `null`; and descriptions are one line.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(kinds)) = fields.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    fields.insert("type".into(), kind);
                }
            }
            if let Some(Value::Array(choices)) = fields.remove("anyOf") {
                let given = choices.into_iter().filter(|choice| choice["type"] != "null");
                for choice in given.filter_map(|choice| choice.as_object().cloned()) {
                    fields.extend(choice);
                }
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
