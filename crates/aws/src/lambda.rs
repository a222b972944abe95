//! Lambda: aliases, unpublished code, versions, synthetic requests, smoke tests.

mod ask;
mod model;
mod requests;
mod smoke;

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::get_provisioned_concurrency_config::GetProvisionedConcurrencyConfigError;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, LastUpdateStatus, PackageType, State};
use perch_app::ports::{
    AliasState, CodeState, FunctionState, PortError, PublishVersion, ReadAlias, ReadFunction,
    Route, ShiftWeight, UpdateCode, VersionState,
};
use perch_core::artifact::Artifact;
use perch_core::names::{FunctionName, Version};
use perch_core::target::Lambda;
use perch_core::weight::Weight;

use crate::error::port_error;

/// A function's time-out where none is given (API Reference, `CreateFunction`, `Timeout`).
const LAMBDA_TIMEOUT_SECONDS: u32 = 3;

/// Lambda functions of the account and region.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
    registry: String,
}

impl Functions {
    /// Functions without a registry: enough to read and move aliases.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self::with_registry(sdk, String::new())
    }

    /// Functions whose images come from `registry`, such as
    /// `123456789012.dkr.ecr.eu-west-1.amazonaws.com`.
    pub fn with_registry(sdk: &SdkConfig, registry: String) -> Self {
        Self { client: Client::new(sdk), registry }
    }
}

fn alias_of(lambda: &Lambda) -> String {
    format!("alias {} of function {}", lambda.alias, lambda.function)
}

impl ReadAlias for Functions {
    async fn alias(&self, lambda: &Lambda) -> Result<AliasState, PortError> {
        let what = alias_of(lambda);
        let found = self
            .client
            .get_alias()
            .function_name(lambda.function.as_str())
            .name(lambda.alias.as_str())
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        alias_state(what, found.function_version, found.routing_config, found.revision_id)
    }
}

impl ShiftWeight for Functions {
    async fn shift(
        &self,
        lambda: &Lambda,
        route: &Route,
        revision: &str,
    ) -> Result<AliasState, PortError> {
        let what = alias_of(lambda);
        // The map must be sent even when it is empty: without it Lambda keeps the old weights
        // (Developer Guide, "Implement Lambda canary deployments using a weighted alias").
        let weights: HashMap<String, f64> = route
            .split
            .iter()
            .map(|(version, weight)| (version.to_string(), weight.fraction()))
            .collect();
        let routing =
            AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights));
        let found = self
            .client
            .update_alias()
            .function_name(lambda.function.as_str())
            .name(lambda.alias.as_str())
            .function_version(route.primary.as_str())
            .routing_config(routing.build())
            .revision_id(revision)
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        alias_state(what, found.function_version, found.routing_config, found.revision_id)
    }
}

fn alias_state(
    what: String,
    version: Option<String>,
    routing: Option<AliasRoutingConfiguration>,
    revision: Option<String>,
) -> Result<AliasState, PortError> {
    let invalid = |message: String| PortError::Invalid { what: what.clone(), message };
    let version = version.unwrap_or_default();
    let primary = version.parse().map_err(|_| {
        invalid(format!("it points at {version}; publish a version and point the alias at it"))
    })?;
    let weights = routing.and_then(|r| r.additional_version_weights).unwrap_or_default();
    let split = weights.into_iter().find(|(_, weight)| *weight > 0.0);
    let split = split
        .map(|(version, weight)| {
            let version = version.parse().map_err(|_| invalid(format!("splits to {version}")))?;
            Ok((version, whole_percent(weight)))
        })
        .transpose()?;
    let revision = revision.unwrap_or_default();
    Ok(AliasState { route: Route { primary, split }, revision })
}

/// Lambda's fraction as whole percent. A foreign split below half a percent still is a split.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 1..=100 before the cast"
)]
fn whole_percent(fraction: f64) -> Weight {
    let percent = (fraction * 100.0).round().clamp(1.0, 100.0) as u8;
    Weight::new(percent).unwrap_or(Weight::FULL)
}

