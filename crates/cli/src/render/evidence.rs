//! `perch release ID --evidence`: every look, with the counts, the evidence and what follows.

use comfy_table::Cell;
use perch_app::view::ReleaseView;
use perch_core::journal::{Evidence, JournalEntry};
use perch_core::judge::sequential::{Look, Method, PromiseLook, SignalLook};
use perch_core::release::Release;
use perch_core::target::Quantile;

use super::basis::{basis, method};
use super::text::{arm, chance, count, fine_percent, odds, stamp, wrap};
use super::{block, finish, header, phase, table};
use crate::console;

/// What is said where the rule `thresholds` decides.
pub(crate) const NONE: &str = "rule: thresholds keeps no evidence of this kind";

/// The width of texts where no terminal says one.
const WIDTH: usize = 100;

/// Names of what stands on a line.
const NAMES: usize = 12;

/// The basis of a release, then its looks, oldest first.
pub(crate) fn evidence(release: &Release, view: &ReleaseView, look: console::Look) -> String {
    let mut blocks = vec![block(look, facts(view))];
    match &release.judging {
        Some(judging) => {
            let rows = basis(release, judging);
            let lines = rows.iter().flat_map(|(name, text)| named(name, text, look));
            let title = "fixed before the start".to_owned();
            blocks.push([title].into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
        }
        None => blocks.push(why_none(release)),
    }
    let looks = view.journal.iter().filter_map(|entry| Some((entry, entry.evidence.as_ref()?)));
    let mut before: &[String] = &[];
    for (index, (entry, evidence)) in looks.enumerate() {
        let mut lines = one_look(index + 1, entry, evidence, release, look);
        lines.extend(sent(evidence.synthetic, look));
        lines.extend(asked(&evidence.queries, before, look));
        before = &evidence.queries;
        blocks.push(lines.join("\n"));
    }
    blocks.join("\n\n")
}

/// Why a release has no basis.
pub(crate) fn why_none(release: &Release) -> String {
    match release.plan.judge.rule {
        perch_core::target::Rule::Thresholds => NONE.to_owned(),
        perch_core::target::Rule::Sequential => {
            "no evidence yet: it is gathered from the first shift on".to_owned()
        }
    }
}

fn facts(view: &ReleaseView) -> Vec<(&'static str, Cell)> {
    vec![
        ("release", Cell::new(&view.id)),
        ("target", Cell::new(&view.target)),
        ("artifact", Cell::new(&view.artifact)),
        ("phase", phase(view.phase)),
    ]
}

fn one_look(
    number: usize,
    entry: &JournalEntry,
    evidence: &Evidence,
    release: &Release,
    look: console::Look,
) -> Vec<String> {
    let mut lines = vec![format!("look {number} at {}", stamp(entry.at))];
    lines.extend(named("verdict", &evidence.verdict.to_string(), look));
    match &evidence.look {
        Some(found) => {
            let method = method(release);
            lines.extend(named("settled", &settled(found, evidence, release), look));
            lines.extend(named("against", &against(found, &method), look));
            lines.extend(named("for", &promised(found, &method), look));
            lines.push(signals(found, look));
        }
        None => {
            let (readings, quantile) = (&evidence.readings, release.plan.judge.latency.quantile);
            lines.extend(readings_of(readings, quantile, look));
        }
    }
    lines
}

/// What the look sent itself.
fn sent(requests: u32, look: console::Look) -> Vec<String> {
    match requests {
        0 => Vec::new(),
        1 => named("sent", "1 synthetic request to the alias", look),
        more => named("sent", &format!("{more} synthetic requests to the alias"), look),
    }
}

fn asked(queries: &[String], before: &[String], look: console::Look) -> Vec<String> {
    if !queries.is_empty() && queries == before {
        return named("asked", "the same", look);
    }
    let names = std::iter::once("asked").chain(std::iter::repeat(""));
    queries.iter().zip(names).flat_map(|(query, name)| named(name, query, look)).collect()
}

fn readings_of(
    readings: &perch_core::judge::Readings,
    quantile: Quantile,
    look: console::Look,
) -> Vec<String> {
    let mut lines = named("canary", &arm(&readings.canary, quantile), look);
    lines.extend(named("baseline", &arm(&readings.baseline, quantile), look));
    lines
}

fn settled(found: &Look, evidence: &Evidence, release: &Release) -> String {
    let planned = release
        .judging
        .as_ref()
        .map_or(0, |judging| judging.basis.blocks as usize * judging.basis.buckets_per_block());
    let newest = evidence.observed.last();
    let newest = newest.map(|seen| format!("; newest from {} at {}", stamp(seen.at), seen.weight));
    let of = format!("{} of {planned} buckets of the plan", found.buckets);
    of + &newest.unwrap_or_default()
}

fn against(found: &Look, method: &Method) -> String {
    let of = |ln: Option<f64>| ln.map_or_else(|| "none".to_owned(), odds);
    format!(
        "{} to one of all signals; of those with an open gate {} (needed {}), without the dropped \
         blocks {} (needed {})",
        odds(found.evidence),
        of(found.gated),
        odds(-method.alpha_looks.ln()),
        of(found.corroborated),
        odds(method.corroboration.ln()),
    )
}

fn promised(found: &Look, method: &Method) -> String {
    let (required, others): (Vec<_>, Vec<_>) =
        found.promises.iter().partition(|promise| promise.required);
    let tests: Vec<String> = required.into_iter().map(promise).collect();
    let mut text = format!(
        "{} to one (needed {} each); tolerance {:.2} points",
        tests.join(", "),
        odds(-method.beta_looks.ln()),
        100.0 * found.tolerance
    );
    let tails: Vec<String> = found
        .promises
        .iter()
        .filter_map(|test| Some(format!("{} {}", test.signal, chance(test.tail?))))
        .collect();
    if !tails.is_empty() {
        let needed = chance(method.beta_end);
        text += &format!("; chances at the last look: {} (needed {needed})", tails.join(", "));
    }
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|other| other.signal.to_string()).collect();
        text += &format!("; too few requests planned for {}", names.join(", "));
    }
    text
}

