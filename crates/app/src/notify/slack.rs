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
    let mark = mark(entry.what.severity());
    let headline = headline(entry, release);
    let sentence = sentence(&entry.cause);
    let cause = cut(&format!("{mark} {}", escaped(&sentence)));
    let field = |name: &str, value: String| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{value}") });
    let mut fields = vec![
        field("Artifact", escaped(&release.artifact.to_string())),
        field("Canary traffic", traffic(release)),
    ];
    if let Some(ledger) = &release.ledger {
        let canary = release.canary.as_ref().map_or("-", |version| version.as_str());
        fields.push(field("Baseline / canary version", format!("{} / {canary}", ledger.baseline)));
    }
    let footer = format!("`perch release {}` | {:.0}", release.id, entry.at);
    said(
        &headline,
        &sentence,
        &[
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": cause } }),
            json!({ "type": "section", "fields": fields }),
            json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": footer }] }),
        ],
    )
}

/// The body: a text for old clients, a header, and what follows it.
pub(super) fn said(headline: &str, sentence: &str, blocks: &[Value]) -> Value {
    let header = cut_to(headline, HEADER_CHARACTERS);
    let header = json!({ "type": "header", "text": { "type": "plain_text", "text": header } });
    let blocks: Vec<&Value> = std::iter::once(&header).chain(blocks).collect();
    json!({ "text": cut(&escaped(&format!("{headline}. {sentence}"))), "blocks": blocks })
}

/// What shows at a glance how much it matters.
pub(super) fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => ":large_green_circle:",
        Severity::Warning => ":warning:",
        Severity::Page => ":rotating_light:",
    }
}

/// The canary's share; nobody knows it of a release that is stuck.
fn traffic(release: &Release) -> String {
    match release.phase {
        Phase::Stuck { .. } => "unknown: look at the alias".to_owned(),
        _ => release.weight().to_string(),
    }
}

/// Slack's three control characters (Slack, "Formatting text for app surfaces").
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text as a section takes it.
pub(super) fn cut(text: &str) -> String {
    cut_to(text, SECTION_CHARACTERS)
}

fn cut_to(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}
