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
    all += &format!("\n--- dead-letters\n{}", stdout(&perch(&["dead-letters", "--help"], "")));
    for command in ["list", "show", "redrive"] {
        let help = stdout(&perch(&["dead-letters", command, "--help"], ""));
        all += &format!("\n--- dead-letters {command}\n{help}");
    }
    all += &format!("\n--- release start\n{}", stdout(&perch(&["release", "start", "--help"], "")));
    for command in ["explain", "doctor", "hold", "continue", "promote", "abort", "rollback"] {
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
        &["targets", "News"],
        &["releases", "--limit", "0"],
        &["watch", "--until-end"],
        &["dead-letters"],
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
