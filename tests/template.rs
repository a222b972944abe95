//! The template deploys every function as the code needs it, and with no more rights than that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use perch_app::reconcile::ACTIVE;
use perch_tests::{functions, json, pascal, text, yaml};
use serde_json::Value;

type Problems = Vec<String>;

fn template() -> Value {
    yaml("template.yaml")
}

/// The resources of a type, with their properties.
fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        .collect()
}

/// The properties of a function, by its folder.
fn function<'a>(template: &'a Value, folder: &str) -> &'a Value {
    &template["Resources"][format!("{}Function", pascal(folder))]["Properties"]
}

fn values(value: &Value) -> Vec<&Value> {
    value.as_object().into_iter().flat_map(|fields| fields.values()).collect()
}

/// A text, or each text of a list.
fn one_or_more(value: &Value) -> BTreeSet<&str> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}

/// Every policy statement of a function or state machine.
fn statements(properties: &Value) -> Vec<&Value> {
    let policies = properties["Policies"].as_array().into_iter().flatten();
    policies.flat_map(|policy| policy["Statement"].as_array().unwrap()).collect()
}

/// The actions that a function or state machine may do.
fn actions(properties: &Value) -> BTreeSet<&str> {
    statements(properties).iter().flat_map(|statement| one_or_more(&statement["Action"])).collect()
}

/// The resources that a function or state machine may do `action` on.
fn allowed<'a>(properties: &'a Value, action: &str) -> BTreeSet<&'a str> {
    let statements = statements(properties).into_iter();
    let of_action = statements.filter(|s| one_or_more(&s["Action"]).contains(action));
    of_action.flat_map(|statement| one_or_more(&statement["Resource"])).collect()
}

#[test]
fn every_folder_is_one_function() {
    let template = template();
    let folders = functions();
    let ids: BTreeSet<String> = resources(&template, "AWS::Serverless::Function")
        .iter()
        .map(|(id, _)| (*id).to_owned())
        .collect();
    assert_eq!(ids, folders.iter().map(|folder| format!("{}Function", pascal(folder))).collect());
    for folder in &folders {
        let properties = function(&template, folder);
        assert_eq!(properties["CodeUri"], format!("target/lambda/{folder}/"));
        let name = properties["FunctionName"].as_str().unwrap();
        // CodeDeploy's managed roles may call functions with its own prefix only.
        let prefix = if folder == "answer-hook" { "CodeDeployHook_" } else { "" };
        assert_eq!(name, format!("{prefix}${{AWS::StackName}}-{folder}"));
        assert!(!properties["Description"].as_str().unwrap().is_empty(), "{folder}");
    }
}

/// What a function lacks so that no event is lost without a trace: `EventBridge` keeps what it can't
/// deliver, Lambda what the function can't process, each in its own queue.
fn unprotected_events(template: &Value) -> Problems {
    let (undelivered, failed) = ("UndeliveredEvents.Arn", "FailedEvents.Arn");
    let mut problems = Vec::new();
    for (id, properties) in resources(template, "AWS::Serverless::Function") {
        let invoke = &properties["EventInvokeConfig"];
        for event in values(&properties["Events"]) {
            let (event, source) = (&event["Properties"], event["Type"].as_str().unwrap());
            let keeps = |of: &Value| of["DestinationConfig"]["OnFailure"]["Destination"] == failed;
            let limits = |of: &Value| of["MaximumRetryAttempts"].is_u64();
            let rules = match source {
                "EventBridgeRule" | "Schedule" | "ScheduleV2" => vec![
                    ("DeadLetterConfig", event["DeadLetterConfig"]["Arn"] == undelivered),
                    ("RetryPolicy", limits(&event["RetryPolicy"])),
                    ("OnFailure", keeps(invoke)),
                    ("MaximumRetryAttempts", limits(invoke)),
                ],
                "DynamoDB" => {
                    vec![("OnFailure", keeps(event)), ("MaximumRetryAttempts", limits(event))]
                }
                _ => vec![("known kind of event", false)],
            };
            let missing = rules.iter().filter(|(_, met)| !met);
            problems.extend(missing.map(|(name, _)| format!("{id} has no {name} ({source})")));
        }
    }
    // Events of other resources would not be seen above.
    for machine in resources(template, "AWS::Serverless::StateMachine") {
        let events = values(&machine.1["Events"]).len();
        problems.extend((events > 0).then(|| format!("{} has events of its own", machine.0)));
    }
    for kind in ["Events::Rule", "Scheduler::Schedule", "Lambda::EventSourceMapping"] {
        let found = resources(template, &format!("AWS::{kind}"));
        problems.extend(found.iter().map(|(id, _)| format!("{id} is no event of a function")));
    }
    problems
}

