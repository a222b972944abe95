//! Model versions as their servers need them.

use std::future::Future;

use perch_core::artifact::Artifact;
use perch_core::manifest::GoldenRequest;
use perch_core::names::Version;
use perch_core::reload::{ModelFacts, ModelFiles};
use perch_core::target::ModelSource;

use super::PortError;

/// A model version with all that servers need of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedModel {
    /// Its files, with addresses that hold for an hour.
    pub files: ModelFiles,
    /// What it has to answer before it sees traffic.
    pub golden: Vec<GoldenRequest>,
}

/// Opens model versions that were checked before.
pub trait OpenModel: Sync {
    /// The files and golden requests of a model version, as its manifest says.
    fn open(
        &self,
        artifact: &Artifact,
    ) -> impl Future<Output = Result<OpenedModel, PortError>> + Send;
}

/// What the check of an upload found.
#[derive(Debug, Clone, PartialEq)]
pub enum Upload {
    /// It is complete and may be released.
    Complete(ModelFacts),
    /// It may not, and why.
    Refused(String),
}

/// Checks uploads: complete, unchanged, signed and good enough, as the target's source asks.
pub trait CheckUpload: Sync {
    /// Checks a model version against what S3 has, and its metrics against the baseline's.
    fn check(
        &self,
        source: &ModelSource,
        artifact: &Artifact,
        baseline: &Version,
    ) -> impl Future<Output = Result<Upload, PortError>> + Send;
}
