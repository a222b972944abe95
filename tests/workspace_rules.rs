//! Who may import whom, how large a file may be, and what may be in the dependency tree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use perch_tests::{name, root, sources, text};
use serde_json::Value;

type Problems = Vec<String>;

/// What `cargo metadata` says; `more` narrows it or widens it.
fn metadata(more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(more)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A member of the workspace.
struct Member {
    name: String,
    /// Its folder, from the root.
    folder: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    dev: bool,
    default_features: bool,
}

impl Member {
    fn is_function(&self) -> bool {
        self.folder.starts_with("functions")
    }

    fn names(&self, dev: bool) -> impl Iterator<Item = &str> {
        self.dependencies.iter().filter(move |d| d.dev == dev).map(|d| d.name.as_str())
    }
}

fn members() -> Vec<Member> {
    let root = root().canonicalize().unwrap();
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let folder = manifest.parent().unwrap().canonicalize().unwrap();
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            Member {
                name: package["name"].as_str().unwrap().to_owned(),
                folder: folder.strip_prefix(&root).unwrap().to_owned(),
                dependencies: dependencies
                    .map(|d| Dependency {
                        name: d["name"].as_str().unwrap().to_owned(),
                        dev: d["kind"] == "dev",
                        default_features: d["uses_default_features"] == true,
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The members that a member may import.
fn importable(member: &Member) -> &'static [&'static str] {
    match member.name.as_str() {
        "perch-core" | "news-classifier" => &[],
        "news-server" => &["news-classifier"],
        "perch-app" => &["perch-core"],
        "perch-lab" => &["perch-core"],
        "perch-testkit" => &["perch-app", "perch-core"],
        "perch-tests" | "perch-aws" | "perch-serving" => &["perch-app", "perch-core"],
        "perch-cli" => &["perch-app", "perch-aws", "perch-core", "perch-lab", "perch-serving"],
        _ if member.is_function() => &["perch-app", "perch-aws", "perch-core", "perch-serving"],
        other => panic!("{other}: say here what this member may import"),
    }
}

fn forbidden_imports(members: &[Member]) -> Problems {
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut problems = Vec::new();
    for member in members {
        for dependency in member.dependencies.iter().filter(|d| names.contains(d.name.as_str())) {
            let in_tests = dependency.dev
                && (dependency.name == "perch-testkit" || member.name == "perch-tests");
            if !in_tests && !importable(member).contains(&dependency.name.as_str()) {
                problems.push(format!("{} imports {}", member.name, dependency.name));
            }
        }
    }
    problems
}

#[test]
fn imports_go_one_way() {
    assert_eq!(forbidden_imports(&members()), [""; 0]);
}

#[test]
fn core_and_app_know_no_runtime_and_no_aws() {
    let runtime = ["tokio", "lambda_runtime", "reqwest", "anyhow", "rand", "chrono", "ureq"];
    for member in members().iter().filter(|m| ["perch-core", "perch-app"].contains(&&*m.name)) {
        for dependency in member.names(false) {
            let foreign = runtime.contains(&dependency) || dependency.starts_with("aws");
            assert!(!foreign, "{} depends on {dependency}", member.name);
        }
    }
}

#[test]
fn only_the_adapters_name_the_sdks() {
    for member in members().iter().filter(|member| member.name != "perch-aws") {
        for dependency in &member.dependencies {
            let sdk = dependency.name.starts_with("aws-");
            assert!(!sdk, "{} depends on {}", member.name, dependency.name);
        }
        for file in sources(&member.folder).iter().filter(|file| !file.starts_with("tests")) {
            assert!(!text(file).contains("aws_sdk_"), "{} names an SDK", file.display());
        }
    }
}

#[test]
fn aws_crates_bring_no_second_tls_stack() {
    let members = members();
    let of_aws = |d: &&Dependency| d.name.starts_with("aws-") || d.name.starts_with("aws_");
    let all: Vec<&Dependency> = members.iter().flat_map(|m| &m.dependencies).collect();
    let found: Vec<&&Dependency> = all.iter().filter(|d| of_aws(d)).collect();
    assert!(found.len() >= 7, "the SDKs are found");
    for dependency in found {
        assert!(!dependency.default_features, "{}: default-features = false", dependency.name);
    }
}

#[test]
fn every_member_takes_the_lints_and_is_not_published() {
    for member in members() {
        let manifest = text(member.folder.join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", member.name);
        assert!(manifest.contains("publish.workspace = true"), "{}", member.name);
    }
}

/// The lines before the tests.
fn production_lines(source: &str) -> usize {
    let lines: Vec<&str> = source.lines().collect();
    let tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ");
    lines.windows(2).position(tests).unwrap_or(lines.len())
}

/// How many lines a file may have before its tests.
fn line_limit(file: &Path) -> usize {
    let in_function = file.starts_with("functions");
    match name(file).as_str() {
        "main.rs" => 40,
        "handler.rs" if in_function => 100,
        _ => 300,
    }
}

#[test]
fn files_are_small() {
    let folders = members().into_iter().map(|member| member.folder.join("src"));
    let files: Vec<PathBuf> = folders
        .filter(|folder| root().join(folder).is_dir())
        .flat_map(sources)
        .filter(|file| name(file) != "tests.rs")
        .collect();
    assert!(files.len() > 50, "the sources are found");
    for file in files {
        let (lines, limit) = (production_lines(&text(&file)), line_limit(&file));
        assert!(lines <= limit, "{} has {lines} lines before its tests", file.display());
    }
}

/// Dependencies that no source names.
fn unused(member: &Member, sources: &str) -> Problems {
    let code: Vec<&str> = sources.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let words: BTreeSet<&str> =
        code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let named = |dependency: &&str| words.contains(dependency.replace('-', "_").as_str());
    let all = member.dependencies.iter().map(|d| d.name.as_str());
    all.filter(|dependency| !named(dependency))
        .map(|dependency| format!("{} does not use {dependency}", member.name))
        .collect()
}

#[test]
fn every_dependency_is_used() {
    for member in members() {
        let code: Vec<String> = sources(&member.folder).iter().map(text).collect();
        assert_eq!(unused(&member, &code.join("\n")), [""; 0]);
    }
}

/// The values of a list in deny.toml, one on each line.
fn denied(field: &str) -> Vec<String> {
    let deny = text("deny.toml");
    let (_, list) = deny.split_once(&format!("\n{field} = [\n")).unwrap();
    let (list, _) = list.split_once("\n]").unwrap();
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.map(|line| line.trim_end_matches(',').to_owned()).collect()
}

#[test]
fn deny_toml_bans_what_only_the_adapters_may_use() {
    let bans: BTreeMap<String, String> = denied("deny")
        .iter()
        .map(|ban| {
            let quoted: Vec<&str> = ban.split('"').skip(1).step_by(2).collect();
            (quoted[0].to_owned(), quoted[1..].join(" "))
        })
        .collect();
    let members = members();
    let adapters = members.iter().find(|member| member.name == "perch-aws").unwrap();
    let sdks = |name: &&str| name.starts_with("aws-sdk-") || *name == "aws-config";
    let named: BTreeSet<&str> = adapters.names(false).filter(sdks).collect();
    let banned = bans.iter().filter(|(_, wrappers)| !wrappers.is_empty());
    let (of_aws, others): (Vec<_>, Vec<_>) = banned.partition(|(name, _)| sdks(&name.as_str()));
    assert_eq!(named, of_aws.iter().map(|(name, _)| name.as_str()).collect());
    for (name, wrappers) in of_aws {
        assert!(["perch-aws", "perch-aws serde_dynamo"].contains(&wrappers.as_str()), "{name}");
    }
    for (name, wrappers) in others {
        let uses =
            |member: &&Member| member.names(false).chain(member.names(true)).any(|n| n == name);
        let users: BTreeSet<&str> =
            members.iter().filter(uses).map(|member| member.name.as_str()).collect();
        let is_member = |wrapper: &&str| members.iter().any(|member| member.name == *wrapper);
        assert_eq!(users, wrappers.split(' ').filter(is_member).collect(), "{name}");
    }
}

/// Whether a licence expression can be met by `allowed` licences alone.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace(" / ", " OR ").replace('/', " OR ");
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any_of(words, allowed);
        words.next();
        return met;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(&licence)
}

#[test]
fn licences_are_on_the_list() {
    let allowed: BTreeSet<String> =
        denied("allow").iter().map(|licence| licence.trim_matches('"').to_owned()).collect();
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let packages = metadata["packages"].as_array().unwrap();
    let foreign: Vec<&Value> = packages.iter().filter(|p| !p["source"].is_null()).collect();
    assert!(foreign.len() > 100, "the dependencies are found");
    for package in foreign {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(met(licence, &allowed), "{}: {licence}", package["name"]);
    }
}

#[test]
fn rules_can_fail() {
    let dependency =
        |name: &str, dev| Dependency { name: name.to_owned(), dev, default_features: true };
    let member = |name: &str, folder: &str, dependencies| Member {
        name: name.to_owned(),
        folder: folder.into(),
        dependencies,
    };
    let uses = vec![dependency("perch-testkit", true), dependency("perch-aws", false)];
    let members = [
        member("perch-app", "crates/app", uses),
        member("perch-aws", "crates/aws", vec![dependency("perch-testkit", false)]),
        member("perch-testkit", "crates/testkit", vec![]),
        member("notify", "functions/notify", vec![dependency("on-alarm", true)]),
        member("on-alarm", "functions/on-alarm", vec![]),
    ];
    assert_eq!(
        forbidden_imports(&members),
        [
            "perch-app imports perch-aws",
            "perch-aws imports perch-testkit",
            "notify imports on-alarm"
        ]
    );
    let code = "// perch_aws\nuse perch_testkit::World;";
    assert_eq!(unused(&members[0], code), ["perch-app does not use perch-aws"]);
    assert_eq!(production_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for (expression, fine) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("ISC AND (Apache-2.0 OR MIT)", true),
        ("MIT AND Apache-2.0", false),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(met(expression, &allowed), fine, "{expression}");
    }
}
