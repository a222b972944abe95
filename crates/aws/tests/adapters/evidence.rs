//! The counts that evidence is made of: one call, exact series, and nothing taken for zero that is not.

use ciborium::Value as Cbor;
use perch_app::ports::{Ask, History, PortError, ReadEvidence, Taken, Window};
use perch_core::head::TargetGroups;
use perch_core::judge::sequential::{Bucket, Pair, Tally};
use perch_core::names::Version;
use perch_core::target::JudgeRule;
use serde_json::{Value, json};

use perch_core::release::Driver;

use crate::cloudwatch::{cloudwatch, lambda, map, metrics};
use crate::samples::at;
use crate::support::{Answer, read};

const TAUS: [f64; 4] = [100.0, 150.0, 200.0, 300.0];

fn versions() -> [Version; 2] {
    ["5", "4"].map(|version| version.parse().unwrap())
}

fn minutes(count: i64) -> Window {
    let from = at("2026-11-21T12:00:00Z");
    let to = from + jiff::SignedDuration::from_mins(count);
    Window { from, latency_from: from, to, period_seconds: 60 }
}

async fn take(rule: &JudgeRule, answer: Answer, window: Window) -> (Vec<Taken>, Value) {
    let (cloudwatch, sent) = cloudwatch([answer]);
    let driver = Driver::Alias(lambda());
    let ask = Ask { driver: &driver, groups: None, rule, thresholds_ms: &TAUS };
    let [canary, baseline] = versions();
    let taken = cloudwatch.buckets(ask, [&canary, &baseline], window).await.unwrap();
    (taken, sent.only().1)
}

/// `id: metric statistic version` of each query.
fn asked(request: &Value) -> Vec<String> {
    let queries = request["MetricDataQueries"].as_array().unwrap();
    let text = |query: &Value| {
        let stat = &query["MetricStat"];
        let dimensions = stat["Metric"]["Dimensions"].as_array().unwrap();
        let last = dimensions.last().unwrap()["Value"].as_str().unwrap();
        let metric = stat["Metric"]["MetricName"].as_str().unwrap();
        format!("{} {metric} {} {last}", query["Id"], stat["Stat"]).replace('"', "")
    };
    queries.iter().map(text).collect()
}

#[tokio::test]
async fn all_signals_of_both_arms_are_one_call() {
    let answer = metrics(
        &[
            ("canary_requests", &[(0, 60.0), (1, 66.0)]),
            ("canary_errors", &[(1, 2.0)]),
            ("canary_latency", &[(0, 210.0)]),
            ("canary_slow_0_0", &[(0, 6.0), (1, 9.5)]),
            ("canary_slow_0_2", &[(1, 3.0)]),
            ("canary_slow_3_1", &[(1, 1.0)]),
            ("baseline_requests", &[(0, 540.0)]),
            ("baseline_slow_0_0", &[(0, 55.0)]),
        ],
        None,
    );
    let (taken, request) = take(&JudgeRule::default(), answer, minutes(3)).await;
    // Requests, errors and p99 of both; three thresholds of the canary, one of the baseline.
    let asked = asked(&request);
    assert_eq!(asked.len(), 3 + 12 + 3 + 4);
    for query in [
        "canary_requests Invocations Sum 5",
        "canary_errors Errors Sum 5",
        "canary_latency Duration p99 5",
        "canary_slow_0_0 Duration TC(100.000:) 5",
        "canary_slow_0_1 Duration TC(109.545:) 5",
        "canary_slow_3_2 Duration TC(360.000:) 5",
        "baseline_requests Invocations Sum 4",
        "baseline_slow_3_0 Duration TC(300.000:) 4",
    ] {
        assert!(asked.iter().any(|asked| asked == query), "{query} of {asked:#?}");
    }
    let starts: Vec<_> = taken.iter().map(|taken| taken.at).collect();
    let minute = jiff::SignedDuration::from_mins(1);
    let from = minutes(3).from;
    assert_eq!(starts, [from, from + minute, from + minute * 2], "empty buckets, too");
    let [first, second, third] = &taken[..] else { panic!("three buckets") };
    assert_eq!((first.bucket.canary.requests, first.bucket.canary.errors), (60.0, 0.0));
    assert_eq!(first.latency_ms, [Some(210.0), None]);
    assert_eq!(first.bucket.canary.slow[0], [6.0, 0.0, 0.0]);
    assert_eq!(first.bucket.baseline.slow[0], [55.0; 3], "the baseline's is exact at each end");
    assert_eq!(second.bucket.canary.slow[0], [9.5, 0.0, 3.0]);
    assert_eq!(second.bucket.canary.slow[3], [0.0, 1.0, 0.0]);
    assert_eq!(third.bucket, Bucket::default());
}

