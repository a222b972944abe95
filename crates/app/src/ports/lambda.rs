//! Lambda functions, their versions and aliases.

use std::future::Future;

use perch_core::artifact::Artifact;
use perch_core::head::Ledger;
use perch_core::names::{FunctionName, Version};
use perch_core::pointer::ModelPointer;
use perch_core::target::Lambda;
use perch_core::weight::Weight;
use serde_json::Value;

use super::PortError;

/// Where an alias sends its traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The version that gets what the split leaves.
    pub primary: Version,
    /// A second version and its share.
    pub split: Option<(Version, Weight)>,
}

impl Route {
    /// The route at which the canary has this weight.
    pub fn at(ledger: &Ledger, canary: &Version, weight: Weight) -> Self {
        match weight {
            Weight::ZERO => Self::all_on(&ledger.baseline),
            Weight::FULL => Self::all_on(canary),
            weight => {
                Self { primary: ledger.baseline.clone(), split: Some((canary.clone(), weight)) }
            }
        }
    }

    /// Whether it sends to nothing but the ledger's baseline and canary: only such a route can be the
    /// release's own.
    pub fn is_within(&self, ledger: &Ledger) -> bool {
        let ours = |version: &Version| {
            *version == ledger.baseline || ledger.canary.as_ref() == Some(version)
        };
        ours(&self.primary) && self.split.as_ref().is_none_or(|(second, _)| ours(second))
    }

    /// All traffic on one version.
    pub fn all_on(version: &Version) -> Self {
        Self { primary: version.clone(), split: None }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.split {
            None => write!(f, "version {} alone", self.primary),
            Some((second, weight)) => {
                write!(f, "version {} with {weight} on version {second}", self.primary)
            }
        }
    }
}

/// An alias as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasState {
    /// Where it sends its traffic.
    pub route: Route,
    /// Its revision: a write with another one is refused.
    pub revision: String,
}

/// Reads an alias.
pub trait ReadAlias {
    /// The alias as it is now.
    fn alias(&self, lambda: &Lambda) -> impl Future<Output = Result<AliasState, PortError>> + Send;
}

/// Moves an alias.
pub trait ShiftWeight {
    /// Sets the route if the alias still has this revision.
    ///
    /// # Errors
    /// [`PortError::Conflict`] when it has another.
    fn shift(
        &self,
        lambda: &Lambda,
        route: &Route,
        revision: &str,
    ) -> impl Future<Output = Result<AliasState, PortError>> + Send;
}

/// Whether code or a version can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeState {
    /// It can.
    Ready,
    /// Lambda is working on it.
    InProgress,
    /// Lambda gave up.
    Failed {
        /// Lambda's reason.
        reason: String,
    },
}

/// The unpublished code of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    /// Lambda's `CodeSha256`.
    pub code_sha256: String,
    /// Whether the last update is through.
    pub update: CodeState,
    /// The revision of the unpublished function.
    pub revision: String,
    /// Whether it is an image function.
    pub is_image: bool,
    /// The model that its environment points at, if it does and may be read.
    pub model: Option<ModelPointer>,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionState {
    /// The image digest (`sha256:...`) of an image function, else the `CodeSha256`.
    pub code: String,
    /// The image's full URI by digest, of an image function.
    pub image: Option<String>,
    /// Whether it can be invoked.
    pub state: CodeState,
    /// How long an invocation may take, in seconds.
    pub timeout_seconds: u32,
    /// The model that its environment points at, if it does and may be read.
    pub model: Option<ModelPointer>,
}

/// Reads a function.
pub trait ReadFunction {
    /// The unpublished code of the function.
    fn function(
        &self,
        function: &FunctionName,
    ) -> impl Future<Output = Result<FunctionState, PortError>> + Send;

    /// A published version of the function.
    fn version(
        &self,
        function: &FunctionName,
        version: &Version,
    ) -> impl Future<Output = Result<VersionState, PortError>> + Send;

    /// Whether the alias has provisioned concurrency, which Lambda does not allow together with
    /// weights (Developer Guide, "Configuring provisioned concurrency for a function").
    fn has_provisioned_concurrency(
        &self,
        lambda: &Lambda,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// Whether an image is where a version needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// It is there.
    Present,
    /// The registry does not have it (any more).
    Gone,
    /// It may not be looked up: another account's or region's registry.
    Unknown,
}

/// Looks for images.
pub trait FindImage {
    /// Whether the registry has the image of this URI (`registry/repository@digest`).
    fn image(&self, uri: &str) -> impl Future<Output = Result<ImageState, PortError>> + Send;
}

/// Sets the unpublished code of a function.
pub trait UpdateCode {
    /// Sets the code to the artifact; the `CodeSha256` that it has then.
    fn update_code(
        &self,
        function: &FunctionName,
        artifact: &Artifact,
    ) -> impl Future<Output = Result<String, PortError>> + Send;

    /// Sets the code to an image by its URI (`registry/repository@digest`); the `CodeSha256` then.
    fn set_image(
        &self,
        function: &FunctionName,
        uri: &str,
    ) -> impl Future<Output = Result<String, PortError>> + Send;
}

/// Points the unpublished function at a model.
pub trait PointAtModel {
    /// Sets the three variables of the pointer in the function's environment, or removes them, and
    /// keeps all others as they are. What they hold is neither returned nor logged: they may be secrets.
    ///
    /// # Errors
    /// [`PortError::Conflict`] when the function was changed in between or is being updated;
    /// [`PortError::Invalid`] when its environment can't be read, since writing it would lose the rest.
    fn point_at(
        &self,
        function: &FunctionName,
        model: Option<&ModelPointer>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What a version answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// This.
    Answer(Value),
    /// The invocation failed, as Lambda reports it.
    Failed(String),
}

/// Sends one request to a version that has no traffic.
pub trait AskVersion: Sync {
    /// Invokes the version by its number and waits for the answer.
    fn ask(
        &self,
        function: &FunctionName,
        version: &Version,
        input: &Value,
    ) -> impl Future<Output = Result<Asked, PortError>> + Send;
}

/// Publishes the unpublished code of a function.
pub trait PublishVersion {
    /// Publishes a version if the code still is the expected one; the same version again when
    /// nothing changed since it was published.
    fn publish(
        &self,
        function: &FunctionName,
        code_sha256: &str,
        description: &str,
    ) -> impl Future<Output = Result<Version, PortError>> + Send;
}
