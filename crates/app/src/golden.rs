//! A model on a Lambda function before it sees traffic: the golden requests to the version that points
//! at it. The first answer that is not as expected ends the release.

use futures_util::StreamExt as _;
use perch_core::manifest::{GoldenRequest, difference};
use perch_core::names::{FunctionName, Version};
use perch_core::release::Release;

use crate::check_model::{self, CheckError};
use crate::ports::{AskVersion, Asked, PortError, ReadModels};

/// Requests that are asked at once: each may start an environment of its own. A hundred that are answered
/// in 0.5 s take 13 s of the 30 s that the function has.
const AT_ONCE: usize = 4;

/// What is wrong with the answers of a version to its model's golden requests, if anything is.
pub(crate) async fn wrong_answer(
    lambda: &impl AskVersion,
    models: &impl ReadModels,
    function: &FunctionName,
    version: &Version,
    release: &Release,
) -> Result<Option<String>, PortError> {
    match check_model::golden(models, &release.artifact).await {
        Ok(requests) => ask(lambda, function, version, &requests).await,
        Err(CheckError::Refused(refusal)) => Ok(Some(refusal.to_string())),
        Err(CheckError::Port(error)) => Err(error),
    }
}

/// The first answer that is not as expected, with the name of the request and the difference.
///
/// # Errors
/// [`PortError`] when the version could not be asked.
pub async fn ask(
    lambda: &impl AskVersion,
    function: &FunctionName,
    version: &Version,
    requests: &[GoldenRequest],
) -> Result<Option<String>, PortError> {
    let asked = requests.iter().map(|request| async move {
        Ok(match lambda.ask(function, version, &request.input).await? {
            Asked::Answer(answer) => difference(&request.expect, &answer),
            Asked::Failed(why) => Some(format!("the version failed: {why}")),
        })
    });
    // In their order, whichever answer comes first.
    let mut asked = futures_util::stream::iter(asked).buffered(AT_ONCE).enumerate();
    while let Some((place, wrong)) = asked.next().await {
        if let Some(wrong) = wrong? {
            let (name, place, all) = (&requests[place].name, place + 1, requests.len());
            return Ok(Some(format!("golden request {place} of {all}, `{name}`: {wrong}")));
        }
    }
    Ok(None)
}
