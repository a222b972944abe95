//! Asks a canary version that has no traffic yet its golden requests. The first answer that is not as
//! expected ends the release.

use perch_core::manifest::{GoldenRequest, difference};
use perch_core::names::{FunctionName, Version};

use crate::ports::{AskVersion, Asked, PortError};

/// What is wrong with the answers of the version, with the name of the request and the difference; nothing
/// where every answer is as expected.
///
/// # Errors
/// [`PortError`] when the version could not be asked.
pub async fn run(
    lambda: &impl AskVersion,
    function: &FunctionName,
    version: &Version,
    requests: &[GoldenRequest],
) -> Result<Option<String>, PortError> {
    for (place, request) in requests.iter().enumerate() {
        let wrong = match lambda.ask(function, version, &request.input).await? {
            Asked::Answer(answer) => difference(&request.expect, &answer),
            Asked::Failed(why) => Some(format!("the version failed: {why}")),
        };
        if let Some(wrong) = wrong {
            return Ok(Some(format!(
                "golden request {} of {}, `{}`: {wrong}",
                place + 1,
                requests.len(),
                request.name
            )));
        }
    }
    Ok(None)
}
