//! The path of a field, such as `rollout.steps[0].bake`.

use std::fmt;

use serde_json::Value;

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

/// A path from the document's root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Segment>);

impl Path {
    /// The path in the dotted form of messages; `None` when `text` does not look like one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut segments = Vec::new();
        for part in text.split('.') {
            let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                return None;
            }
            segments.push(Segment::Field(name.to_owned()));
            for index in indices.split_terminator(']') {
                segments.push(Segment::Index(index.strip_prefix('[')?.parse().ok()?));
            }
        }
        Some(Self(segments))
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Field(name.to_owned()));
        Self(segments)
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Index(index));
        Self(segments)
    }

    /// The path without its last part.
    pub(crate) fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    pub(crate) fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The same path with every index 0: the place of the like in an example with one item each.
    pub(crate) fn first_items(&self) -> Self {
        let first = |segment: &Segment| match segment {
            Segment::Index(_) => Segment::Index(0),
            Segment::Field(name) => Segment::Field(name.clone()),
        };
        Self(self.0.iter().map(first).collect())
    }

    /// What `root` has at this path.
    pub(crate) fn get<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(root, |value, segment| match segment {
            Segment::Field(name) => value.get(name),
            Segment::Index(index) => value.get(index),
        })
    }

    /// Puts `new` at this path, or takes the field away; whether there was a place for it.
    pub(crate) fn set(&self, root: &mut Value, new: Option<Value>) -> bool {
        let Some((last, parents)) = self.0.split_last() else { return false };
        let parent = parents.iter().try_fold(root, |value, segment| match segment {
            Segment::Field(name) => value.get_mut(name),
            Segment::Index(index) => value.get_mut(index),
        });
        match (parent, last, new) {
            (Some(Value::Object(fields)), Segment::Field(name), Some(new)) => {
                fields.insert(name.clone(), new);
            }
            (Some(Value::Object(fields)), Segment::Field(name), None) => {
                return fields.remove(name).is_some();
            }
            (Some(Value::Array(items)), Segment::Index(index), Some(new)) => {
                match items.get_mut(*index) {
                    Some(item) => *item = new,
                    None => return false,
                }
            }
            _ => return false,
        }
        true
    }
}

impl From<&serde_path_to_error::Path> for Path {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment as Part;
        let part = |part: &Part| match part {
            Part::Seq { index } => Some(Segment::Index(*index)),
            Part::Map { key } => Some(Segment::Field(key.clone())),
            Part::Enum { .. } | Part::Unknown => None,
        };
        Self(path.iter().filter_map(part).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if place == 0 => write!(f, "{name}")?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_they_are_written() {
        for text in ["judge.interval", "rollout.steps[12].bake", "a[0][1].b"] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "an error", "a..b", "a[x]", "`News`"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
