//! Publishes the canary version of a Lambda function: sets the code, points it at its model, publishes,
//! reads back. Each call does one of them and says whether to come back; nothing here moves traffic.
//!
//! A model runs with the baseline's code, an image with the baseline's model: the unpublished function
//! may still have what was rolled back.

use perch_core::artifact::Artifact;
use perch_core::decide::Event;
use perch_core::head::AliasSnapshot;
use perch_core::names::{FunctionName, Version};
use perch_core::pointer::ModelPointer;
use perch_core::release::Release;

use crate::ports::{
    CodeState, FunctionState, PointAtModel, PortError, PublishVersion, ReadFunction, UpdateCode,
};
use crate::prepare_canary::Step;
use crate::step::{StepError, alias_of, missing};

pub(crate) async fn run(
    lambda: &(impl ReadFunction + UpdateCode + PointAtModel + PublishVersion),
    release: &Release,
) -> Result<Step, StepError> {
    let function = &alias_of(release)?.function;
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let before = ledger.alias().ok_or_else(|| missing(release, "alias"))?;
    let state = lambda.function(function).await?;
    match &state.update {
        CodeState::InProgress => return Ok(Step::Again),
        CodeState::Failed { reason } if release.code.is_some() => {
            return Ok(refused(format!("Lambda can't use {}: {reason}", release.artifact)));
        }
        CodeState::Failed { .. } | CodeState::Ready => {}
    }
    if let Some(why) = unfit(function, &state, release, before) {
        return Ok(refused(why));
    }
    let Some(code) = &release.code else {
        return match set_code(lambda, function, &state, release, before).await {
            Ok(code) => Ok(Step::settled(Event::CodeSet { code })),
            Err(error) => again_or(error),
        };
    };
    if *code != state.code_sha256 {
        return Ok(refused(changed("code", function)));
    }
    let model = model_of(release, before);
    if state.model != model {
        return match lambda.point_at(function, model.as_ref()).await {
            Ok(()) => Ok(Step::Again),
            Err(error) => again_or(error),
        };
    }
    let description = format!("{} by Perch", release.artifact);
    let version = match lambda.publish(function, code, &description).await {
        Ok(version) => version,
        Err(error) => return again_or(error),
    };
    if ledger.baseline == version {
        let why = format!("{} serves already, as version {version}", release.artifact);
        return Ok(refused(why));
    }
    read_back(lambda, function, version, model.as_ref()).await
}

/// The model that the canary has to point at.
fn model_of(release: &Release, before: &AliasSnapshot) -> Option<ModelPointer> {
    ModelPointer::to(&release.artifact).or_else(|| before.model.clone())
}

/// Why the function can't run the artifact.
fn unfit(
    function: &FunctionName,
    state: &FunctionState,
    release: &Release,
    before: &AliasSnapshot,
) -> Option<String> {
    let artifact = &release.artifact;
    match artifact {
        Artifact::Model { .. } if !state.is_image && state.code_sha256 != before.code => {
            Some(format!(
                "the unpublished code of {function} is not the code that serves, and a zip function \
                 can't be set back to it: {artifact} would go out with code that was never released. \
                 Release that code, or deploy what serves, then push the model again"
            ))
        }
        Artifact::Model { .. } => None,
        Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => {
            let kind = if state.is_image { "an image" } else { "a zip" };
            let fits = state.is_image == matches!(artifact, Artifact::Image { .. });
            (!fits)
                .then(|| format!("function {function} is {kind} function and can't run {artifact}"))
        }
    }
}

/// Sets the code of the artifact; the baseline's where that is a model.
async fn set_code(
    lambda: &(impl ReadFunction + UpdateCode),
    function: &FunctionName,
    state: &FunctionState,
    release: &Release,
    before: &AliasSnapshot,
) -> Result<String, PortError> {
    if !matches!(release.artifact, Artifact::Model { .. }) {
        return lambda.update_code(function, &release.artifact).await;
    }
    // Lambda reports the digest of an image without its prefix in `CodeSha256`.
    if before.code.trim_start_matches("sha256:") == state.code_sha256 {
        return Ok(state.code_sha256.clone());
    }
    let baseline = release.ledger.as_ref().map(|ledger| &ledger.baseline);
    let what = || format!("the image of what serves {function}");
    let Some(baseline) = baseline else { return Err(PortError::NotFound { what: what() }) };
    let image = lambda.version(function, baseline).await?.image;
    let image = image.ok_or_else(|| PortError::NotFound { what: what() })?;
    lambda.set_image(function, &image).await
}

/// The version as Lambda published it: it has to be ready, and to point at its model.
async fn read_back(
    lambda: &impl ReadFunction,
    function: &FunctionName,
    version: Version,
    model: Option<&ModelPointer>,
) -> Result<Step, StepError> {
    let found = lambda.version(function, &version).await?;
    if found.model.as_ref() != model {
        return Ok(refused(changed("environment", function)));
    }
    Ok(match found.state {
        CodeState::Ready => Step::Published(version, found.timeout_seconds),
        CodeState::InProgress => Step::Again,
        CodeState::Failed { reason } => {
            refused(format!("version {version} of {function} can't start: {reason}"))
        }
    })
}

fn changed(what: &str, function: &FunctionName) -> String {
    format!(
        "someone else changed the {what} of {function} while its version was to be published; push \
         again, or stop the other deployment"
    )
}

/// Another update is in progress: a deployment tool, or our own call that timed out.
fn again_or(error: PortError) -> Result<Step, StepError> {
    match error {
        PortError::Conflict { .. } => Ok(Step::Again),
        error => Err(error.into()),
    }
}

fn refused(why: String) -> Step {
    Step::settled(Event::Refused { why })
}
