//! One line per journal entry, for logs and pipes.

use std::time::Duration;

use anyhow::bail;
use perch_app::ports::{ListReleases, LoadRelease, LoadStanding, PortError, ReadJournal};
use perch_core::journal::JournalEntry;
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::Phase;

use super::follow::Followed;
use crate::args::Format;
use crate::console::Console;
use crate::failure;
use crate::render::text::stamp;

/// Follows the targets line by line.
pub(crate) struct Lines {
    targets: Vec<Followed>,
    /// Whether the first look is still to come.
    first: bool,
    /// What had ended at the first look.
    over: Vec<ReleaseId>,
    /// Whether to end with a release, and with which once it is known.
    until_end: bool,
    awaited: Option<ReleaseId>,
}

impl Lines {
    pub(crate) fn new(targets: Vec<TargetName>, until_end: bool) -> Self {
        let targets = targets.into_iter().map(Followed::new).collect();
        Self { targets, first: true, over: Vec::new(), until_end, awaited: None }
    }

    /// Looks once and prints what is new; the exit code when the awaited release ended.
    pub(crate) async fn look(
        &mut self,
        store: &(impl LoadStanding + LoadRelease + ReadJournal + ListReleases),
        console: &mut Console<'_>,
    ) -> anyhow::Result<Option<u8>> {
        let mut ended = None;
        for followed in &mut self.targets {
            let news = followed.refresh(store).await?;
            let id = followed.release.as_ref().map(|release| release.id.clone());
            if self.first && followed.has_ended() {
                self.over.extend(id);
                continue;
            }
            if news.is_empty() && id.is_some_and(|id| self.over.contains(&id)) {
                continue;
            }
            for entry in &news {
                console.line(&line(entry, console.format)?)?;
            }
            let Some(release) = &followed.release else { continue };
            let awaited = self.awaited.get_or_insert_with(|| release.id.clone());
            if self.until_end && *awaited == release.id {
                ended = end_code(&release.phase).or(ended);
            }
        }
        self.first = false;
        Ok(ended)
    }

    /// Looks every `pause`, until the awaited release ended or the time is up.
    pub(crate) async fn run(
        mut self,
        store: &(impl LoadStanding + LoadRelease + ReadJournal + ListReleases),
        console: &mut Console<'_>,
        pause: Duration,
        timeout: Option<Duration>,
    ) -> anyhow::Result<u8> {
        let started = tokio::time::Instant::now();
        loop {
            let first = self.first;
            match self.look(store, console).await {
                Ok(Some(code)) => return Ok(code),
                Ok(None) => {}
                // What may pass is tried again, but not the very first time.
                Err(error) if !first && may_pass(&error) => {}
                Err(error) => return Err(error),
            }
            if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                bail!("the release has not ended within the time-out");
            }
            tokio::time::sleep(pause).await;
        }
    }
}

pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PortError::Unavailable { .. }))
}

/// The exit code of `--until-end` for a phase that is an end.
pub(super) fn end_code(phase: &Phase) -> Option<u8> {
    match phase {
        Phase::Promoted => Some(failure::OK),
        Phase::RolledBack { .. } => Some(failure::ROLLED_BACK),
        other => other.is_final().then_some(failure::ENDED_OTHERWISE),
    }
}

fn line(entry: &JournalEntry, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Json => serde_json::to_string(entry)?,
        Format::Yaml => format!("---\n{}", serde_saphyr::to_string(entry)?.trim_end()),
        Format::Table => format!(
            "{} {} {:<17} {}",
            stamp(entry.at),
            entry.release,
            format!("{:?}", entry.what),
            entry.cause
        ),
    })
}