#[tokio::test]
async fn a_services_own_metrics_are_read_by_version_and_by_ten_seconds() {
    let rule: JudgeRule = read(json!({
        "metrics": { "namespace": "News", "bucket": "10s" },
        "signals": [{ "name": "unsure", "count": "LowConfidence", "total": "Requests" }],
    }));
    let answer = metrics(
        &[
            ("canary_total_0", &[(0, 50.0)]),
            ("canary_count_0", &[(0, 7.0)]),
            ("baseline_total_0", &[(0, 400.0)]),
        ],
        None,
    );
    let window = Window { period_seconds: 10, ..minutes(1) };
    let (taken, request) = take(&rule, answer, window).await;
    assert_eq!(taken.len(), 6);
    let query = &request["MetricDataQueries"][0]["MetricStat"];
    let dimensions = json!([
        { "Name": "Service", "Value": "news" },
        { "Name": "Version", "Value": "5" },
    ]);
    let metric = json!({ "Namespace": "News", "MetricName": "Requests", "Dimensions": dimensions });
    assert_eq!(*query, json!({ "Metric": metric, "Period": 10, "Stat": "Sum" }));
    let tally = |count, total| Tally { count, total };
    let pair = Pair { canary: tally(7.0, 50.0), baseline: tally(0.0, 400.0) };
    assert_eq!(taken[0].bucket.custom, [pair]);
    assert_eq!(taken[1].bucket.custom, [Pair::default()]);
}

/// A service that publishes percentiles and no value per request.
fn percentiles() -> JudgeRule {
    let names = json!({ "p90": "Slow90", "p95": "Slow95", "p98": "Slow98", "p99": "Slow99" });
    read(json!({ "metrics": { "namespace": "News", "percentiles": names } }))
}

#[tokio::test]
async fn percentiles_bracket_the_slow_requests_with_the_worse_end_of_each_arm() {
    let answer = metrics(
        &[
            ("canary_requests", &[(0, 100.0), (1, 100.0), (2, 100.0)]),
            ("canary_percentile_0", &[(0, 170.0), (1, 90.0)]),
            ("canary_percentile_1", &[(0, 190.0), (1, 140.0)]),
            ("canary_percentile_2", &[(0, 250.0), (1, 190.0)]),
            ("canary_percentile_3", &[(0, 320.0), (1, 290.0)]),
            ("baseline_requests", &[(0, 900.0), (1, 900.0), (2, 900.0)]),
            ("baseline_percentile_0", &[(0, 95.0), (1, 101.0)]),
            ("baseline_percentile_1", &[(0, 140.0), (1, 151.0)]),
            ("baseline_percentile_2", &[(0, 199.0), (1, 201.0)]),
            ("baseline_percentile_3", &[(0, 290.0), (1, 301.0)]),
        ],
        None,
    );
    let (taken, request) = take(&percentiles(), answer, minutes(3)).await;
    let asked = asked(&request);
    assert_eq!(asked.len(), 2 * (2 + 4));
    for query in [
        "canary_requests Requests Sum 5",
        "canary_percentile_0 Slow90 Average 5",
        "canary_percentile_3 Slow99 Average 5",
        "baseline_percentile_2 Slow98 Average 4",
    ] {
        assert!(asked.iter().any(|asked| asked == query), "{query} of {asked:#?}");
    }
    let [slower, usual, unknown] = &taken[..] else { panic!("three buckets") };
    // The p90 of 170 ms is above 150 and 164 ms and not above 180: 10 of 100 at least, and at most.
    assert_eq!(slower.bucket.canary.slow[1], [10.0, 10.0, 10.0]);
    // The p98 of 250 ms is above 200, 219 and 240; the p95 of 190 ms is not.
    assert_eq!(slower.bucket.canary.slow[2], [2.0, 2.0, 5.0]);
    assert_eq!(slower.bucket.baseline.slow[0], [90.0, 90.0, 45.0]);
    assert_eq!(slower.bucket.baseline.slow[1], [45.0, 45.0, 18.0]);
    assert_eq!(slower.latency_ms, [Some(320.0), Some(290.0)]);
    assert_eq!(usual.bucket.canary.slow[0], [5.0, 5.0, 10.0]);
    assert_eq!(usual.bucket.baseline.slow[0], [900.0, 900.0, 90.0]);
    // Requests without percentiles say nothing, against the canary or for it.
    assert_eq!(unknown.bucket.canary.slow, [[0.0, 0.0, 100.0]; 4]);
    assert_eq!(unknown.bucket.baseline.slow, [[900.0, 900.0, 0.0]; 4]);
}

