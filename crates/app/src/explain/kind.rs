//! What kind of reason a note gives. A note is one sentence for people, and this the only place that
//! tells kinds from sentences; `tests/explain.rs` holds it against the use cases that write them.

use super::Reason;

/// The beginnings of sentences, and what they say.
const SENTENCES: [(&str, Reason); 10] = [
    ("no target takes artifacts", Reason::NoTarget),
    ("the push has no tag", Reason::Untagged),
    ("it serves already", Reason::Serves),
    ("it was pushed before what was promoted last", Reason::Older),
    ("a newer artifact waits already", Reason::Skipped),
    ("skipped:", Reason::Skipped),
    ("waits: the end of release", Reason::WaitsForRelease),
    ("waits: stopped by", Reason::WaitsForStop),
    ("no release was in flight", Reason::NothingToGuard),
    ("the artifact had its release already", Reason::Noted),
];

pub(super) fn of(text: &str) -> Reason {
    if text.contains("matches none of the target's globs") {
        return Reason::NoGlob;
    }
    if text.ends_with("whileReleasing is reject") {
        return Reason::Refused;
    }
    if text.ends_with("ended RolledBack") {
        return Reason::Quarantined;
    }
    let known = SENTENCES.iter().find(|(beginning, _)| text.starts_with(beginning));
    known.map_or(Reason::Noted, |(_, reason)| *reason)
}
