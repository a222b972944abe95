//! What an event is about, in a few words. A dead letter's event may lack any field: what is there
//! is said.

use serde_json::Value;

/// Hex digits of a digest that are enough for people.
const DIGEST_DIGITS: usize = 12;

/// What the event is about.
pub(super) fn subject(event: &Value) -> String {
    let detail = &event["detail"];
    let known = match event["source"].as_str() {
        Some("aws.ecr") => image(detail),
        Some("aws.s3") => package(detail),
        Some("aws.cloudwatch") => text(&detail["alarmName"]).map(|name| format!("alarm {name}")),
        _ => None,
    };
    known
        .or_else(|| text(&event["detail-type"]).map(str::to_owned))
        .unwrap_or_else(|| "an event of unknown kind".to_owned())
}

fn image(detail: &Value) -> Option<String> {
    let repository = text(&detail["repository-name"]);
    let tag = text(&detail["image-tag"]).filter(|tag| !tag.is_empty());
    let digest = text(&detail["image-digest"]).map(|digest| {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        hex.chars().take(DIGEST_DIGITS).collect::<String>()
    });
    if repository.is_none() && tag.is_none() && digest.is_none() {
        return None;
    }
    let repository = repository.unwrap_or("unnamed repository");
    Some(match (tag, digest) {
        (Some(tag), Some(digest)) => format!("image {repository}:{tag} ({digest})"),
        (Some(tag), None) => format!("image {repository}:{tag}"),
        (None, Some(digest)) => format!("image {repository}@{digest}"),
        (None, None) => format!("image of {repository}"),
    })
}

fn package(detail: &Value) -> Option<String> {
    let bucket = text(&detail["bucket"]["name"])?;
    let key = text(&detail["object"]["key"]).unwrap_or_default();
    Some(format!("package s3://{bucket}/{key}"))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(source: &str, detail: &Value) -> String {
        subject(&json!({ "source": source, "detail-type": "Some Kind", "detail": detail }))
    }

    #[test]
    fn what_is_there_is_said() {
        let digest = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678";
        for (source, detail, expected) in [
            (
                "aws.ecr",
                json!({ "repository-name": "news", "image-tag": "v2", "image-digest": digest }),
                "image news:v2 (7f5b2640fe6f)",
            ),
            (
                "aws.ecr",
                json!({ "repository-name": "news", "image-tag": "", "image-digest": digest }),
                "image news@7f5b2640fe6f",
            ),
            ("aws.ecr", json!({ "image-tag": "v2" }), "image unnamed repository:v2"),
            ("aws.ecr", json!({ "repository-name": "news" }), "image of news"),
            (
                "aws.s3",
                json!({ "bucket": { "name": "models" }, "object": { "key": "a/b.zip" } }),
                "package s3://models/a/b.zip",
            ),
            ("aws.cloudwatch", json!({ "alarmName": "news errors" }), "alarm news errors"),
            ("aws.ecr", json!({}), "Some Kind"),
            ("aws.s3", json!("no object"), "Some Kind"),
            ("aws.health", json!({ "x": 1 }), "Some Kind"),
        ] {
            assert_eq!(of(source, &detail), expected);
        }
        for event in [json!({}), json!([1]), Value::Null, json!("text")] {
            assert_eq!(subject(&event), "an event of unknown kind");
        }
    }
}
