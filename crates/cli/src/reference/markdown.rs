//! docs/target-file.md: the examples, then a table of every field.

use std::fmt::Write as _;

use serde_json::Value;

use crate::target_file::{EXAMPLE, EXAMPLE_ZIP, field_order};

/// A longer list of values gets its own section.
const INLINE_VALUES: usize = 4;

/// The reference of target files.
pub(crate) fn markdown() -> String {
    let schema = super::schema();
    let mut fields = Fields { schema: &schema, rows: String::new(), lists: String::new() };
    fields.walk("", &schema);
    format!(
        "<!-- Generated: perch schema --markdown > docs/target-file.md -->\n\
         # Target file\n\n\
         A target file says what serves traffic, where its artifacts come from, and how a release \
         goes. `perch apply -f FILE` writes it; `--dry-run` shows what that changes. A file may \
         hold several targets, separated by `---`.\n\n\
         Editors complete and check it with [schemas/target.v1.json](../schemas/target.v1.json), \
         which the first line names.\n\n\
         ## Every field, for an image function\n\n```yaml\n{EXAMPLE}```\n\n\
         ## A zip function and a preset\n\n```yaml\n{EXAMPLE_ZIP}```\n\n\
         ## Fields\n\n\
         | field | type | default | what it says |\n|---|---|---|---|\n{}{}\n\
         ## Rules over several fields\n\n{RULES}",
        fields.rows, fields.lists
    )
}

const RULES: &str = "\
- `sources` has `image` or `package`, not both: a Lambda function is an image or a zip function.
- `rollout` has `preset` or `steps`, not both. Weights rise from step to step.
- `judge.interval` is a whole number of minutes, because `AWS/Lambda` metrics have one value per minute.
  5s, 10s, 20s and 30s are accepted where `PERCH_LAMBDA_RESOLUTION=1` says that metrics come by the
  second, as on the local stack.
- Every bake is at least as long as `judge.interval`.
- A check of `smoke` has `invoke` or `http`, not both. All checks together take 60 s at most ([smoke tests](smoke-tests.md)).
- `deadline` is longer than all bakes together, of images and of models. Without it: three times the bakes plus one hour, for each by its
  own rollout.
- `modelRelease.judge` and `modelRelease.rollout` are held to the same rules, each named at its own place.
- An alias belongs to one target.
";

struct Fields<'a> {
    schema: &'a Value,
    rows: String,
    lists: String,
}

impl<'a> Fields<'a> {
    /// One row for each field of `object`, in the order of the examples.
    fn walk(&mut self, path: &str, object: &'a Value) {
        let Some(properties) = object["properties"].as_object() else { return };
        let mut names: Vec<&String> = properties.keys().collect();
        names.sort_by_key(|name| field_order(&format!("{path}{name}")));
        for name in names {
            let property = &properties[name];
            let required =
                object["required"].as_array().is_some_and(|r| r.contains(&name.as_str().into()));
            let kind = self.resolve(property);
            let path = format!("{path}{name}");
            self.row(&path, property, kind, required);
            self.walk(&format!("{path}."), kind);
            self.walk(&format!("{path}[]."), self.resolve(&kind["items"]));
        }
    }

    fn row(&mut self, path: &str, property: &Value, kind: &'a Value, required: bool) {
        let default = match &property["default"] {
            Value::Null if required => "required".to_owned(),
            // The fields below have their own defaults, unless there is only one.
            Value::Object(fields) if fields.len() == 1 => {
                fields.iter().map(|(name, value)| format!("`{name}: {}`", text(value))).collect()
            }
            Value::Null | Value::Object(_) => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let mut says = text(&property["description"]).to_owned();
        if let Some(allowed) = self.allowed(path, kind) {
            says += &format!(" {allowed}");
        }
        let kind = self.type_name(kind);
        let _ = writeln!(self.rows, "| `{path}` | {kind} | {default} | {says} |");
    }

    /// What may be written, as far as type and description do not say so.
    fn allowed(&mut self, path: &str, kind: &'a Value) -> Option<String> {
        let item = self.resolve(&kind["items"]);
        if let Some(values) = constants(kind) {
            if values.len() > INLINE_VALUES {
                return Some(self.list(path, &values));
            }
            let values: Vec<_> = values.iter().map(|(v, what)| format!("`{v}`: {what}")).collect();
            return (values.len() > 1).then(|| values.join(" "));
        }
        let about = if item.is_null() { kind } else { item };
        let named = about["pattern"].is_string() || about["oneOf"].is_array();
        let named = named && about["properties"].is_null();
        named.then(|| capital(text(&about["description"])))
    }

    /// A section of its own for many values.
    fn list(&mut self, path: &str, values: &[(&str, &str)]) -> String {
        let _ = write!(self.lists, "\n## Values of `{path}`\n\n| value | means |\n|---|---|\n");
        for (value, what) in values {
            let _ = writeln!(self.lists, "| `{value}` | {what} |");
        }
        self.lists += "\nCodeDeploy's full names, such as `CodeDeployDefault.LambdaAllAtOnce`, mean the same.\n";
        let anchor = path.replace('.', "").to_lowercase();
        format!("[All values](#values-of-{anchor}).")
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => self.schema.pointer(pointer).unwrap_or(schema),
            None => schema,
        }
    }

    fn type_name(&self, kind: &Value) -> String {
        if constants(kind).is_some() {
            return "text".to_owned();
        }
        if kind["oneOf"].is_array() && kind["properties"].is_null() {
            return "text or number".to_owned();
        }
        match text(&kind["type"]) {
            "object" => "fields".to_owned(),
            "array" => "list".to_owned(),
            "integer" => "whole number".to_owned(),
            "" if kind["pattern"].is_null() => "any value".to_owned(),
            _ => "text".to_owned(),
        }
    }
}

/// The constants of an enumeration, with what each means.
fn constants(kind: &Value) -> Option<Vec<(&str, &str)>> {
    let choices = kind["oneOf"].as_array()?;
    let values = choices.iter().map(|c| Some((c["const"].as_str()?, text(&c["description"]))));
    // CodeDeploy's full names are told in a sentence.
    values
        .filter(|value| value.is_none_or(|(name, _)| !name.starts_with(super::CODEDEPLOY)))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A rule as a sentence: a capital and a full stop.
fn capital(rule: &str) -> String {
    let mut letters = rule.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
