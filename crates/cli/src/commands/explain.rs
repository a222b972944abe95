//! `perch explain TARGET|EVENT-ID|ARTIFACT`

use jiff::Timestamp;
use perch_app::explain::{self, Answer, Facts, Reason, Registry, Store};
use perch_app::ports::{ListSources, ResolveTag};
use serde::Serialize;

use crate::args::looks::Explain;
use crate::console::Console;
use crate::{failure, render};

/// The answers and what they rest on.
#[derive(Debug, Serialize)]
struct Explained {
    answers: Vec<Answer>,
    facts: Facts,
}

/// Prints the answers; the exit code, which tells whether anything is known.
pub(super) async fn run(
    store: &impl Store,
    registry: Registry<'_, impl ResolveTag, impl ListSources>,
    args: &Explain,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    let facts = explain::gather(store, registry, &args.subject, now).await?;
    let answers = explain::explain(&facts);
    let unknown = answers.iter().all(|answer| answer.reason == Reason::Unknown);
    let explained = Explained { answers, facts };
    console.show(&explained, |look| render::answers(&explained.answers, look))?;
    Ok(if unknown { failure::NOT_FOUND } else { failure::OK })
}
