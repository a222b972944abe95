//! What a target file says. Parsing text and finding lines is the command line's work; what the
//! fields may hold and which combinations make sense is decided here.

mod check;
mod code_deploy;
mod deployment_check;
mod ecs_service;
mod evidence_check;
mod evidence_rule;
mod judge_rule;
mod model_source;
mod models;
mod models_check;
mod policy;
mod preset;
mod release_check;
mod rollout;
mod service;
mod service_check;
mod size;
mod smoke;
mod smoke_check;
mod tensorflow;

pub use check::{MetricResolution, Problem};
pub use code_deploy::{CodeDeploy, WhenBusy};
pub use ecs_service::EcsService;
pub use evidence_rule::{
    CustomSignal, LowTraffic, Overrides, OwnMetrics, PercentileMetrics, Strictness, Synthetic,
};
pub use judge_rule::{ErrorRule, JudgeRule, LatencyRule, NoData, Quantile, Rule};
pub use model_source::{ModelSource, Upload};
pub use models::{
    Cache, CloudMapService, Complete, EcsTasks, ModelRelease, ModelServers, OnCacheFailure,
    Protocol, Redis, Replicas, Webhook,
};
pub use policy::{AlarmAtStart, WhileReleasing};
pub use preset::Preset;
pub use rollout::{InvalidRollout, Rollout, Step};
pub use service::{ImageSource, Lambda, PackageSource, Service, Sources};
pub use size::{ByteSize, InvalidSize};
pub use smoke::{Expect, HttpCheck, InvokeCheck, Method, SmokeCheck, SmokeTests};
pub use smoke_check::LONGEST as LONGEST_SMOKE;
pub use tensorflow::{OtherModel, Tensorflow};

use serde::{Deserialize, Serialize};

use crate::artifact::Lane;
use crate::names::{AlarmName, SecretRef, TargetName};
use crate::span::Span;

/// One target file: what serves traffic, where its artifacts come from, and how a release goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// The version of this format; always `perch/v1`.
    pub api_version: ApiVersion,
    /// What the file describes; always `Target`.
    pub kind: Kind,
    /// The name of the target, unique in one installation of Perch.
    pub name: TargetName,
    /// What serves the traffic.
    pub service: Service,
    /// Where artifacts come from. At least one source.
    pub sources: Sources,
    /// Requests to the canary before it gets any traffic. Releases to model servers have the model's
    /// golden requests instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<SmokeTests>,
    /// How traffic moves to a new artifact.
    pub rollout: Rollout,
    /// When a canary is good enough.
    #[serde(default)]
    pub judge: JudgeRule,
    /// What a release of a model does otherwise than a release of code.
    #[serde(default, skip_serializing_if = "ModelRelease::is_empty")]
    pub model_release: ModelRelease,
    /// The cache in front of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// CloudWatch alarms that roll back a release from the first shift to the end of the watch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<AlarmName>,
    /// What happens when a guard is in ALARM at the start of a release.
    #[serde(default)]
    pub alarm_at_start: AlarmAtStart,
    /// What happens to an artifact that comes while a release of an older one runs.
    #[serde(default)]
    pub while_releasing: WhileReleasing,
    /// The time after promotion in which a guard or the judge still rolls back.
    #[serde(default = "default_watch")]
    pub watch: Span,
    /// The longest time from the start of a release to its promotion. A release that has not been
    /// promoted by then is rolled back. Without it: three times the planned bakes plus one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// Who hears of it besides the installation's SNS topic.
    #[serde(default, skip_serializing_if = "Notify::is_empty")]
    pub notify: Notify,
}

/// The version of the target file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "perch/v1")]
    V1,
}

/// What a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Kind {
    /// A target.
    Target,
}

/// Who hears of a release besides the installation's SNS topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    /// A Slack incoming webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
}

impl Notify {
    /// Whether nobody besides the topic's subscribers hears of it.
    pub fn is_empty(&self) -> bool {
        self.slack.is_none()
    }
}

/// A Slack incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slack {
    /// Where the webhook's URL is kept: `ssm:/perch/...` or `secretsmanager:perch/...`. The URL
    /// itself is a secret and never stands in a target file.
    pub webhook: SecretRef,
}

fn default_watch() -> Span {
    Span::minutes(30)
}

impl Target {
    /// The guards of its releases of either lane, each once.
    pub fn all_guards(&self) -> Vec<AlarmName> {
        let mut all = self.guards.clone();
        let models = self.model_release.guards.iter().flatten();
        all.extend(models.filter(|alarm| !self.guards.contains(alarm)).cloned());
        all
    }

    /// The longest time from start to promotion of an artifact of a lane, as given or derived from how
    /// it is rolled out.
    pub fn deadline(&self, lane: Lane) -> Span {
        let rollout = match lane {
            Lane::Code => &self.rollout,
            Lane::Model => self.model_release.rollout.as_ref().unwrap_or(&self.rollout),
        };
        let bakes: u64 = rollout.steps().iter().map(|step| step.bake.as_secs()).sum();
        self.deadline.unwrap_or(Span::seconds(3 * bakes + 3600))
    }
}