#[tokio::test]
async fn thresholds_are_the_averages_of_published_percentiles() {
    let series = [
        ("hourly", &[(0, 600.0), (60, 200.0)][..]),
        ("latency_0", &[(0, 80.0), (60, 160.0)]),
        ("latency_1", &[(0, 90.0), (60, 90.0)]),
        ("latency_2", &[(0, 100.0), (60, 100.0)]),
        ("latency_3", &[(0, 120.0), (60, 120.0)]),
    ];
    let (history, request) = history_of(&percentiles(), metrics(&series, None)).await;
    assert_eq!(history.unwrap().latency_ms, [100.0, 90.0, 100.0, 120.0]);
    for query in ["latency_0 Slow90 Average 4", "latency_3 Slow99 Average 4"] {
        assert!(asked(&request).iter().any(|asked| asked == query), "{:#?}", asked(&request));
    }
}

#[tokio::test]
async fn queries_are_told_as_they_are_asked() {
    let (cloudwatch, _) = cloudwatch([]);
    let (driver, rule, [canary, baseline]) =
        (Driver::Alias(lambda()), JudgeRule::default(), versions());
    let ask = Ask { driver: &driver, groups: None, rule: &rule, thresholds_ms: &TAUS };
    let queries = cloudwatch.queries(ask, [&canary, &baseline]);
    assert_eq!(queries.len(), 22);
    assert_eq!(
        queries[3],
        "canary_slow_0_0: TC(100.000:) of AWS/Lambda Duration {FunctionName=news, \
         Resource=news:live, ExecutedVersion=5}"
    );
}

async fn history(answer: Answer) -> (Result<History, PortError>, Value) {
    history_of(&JudgeRule::default(), answer).await
}

async fn history_of(rule: &JudgeRule, answer: Answer) -> (Result<History, PortError>, Value) {
    let (cloudwatch, sent) = cloudwatch([answer]);
    let driver = Driver::Alias(lambda());
    let ask = Ask { driver: &driver, groups: None, rule, thresholds_ms: &[] };
    let until = at("2026-11-21T13:00:41Z");
    let history = cloudwatch.history(ask, &"4".parse().unwrap(), until, 60).await;
    (history, sent.only().1)
}

#[tokio::test]
async fn history_is_the_last_hour_of_whole_minutes_and_the_percentiles_of_its_hours() {
    // Minutes from 12:00 on; the hours begin at 12:00 and 13:00.
    let hour = |value: f64| [(0, value), (60, 2.0 * value)];
    let answer = metrics(
        &[
            ("requests", &[(-1, 9.0), (0, 100.0), (59, 120.0), (60, 50.0)]),
            ("errors", &[(59, 2.0)]),
            ("hourly", &[(0, 600.0), (60, 200.0)]),
            ("latency_0", &hour(80.0)),
            ("latency_1", &hour(90.0)),
            ("latency_2", &hour(100.0)),
            ("latency_3", &hour(120.0)),
        ],
        None,
    );
    let (history, request) = history(answer).await;
    let history = history.unwrap();
    assert_eq!(history.requests.len(), 60);
    assert_eq!((history.requests[0], history.requests[59]), (100.0, 120.0));
    assert_eq!((history.requests[1], history.errors[59]), (0.0, 2.0));
    // (80 * 600 + 160 * 200) / 800
    assert_eq!(history.latency_ms[0], 100.0);
    assert_eq!(history.latency_ms.len(), 4);
    let last = "news:live";
    for query in [
        format!("requests Invocations Sum {last}"),
        format!("errors Errors Sum {last}"),
        format!("latency_0 Duration p90 {last}"),
        format!("latency_2 Duration p98 {last}"),
    ] {
        assert!(asked(&request).contains(&query), "{query} of {:#?}", asked(&request));
    }
    assert_eq!(request["EndTime"], at("2026-11-21T13:00:00Z").as_second());
}

