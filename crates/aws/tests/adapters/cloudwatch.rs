//! Metrics of both arms in one call, and the states of guards.

use ciborium::Value as Cbor;
use perch_app::ports::{AlarmStates, PortError, ReadAlarms, ReadMetrics, Window};
use perch_aws::cloudwatch::CloudWatch;
use perch_core::judge::Arm;
use perch_core::names::{AlarmName, Version};
use perch_core::target::{Lambda, Quantile};
use serde_json::{Value, json};

use crate::samples::at;
use crate::support::{Answer, Recorded, aws, read};

pub(crate) fn cloudwatch(answers: impl IntoIterator<Item = Answer>) -> (CloudWatch, Recorded) {
    let (sdk, recorded) = aws(answers);
    (CloudWatch::new(&sdk), recorded)
}

pub(crate) fn map<const N: usize>(fields: [(&str, Cbor); N]) -> Cbor {
    Cbor::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// The answer with these series of (minute, value), newest first as `CloudWatch` gives them.
pub(crate) fn metrics(series: &[(&str, &[(i64, f64)])], next: Option<&str>) -> Answer {
    let start = at("2026-11-21T12:00:00Z").as_second();
    let results = series.iter().map(|(id, points)| {
        let newest_first = points.iter().rev();
        let seconds = newest_first.clone().map(|(minute, _)| start + minute * 60);
        let stamps = seconds.map(|second| Cbor::Tag(1, Box::new(Cbor::Integer(second.into()))));
        map([
            ("Id", (*id).into()),
            ("Timestamps", Cbor::Array(stamps.collect())),
            ("Values", Cbor::Array(newest_first.map(|(_, value)| (*value).into()).collect())),
            ("StatusCode", "Complete".into()),
        ])
    });
    let mut fields = vec![("MetricDataResults".into(), Cbor::Array(results.collect()))];
    fields.extend(next.map(|token| ("NextToken".into(), token.into())));
    Answer::cbor(&Cbor::Map(fields))
}

pub(crate) fn lambda() -> Lambda {
    read(json!({ "function": "news", "alias": "live" }))
}

fn window() -> Window {
    let from = at("2026-11-21T12:00:00Z");
    Window { from, latency_from: from, to: at("2026-11-21T12:05:00Z"), period_seconds: 60 }
}

async fn versions(answers: Vec<Answer>) -> ([Arm; 2], Recorded) {
    let (cloudwatch, sent) = cloudwatch(answers);
    let [canary, baseline]: [Version; 2] = ["5", "4"].map(|v| v.parse().unwrap());
    let arms = cloudwatch.versions(&lambda(), [&canary, &baseline], window(), Quantile::P95).await;
    (arms.unwrap(), sent)
}

fn query(arm: &str, id: &str, metric: &str, stat: &str, version: Option<&str>) -> Value {
    let mut dimensions = vec![
        json!({ "Name": "FunctionName", "Value": "news" }),
        json!({ "Name": "Resource", "Value": "news:live" }),
    ];
    dimensions.extend(version.map(|v| json!({ "Name": "ExecutedVersion", "Value": v })));
    json!({
        "Id": format!("{arm}_{id}"),
        "MetricStat": {
            "Metric": { "Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": dimensions },
            "Period": 60,
            "Stat": stat,
        },
    })
}

fn queries(arm: &str, version: Option<&str>, quantile: &str) -> [Value; 3] {
    [
        query(arm, "requests", "Invocations", "Sum", version),
        query(arm, "errors", "Errors", "Sum", version),
        query(arm, "latency", "Duration", quantile, version),
    ]
}

fn request(queries: &[Value]) -> Value {
    json!({
        "MetricDataQueries": queries,
        "StartTime": at("2026-11-21T12:00:00Z").as_second(),
        "EndTime": at("2026-11-21T12:05:00Z").as_second(),
    })
}

#[tokio::test]
async fn both_arms_are_one_call() {
    let (arms, sent) = versions(vec![metrics(
        &[
            ("a_requests", &[(0, 10.0), (1, 30.0)]),
            ("a_errors", &[(1, 2.0)]),
            ("a_latency", &[(0, 100.0), (1, 200.0)]),
            ("b_requests", &[(0, 90.0), (1, 270.0)]),
            ("b_errors", &[(0, 0.0), (1, 0.0)]),
            ("b_latency", &[(0, 50.0), (1, 70.0)]),
        ],
        None,
    )])
    .await;
    let queries = [queries("a", Some("5"), "p95"), queries("b", Some("4"), "p95")].concat();
    let (operation, body) = sent.only();
    assert_eq!(operation, "GetMetricData");
    assert_eq!(body, request(&queries));
    // (100 * 10 + 200 * 30) / 40 and (50 * 90 + 70 * 270) / 360
    let canary = Arm { requests: 40, errors: 2, latency_ms: Some(175.0) };
    let baseline = Arm { requests: 360, errors: 0, latency_ms: Some(65.0) };
    assert_eq!(arms, [canary, baseline]);
}

#[tokio::test]
async fn the_latency_of_a_cold_start_does_not_count_and_its_errors_do() {
    for (minute, latency) in [(0, Some(260.0)), (1, Some(250.0)), (2, Some(300.0)), (3, None)] {
        let (cloudwatch, sent) = cloudwatch([metrics(
            &[
                ("a_requests", &[(0, 20.0), (1, 10.0), (2, 10.0)]),
                ("a_errors", &[(0, 3.0), (1, 1.0)]),
                ("a_latency", &[(0, 270.0), (1, 200.0), (2, 300.0)]),
            ],
            None,
        )]);
        let latency_from = window().from + jiff::SignedDuration::from_mins(minute);
        let window = Window { latency_from, ..window() };
        let total = cloudwatch.alias_total(&lambda(), window, Quantile::P99).await.unwrap();
        assert_eq!(total, Arm { requests: 40, errors: 4, latency_ms: latency }, "{minute}");
        // The same request whatever counts of its answer.
        assert_eq!(sent.only().1, request(&queries("a", None, "p99")));
    }
}

#[tokio::test]
async fn an_arm_without_requests_is_zero_and_has_no_latency() {
    let empty = metrics(
        &[
            ("a_requests", &[]),
            ("a_errors", &[]),
            ("a_latency", &[]),
            ("b_requests", &[(0, 0.0)]),
            // A value of a period that no request is known of counts for nothing.
            ("b_latency", &[(0, 900.0), (3, 900.0)]),
        ],
        None,
    );
    for answer in [metrics(&[], None), empty] {
        let (arms, _) = versions(vec![answer]).await;
        assert_eq!(arms, [Arm::default(); 2]);
    }
}

#[tokio::test]
async fn pages_are_read_to_the_end() {
    let (arms, sent) = versions(vec![
        metrics(&[("a_requests", &[(0, 10.0)])], Some("more")),
        metrics(&[("a_requests", &[(1, 5.0)]), ("a_errors", &[(1, 1.0)])], None),
    ])
    .await;
    assert_eq!(arms[0], Arm { requests: 15, errors: 1, latency_ms: None });
    assert_eq!(sent.requests()[1].body["NextToken"], "more");
}

#[tokio::test]
async fn the_alias_as_a_whole_has_no_version() {
    let (cloudwatch, sent) = cloudwatch([metrics(&[("a_requests", &[(0, 7.0)])], None)]);
    let total = cloudwatch.alias_total(&lambda(), window(), Quantile::P99).await.unwrap();
    assert_eq!(total, Arm { requests: 7, errors: 0, latency_ms: None });
    assert_eq!(sent.only().1, request(&queries("a", None, "p99")));
}

#[tokio::test]
async fn fine_periods_are_passed_on() {
    let (cloudwatch, sent) = cloudwatch([metrics(&[], None)]);
    let window = Window { period_seconds: 5, ..window() };
    cloudwatch.alias_total(&lambda(), window, Quantile::P50).await.unwrap();
    let body = sent.only().1;
    for query in body["MetricDataQueries"].as_array().unwrap() {
        assert_eq!(query["MetricStat"]["Period"], 5);
    }
}

#[tokio::test]
async fn metrics_that_may_not_be_read_are_denied() {
    let (cloudwatch, _) = cloudwatch([refused("AccessDenied", 403)]);
    let error = cloudwatch.alias_total(&lambda(), window(), Quantile::P99).await.unwrap_err();
    assert!(matches!(error, PortError::Denied { .. }), "{error:?}");
}

fn refused(code: &str, status: u16) -> Answer {
    let body = map([("__type", code.into()), ("message", "no".into())]);
    Answer::cbor(&body).with_status(status)
}

fn alarms(metric: &[(&str, &str)], composite: &[(&str, &str)]) -> Answer {
    let list = |alarms: &[(&str, &str)]| {
        let alarm = |(name, state): &(&str, &str)| {
            map([("AlarmName", (*name).into()), ("StateValue", (*state).into())])
        };
        Cbor::Array(alarms.iter().map(alarm).collect())
    };
    let body = map([("MetricAlarms", list(metric)), ("CompositeAlarms", list(composite))]);
    Answer::cbor(&body)
}

fn names(names: &[&str]) -> Vec<AlarmName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn described(names: &[AlarmName]) -> Value {
    json!({
        "AlarmNames": names,
        "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        "MaxRecords": 100,
    })
}

#[tokio::test]
async fn alarms_of_both_kinds_are_read_in_one_call() {
    let asked = names(&["errors", "latency", "quiet", "all", "gone"]);
    let (cloudwatch, sent) = cloudwatch([alarms(
        &[("errors", "ALARM"), ("latency", "OK"), ("quiet", "INSUFFICIENT_DATA")],
        &[("all", "ALARM")],
    )]);
    let states = cloudwatch.alarms(&asked).await.unwrap();
    let expected = AlarmStates { in_alarm: names(&["errors", "all"]), missing: names(&["gone"]) };
    assert_eq!(states, expected);
    assert_eq!(sent.only(), ("DescribeAlarms".into(), described(&asked)));
}

#[tokio::test]
async fn no_guards_are_no_call() {
    let (cloudwatch, sent) = cloudwatch([]);
    assert_eq!(cloudwatch.alarms(&[]).await.unwrap(), AlarmStates::default());
    assert_eq!(sent.requests(), []);
}

#[tokio::test]
async fn more_than_a_hundred_guards_are_two_calls() {
    let asked: Vec<AlarmName> = (0..101).map(|n| format!("guard-{n}").parse().unwrap()).collect();
    let (cloudwatch, sent) =
        cloudwatch([alarms(&[("guard-99", "ALARM")], &[]), alarms(&[("guard-100", "ALARM")], &[])]);
    let states = cloudwatch.alarms(&asked).await.unwrap();
    assert_eq!(states.in_alarm, asked[99..]);
    assert_eq!(states.missing, asked[..99]);
    let requests = sent.requests();
    assert_eq!(requests[0].body, described(&asked[..100]));
    assert_eq!(requests[1].body, described(&asked[100..]));
}