#[test]
fn no_event_is_lost_without_a_trace() {
    let template = template();
    assert_eq!(unprotected_events(&template), [""; 0]);
    for folder in functions() {
        let takes_events = folder.starts_with("on-")
            || ["notify", "publish-events", "reconcile"].contains(&&*folder);
        let events = values(&function(&template, &folder)["Events"]).len();
        // Deployments are CodeDeploy's or ECS's.
        let sources = if folder == "on-deployment-change" { 2 } else { 1 };
        assert_eq!(events, if takes_events { sources } else { 0 }, "{folder}");
    }
}

/// The queues whose oldest message no alarm watches as AWS documents the metric: every minute, in
/// seconds, by queue (SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS").
fn unwatched_queues(template: &Value) -> Problems {
    let alarms = resources(template, "AWS::CloudWatch::Alarm");
    let watched = |queue: &str, retention: f64| {
        alarms.iter().any(|(_, alarm)| {
            let named =
                serde_json::json!([{ "Name": "QueueName", "Value": format!("{queue}.QueueName") }]);
            alarm["Namespace"] == "AWS/SQS"
                && alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
                && alarm["Dimensions"] == named
                && alarm["Statistic"] == "Maximum"
                && alarm["Period"].as_u64().is_some_and(|period| period >= 60 && period % 60 == 0)
                && alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
                && alarm["Threshold"].as_f64().is_some_and(|age| age > 0.0 && age < retention)
                && alarm["TreatMissingData"] == "notBreaching"
                && one_or_more(&alarm["AlarmActions"]).contains("Topic")
        })
    };
    let queues = resources(template, "AWS::SQS::Queue").into_iter();
    let retention = |queue: &Value| queue["MessageRetentionPeriod"].as_f64().unwrap_or_default();
    queues
        .filter(|(id, queue)| !watched(id, retention(queue)))
        .map(|(id, _)| format!("no alarm watches the age of {id}"))
        .collect()
}

#[test]
fn people_hear_of_dead_letters_that_nobody_looks_at() {
    let template = template();
    assert_eq!(resources(&template, "AWS::SQS::Queue").len(), 2);
    assert_eq!(unwatched_queues(&template), [""; 0]);
    // A policy of its own would replace the topic's default one, under which alarms may publish.
    assert_eq!(resources(&template, "AWS::SNS::TopicPolicy").len(), 0);
}

#[test]
fn rules_deliver_what_the_functions_take() {
    let template = template();
    for (folder, source, kind) in [
        ("on-image-push", "aws.ecr", "ECR Image Action"),
        ("on-package-upload", "aws.s3", "Object Created"),
        ("on-model-upload", "aws.s3", "Object Created"),
        ("on-alarm", "aws.cloudwatch", "CloudWatch Alarm State Change"),
        (
            "on-deployment-change",
            "aws.codedeploy",
            "CodeDeploy Deployment State-change Notification",
        ),
    ] {
        let events = values(&function(&template, folder)["Events"]);
        let pattern = &events[0]["Properties"]["Pattern"];
        assert_eq!(one_or_more(&pattern["source"]), BTreeSet::from([source]));
        assert_eq!(one_or_more(&pattern["detail-type"]), BTreeSet::from([kind]));
    }
}

