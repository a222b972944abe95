//! The check once more, when a release of a model starts: what is loaded is what was announced.

use perch_core::decide::Event;
use perch_core::release::Release;

use super::{CheckError, Rules, Upload, run};
use crate::ports::{LoadTarget, ReadModels, VerifySignature};
use crate::step::{StepError, missing};

/// Whether the upload still is what it was when it was announced, on whatever it is to be served.
///
/// # Errors
/// [`StepError`] when a port failed, or the release is no model's or has no ledger.
pub(crate) async fn again(
    store: &impl LoadTarget,
    models: &(impl ReadModels + VerifySignature),
    release: &Release,
) -> Result<Event, StepError> {
    let ledger = release.ledger.as_ref().ok_or_else(|| missing(release, "ledger"))?;
    let upload = Upload::of(&release.artifact).ok_or_else(|| missing(release, "model"))?;
    let target = store.target(&release.target).await?;
    let Some(mut rules) = target.as_ref().and_then(Rules::of) else {
        let why = "the target takes no models any more".to_owned();
        return Ok(Event::Refused { why });
    };
    // A person goes back to a model for what it does now, not for what it measured then.
    if release.cause.is_way_back() {
        rules.require = &[];
    }
    match run(models, rules, upload, ledger.model().as_ref()).await {
        Ok(facts) => Ok(Event::ModelChecked { facts }),
        Err(CheckError::Refused(refusal)) => Ok(Event::Refused { why: refusal.to_string() }),
        Err(CheckError::Port(error)) => Err(error.into()),
    }
}
