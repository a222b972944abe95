//! The tables of a report: texts in rows. Numbers come from the record as they are.

use perch_core::journal::{Evidence, JournalEntry};
use perch_core::judge::sequential::{Look, Method, Say};
use perch_core::phase::Phase;
use perch_core::release::Release;

use crate::render::evidence::signal_row;
use crate::render::text::{chance, clock, odds, share};

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

/// Every look of the journal.
pub(crate) fn looks(journal: &[JournalEntry]) -> Table {
    let looks = journal.iter().filter_map(|entry| Some((entry, entry.evidence.as_ref()?)));
    Table {
        caption: "Looks, oldest first".to_owned(),
        head: vec![
            "Time (UTC)",
            "Buckets",
            "Weight",
            "Canary failed",
            "Baseline failed",
            "Combined, N to one",
            "Kept, N to one",
            "Least for, N to one",
            "Verdict",
        ],
        rows: looks.map(|(entry, evidence)| look_row(entry, evidence)).collect(),
    }
}

fn look_row(entry: &JournalEntry, evidence: &Evidence) -> Vec<String> {
    let none = || "-".to_owned();
    let look = evidence.look.as_deref();
    let errors = look.and_then(|look| look.signals.first());
    #[allow(clippy::cast_precision_loss, reason = "request counts are far below 2^53")]
    let read = |arm: &perch_core::judge::Arm| (arm.errors as f64, arm.requests as f64);
    let canary = errors.map_or_else(|| read(&evidence.readings.canary), |errors| errors.canary);
    let baseline =
        errors.map_or_else(|| read(&evidence.readings.baseline), |errors| errors.baseline);
    let least = look.and_then(|look| {
        let required = look.promises.iter().filter(|test| test.required);
        required.map(|test| test.evidence).reduce(f64::min)
    });
    let of = |ln: Option<f64>| ln.map_or_else(none, odds);
    vec![
        clock(entry.at),
        look.map_or_else(none, |look| look.buckets.to_string()),
        evidence.observed.last().map_or_else(none, |seen| seen.weight.to_string()),
        share(canary),
        share(baseline),
        of(look.and_then(|look| look.gated)),
        of(look.and_then(|look| look.corroborated)),
        of(least),
        evidence.verdict.to_string(),
    ]
}

/// The journal, oldest first.
pub(crate) fn journal(journal: &[JournalEntry]) -> Table {
    let rows = journal.iter().map(|entry| {
        vec![
            entry.seq.to_string(),
            clock(entry.at),
            format!("{:?}", entry.what),
            entry.cause.clone(),
        ]
    });
    Table {
        caption: "Journal, oldest first".to_owned(),
        head: vec!["#", "Time (UTC)", "What", "Why"],
        rows: rows.collect(),
    }
}
