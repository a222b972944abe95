//! The tables of a report: texts in rows. Numbers come from the record as they are.

use perch_core::journal::{Evidence, JournalEntry};
use perch_core::judge::sequential::{Look, Method, Say};
use perch_core::judge::{Arm, Readings};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::render::evidence::signal_row;
use crate::render::smoke_lines;
use crate::render::text::{chance, clock, odds, share, stamp};

/// A table with a caption.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The look that showed what was promised, where that led to the promotion; else the newest.
pub(crate) fn deciding<'a>(
    release: &Release,
    journal: &'a [JournalEntry],
) -> Option<(&'a JournalEntry, &'a Evidence, &'a Look)> {
    let looks = || {
        let evidence = journal.iter().filter_map(|entry| Some((entry, entry.evidence.as_ref()?)));
        evidence.filter_map(|(entry, evidence)| Some((entry, evidence, evidence.look.as_deref()?)))
    };
    let is_promoted = matches!(release.phase, Phase::Promoted | Phase::Watching { .. });
    let shown = |look: &Look| matches!(look.say, Say::Promote { .. });
    let promoting = looks().rfind(|(_, _, look)| shown(look));
    promoting.filter(|_| is_promoted).or_else(|| looks().next_back())
}

/// The signals of a look.
pub(crate) fn signals(entry: &JournalEntry, look: &Look) -> Table {
    let with_tail = look.signals.iter().any(|signal| signal.tail.is_some());
    let mut head = vec![
        "Signal",
        "Canary",
        "Baseline",
        "Against, N to one",
        "Kept, N to one",
        "Gate",
        "Dispersion",
        "Dropped blocks",
    ];
    if with_tail {
        head.push("Chance at the last look");
    }
    Table {
        caption: format!("Signals at {}, after {} buckets", clock(entry.at), look.buckets),
        head,
        rows: look.signals.iter().map(|signal| signal_row(signal, with_tail)).collect(),
    }
}

/// The tests of the promotion at a look.
pub(crate) fn promises(look: &Look, method: &Method) -> Table {
    let yes = |yes: bool| if yes { "yes" } else { "no, too few requests planned" }.to_owned();
    let rows = look.promises.iter().map(|test| {
        vec![
            test.signal.to_string(),
            odds(test.evidence),
            odds(-method.beta_looks.ln()),
            test.tail.map_or_else(|| "-".to_owned(), chance),
            chance(method.beta_end),
            yes(test.required),
        ]
    });
    Table {
        caption: format!("Tests of the promotion, tolerance {:.2} points", 100.0 * look.tolerance),
        head: vec![
            "Signal",
            "For, N to one",
            "Needed",
            "Chance at the last look",
            "Needed at most",
            "Required",
        ],
        rows: rows.collect(),
    }
}

/// Every look of the journal; without evidence only what was read.
pub(crate) fn looks(journal: &[JournalEntry]) -> Table {
    let looks: Vec<_> =
        journal.iter().filter_map(|entry| Some((entry, entry.evidence.as_ref()?))).collect();
    let mut head = vec!["Time (UTC)", "Canary failed", "Baseline failed"];
    let weighed = looks.iter().any(|(_, evidence)| evidence.look.is_some());
    if weighed {
        head.extend(["Buckets", "Weight", "Combined, N to one", "Kept, N to one"]);
        head.push("Least for, N to one");
    }
    head.push("Verdict");
    let row = |(entry, evidence): (&JournalEntry, &Evidence)| {
        let mut row = vec![clock(entry.at)];
        row.extend(failed(evidence));
        if weighed {
            row.extend(weights(evidence));
        }
        row.push(evidence.verdict.to_string());
        row
    };
    Table {
        caption: "Looks, oldest first".to_owned(),
        head,
        rows: looks.into_iter().map(row).collect(),
    }
}

/// Failed requests of both arms: since the start with evidence, else as read at the look.
fn failed(evidence: &Evidence) -> [String; 2] {
    let errors = evidence.look.as_deref().and_then(|look| look.signals.first());
    #[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
    let read = |arm: &Arm| (arm.errors as f64, arm.requests as f64);
    let Readings { canary, baseline, .. } = &evidence.readings;
    match errors {
        Some(errors) => [share(errors.canary), share(errors.baseline)],
        None => [share(read(canary)), share(read(baseline))],
    }
}

/// How far the evidence was.
fn weights(evidence: &Evidence) -> [String; 5] {
    let none = || "-".to_owned();
    let of = |ln: Option<f64>| ln.map_or_else(none, odds);
    let look = evidence.look.as_deref();
    let least = look.and_then(|look| {
        let required = look.promises.iter().filter(|test| test.required);
        required.map(|test| test.evidence).reduce(f64::min)
    });
    [
        look.map_or_else(none, |look| look.buckets.to_string()),
        evidence.observed.last().map_or_else(none, |seen| seen.weight.to_string()),
        of(look.and_then(|look| look.gated)),
        of(look.and_then(|look| look.corroborated)),
        of(least),
    ]
}

/// The cause of an entry and, behind it, what became of each smoke test.
fn why(entry: &JournalEntry) -> String {
    if entry.smoke.is_empty() {
        return entry.cause.clone();
    }
    format!("{} ({})", entry.cause, smoke_lines(&entry.smoke).join("; "))
}

/// The journal, oldest first.
pub(crate) fn journal(journal: &[JournalEntry]) -> Table {
    let rows = journal.iter().map(|entry| {
        vec![entry.seq.to_string(), stamp(entry.at), format!("{:?}", entry.what), why(entry)]
    });
    Table {
        caption: "Journal, oldest first".to_owned(),
        head: vec!["#", "Time", "What", "Why"],
        rows: rows.collect(),
    }
}
