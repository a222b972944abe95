//! YAML as a tree that remembers the line of every key and value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::path::{Path, Segment};

/// A value and the line it begins on.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    line: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<Field>),
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    line: u64,
    value: Node,
}

impl Node {
    /// The line of what is at `path`: of a field its key's, of what does not exist its nearest
    /// parent's.
    pub(crate) fn line_of(&self, path: &Path) -> u64 {
        let (mut node, mut line) = (self, self.line);
        for segment in path.segments() {
            let found = match (segment, &node.content) {
                (Segment::Field(name), Content::Fields(fields)) => {
                    fields.iter().find(|f| f.name == *name).map(|f| (&f.value, f.line))
                }
                (Segment::Index(index), Content::List(items)) => {
                    items.get(*index).map(|item| (item, item.line))
                }
                _ => None,
            };
            let Some((next, at)) = found else { break };
            (node, line) = (next, at);
        }
        line
    }

    /// Every value with its path, in the order of the file.
    pub(crate) fn fields(&self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        self.collect(&Path::default(), &mut found);
        found
    }

    fn collect(&self, path: &Path, into: &mut Vec<(String, Value)>) {
        match &self.content {
            Content::Scalar(value) => into.push((path.to_string(), value.clone())),
            Content::List(items) => {
                items.iter().enumerate().for_each(|(i, item)| item.collect(&path.index(i), into));
            }
            Content::Fields(fields) => {
                fields.iter().for_each(|field| field.value.collect(&path.field(&field.name), into));
            }
        }
    }

    /// The same without lines.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Fields(fields) => {
                fields.iter().map(|field| (field.name.clone(), field.value.to_json())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: content, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), content })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or fields")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            fields.push(Field { name: key.value, line: key.referenced.line(), value });
        }
        Ok(Content::Fields(fields))
    }
}
