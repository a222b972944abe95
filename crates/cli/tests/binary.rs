//! The binary as people start it: help, exit codes, and what goes to which stream. No network.
#![allow(clippy::unwrap_used, reason = "a defect in a test's set-up stops the test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn perch(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perch"))
        .args(arguments)
        .env_clear()
        // Nothing listens there, and nothing is ever sent: the point is that it ends.
        .envs([("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_REGION", "us-east-1")])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .env("COLUMNS", "80")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const GOOD: &str = "\
apiVersion: perch/v1
kind: Target
name: news
service: { lambda: { function: news, alias: live } }
sources: { image: { repository: news, tags: [\"v*\"] } }
rollout: { preset: LambdaAllAtOnce }
";

#[test]
fn every_help_text_is_reviewed() {
    let mut all = stdout(&perch(&["--help"], ""));
    for command in ["apply", "targets", "releases", "release", "watch"] {
        all += &format!("\n--- {command}\n{}", stdout(&perch(&[command, "--help"], "")));
    }
    all += &format!("\n--- model\n{}", stdout(&perch(&["model", "--help"], "")));
    for command in ["push", "list", "show"] {
        let help = stdout(&perch(&["model", command, "--help"], ""));
        all += &format!("\n--- model {command}\n{help}");
    }
    all += &format!("\n--- dead-letters\n{}", stdout(&perch(&["dead-letters", "--help"], "")));
    for command in ["list", "show", "redrive"] {
        let help = stdout(&perch(&["dead-letters", command, "--help"], ""));
        all += &format!("\n--- dead-letters {command}\n{help}");
    }
    all += &format!("\n--- simulate\n{}", stdout(&perch(&["simulate", "--help"], "")));
    all += &format!("\n--- judge bench\n{}", stdout(&perch(&["judge", "bench", "--help"], "")));
    all += &format!("\n--- release start\n{}", stdout(&perch(&["release", "start", "--help"], "")));
    for command in
        ["explain", "doctor", "report", "hold", "continue", "promote", "abort", "rollback"]
    {
        all += &format!("\n--- {command}\n{}", stdout(&perch(&[command, "--help"], "")));
    }
    for command in ["stop", "resume", "journal", "schema", "completions"] {
        all += &format!("\n--- {command}\n{}", stdout(&perch(&[command, "--help"], "")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["fly"][..],
        &[],
        &["apply"],
        &["rollback", "news"],
        &["promote", "news", "--reason", ""],
        &["stop", "--reason", "x"],
        &["stop", "news", "--all", "--reason", "x"],
        &["resume", "--all"],
        &["rollback", "news", "--to", "live", "--reason", "x"],
        &["release"],
        &["release", "start", "news", "--reason", "x"],
        &["release", "start", "news", "--artifact", "s3://b/k", "--reason", "x"],
        &["release", "news-1", "start", "news", "--artifact", "v1", "--reason", "x"],
        &["explain"],
        &["release", "--evidence"],
        &["report", "news-1"],
        &["report", "--html"],
        &["targets", "News"],
        &["releases", "--limit", "0"],
        &["watch", "--until-end"],
        &["dead-letters"],
        &["simulate", "--trace", "x.json"],
        &["judge"],
        &["judge", "bench", "--set", "other"],
        &["judge", "bench", "--traces", "0"],
        &["dead-letters", "list", "--queue", "other"],
        &["dead-letters", "redrive"],
        &["dead-letters", "redrive", "some-id", "--all"],
    ] {
        assert_eq!(perch(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_invalid_file_ends_with_2_and_says_where() {
    let output = perch(&["apply", "-f", "-"], &GOOD.replace("AllAtOnce", "AllAtOne"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn seconds_are_accepted_only_where_metrics_are_fine_enough() {
    let fast = format!("{GOOD}judge: {{ interval: 5s }}\n");
    let refused = perch(&["apply", "-f", "-"], &fast);
    assert_eq!(refused.status.code(), Some(2));
    // With one-second metrics the file is good, and the store is what is missing.
    let accepted = perch(&["apply", "-f", "-", "--resolution", "1"], &fast);
    assert_eq!(accepted.status.code(), Some(1));
    assert!(stderr(&accepted).contains("not available now"), "{}", stderr(&accepted));
}

#[test]
fn a_file_that_is_not_there_ends_with_1() {
    let output = perch(&["apply", "-f", "missing.yaml"], "");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output), @r"
    perch: can't read missing.yaml
      because: No such file or directory (os error 2)
    ");
}

#[test]
fn schema_and_completions_need_no_installation() {
    let schema = perch(&["schema"], "");
    assert!(stdout(&schema).contains("\"Perch target, perch/v1\""));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = perch(&["completions", shell], "");
        assert!(stdout(&script).contains("rollback"), "{shell}");
    }
}

/// A file of the repository.
fn repository(path: &str) -> String {
    format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// `perch simulate` with the example's plan, the trace on standard input.
fn simulate(trace: &str, more: &[&str]) -> Output {
    let plan = repository("examples/news-classifier/target.yaml");
    perch(&[&["simulate", "--plan", &plan, "--trace", "-"], more].concat(), trace)
}

#[test]
fn published_cases_are_simulated_as_allowed() {
    let cases = std::fs::read_to_string(repository("tests/fixtures/judge/cases_public2.json"));
    let cases = cases.unwrap();
    let output = simulate(&cases, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1 + 81 + 2);
    assert!(text.trim_end().ends_with("; 81 of 81 as the file allows"), "{text}");

    let answers: serde_json::Value =
        serde_json::from_str(&stdout(&simulate(&cases, &["-o", "json"]))).unwrap();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 81);
    for answer in answers {
        let minute = |field: &str| answer[field].as_u64();
        let expected = match answer["verdict"].as_str().unwrap() {
            "rollback" => minute("rollbackMinute").is_some(),
            "promote" => minute("rollbackMinute").is_none() && minute("promoteMinute").is_some(),
            "inconclusive" => minute("rollbackMinute").or(minute("promoteMinute")).is_none(),
            other => panic!("{other}"),
        };
        assert!(expected, "{answer}");
        assert_eq!(answer["logEvidence"].as_array().unwrap().len(), 15);
    }
}

#[test]
fn a_trace_that_can_not_be_judged_ends_with_2_and_says_where() {
    for (trace, message) in [
        ("{\"id\": \"a\"}", "perch: stdin: case a: canary_weight: is missing\n"),
        ("[]", "perch: stdin: there is no case in it\n"),
        ("[", "perch: stdin: not JSON\n  because: EOF while parsing a list at line 1 column 1\n"),
    ] {
        let output = simulate(trace, &[]);
        assert_eq!(output.status.code(), Some(2), "{trace}");
        assert_eq!(stderr(&output), message);
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_plan_with_several_targets_needs_a_choice() {
    let folder = std::env::temp_dir().join(format!("perch-plan-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let plan = folder.join("two.yaml");
    std::fs::write(&plan, format!("{GOOD}---\n{}", GOOD.replace("name: news", "name: olds")))
        .unwrap();
    let case = r#"{"id": "a", "canary_weight": 0.1, "history": {"n": [], "e": [], "lat": {}},
        "minutes": [{"c": {"n": 0, "e": 0, "h": {}}, "b": {"n": 9, "e": 0, "h": {}}}]}"#;
    let plan = plan.to_string_lossy();
    let with = |more: &[&str]| {
        perch(&[&["simulate", "--plan", &plan, "--trace", "-"], more].concat(), case)
    };
    let unclear = with(&[]);
    assert_eq!(unclear.status.code(), Some(2));
    assert!(stderr(&unclear).contains("has 2 targets: choose one with --target"));
    let absent = with(&["--target", "none"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(stderr(&absent).contains("has no target none"), "{}", stderr(&absent));
    let chosen = with(&["--target", "olds"]);
    assert_eq!(chosen.status.code(), Some(0), "{}", stderr(&chosen));
    assert!(stdout(&chosen).contains("1 case: 0 rolled back, 0 promoted, 1 inconclusive"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_benchmark_has_every_row_and_rule_and_repeats() {
    let run = |more: &[&str]| {
        let options = ["judge", "bench", "--set", "held-b", "--traces", "3"];
        let output = perch(&[&options, more].concat(), "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let text = run(&[]);
    assert_eq!(text.lines().count(), 3 + 32, "{text}");
    assert_eq!(text, run(&[]));
    assert_ne!(text, run(&["--seed", "7"]));
    assert!(run(&["--markdown"]).contains("\n| B hang 2% | 1000 | 0.1% | 10% | bad |"));
    let json: serde_json::Value =
        serde_json::from_str(&run(&["--preset", "normal,strict", "-o", "json"])).unwrap();
    let rules = json[0]["rows"][0]["rules"].as_array().unwrap();
    let names: Vec<_> = rules.iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert_eq!(names, ["fixed", "flagger", "kayenta", "codedeploy", "normal", "strict"]);
}
