//! Notices: what happened to a target outside of any release, or to the whole installation.

use perch_core::journal::{Happened, Notice, Severity};
use perch_core::names::TargetName;
use serde_json::{Value, json};

use super::message::{sentence, severity, subject};
use super::slack::{cut, escaped, mark, said};
use crate::ports::{LoadTarget, Message, PortError, PostSlack, PublishMessage};

/// Tells people about one notice. One about the whole installation goes to the topic alone: no single
/// target's Slack stands for all.
///
/// # Errors
/// [`PortError`] when the target could not be read or the topic did not take it.
pub async fn run(
    store: &impl LoadTarget,
    topic: &impl PublishMessage,
    slack: &impl PostSlack,
    notice: &Notice,
) -> Result<(), PortError> {
    topic.publish(&message(notice)).await?;
    let Some(name) = &notice.target else { return Ok(()) };
    let target = store.target(name).await?;
    let Some(config) = target.and_then(|target| target.notify.slack) else { return Ok(()) };
    if let Err(error) = slack.post(&config.webhook, &body(notice)).await {
        tracing::warn!(
            target.name = %name,
            error = &error as &dyn std::error::Error,
            "Slack did not take the notice; the topic has it"
        );
    }
    Ok(())
}

/// The message for a notice.
pub fn message(notice: &Notice) -> Message {
    let headline = headline(notice);
    let text = format!(
        "{headline}\n{text}\n\nTarget: {scope}\nAt: {at:.0}\nEntry: {entry}\n",
        text = told(notice),
        scope = scope(notice),
        at = notice.at,
        entry = entry(notice),
    );
    let attributes = vec![
        ("target", scope(notice).to_owned()),
        ("entry", entry(notice)),
        ("what", format!("{:?}", notice.what)),
        ("severity", severity(notice.what.severity()).to_owned()),
    ];
    Message { subject: subject(&headline), text, attributes }
}

/// A body for an incoming webhook.
pub fn body(notice: &Notice) -> Value {
    let headline = headline(notice);
    let text = format!("{} {}", mark(notice.what.severity()), escaped(&told(notice)));
    let command = match notice.what.severity() {
        Severity::Info => String::new(),
        Severity::Warning | Severity::Page => format!("`perch explain {}` | ", scope(notice)),
    };
    let footer = format!("{command}{:.0}", notice.at);
    said(
        &headline,
        &told(notice),
        &[
            json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&text) } }),
            json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": footer }] }),
        ],
    )
}

/// What tells the notice from others; the same when the stream delivers it again.
fn entry(notice: &Notice) -> String {
    format!("{}/{}/{}", scope(notice), notice.at, notice.id)
}

fn scope(notice: &Notice) -> &str {
    notice.target.as_ref().map_or("all", TargetName::as_str)
}

fn headline(notice: &Notice) -> String {
    let what = match notice.what {
        Happened::LineStopped => "the line is stopped",
        Happened::LineResumed => "the line goes on",
        Happened::DriftFound => "someone else moved the alias",
        Happened::DriftEnded => "the alias is as it was promoted again",
        Happened::TargetFreed => "freed from a release that is over",
    };
    match &notice.target {
        Some(target) => format!("{target}: {what}"),
        None => format!("all targets: {what}"),
    }
}

/// The notice's text as a sentence. A target's name keeps its small letter.
fn told(notice: &Notice) -> String {
    let begins = |name: &TargetName| notice.text.split(' ').next() == Some(name.as_str());
    if notice.target.as_ref().is_some_and(begins) {
        let stop = if notice.text.ends_with('.') { "" } else { "." };
        return format!("{}{stop}", notice.text);
    }
    sentence(&notice.text)
}