#[test]
fn the_stream_delivers_entries_and_notices_alone() {
    let template = template();
    // Two readers: a third would be throttled.
    for folder in ["notify", "publish-events"] {
        let events = values(&function(&template, folder)["Events"]);
        let properties = &events[0]["Properties"];
        let filter = properties["FilterCriteria"]["Filters"][0]["Pattern"].as_str().unwrap();
        let filter: Value = serde_json::from_str(filter).unwrap();
        assert_eq!(filter["eventName"][0], "INSERT");
        let prefixes = serde_json::json!([{ "prefix": "JOURNAL#" }, { "prefix": "NOTICE#" }]);
        assert_eq!(filter["dynamodb"]["Keys"]["sk"]["S"], prefixes);
        let responses = one_or_more(&properties["FunctionResponseTypes"]);
        assert!(responses.contains("ReportBatchItemFailures"), "{folder}");
    }
    let table = &template["Resources"]["Table"]["Properties"];
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], "expiresAt");
}

/// Rights that reach further than their holder needs. A statement on every resource has to say
/// why in a comment above it.
fn too_wide(template: &Value, source: &str) -> Problems {
    let mut problems = Vec::new();
    for kind in ["AWS::Serverless::Function", "AWS::Serverless::StateMachine"] {
        for (id, properties) in resources(template, kind) {
            for action in actions(properties) {
                if action.contains('*') || action == "dynamodb:Scan" {
                    problems.push(format!("{id} may {action}"));
                }
            }
        }
    }
    let lines: Vec<&str> = source.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.trim() == "Resource: '*'") {
        let statement = lines[..at].iter().rposition(|line| line.trim().starts_with("- Sid:"));
        let above = statement.and_then(|at| lines.get(at.checked_sub(1)?));
        if !above.is_some_and(|line| line.trim().starts_with("# ")) {
            problems.push(format!("line {}: {} without a reason", at + 1, line.trim()));
        }
    }
    problems
}

#[test]
fn rights_are_narrow() {
    let source = text("template.yaml");
    assert_eq!(too_wide(&template(), &source), [""; 0]);
    let everywhere = |value: &Value| {
        let on_all = statements(value).into_iter().filter(|s| s["Resource"] == "*");
        on_all.count()
    };
    let written = source.lines().filter(|line| line.trim() == "Resource: '*'").count();
    let template = template();
    let functions = resources(&template, "AWS::Serverless::Function");
    let machines = resources(&template, "AWS::Serverless::StateMachine");
    let read: usize = functions.iter().chain(&machines).map(|(_, p)| everywhere(p)).sum();
    assert_eq!(read, written, "`Resource: '*'` is always written on a line of its own");
}

