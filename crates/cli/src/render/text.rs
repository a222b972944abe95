//! Small pieces of text: times, lengths of time, bars and rates.

use std::time::Duration;

use jiff::Timestamp;
use perch_core::judge::Arm;
use perch_core::target::Quantile;
use perch_core::weight::Weight;

/// A time to the second.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The time of day.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// The time from one moment to a later one; 0 when it is not later.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// A length of time in its two largest units: `42s`, `3m 2s`, `5h 10m`, `3d 4h`.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m")];
    let mut parts: Vec<String> = units
        .into_iter()
        .skip_while(|(count, _)| *count == 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    parts.push(format!("{}s", seconds % 60));
    parts.truncate(2);
    parts.retain(|part| !part.starts_with('0') || seconds == 0);
    parts.join(" ")
}

/// A length of time in its largest unit: `42s`, `3m`, `5h`.
pub(crate) fn age(duration: Duration) -> String {
    length(duration).split(' ').next().unwrap_or_default().to_owned()
}

/// A weight as a bar of `width` cells.
pub(crate) fn bar(weight: Weight, width: usize) -> String {
    let filled = (usize::from(weight.percent()) * width).div_ceil(100).min(width);
    "█".repeat(filled) + &"░".repeat(width - filled)
}

/// A share in percent, such as `2.5%`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.1}%", 100.0 * fraction)
}

/// What an arm answered: `31 of 207 failed (15.0%), p99 64.4 ms`.
pub(crate) fn arm(arm: &Arm, quantile: Quantile) -> String {
    if arm.requests == 0 {
        return "no requests".to_owned();
    }
    let share = percent(arm.error_rate());
    let Arm { requests, errors, .. } = arm;
    format!("{errors} of {requests} failed ({share}), {quantile} {}", latency(arm))
}

/// An arm's latency, or a dash.
pub(crate) fn latency(arm: &Arm) -> String {
    arm.latency_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"))
}

/// A count: whole, unless it is not. An empty sum is minus zero, which nobody wants to read.
pub(crate) fn count(count: f64) -> String {
    let count = count + 0.0;
    if count.fract() == 0.0 { format!("{count:.0}") } else { format!("{count:.1}") }
}

/// Events and what they are counted of: `3 of 540 (0.56%)`.
pub(crate) fn share((events, of): (f64, f64)) -> String {
    if of <= 0.0 {
        return "none".to_owned();
    }
    format!("{} of {} ({})", count(events), count(of), fine_percent(events / of))
}

/// A share in percent with as many digits as small rates need: `15.0%`, `0.56%`, `0.004%`.
pub(crate) fn fine_percent(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    match percent {
        p if p >= 10.0 => format!("{p:.1}%"),
        p if p >= 0.095 || p <= 0.0 => format!("{p:.2}%"),
        p => format!("{p:.4}%"),
    }
}

/// Evidence from its logarithm, as the N of `N to one`.
pub(crate) fn odds(ln: f64) -> String {
    match ln.exp() {
        _ if ln >= 1e6_f64.ln() => format!("10^{:.0}", (ln / std::f64::consts::LN_10).floor()),
        odds if odds >= 10.0 => format!("{odds:.0}"),
        odds if odds >= 1.0 => format!("{odds:.1}"),
        odds if odds >= 0.01 => format!("{odds:.2}"),
        _ => "<0.01".to_owned(),
    }
}

/// A probability; bounds on one may be above 1.
pub(crate) fn chance(chance: f64) -> String {
    let chance = chance.min(1.0);
    if chance >= 0.001 { format!("{chance:.3}") } else { format!("{chance:.1e}") }
}

/// `text` in at most `width` columns, with a mark where something is cut off.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `text` in at most `width` columns: names of versions differ at their ends.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept / 2, kept - kept / 2);
    all.iter().take(head).chain(&['…']).chain(all.iter().skip(all.len() - tail)).collect()
}

/// `text` in lines of at most `width` columns, broken at spaces where there are any.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().map_or(0, |line| line.chars().count());
        let fits = last == 0 || last + 1 + word.chars().count() <= width;
        match lines.last_mut() {
            Some(line) if last == 0 => line.push_str(word),
            Some(line) if fits => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_at_most_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (42, "42s"),
            (60, "1m"),
            (182, "3m 2s"),
            (3600, "1h"),
            (18_605, "5h 10m"),
            (270_000, "3d 3h"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn evidence_reads_as_odds_of_any_size() {
        let odds = |n: f64| odds(n.ln());
        let texts = [1e-9, 0.25, 1.0, 19.96, 200.0, 1.2e5, 3.4e7].map(odds);
        assert_eq!(texts, ["<0.01", "0.25", "1.0", "20", "200", "120000", "10^7"]);
        assert_eq!(super::odds(2000.0), "10^868");
    }

    #[test]
    fn small_rates_keep_their_digits() {
        let texts = [0.0, 0.00004, 0.00095, 0.0056, 0.15, 1.0].map(fine_percent);
        assert_eq!(texts, ["0.00%", "0.0040%", "0.10%", "0.56%", "15.0%", "100.0%"]);
        assert_eq!(share((3.0, 540.0)), "3 of 540 (0.56%)");
        assert_eq!(share((0.0, 0.0)), "none");
    }

    #[test]
    fn a_bar_shows_the_smallest_weight() {
        let bar = |percent| bar(Weight::new(percent).unwrap(), 10);
        assert_eq!(bar(0), "░░░░░░░░░░");
        assert_eq!(bar(1), "█░░░░░░░░░");
        assert_eq!(bar(100), "██████████");
    }
}
