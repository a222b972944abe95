//! The Block Kit body of a notification.

use perch_core::journal::{JournalEntry, Severity};
use perch_core::phase::Phase;
use perch_core::release::Release;
use serde_json::{Value, json};

use super::message::{headline, sentence};

/// Slack's limits on a header and on a section's text (Slack, "Block Kit", block reference).
const HEADER_CHARACTERS: usize = 150;
const SECTION_CHARACTERS: usize = 3000;

/// A body for an incoming webhook: `text` is what notifications and old clients show.
pub fn body(entry: &JournalEntry, release: &Release) -> Value {
    let mark = match entry.what.severity() {
        Severity::Info => ":large_green_circle:",
        Severity::Warning => ":warning:",
        Severity::Page => ":rotating_light:",
    };
    let headline = headline(entry, release);
    let sentence = sentence(&entry.cause);
    let cause = cut(&format!("{mark} {}", escaped(&sentence)), SECTION_CHARACTERS);
    let field = |name: &str, value: String| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{value}") });
    let mut fields = vec![
        field("Artifact", escaped(&release.artifact.to_string())),
        field("Canary traffic", traffic(release)),
    ];
    if let Some(ledger) = &release.ledger {
        let canary = release.canary.as_ref().map_or("-", |version| version.as_str());
        fields.push(field("Baseline / canary version", format!("{} / {canary}", ledger.baseline)));
    }
    json!({
        "text": cut(&escaped(&format!("{headline}. {sentence}")), SECTION_CHARACTERS),
        "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": cut(&headline, HEADER_CHARACTERS) } },
            { "type": "section", "text": { "type": "mrkdwn", "text": cause } },
            { "type": "section", "fields": fields },
            { "type": "context", "elements": [
                { "type": "mrkdwn", "text": format!("`perch release {}` | {:.0}", release.id, entry.at) }
            ] }
        ]
    })
}

/// The canary's share; nobody knows it of a release that is stuck.
fn traffic(release: &Release) -> String {
    match release.phase {
        Phase::Stuck { .. } => "unknown: look at the alias".to_owned(),
        _ => release.weight().to_string(),
    }
}

/// Slack's three control characters (Slack, "Formatting text for app surfaces").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}