#[tokio::test]
async fn below_a_hundred_requests_in_a_day_there_are_no_percentiles() {
    for (requests, known) in [(99.0, 0), (100.0, 4)] {
        let latency: &[(i64, f64)] = &[(0, 80.0)];
        let series = [
            ("hourly", &[(0, requests)][..]),
            ("latency_0", latency),
            ("latency_1", latency),
            ("latency_2", latency),
            ("latency_3", latency),
        ];
        let (history, _) = history(metrics(&series, None)).await;
        assert_eq!(history.unwrap().latency_ms.len(), known);
    }
}

#[tokio::test]
async fn a_series_that_cloudwatch_could_not_give_is_an_error_and_not_zero() {
    for (status, denied) in [("InternalError", false), ("Forbidden", true)] {
        let series = map([
            ("Id", "requests".into()),
            ("Timestamps", Cbor::Array(Vec::new())),
            ("Values", Cbor::Array(Vec::new())),
            ("StatusCode", status.into()),
        ]);
        let results = ("MetricDataResults".into(), Cbor::Array(vec![series]));
        let (history, _) = history(Answer::cbor(&Cbor::Map(vec![results]))).await;
        let error = history.unwrap_err();
        assert_eq!(matches!(error, PortError::Denied { .. }), denied, "{error}");
    }
}

#[tokio::test]
async fn a_difference_within_the_tolerance_is_none() {
    let rule: JudgeRule = read(json!({ "latency": { "tolerance": "25ms" } }));
    let (_, request) = take(&rule, metrics(&[], None), minutes(1)).await;
    let asked = asked(&request);
    // 100 ms and 25 more are above 109.5 and 120; of 300 ms, 1.095 times is more.
    for query in [
        "canary_slow_0_0 Duration TC(100.000:) 5",
        "canary_slow_0_1 Duration TC(125.000:) 5",
        "canary_slow_0_2 Duration TC(125.000:) 5",
        "canary_slow_3_1 Duration TC(328.634:) 5",
        "baseline_slow_0_0 Duration TC(100.000:) 4",
    ] {
        assert!(asked.iter().any(|asked| asked == query), "{query} of {asked:#?}");
    }
}

fn groups() -> TargetGroups {
    TargetGroups {
        balancer: "app/front/50dc".into(),
        baseline: "targetgroup/blue/1".into(),
        canary: "targetgroup/green/2".into(),
    }
}

fn service() -> Driver {
    read(json!({ "kind": "service", "cluster": "ml", "service": "news" }))
}

/// `id: metric statistic target group` of each query.
fn asked_of_groups(request: &Value) -> Vec<String> {
    let queries = request["MetricDataQueries"].as_array().unwrap();
    let text = |query: &Value| {
        let (id, stat) = (&query["Id"], &query["MetricStat"]);
        let metric = &stat["Metric"];
        assert_eq!(metric["Namespace"], "AWS/ApplicationELB");
        let [group, balancer] = &metric["Dimensions"].as_array().unwrap()[..] else {
            panic!("two dimensions")
        };
        assert_eq!(*balancer, json!({ "Name": "LoadBalancer", "Value": "app/front/50dc" }));
        assert_eq!(group["Name"], "TargetGroup");
        let (metric, stat) = (&metric["MetricName"], &stat["Stat"]);
        format!("{id} {metric} {stat} {}", group["Value"]).replace('"', "")
    };
    queries.iter().map(text).collect()
}