impl ReadFunction for Functions {
    async fn function(&self, function: &FunctionName) -> Result<FunctionState, PortError> {
        let what = format!("function {function}");
        let found = self
            .client
            .get_function()
            .function_name(function.as_str())
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        let config = found.configuration.or_invalid(&what)?;
        let update = match (&config.state, &config.last_update_status) {
            (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => {
                CodeState::InProgress
            }
            (_, Some(LastUpdateStatus::Failed)) => {
                CodeState::Failed { reason: config.last_update_status_reason.unwrap_or_default() }
            }
            _ => CodeState::Ready,
        };
        Ok(FunctionState {
            code_sha256: config.code_sha256.unwrap_or_default(),
            update,
            revision: config.revision_id.unwrap_or_default(),
            is_image: config.package_type == Some(PackageType::Image),
            model: model::pointer(config.environment.as_ref()),
        })
    }

    async fn version(
        &self,
        function: &FunctionName,
        version: &Version,
    ) -> Result<VersionState, PortError> {
        let what = format!("version {version} of function {function}");
        let found = self
            .client
            .get_function()
            .function_name(function.as_str())
            .qualifier(version.as_str())
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        let config = found.configuration.or_invalid(&what)?;
        let state = match config.state {
            Some(State::Pending) => CodeState::InProgress,
            Some(State::Failed) => {
                CodeState::Failed { reason: config.state_reason.unwrap_or_default() }
            }
            _ => CodeState::Ready,
        };
        let resolved = found.code.and_then(|code| code.resolved_image_uri);
        let digest = resolved.as_ref().and_then(|uri| uri.split_once('@'));
        let digest = digest.map(|(_, digest)| digest.to_owned());
        let code = digest.or(config.code_sha256).unwrap_or_default();
        let timeout = config.timeout.and_then(|seconds| u32::try_from(seconds).ok());
        let timeout_seconds = timeout.unwrap_or(LAMBDA_TIMEOUT_SECONDS);
        let model = model::pointer(config.environment.as_ref());
        Ok(VersionState { code, image: resolved, state, timeout_seconds, model })
    }

    async fn has_provisioned_concurrency(&self, lambda: &Lambda) -> Result<bool, PortError> {
        let found = self
            .client
            .get_provisioned_concurrency_config()
            .function_name(lambda.function.as_str())
            .qualifier(lambda.alias.as_str())
            .send()
            .await;
        match found {
            Ok(_) => Ok(true),
            Err(error) if has_none(&error) => Ok(false),
            Err(error) => {
                let what = format!("provisioned concurrency of {}", alias_of(lambda));
                Err(port_error(what, error))
            }
        }
    }
}

fn has_none<R>(error: &SdkError<GetProvisionedConcurrencyConfigError, R>) -> bool {
    error.as_service_error().is_some_and(
        GetProvisionedConcurrencyConfigError::is_provisioned_concurrency_config_not_found_exception,
    )
}

trait OrInvalid<T> {
    fn or_invalid(self, what: &str) -> Result<T, PortError>;
}

impl<T> OrInvalid<T> for Option<T> {
    fn or_invalid(self, what: &str) -> Result<T, PortError> {
        self.ok_or_else(|| PortError::Invalid {
            what: what.to_owned(),
            message: "Lambda answered without a configuration".into(),
        })
    }
}

impl UpdateCode for Functions {
    async fn update_code(
        &self,
        function: &FunctionName,
        artifact: &Artifact,
    ) -> Result<String, PortError> {
        let what = format!("code of function {function} from {artifact}");
        let request = self.client.update_function_code().function_name(function.as_str());
        let request = match artifact {
            Artifact::Image { repository, digest, .. } => {
                request.image_uri(format!("{}/{repository}@{digest}", self.registry))
            }
            Artifact::Package { bucket, key, version } => {
                request.s3_bucket(bucket.as_str()).s3_key(key).s3_object_version(version)
            }
            Artifact::Version { .. } | Artifact::Model { .. } => {
                let message = "it is no code of a function".to_owned();
                return Err(PortError::Invalid { what, message });
            }
        };
        let updated = request.send().await.map_err(|e| port_error(what, e))?;
        Ok(updated.code_sha256.unwrap_or_default())
    }

    async fn set_image(&self, function: &FunctionName, uri: &str) -> Result<String, PortError> {
        let what = format!("code of function {function} from {uri}");
        let request = self.client.update_function_code().function_name(function.as_str());
        let updated = request.image_uri(uri).send().await.map_err(|e| port_error(what, e))?;
        Ok(updated.code_sha256.unwrap_or_default())
    }
}

impl PublishVersion for Functions {
    async fn publish(
        &self,
        function: &FunctionName,
        code_sha256: &str,
        description: &str,
    ) -> Result<Version, PortError> {
        let what = format!("a version of function {function}");
        let published = self
            .client
            .publish_version()
            .function_name(function.as_str())
            .code_sha256(code_sha256)
            .description(description.chars().take(256).collect::<String>())
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        let version = published.version.unwrap_or_default();
        version.parse().map_err(|_| PortError::Invalid {
            what,
            message: format!("Lambda answered with version {version}"),
        })
    }
}