fn promise(promise: &PromiseLook) -> String {
    format!("{} {}", promise.signal, odds(promise.evidence))
}

fn signals(found: &Look, look: console::Look) -> String {
    let with_tail = found.signals.iter().any(|signal| signal.tail.is_some());
    let mut table = table(console::Look { width: look.width.map(|width| width - 2), ..look });
    let mut names = header([
        "SIGNAL",
        "CANARY",
        "BASELINE",
        "N TO ONE",
        "KEPT",
        "GATE",
        "DISPERSION",
        "DROPPED",
    ]);
    if with_tail {
        names.push(Cell::new("LAST"));
    }
    table.set_header(names);
    for signal in &found.signals {
        table.add_row(signal_row(signal, with_tail));
    }
    finish(table).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// One signal in the columns of the table.
pub(crate) fn signal_row(signal: &SignalLook, with_tail: bool) -> Vec<String> {
    let short = |(events, of): (f64, f64)| {
        let rate = if of > 0.0 { fine_percent(events / of) } else { "-".to_owned() };
        format!("{}/{} {rate}", count(events), count(of))
    };
    let dropped: Vec<String> = signal.dropped.iter().map(|block| (block + 1).to_string()).collect();
    let mut row = vec![
        signal.signal.to_string(),
        short(signal.canary),
        short(signal.baseline),
        odds(signal.evidence),
        odds(signal.corroborated),
        if signal.gate { "open" } else { "shut" }.to_owned(),
        format!("{:.2}", signal.dispersion),
        if dropped.is_empty() { "-".to_owned() } else { dropped.join(", ") },
    ];
    if with_tail {
        row.push(signal.tail.map_or_else(|| "-".to_owned(), chance));
    }
    row
}

fn named(name: &str, text: &str, look: console::Look) -> Vec<String> {
    let width = look.width.map_or(WIDTH, usize::from).saturating_sub(NAMES + 2);
    let lines = wrap(text, width).into_iter().enumerate();
    lines
        .map(|(row, line)| format!("  {:<NAMES$}{line}", if row == 0 { name } else { "" }))
        .collect()
}