#[tokio::test]
async fn a_service_is_judged_by_what_its_load_balancer_counts_for_each_group() {
    let answer = metrics(
        &[
            ("canary_requests", &[(0, 60.0), (1, 60.0)]),
            ("canary_errors", &[(0, 2.0), (1, 1.0)]),
            ("canary_errors_1", &[(0, 3.0), (1, 70.0)]),
            ("canary_latency", &[(0, 0.21)]),
            ("canary_slow_0_0", &[(0, 6.0)]),
            ("baseline_requests", &[(0, 540.0)]),
            ("baseline_errors_1", &[(0, 4.0)]),
        ],
        None,
    );
    let (cloudwatch, sent) = cloudwatch([answer]);
    let (driver, groups, rule) = (service(), groups(), JudgeRule::default());
    let ask = Ask { driver: &driver, groups: Some(&groups), rule: &rule, thresholds_ms: &TAUS };
    let [canary, baseline] = versions();
    let taken = cloudwatch.buckets(ask, [&canary, &baseline], minutes(2)).await.unwrap();
    let asked = asked_of_groups(&sent.only().1);
    assert_eq!(asked.len(), (4 + 12) + (4 + 4));
    for query in [
        "canary_requests RequestCount Sum targetgroup/green/2",
        "canary_errors HTTPCode_Target_5XX_Count Sum targetgroup/green/2",
        "canary_errors_1 TargetConnectionErrorCount Sum targetgroup/green/2",
        "canary_latency TargetResponseTime p99 targetgroup/green/2",
        "canary_slow_0_0 TargetResponseTime TC(0.100000:) targetgroup/green/2",
        "canary_slow_0_1 TargetResponseTime TC(0.109545:) targetgroup/green/2",
        "baseline_requests RequestCount Sum targetgroup/blue/1",
        "baseline_slow_3_0 TargetResponseTime TC(0.300000:) targetgroup/blue/1",
    ] {
        assert!(asked.iter().any(|asked| asked == query), "{query} of {asked:#?}");
    }
    let [first, second] = &taken[..] else { panic!("two buckets") };
    assert_eq!((first.bucket.canary.requests, first.bucket.canary.errors), (60.0, 5.0));
    assert_eq!(first.bucket.canary.slow[0], [6.0, 0.0, 0.0]);
    assert_eq!(first.bucket.baseline.errors, 4.0);
    assert_eq!(first.latency_ms, [Some(210.0), None]);
    assert_eq!(second.bucket.canary.errors, 60.0, "one request may try more than one connection");
}

#[tokio::test]
async fn the_history_of_a_service_is_that_of_the_baselines_group() {
    let hour = |value: f64| [(0, value)];
    let answer = metrics(
        &[
            ("requests", &[(59, 120.0)]),
            ("errors", &[(59, 2.0)]),
            ("errors_1", &[(59, 1.0)]),
            ("hourly", &[(0, 600.0)]),
            ("latency_0", &hour(0.08)),
            ("latency_1", &hour(0.09)),
            ("latency_2", &hour(0.1)),
            ("latency_3", &hour(0.125)),
        ],
        None,
    );
    let (cloudwatch, sent) = cloudwatch([answer]);
    let (driver, groups, rule) = (service(), groups(), JudgeRule::default());
    let ask = Ask { driver: &driver, groups: Some(&groups), rule: &rule, thresholds_ms: &[] };
    let until = at("2026-11-21T13:00:41Z");
    let history = cloudwatch.history(ask, &"4".parse().unwrap(), until, 60).await.unwrap();
    assert_eq!((history.requests[59], history.errors[59]), (120.0, 3.0));
    assert_eq!((history.latency_ms[0], history.latency_ms[3]), (80.0, 125.0));
    let asked = asked_of_groups(&sent.only().1);
    assert!(asked.iter().all(|asked| asked.ends_with(" targetgroup/blue/1")), "{asked:#?}");
}

#[tokio::test]
async fn a_service_whose_groups_are_not_known_is_an_error_and_not_zero() {
    let (cloudwatch, sent) = cloudwatch([]);
    let (driver, rule, [canary, baseline]) = (service(), JudgeRule::default(), versions());
    let ask = Ask { driver: &driver, groups: None, rule: &rule, thresholds_ms: &TAUS };
    let error = cloudwatch.buckets(ask, [&canary, &baseline], minutes(1)).await.unwrap_err();
    assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
    assert_eq!(cloudwatch.queries(ask, [&canary, &baseline]), Vec::<String>::new());
    assert_eq!(sent.requests(), []);
}
