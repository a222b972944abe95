//! What a request has to be.

use serde_json::Value;

/// Longest accepted text in characters: a headline with its first sentences, not an article.
const LONGEST_TEXT: usize = 2_000;

/// A request that can't be answered, whatever the model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidInput {
    field: &'static str,
    problem: String,
}

/// The text of a request `{"text": ".."}`.
///
/// # Errors
/// Names the field and what is wrong with it.
pub fn text_of(request: &Value) -> Result<&str, InvalidInput> {
    let refuse = |field, problem: String| Err(InvalidInput { field, problem });
    let Some(fields) = request.as_object() else {
        return refuse("request", "must be an object such as {\"text\": \"...\"}".into());
    };
    let text = match fields.get("text") {
        None => return refuse("text", "is missing".into()),
        Some(Value::String(text)) => text.trim(),
        Some(_) => return refuse("text", "must be a string".into()),
    };
    match text.chars().count() {
        0 => refuse("text", "must not be empty".into()),
        found if found > LONGEST_TEXT => {
            refuse("text", format!("has {found} characters, at most {LONGEST_TEXT} are accepted"))
        }
        _ => Ok(text),
    }
}
