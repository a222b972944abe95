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
    fn a_bar_shows_the_smallest_weight() {
        let bar = |percent| bar(Weight::new(percent).unwrap(), 10);
        assert_eq!(bar(0), "░░░░░░░░░░");
        assert_eq!(bar(1), "█░░░░░░░░░");
        assert_eq!(bar(100), "██████████");
    }
}
