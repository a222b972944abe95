//! Target files: YAML to targets, with every fault named by file, line and field.

mod check;
mod message;
mod node;
mod path;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use perch_core::names::TargetName;
use perch_core::target::{MetricResolution, Target};
use serde_json::Value;

use self::node::Node;

/// A complete target of an image function, with a comment on every field.
pub(crate) const EXAMPLE: &str = include_str!("example.yaml");
/// A short target of a zip function.
pub(crate) const EXAMPLE_ZIP: &str = include_str!("example-zip.yaml");
/// Together they show every field.
const EXAMPLES: [&str; 2] = [EXAMPLE, EXAMPLE_ZIP];

/// The place of a field in the examples, such as `rollout.steps[].weight`: the order in which people
/// write them.
pub(crate) fn field_order(path: &str) -> usize {
    static ORDER: LazyLock<Vec<String>> = LazyLock::new(|| {
        let nodes =
            EXAMPLES.into_iter().filter_map(|text| serde_saphyr::from_str::<Node>(text).ok());
        let fields = nodes.flat_map(|node| node.fields());
        fields.map(|(path, _)| path.replace("[0]", "[]")).collect()
    });
    let below = |other: &String| {
        other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    ORDER.iter().position(below).unwrap_or(usize::MAX)
}

/// The fields of a target in the order in which they are written, each with its path.
pub(crate) fn fields(target: &Target) -> Vec<(String, Value)> {
    let text = serde_saphyr::to_string(target).unwrap_or_default();
    serde_saphyr::from_str::<Node>(&text).map(|node| node.fields()).unwrap_or_default()
}

/// A file's name as it is shown, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fault in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    file: String,
    line: u64,
    text: String,
}

/// Files that say something that can't be applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct InvalidFiles(Vec<Fault>);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

impl fmt::Display for InvalidFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        let count = self.0.len();
        write!(f, "{count} problem{}; nothing was applied", if count == 1 { "" } else { "s" })
    }
}

/// The targets of all documents of all files.
///
/// # Errors
/// Every fault of every file.
pub(crate) fn read(
    sources: &[Source],
    resolution: MetricResolution,
) -> Result<Vec<Target>, InvalidFiles> {
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    let mut places: HashMap<TargetName, String> = HashMap::new();
    for source in sources {
        let fault = |line, text| Fault { file: source.name.clone(), line, text };
        for document in documents(source).unwrap_or_else(|broken| {
            faults.push(broken);
            Vec::new()
        }) {
            match check::target(&document, resolution) {
                Err(found) => faults.extend(found.into_iter().map(|f| fault(f.line, f.text))),
                Ok(target) => {
                    let line = document.line_of(&path::Path::default().field("name"));
                    let place = format!("{}:{line}", source.name);
                    if let Some(first) = places.insert(target.name.clone(), place) {
                        let text = format!("name: {} is given at {first} already", target.name);
                        faults.push(fault(line, text));
                    }
                    targets.push(target);
                }
            }
        }
    }
    if faults.is_empty() { Ok(targets) } else { Err(InvalidFiles(faults)) }
}

/// The documents of a file.
fn documents(source: &Source) -> Result<Vec<Node>, Fault> {
    let fault = |line, text: String| Fault { file: source.name.clone(), line, text };
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_multiple_with_options::<Node>(&source.text, options) {
        Ok(documents) if documents.is_empty() => {
            Err(fault(1, "there is no target in this file".to_owned()))
        }
        Ok(documents) => Ok(documents),
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            Err(fault(line, broken_yaml(&error.to_string())))
        }
    }
}

/// The parser's message, with what to do where the cause is a usual one.
fn broken_yaml(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or(message);
    let hint = if message.contains("alias") || message.contains("anchor") {
        "; a glob that begins with * is written in quotes: [\"*\"]"
    } else if message.contains("duplicate") {
        "; give each field once"
    } else {
        ""
    };
    format!("not YAML: {message}{hint}")
}