#[test]
fn only_those_who_need_a_right_have_it() {
    let template = template();
    for (action, holders) in [
        (
            "lambda:UpdateAlias",
            vec![
                "on-alarm",
                "promote-canary",
                "restore-traffic",
                "shift-weight",
                "stop-deployment",
            ],
        ),
        ("lambda:UpdateFunctionCode", vec!["prepare-canary"]),
        ("lambda:UpdateFunctionConfiguration", vec!["prepare-canary"]),
        ("lambda:GetFunctionConfiguration", vec!["prepare-canary"]),
        ("lambda:PublishVersion", vec!["prepare-canary"]),
        (
            "lambda:InvokeFunction",
            vec!["judge-canary", "prepare-canary", "reconcile", "run-smoke-tests"],
        ),
        (
            "states:StartExecution",
            vec![
                "close-release",
                "on-alarm",
                "on-deployment-change",
                "on-image-push",
                "on-model-upload",
                "on-package-upload",
                "reconcile",
            ],
        ),
        (
            "lambda:GetAlias",
            vec![
                "follow-deployment",
                "judge-canary",
                "on-alarm",
                "prepare-canary",
                "promote-canary",
                "reconcile",
                "restore-traffic",
                "shift-weight",
                "stop-deployment",
            ],
        ),
        ("lambda:GetProvisionedConcurrencyConfig", vec!["prepare-canary"]),
        ("ecr:DescribeImages", vec!["follow-deployment", "prepare-canary", "reconcile"]),
        (
            "dynamodb:BatchGetItem",
            vec![
                "answer-hook",
                "follow-deployment",
                "judge-canary",
                "promote-canary",
                "reconcile",
                "reload-replicas",
                "restore-replicas",
                "shift-weight",
            ],
        ),
        // Who plans releases sees to it that no stop stands.
        (
            "dynamodb:ConditionCheckItem",
            vec![
                "close-release",
                "on-image-push",
                "on-model-upload",
                "on-package-upload",
                "reconcile",
            ],
        ),
        (
            "dynamodb:Query",
            vec!["on-alarm", "on-image-push", "on-model-upload", "on-package-upload", "reconcile"],
        ),
        ("kms:Verify", vec!["on-model-upload", "prepare-canary", "prepare-model"]),
        ("s3:ListBucketVersions", vec!["on-model-upload", "prepare-canary", "prepare-model"]),
        ("dynamodb:DeleteItem", vec![]),
        (
            "cloudwatch:GetMetricData",
            vec!["follow-deployment", "judge-canary", "prepare-canary", "prepare-model"],
        ),
        (
            "cloudwatch:DescribeAlarms",
            vec!["follow-deployment", "judge-canary", "prepare-canary", "prepare-model"],
        ),
        ("sns:Publish", vec!["notify"]),
        ("sqs:SendMessage", vec!["notify", "publish-events"]),
        ("events:PutEvents", vec!["publish-events"]),
        (
            "ssm:GetParameter",
            vec!["notify", "read-replicas", "reload-replicas", "restore-replicas"],
        ),
        (
            "secretsmanager:GetSecretValue",
            vec!["notify", "read-replicas", "reload-replicas", "restore-replicas"],
        ),
        ("codedeploy:CreateDeployment", vec!["follow-deployment", "stop-deployment"]),
        ("codedeploy:PutLifecycleEventHookExecutionStatus", vec!["answer-hook"]),
        ("ecs:UpdateService", vec!["follow-deployment", "stop-deployment"]),
        ("ecs:StopServiceDeployment", vec!["follow-deployment", "stop-deployment"]),
        ("ecs:ContinueServiceDeployment", vec!["follow-deployment"]),
        ("ecs:RegisterTaskDefinition", vec!["follow-deployment"]),
        ("iam:PassRole", vec!["follow-deployment", "stop-deployment"]),
        ("elasticloadbalancing:DescribeTargetHealth", vec!["judge-canary"]),
        ("codedeploy:StopDeployment", vec!["follow-deployment", "stop-deployment"]),
        ("states:SendTaskSuccess", vec!["on-deployment-change"]),
        ("ecs:DescribeTasks", vec!["read-replicas"]),
        ("servicediscovery:DiscoverInstances", vec!["read-replicas"]),
    ] {
        let found: Vec<String> = functions()
            .into_iter()
            .filter(|folder| actions(function(&template, folder)).contains(action))
            .collect();
        assert_eq!(found, holders, "{action}");
    }
    let notify = actions(function(&template, "notify"));
    let writes = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"];
    assert!(writes.iter().all(|write| !notify.contains(write)), "notify only reads");
}

#[test]
fn events_go_to_the_own_bus_and_their_writer_reads_nothing() {
    let template = template();
    let publish = function(&template, "publish-events");
    assert_eq!(actions(publish), BTreeSet::from(["events:PutEvents", "sqs:SendMessage"]));
    assert_eq!(allowed(publish, "events:PutEvents"), BTreeSet::from(["Bus.Arn"]));
    assert_eq!(publish["Environment"]["Variables"]["PERCH_BUS"], "Bus");
}

#[test]
fn own_requests_go_to_functions_that_perch_may_release_and_with_a_qualifier() {
    let template = template();
    for folder in ["judge-canary", "prepare-canary", "run-smoke-tests"] {
        let invoked = allowed(function(&template, folder), "lambda:InvokeFunction");
        let qualified = |arn: &&str| arn.ends_with(":function:${FunctionPattern}:*");
        assert!(invoked.len() == 1 && invoked.iter().all(qualified), "{folder}: {invoked:?}");
    }
}

