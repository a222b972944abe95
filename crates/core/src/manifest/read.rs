//! Reads a manifest and holds it to the rules over more than one field.

use std::collections::BTreeSet;

use super::{Manifest, Multipart};

/// The largest manifest that is read: 10,000 files of 500 bytes each.
pub const MOST_BYTES: u64 = 5_000_000;

/// The most files that a model version may have.
pub const MOST_FILES: usize = 10_000;

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// It is not JSON, or a field is missing, unknown or not of its kind.
    #[error("manifest.json: {0}")]
    Malformed(String),
    /// A field does not fit to the others.
    #[error("manifest.json: `{field}`: {message}")]
    Field {
        /// The field, such as `files[3].path`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`InvalidManifest`], which names the field.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let mut text = serde_json::Deserializer::from_slice(bytes);
        let manifest: Self = serde_path_to_error::deserialize(&mut text).map_err(|error| {
            let field = error.path().to_string();
            match field.as_str() {
                "." => InvalidManifest::Malformed(error.inner().to_string()),
                _ => InvalidManifest::Field { field, message: error.inner().to_string() },
            }
        })?;
        text.end().map_err(|error| InvalidManifest::Malformed(error.to_string()))?;
        match manifest.problem() {
            Some((field, message)) => Err(InvalidManifest::Field { field, message }),
            None => Ok(manifest),
        }
    }

    fn problem(&self) -> Option<(String, String)> {
        let count = self.files.len();
        if count == 0 {
            return Some(("files".into(), "a model has at least one file".into()));
        }
        if count > MOST_FILES {
            let message = format!("{count} files are too many: at most {MOST_FILES}");
            return Some(("files".into(), message));
        }
        let mut seen = BTreeSet::new();
        for (place, file) in self.files.iter().enumerate() {
            let field = |name: &str| format!("files[{place}].{name}");
            if !seen.insert(&file.path) {
                return Some((field("path"), format!("{} is there twice", file.path)));
            }
            if file.version_id.is_empty() || file.version_id == "null" {
                let message = "it is not the version id of an object in a versioned bucket";
                return Some((field("versionId"), message.into()));
            }
            if let Some(parts) = &file.multipart
                && !parts.fits(file.size)
            {
                let Multipart { part_size, parts, .. } = parts;
                let size = file.size;
                let message = format!("{parts} parts of {part_size} bytes are not {size} bytes");
                return Some((field("multipart"), message));
            }
        }
        if let Some((name, value)) = self.metrics.iter().find(|(_, value)| !value.is_finite()) {
            return Some((format!("metrics.{name}"), format!("{value} is not a number")));
        }
        if self.golden.is_some() && self.golden_file().is_none() {
            return Some(("golden".into(), "it is none of the files".into()));
        }
        None
    }
}

impl Multipart {
    fn fits(&self, size: u64) -> bool {
        self.part_size > 0 && size.div_ceil(self.part_size).max(1) == u64::from(self.parts)
    }
}
