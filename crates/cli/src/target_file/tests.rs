//! Bad files and what is said about them.

use std::fmt::Write as _;

use super::*;

const GOOD: &str = "\
apiVersion: perch/v1
kind: Target
name: news
service:
  lambda: { function: news, alias: live }
sources:
  image: { repository: news, tags: [\"v*\"] }
rollout:
  steps:
    - { weight: 10%, bake: 5m }
    - { weight: 50%, bake: 5m }
judge:
  interval: 60s
  noData: hold
watch: 30m
";

fn read_text(text: &str) -> Result<Vec<Target>, InvalidFiles> {
    let source = Source { name: "target.yaml".into(), text: text.into() };
    read(&[source], MetricResolution::Minute)
}

fn said(text: &str) -> String {
    match read_text(text) {
        Ok(targets) => format!("{} target(s)", targets.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_examples_are_good_targets() {
    for example in EXAMPLES {
        assert_eq!(said(example), "1 target(s)");
    }
    assert_eq!(said(&format!("{EXAMPLE}---\n{EXAMPLE_ZIP}")), "2 target(s)");
}

/// What is changed in the good file, and how: (what it shows, text to replace, new text).
const CHANGES: &[(&str, &str, &str)] = &[
    ("nothing wrong", "", ""),
    ("unknown enum value", "noData: hold", "noData: pass"),
    ("unknown enum value that is nearly right", "noData: hold", "noData: Hold"),
    ("unknown field with a near one", "noData: hold", "nodata: hold"),
    ("unknown field without one", "watch: 30m", "colour: red"),
    ("unknown field in a list item", "weight: 50%, bake", "weight: 50%, bakes"),
    ("missing field in a list item", "weight: 50%, bake: 5m", "weight: 50%"),
    ("missing scalar", "name: news\n", ""),
    ("missing list", ", tags: [\"v*\"]", ""),
    ("missing fields", "service:\n  lambda: { function: news, alias: live }\n", ""),
    ("wrong version", "perch/v1", "perch/v2"),
    ("wrong kind", "kind: Target", "kind: Deployment"),
    ("bad target name", "name: news", "name: News_1"),
    ("number where text is needed", "alias: live", "alias: 7"),
    ("text where a number is needed", "noData: hold", "minRequests: many"),
    ("negative number", "noData: hold", "minRequests: -1"),
    ("text where a list is needed", "tags: [\"v*\"]", "tags: v*"),
    ("misspelt preset", "  steps:\n", "  preset: LambdaCanary10Percent5Minute\n  steps:\n"),
    ("list where fields are needed", "{ function: news, alias: live }", "[news, live]"),
    ("nothing where fields are needed", "{ function: news, alias: live }", ""),
    ("bad duration", "watch: 30m", "watch: soon"),
    ("duration without unit", "watch: 30m", "watch: 30"),
    ("bad percentage", "noData: hold", "errorRate: { max: 0.01 }"),
    ("bad weight", "weight: 10%", "weight: 150%"),
    ("weight of another type", "weight: 10%", "weight: true"),
    ("weight of 100", "weight: 50%", "weight: 100%"),
    ("weights that fall", "weight: 50%", "weight: 5%"),
    ("both forms of a rollout", "rollout:\n", "rollout:\n  preset: LambdaAllAtOnce\n"),
    ("no steps", "\n    - { weight: 10%, bake: 5m }\n    - { weight: 50%, bake: 5m }", " []"),
    ("interval below a minute", "interval: 60s", "interval: 10s"),
    ("bake shorter than the interval", "interval: 60s", "interval: 10m"),
    ("no source", "  image: { repository: news, tags: [\"v*\"] }", "  {}"),
    ("secret in the file", "watch: 30m", "notify: { slack: { webhook: \"https://x\" } }"),
    ("glob without quotes", "[\"v*\"]", "[*]"),
    ("field given twice", "watch: 30m", "watch: 30m\nwatch: 5m"),
    ("broken YAML", "watch: 30m", "watch: [30m"),
    ("bad indentation", "  noData: hold", "   noData: hold"),
];

#[test]
fn each_fault_is_named_with_its_line_and_what_to_write() {
    let mut table = String::new();
    for (what, from, to) in CHANGES {
        assert!(GOOD.contains(from), "{from}");
        let _ = writeln!(table, "# {what}\n{}\n", said(&GOOD.replacen(from, to, 1)));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn several_faults_are_all_named() {
    let mut text = GOOD.to_owned();
    for (from, to) in [
        ("name: news\n", "name: News\n"),
        ("alias: live", "alias: 7"),
        ("weight: 10%, bake: 5m", "weight: 10, bakes: 5m"),
        ("noData: hold", "noData: pass"),
        ("watch: 30m", "wach: 30m"),
    ] {
        text = text.replacen(from, to, 1);
    }
    let cross = GOOD.replacen("interval: 60s", "interval: 10s\n  minRequests: 0", 1).replacen(
        "watch: 30m",
        "deadline: 5m",
        1,
    );
    insta::assert_snapshot!(format!("{}\n\n{}", said(&text), said(&cross)));
}

#[test]
fn what_models_follow_is_named_with_its_line_too() {
    let source = "  model: { bucket: models, prefix: news }\n";
    let text = GOOD.replacen("rollout:\n", &format!("{source}rollout:\n"), 1);
    let own = "\
modelRelease:
  rollout:
    steps:
      - { weight: 10%, bake: 5m }
      - { weight: 50%, bake: 30s }
  judge:
    interval: 90s
    minRequests: 0
";
    assert_eq!(
        said(&(text + own)),
        "\
target.yaml:21: modelRelease.rollout.steps[1].bake: the bake of 30s at 50% is shorter than \
modelRelease.judge.interval 1m30s: the judge would not look; bake for 1m30s or longer
target.yaml:23: modelRelease.judge.interval: interval 1m30s is not a whole number of minutes: write 60s, 2m, ...
target.yaml:24: modelRelease.judge.minRequests: minRequests is 0: no data would promote; use 1 or more
3 problems; nothing was applied"
    );
}

#[test]
fn empty_files_and_other_documents_are_refused() {
    let texts = ["", "# nothing\n", "- a\n", "just text\n"];
    let mut table: String = texts.iter().map(|text| said(text) + "\n").collect();
    table += &said(&format!("{GOOD}---\n{GOOD}"));
    insta::assert_snapshot!(table);
}
