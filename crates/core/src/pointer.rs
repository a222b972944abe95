//! How a version of a Lambda function knows its model: three environment variables.

use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, MANIFEST};

/// The model that a version of a function points at. The values are no secrets; the other variables of
/// a function may be, and are never read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPointer {
    /// The name of the model version.
    pub version: String,
    /// Its folder, `s3://BUCKET/PREFIX/VERSION/`, or its only file.
    pub uri: String,
    /// The S3 version id of its manifest, or of its only file.
    pub object: String,
}

/// The name of the model version.
pub const VERSION: &str = "PERCH_MODEL_VERSION";
/// Where it is.
pub const URI: &str = "PERCH_MODEL_URI";
/// The S3 version id of its manifest.
pub const OBJECT: &str = "PERCH_MODEL_MANIFEST_VERSION";
/// All of them: Perch sets these and no other.
pub const VARIABLES: [&str; 3] = [VERSION, URI, OBJECT];

impl ModelPointer {
    /// The pointer at a model; `None` for other artifacts.
    pub fn to(artifact: &Artifact) -> Option<Self> {
        let Artifact::Model { bucket, key, object, version } = artifact else { return None };
        let uri = match key.strip_suffix(MANIFEST) {
            Some(folder) => format!("s3://{bucket}/{folder}/"),
            None => format!("s3://{bucket}/{key}"),
        };
        Some(Self { version: version.to_string(), uri, object: object.clone() })
    }

    /// The pointer that an environment has, if it has one.
    pub fn of<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let text = |name| variable(name).unwrap_or_default().to_owned();
        let pointer = Self { version: text(VERSION), uri: text(URI), object: text(OBJECT) };
        let empty = pointer.version.is_empty() && pointer.uri.is_empty();
        (!empty).then_some(pointer)
    }

    /// The variables and their values.
    pub fn variables(&self) -> [(&'static str, &str); 3] {
        [(VERSION, &self.version), (URI, &self.uri), (OBJECT, &self.object)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn model(key: &str) -> Artifact {
        Artifact::Model {
            bucket: "models".parse().unwrap(),
            key: key.into(),
            object: "o-1".into(),
            version: "v2".parse().unwrap(),
        }
    }

    #[test]
    fn a_pointer_names_the_folder_or_the_only_file() {
        let pointer = |key| ModelPointer::to(&model(key)).unwrap();
        assert_eq!(pointer("news/v2/manifest.json").uri, "s3://models/news/v2/");
        assert_eq!(pointer("news/v2.onnx").uri, "s3://models/news/v2.onnx");
        let version = Artifact::Version { version: "4".parse().unwrap() };
        assert_eq!(ModelPointer::to(&version), None);
    }

    #[test]
    fn a_pointer_reads_back_from_its_variables() {
        let pointer = ModelPointer::to(&model("news/v2/manifest.json")).unwrap();
        let set: BTreeMap<&str, &str> = pointer.variables().into();
        assert_eq!(ModelPointer::of(|name| set.get(name).copied()), Some(pointer));
        assert_eq!(ModelPointer::of(|_| None), None);
    }
}
