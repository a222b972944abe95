//! The text of a notification.

use perch_core::journal::{JournalEntry, Severity, What};
use perch_core::release::{Driver, Release};

use crate::ports::Message;

/// SNS allows fewer than 100 characters of printable ASCII in a subject, and refuses a message with
/// others (API Reference, `Publish`).
const SUBJECT_CHARACTERS: usize = 99;

/// The message for a journal entry.
pub fn message(entry: &JournalEntry, release: &Release) -> Message {
    let headline = headline(entry, release);
    let versions = match (&release.ledger, &release.canary) {
        (Some(ledger), Some(canary)) => {
            format!("Baseline: version {}. Canary: version {canary}.\n", ledger.baseline)
        }
        (Some(ledger), None) => format!("Baseline: version {}.\n", ledger.baseline),
        (None, _) => String::new(),
    };
    let text = format!(
        "{headline}\n{cause}\n\nTarget: {target}\nArtifact: {artifact}\n{versions}At: {at:.0}\n\
         Entry: {id}/{seq}\n\nperch release {id}\n",
        cause = sentence(&entry.cause),
        target = release.target,
        artifact = release.artifact,
        at = entry.at,
        id = release.id,
        seq = entry.seq,
    );
    Message { subject: subject(&headline), text, attributes: attributes(entry) }
}

/// The headline as SNS takes it.
pub(super) fn subject(headline: &str) -> String {
    let printable = |c: &char| *c == ' ' || c.is_ascii_graphic();
    headline.chars().filter(printable).take(SUBJECT_CHARACTERS).collect()
}

fn attributes(entry: &JournalEntry) -> Vec<(&'static str, String)> {
    vec![
        ("target", entry.target.to_string()),
        ("release", entry.release.to_string()),
        ("entry", format!("{}/{}", entry.release, entry.seq)),
        ("what", format!("{:?}", entry.what)),
        ("severity", severity(entry.what.severity()).to_owned()),
    ]
}

/// One line that says what happened to which target.
pub(super) fn headline(entry: &JournalEntry, release: &Release) -> String {
    let target = &release.target;
    match entry.what {
        What::ReleasePlanned => format!("{target}: release of {} planned", release.artifact),
        What::LedgerTaken => format!("{target}: way back recorded"),
        What::CodeSet => format!("{target}: code set"),
        What::CanaryPublished => format!("{target}: canary published"),
        What::SmokeTested => format!("{target}: smoke tested"),
        What::ModelChecked => format!("{target}: {} is complete", release.artifact),
        What::WeightShifted
        | What::DeploymentStarted
        | What::DeploymentStopped
        | What::CacheSwitched
        | What::ReplicasReloaded => {
            format!("{target}: {}", entry.cause)
        }
        What::ReplicasLeftOut => {
            format!("{target}: replicas serve another model, a person must act")
        }
        What::CacheNotSwitched => {
            format!("{target}: the cache was not switched, a person must act")
        }
        What::BakeJudged => format!("{target}: judged"),
        What::OrderGiven => format!("{target}: order given"),
        What::PromotionDecided => format!("{target}: promotion decided"),
        What::CanaryPromoted => format!("{target}: {} has all traffic", release.artifact),
        What::ReleasePromoted => format!("{target}: {} promoted", release.artifact),
        What::RollbackDecided => format!("{target}: going back from {}", release.artifact),
        What::ReleaseRolledBack => format!("{target}: {} rolled back", release.artifact),
        What::ReleaseRejected => format!("{target}: {} rejected", release.artifact),
        What::ReleaseSuperseded => format!("{target}: {} superseded", release.artifact),
        What::TrafficTakenOver => match release.plan.driver {
            Driver::Alias(_) => format!("{target}: someone else moved the alias"),
            Driver::Service(_) => format!("{target}: someone else deployed to the service"),
            Driver::Servers(_) => format!("{target}: someone else changed the model servers"),
        },
        What::ReleaseRevived => format!("{target}: {} goes on", release.artifact),
        What::ReleaseStuck => format!("{target}: STUCK, a person must act"),
    }
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Page => "page",
    }
}

/// The text with a full stop, and with a capital first letter unless it begins with a name.
pub(super) fn sentence(text: &str) -> String {
    let stop = if text.ends_with('.') { "" } else { "." };
    let first_word = text.split(' ').next().unwrap_or_default();
    if !first_word.chars().all(|c| c.is_ascii_lowercase()) {
        return format!("{text}{stop}");
    }
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{stop}", chars.as_str())
}
