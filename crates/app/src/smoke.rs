//! Sends the canary its smoke tests and has core judge the answers. Moves no traffic.
//!
//! It serves both kinds of drivers: a release that is being prepared gets its first shift or ends, and
//! one whose driver moves the weights itself goes on or is rolled back.

use jiff::Timestamp;
use perch_core::decide::{Event, Next, resume};
use perch_core::names::Version;
use perch_core::phase::Phase;
use perch_core::release::Release;
use perch_core::smoke::{Answer, Heard, SmokeResult, all_passed, judge};
use perch_core::target::{Lambda, SmokeCheck, SmokeTests};

use crate::ports::{CommitRelease, InvokeVersion, LoadHead, LoadRelease, RequestUrl, UrlRequest};
use crate::step::{StepError, StepInput, StepOutput, held, missing, settle};

/// Does the release's smoke tests and writes down what became of them. Tests that passed are not
/// repeated. `clock` is asked before and after: the tests take their time.
///
/// # Errors
/// [`StepError`] when the release can't be read or written; a repeated call tests again.
pub async fn run(
    store: &(impl LoadRelease + LoadHead + CommitRelease),
    (lambda, web): (&impl InvokeVersion, &impl RequestUrl),
    input: &StepInput,
    clock: impl Fn() -> Timestamp,
) -> Result<StepOutput, StepError> {
    let Some(release) = held(store, input).await? else {
        return Ok(input.then(Next::End));
    };
    let now = clock();
    let Some(tests) = due(&release) else {
        return Ok(input.then(resume(&release, now)));
    };
    let event = if release.phase == Phase::Preparing && now >= release.deadline {
        let deadline = release.deadline;
        Event::Refused { why: format!("the canary was not smoke tested by {deadline:.0}") }
    } else {
        let canary = release.canary.as_ref().ok_or_else(|| missing(&release, "canary"))?;
        let lambda = (lambda, release.plan.driver.alias());
        Event::SmokeTested { results: test(tests, lambda, web, canary).await }
    };
    settle(store, input, release, &event, None, clock()).await
}

/// The tests that the release has to pass now.
fn due(release: &Release) -> Option<&SmokeTests> {
    let begun = matches!(release.phase, Phase::Shifting { .. } | Phase::Promoting { .. });
    let has_place = release.awaits_smoke_tests() || begun;
    release.plan.smoke.as_ref().filter(|_| has_place && !all_passed(&release.smoke))
}

/// What became of each check, in their order and one after the other: a later one may rest on what an
/// earlier one did, and none makes another slower.
pub async fn test(
    tests: &SmokeTests,
    (lambda, service): (&impl InvokeVersion, Option<&Lambda>),
    web: &impl RequestUrl,
    version: &Version,
) -> Vec<SmokeResult> {
    let mut results = Vec::with_capacity(tests.checks.len());
    for check in &tests.checks {
        let heard = ask(tests, check, (lambda, service), web, version).await;
        results.push(judge(check, &heard));
    }
    results
}

async fn ask(
    tests: &SmokeTests,
    check: &SmokeCheck,
    (lambda, service): (&impl InvokeVersion, Option<&Lambda>),
    web: &impl RequestUrl,
    version: &Version,
) -> Heard {
    let within = check.expect.within.duration();
    match (&check.invoke, &check.http, service) {
        (Some(invoke), _, Some(service)) => {
            lambda.invoke(&service.function, version, &invoke.payload, within).await
        }
        (Some(_), _, None) => nothing("there is no function to invoke"),
        (None, Some(http), _) => match http.whole_url(tests) {
            Some(url) => {
                let (method, headers) = (http.method, &http.headers);
                let body = http.body.as_ref();
                web.request(&UrlRequest { url: &url, method, headers, body, within }).await
            }
            None => nothing("it has no URL"),
        },
        (None, None, _) => nothing("it has neither `invoke` nor `http`"),
    }
}

/// `apply` refuses such a check.
fn nothing(why: &str) -> Heard {
    Heard { answer: Answer::Nothing { why: why.to_owned() }, took: Default::default() }
}
