//! What does not fit in the smoke tests of a target.

use std::time::Duration;

use url::Url;

use super::{Expect, HttpCheck, SmokeCheck, SmokeTests, Target};
use crate::artifact::Lane;
use crate::release::Plan;
use crate::smoke::{Expected, path};
use crate::span::Span;

/// Checks at most: a gate before the first traffic, and no test suite.
const MOST_CHECKS: usize = 20;

/// All checks together at most. The function that does them has 70 s (`template.yaml`).
pub const LONGEST: Span = Span::seconds(60);

/// Bytes of the tests as JSON. The release's item holds them next to its buckets and its synthetic
/// requests, and an item of `DynamoDB` has at most 400 KB (Developer Guide, "Quotas").
const MOST_BYTES: usize = 32 * 1024;

/// Characters of a name at most: it is in every message about the check.
const LONGEST_NAME: usize = 60;

/// Whether the smoke tests can be done as they are described. Messages begin with the path of their
/// field, with the place in the list.
pub(super) fn smoke_problems(target: &Target) -> Vec<(&'static str, String)> {
    let Some(tests) = &target.smoke else { return Vec::new() };
    let mut found = Vec::new();
    let tested = |lane| Plan::of(target, lane).is_some_and(|plan| plan.smoke.is_some());
    if !tested(Lane::Code) && !tested(Lane::Model) {
        let text =
            "smoke: model servers have golden requests instead (docs/models.md): remove `smoke`";
        found.push(("smoke", text.to_owned()));
    }
    let bytes = serde_json::to_string(tests).map_or(0, |text| text.len());
    if bytes > MOST_BYTES {
        let text = format!("smoke: {bytes} bytes as JSON: use {MOST_BYTES} at most");
        found.push(("smoke", text));
    }
    if let Some(why) = tests.url.as_deref().and_then(url_problem) {
        found.push(("smoke.url", format!("smoke.url: {why}")));
    }
    let count = tests.checks.len();
    if !(1..=MOST_CHECKS).contains(&count) {
        let text = format!("smoke.checks: {count} checks: give 1 to {MOST_CHECKS}");
        found.push(("smoke.checks", text));
    }
    let all: Duration = tests.checks.iter().map(|check| check.expect.within.duration()).sum();
    if all > LONGEST.duration() {
        let text = format!(
            "smoke.checks: they may take {:.1} s in all: use {LONGEST} at most, with a shorter \
             `expect.within` for each",
            all.as_secs_f64()
        );
        found.push(("smoke.checks", text));
    }
    for (place, check) in tests.checks.iter().enumerate() {
        let twice = tests.checks[..place].iter().any(|other| other.name == check.name);
        let problems = check_problems(target, tests, check, twice).into_iter();
        found.extend(problems.map(|(field, why)| {
            let dot = if field.is_empty() { "" } else { "." };
            ("smoke.checks", format!("smoke.checks[{place}]{dot}{field}: {why}"))
        }));
    }
    found
}

fn check_problems(
    target: &Target,
    tests: &SmokeTests,
    check: &SmokeCheck,
    twice: bool,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let length = check.name.trim().chars().count();
    if !(1..=LONGEST_NAME).contains(&length) {
        found.push(("name", format!("{length} characters: give 1 to {LONGEST_NAME}")));
    }
    if twice {
        found.push(("name", format!("`{}` is taken: choose another", check.name)));
    }
    match (&check.invoke, &check.http) {
        (Some(_), Some(_)) => found.push(("", "give `invoke` or `http`, not both".to_owned())),
        (None, None) => found.push(("", "give `invoke` or `http`".to_owned())),
        (Some(_), None) if target.service.lambda.is_none() => {
            let why = "there is no function to invoke: give `service.lambda`, or use `http`";
            found.push(("invoke", why.to_owned()));
        }
        (Some(_), None) => {}
        (None, Some(http)) => found.extend(http_problems(tests, http)),
    }
    found.extend(expect_problems(&check.expect));
    found
}

fn http_problems(tests: &SmokeTests, http: &HttpCheck) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    // Of two that would say the same, only the first is said; what is wrong with `smoke.url` has its own
    // field.
    let base = tests.url.as_deref().filter(|_| http.url.is_none()).and_then(url_problem);
    if let Some(path) = http.path.as_deref().filter(|path| !path.starts_with('/')) {
        found.push(("http.path", format!("`{path}` does not begin with /: write /{path}")));
    } else if let Some(why) = http.url.as_deref().and_then(url_problem) {
        found.push(("http.url", why));
    } else if let Some(whole) = http.whole_url(tests) {
        let why = if base.is_none() { url_problem(&whole) } else { None };
        found.extend(why.map(|why| ("http.path", why)));
    } else {
        found.push(("http", "no URL: give `smoke.url` or `http.url`".to_owned()));
    }
    let printable = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    for (name, value) in &http.headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || !printable(value) {
            let why = format!("`{name}` is not a header that can be sent");
            found.push(("http.headers", why));
        }
    }
    found
}

fn expect_problems(expect: &Expect) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(status) = expect.status.filter(|status| !(100..=599).contains(status)) {
        found.push(("expect.status", format!("{status} is no status: use 100 to 599")));
    }
    if expect.within.duration().is_zero() {
        found.push(("expect.within", "nothing is answered in no time: give a time".to_owned()));
    }
    for (at, wanted) in &expect.json {
        let parsed = path(at).map(|_| ()).and_then(|()| Expected::of(at, wanted).map(|_| ()));
        found.extend(parsed.err().map(|error| ("expect.json", error.to_string())));
    }
    found
}

/// Why this is no URL that a check can ask.
fn url_problem(text: &str) -> Option<String> {
    let such = "write one such as https://HOST:PORT";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("`{text}` is not a URL ({error}): {such}")),
    };
    if !["http", "https"].contains(&url.scheme()) {
        return Some(format!("`{text}` is neither http nor https: {such}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("a name or a password in a URL is shown to everyone: remove it".to_owned());
    }
    None
}

#[cfg(test)]
mod tests;
