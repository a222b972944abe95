//! Bodies of answers: what a function behind an HTTP API returns, and texts that people can read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// As much of an answer as people need to see what it is.
const SHOWN: usize = 200;

/// What a function returns to an HTTP API or a load balancer (Lambda Developer Guide, "Payload format
/// version 2.0"; Elastic Load Balancing, "Lambda functions as targets").
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proxied {
    status_code: u16,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Status and body of such an answer, or why it is none.
pub(super) fn proxied(answer: &[u8]) -> Result<(u16, Vec<u8>), String> {
    let no_answer = || {
        format!(
            "the function returned no `statusCode` and `body`, which `expect.status` needs: {}",
            text(answer)
        )
    };
    let found: Proxied = serde_json::from_slice(answer).map_err(|_| no_answer())?;
    let body = found.body.unwrap_or_default();
    if !found.is_base64_encoded {
        return Ok((found.status_code, body.into_bytes()));
    }
    let body = STANDARD.decode(body).map_err(|error| format!("its body is not base64: {error}"))?;
    Ok((found.status_code, body))
}

/// The beginning of a body, on one line.
pub(super) fn text(body: &[u8]) -> String {
    // Cut first: a body may have megabytes.
    let start = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
    let words: Vec<&str> = start.split_whitespace().collect();
    let line = words.join(" ");
    if line.is_empty() {
        return "an empty body".to_owned();
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