#[test]
fn the_sweep_looks_at_models_and_has_them_taken_but_reads_none() {
    let template = template();
    let reconcile = function(&template, "reconcile");
    let taker = allowed(reconcile, "lambda:InvokeFunction");
    assert_eq!(taker.len(), 1);
    assert!(taker.iter().all(|arn| arn.ends_with(":function:${AWS::StackName}-on-model-upload")));
    let name = &reconcile["Environment"]["Variables"]["PERCH_ON_MODEL_UPLOAD"];
    assert_eq!(name, &function(&template, "on-model-upload")["FunctionName"]);
    let of_s3 = actions(reconcile).into_iter().filter(|action| action.starts_with("s3:"));
    assert_eq!(of_s3.collect::<Vec<_>>(), ["s3:GetObject", "s3:ListBucket"]);
}

#[test]
fn who_starts_a_release_may_also_roll_one_back() {
    let template = template();
    for folder in functions() {
        let arns = allowed(function(&template, &folder), "states:StartExecution");
        let machines: BTreeSet<&str> = arns
            .iter()
            .filter_map(|arn| arn.rsplit_once("${AWS::StackName}-"))
            .map(|m| m.1)
            .collect();
        let expected: &[&str] = match folder.as_str() {
            // A newer artifact replaces the release that runs.
            "on-image-push" | "on-package-upload" => &["canary-deploy", "rollback"],
            "close-release" | "on-model-upload" | "reconcile" => {
                &["canary-deploy", "model-reload", "rollback"]
            }
            "on-alarm" | "on-deployment-change" => &["rollback"],
            _ => &[],
        };
        assert_eq!(machines, expected.iter().copied().collect(), "{folder}");
    }
}

#[test]
fn the_sweep_finds_what_is_due_through_the_index() {
    let template = template();
    let table = &template["Resources"]["Table"]["Properties"];
    let index = &table["GlobalSecondaryIndexes"][0];
    let keys: Vec<&Value> = values(&index["KeySchema"][0]);
    assert!(keys.iter().any(|key| *key == "due"), "{index}");
    assert_eq!(index["KeySchema"][1]["AttributeName"], "dueAt");
    assert_eq!(index["Projection"]["ProjectionType"], "KEYS_ONLY");
    let reconcile = function(&template, "reconcile");
    let name = index["IndexName"].as_str().unwrap();
    let index = format!("${{Table.Arn}}/index/{name}");
    assert_eq!(allowed(reconcile, "dynamodb:Query"), BTreeSet::from([index.as_str()]));
    // A sweep ends before the next begins, and what runs is looked at with each.
    let schedule = template["Parameters"]["SweepSchedule"]["Default"].as_str().unwrap();
    let seconds = reconcile["Timeout"].as_u64().unwrap();
    assert_eq!(schedule, format!("rate({} minutes)", seconds / 60));
    assert_eq!(seconds, ACTIVE.as_secs());
}

#[test]
fn machines_may_run_exactly_their_functions() {
    let template = template();
    for (id, properties) in resources(&template, "AWS::Serverless::StateMachine") {
        let given = values(&properties["DefinitionSubstitutions"]).into_iter();
        let functions: BTreeSet<&str> =
            given.filter_map(Value::as_str).filter(|arn| arn.ends_with("Function.Arn")).collect();
        assert_eq!(allowed(properties, "lambda:InvokeFunction"), functions, "{id}");
    }
}

