//! What TensorFlow Serving has to be told again with every change.

use serde::{Deserialize, Serialize};

use crate::names::ModelName;

/// What a TensorFlow Serving server serves. A change of its configuration replaces all of it, and the
/// server can't be asked for it: so it stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tensorflow {
    /// The folder with a folder for each version, as the server sees it: `/models/news`, or
    /// `s3://BUCKET/PREFIX` where the server was built with S3.
    pub base_path: String,
    /// The port of its REST API, which golden requests go to.
    #[serde(default = "rest_port")]
    pub rest_port: u16,
    /// The other models of the server. One that is not given here is unloaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_models: Vec<OtherModel>,
}

/// Another model of the same server, served as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherModel {
    /// Its name.
    pub name: ModelName,
    /// The folder with a folder for each version, as the server sees it.
    pub base_path: String,
}

fn rest_port() -> u16 {
    8501
}
