//! One file of a model version: where it is, and what exactly is in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One file of a model version, as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestFile {
    /// Its path below the folder of the version.
    pub path: FilePath,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: Sha256,
    /// The S3 version id of its object.
    pub version_id: String,
    /// How it was uploaded in parts, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Multipart>,
}

/// A multipart upload. S3 stores the SHA-256 over the parts' SHA-256 for one, never that of the whole
/// object (S3 User Guide, "Checking object integrity", composite checksums).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Multipart {
    /// The size of every part but the last.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub part_size: u64,
    /// How many parts there are.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10_000)))]
    pub parts: u32,
    /// The SHA-256 over the parts' SHA-256, in hex.
    pub composite: Sha256,
}

/// A SHA-256 as 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

/// A text that is not a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256: write 64 lower-case hex digits")]
pub struct InvalidSha256(pub String);

impl Sha256 {
    /// The SHA-256 of these 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = InvalidSha256;
    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        let pairs = text.as_bytes().chunks(2);
        if text.len() != 64 {
            return Err(InvalidSha256(text.to_owned()));
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(InvalidSha256(text.to_owned()));
            };
            *byte = high * 16 + low;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Sha256 {
    type Error = InvalidSha256;
    fn try_from(text: String) -> Result<Self, InvalidSha256> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(sum: Sha256) -> String {
        sum.to_string()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A path below the folder of a model version, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

/// A text that is not the path of a file of a model version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the path of a model's file: write up to 512 characters relative to the version's \
     folder, such as 1/model.onnx, without `..`, a backslash or a control character; manifest.json \
     itself is none"
)]
pub struct InvalidPath(pub String);

impl FilePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FilePath {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let parts_fit = text.split('/').all(|part| !["", ".", ".."].contains(&part));
        let characters_fit = !text.contains(|c: char| c == '\\' || c.is_control());
        let is_file = text != "manifest.json" && text.len() <= 512;
        match parts_fit && characters_fit && is_file {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidPath(text.to_owned())),
        }
    }
}

impl TryFrom<String> for FilePath {
    type Error = InvalidPath;
    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> String {
        path.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    impl JsonSchema for super::Sha256 {
        fn schema_name() -> Cow<'static, str> {
            "Sha256".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
        }
    }

    impl JsonSchema for super::FilePath {
        fn schema_name() -> Cow<'static, str> {
            "FilePath".into()
        }
        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A path below the folder of the version, such as 1/model.onnx.",
                "type": "string",
                "minLength": 1,
                "maxLength": 512,
                "not": { "pattern": "(^|/)[.]{0,2}(/|$)|\\\\|^manifest[.]json$" }
            })
        }
    }
}