/// The names that a function's main.rs asks for.
fn required(main: &str) -> BTreeSet<String> {
    let after = main.split("env.required(\"").skip(1);
    after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn environments_hold_what_the_functions_require() {
    let template = template();
    let names = |variables: &Value| -> BTreeSet<String> {
        variables.as_object().into_iter().flat_map(|names| names.keys().cloned()).collect()
    };
    let globals = &template["Globals"]["Function"]["Environment"]["Variables"];
    for folder in functions() {
        let asked = required(&text(format!("functions/{folder}/src/main.rs")));
        assert!(!asked.is_empty(), "{folder} asks for its settings in main.rs");
        let own = names(&function(&template, &folder)["Environment"]["Variables"]);
        let mut set: BTreeSet<String> = names(globals).union(&own).cloned().collect();
        // The one function without the table: the stream brings it all that it needs.
        if folder == "publish-events" {
            assert!(set.remove("PERCH_TABLE"));
        }
        assert_eq!(set, asked, "{folder}");
    }
}

/// The seconds of `const NAME: Duration = Duration::from_secs(..)` in a file.
fn seconds(path: &str, name: &str) -> u64 {
    let source = text(path);
    let start = format!("const {name}: Duration = Duration::from_secs(");
    let (_, after) = source.split_once(&start).unwrap();
    after.split_once(')').unwrap().0.parse().unwrap()
}

#[test]
fn time_limits_are_nested() {
    let template = template();
    let default = template["Globals"]["Function"]["Timeout"].as_u64().unwrap();
    let limit = |folder: &str| function(&template, folder)["Timeout"].as_u64().unwrap_or(default);
    let operation = seconds("crates/aws/src/runtime.rs", "OPERATION");
    let written = seconds("crates/app/src/dead_letters/retell.rs", "WRITTEN_WITHIN");
    for folder in functions() {
        assert!(limit(&folder) < written, "{folder} may write later than a redrive looks for");
        assert!(operation < limit(&folder), "a call of {folder} may take longer than it");
    }
    for path in ["statemachines/canary-deploy.asl.json", "statemachines/rollback.asl.json"] {
        let machine = json(path);
        for (state, task) in machine["States"].as_object().unwrap() {
            let run = task["Arguments"]["FunctionName"].as_str().unwrap_or_default();
            let run = run.trim_start_matches("${").trim_end_matches("Arn}");
            for folder in functions().iter().filter(|folder| pascal(folder) == run) {
                let task = task["TimeoutSeconds"].as_u64().unwrap();
                assert!(limit(folder) < task, "{folder} may outlive task {state}");
            }
        }
    }
}

#[test]
fn rules_can_fail() {
    let mut template = template();
    let source = text("template.yaml");
    let resources = &mut template["Resources"];
    resources["OnAlarmFunction"]["Properties"]["Events"]["AlarmWentOff"]["Properties"]["DeadLetterConfig"]
        ["Arn"] = Value::from("FailedEvents.Arn");
    let tick = serde_json::json!({ "Type": "ScheduleV2", "Properties": {} });
    resources["ShiftWeightFunction"]["Properties"]["Events"] = serde_json::json!({ "Tick": tick });
    resources["Bare"] = serde_json::json!({ "Type": "AWS::Scheduler::Schedule", "Properties": {} });
    resources["FailedEventsAlarm"]["Properties"]["Dimensions"][0]["Value"] = Value::from("Other");
    let found = unprotected_events(&template);
    assert_eq!(found[0], "OnAlarmFunction has no DeadLetterConfig (EventBridgeRule)");
    assert_eq!(found[1..5].len(), found.iter().filter(|p| p.ends_with("(ScheduleV2)")).count());
    assert_eq!(found[5..], ["Bare is no event of a function"]);
    assert_eq!(unwatched_queues(&template), ["no alarm watches the age of FailedEvents"]);
    template["Resources"]["NotifyFunction"]["Properties"]["Policies"][0]["Statement"][0]["Action"] =
        Value::from("dynamodb:*");
    assert_eq!(too_wide(&template, &source), ["NotifyFunction may dynamodb:*"]);
    let silent = "        - Statement:\n            - Sid: A\n              Resource: '*'\n";
    let found = too_wide(&serde_json::json!({ "Resources": {} }), silent);
    assert_eq!(found, ["line 3: Resource: '*' without a reason"]);
    assert_eq!(required("env.required(\"A\"); env.required(\"B\")").len(), 2);
}
