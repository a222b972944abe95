//! The published files are what is generated, and the examples are what they describe.

use std::path::{Path, PathBuf};

use perch_core::names::{AliasName, RepositoryName, TargetName};
use perch_core::target::MetricResolution;
use serde_json::Value;

use super::*;
use crate::target_file::{self, EXAMPLE, EXAMPLE_ZIP, Source};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn published(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_default()
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let generated = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    assert!(
        published("schemas/target.v1.json") == generated,
        "regenerate: perch schema > schemas/target.v1.json"
    );
}

#[test]
fn the_published_schema_of_manifests_is_the_generated_one() {
    let generated = serde_json::to_string_pretty(&manifest_schema()).unwrap() + "\n";
    assert!(
        published("schemas/manifest.v1.json") == generated,
        "regenerate: perch schema --manifest > schemas/manifest.v1.json"
    );
}

/// The example of docs/models.md.
#[test]
fn the_example_of_a_manifest_is_one_and_fits_the_schema() {
    let page = published("docs/models.md");
    let (_, rest) = page.split_once("```json\n{\n  \"schemaVersion\"").unwrap();
    let text = format!("{{\n  \"schemaVersion\"{}", rest.split_once("```").unwrap().0);
    perch_core::manifest::Manifest::read(text.as_bytes()).unwrap();
    let validator = jsonschema::validator_for(&manifest_schema()).unwrap();
    let mut example: Value = serde_json::from_str(&text).unwrap();
    assert!(validator.is_valid(&example));
    for (pointer, wrong) in [
        ("/schemaVersion", Value::from(2)),
        ("/files/0/path", "../model.onnx".into()),
        ("/files/0/path", "manifest.json".into()),
        ("/files/0/sha256", "ABC".into()),
        ("/files", Value::Array(vec![])),
    ] {
        let right = std::mem::replace(example.pointer_mut(pointer).unwrap(), wrong);
        assert!(!validator.is_valid(&example), "{pointer}");
        *example.pointer_mut(pointer).unwrap() = right;
    }
}

#[test]
fn the_published_reference_is_the_generated_one() {
    assert!(
        published("docs/target-file.md") == markdown(),
        "regenerate: perch schema --markdown > docs/target-file.md"
    );
}

/// Every `examples/*/target*.yaml`.
fn examples() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(repository().join("examples")).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("target") && name.ends_with(".yaml") {
                let text = std::fs::read_to_string(file.path()).unwrap();
                found.push((format!("{}/{name}", folder.file_name().to_string_lossy()), text));
            }
        }
    }
    found
}

#[test]
fn every_example_can_be_applied_and_fits_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut all = examples();
    assert!(!all.is_empty());
    all.extend([("image".into(), EXAMPLE.into()), ("zip".into(), EXAMPLE_ZIP.into())]);
    for (name, text) in all {
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            let faults: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
            assert_eq!(faults, [""; 0], "{name}");
        }
        let source = Source { name: name.clone(), text };
        let read = target_file::read(&[source], MetricResolution::Second);
        assert!(read.is_ok(), "{}", read.unwrap_err());
    }
}

#[test]
fn both_names_of_a_preset_fit_the_schema_and_the_parser() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (name, fits) in [
        ("LambdaLinear10PercentEvery1Minute", true),
        ("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", true),
        ("CodeDeployDefault.LambdaCanary10Percent15Minutes", true),
        ("CodeDeployDefault.ECSCanary10Percent5Minutes", true),
        ("CodeDeployDefault.OneAtATime", false),
    ] {
        let text = EXAMPLE_ZIP.replace("LambdaCanary10Percent5Minutes", name);
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(validator.is_valid(&document), fits, "{name}");
        let source = Source { name: name.to_owned(), text };
        assert_eq!(target_file::read(&[source], MetricResolution::Minute).is_ok(), fits, "{name}");
    }
}

#[test]
fn schema_and_parser_agree_on_names() {
    let schema = schema();
    let accepts = |name: &str, text: &str| {
        let kind = schema["$defs"][name].clone();
        jsonschema::validator_for(&kind).unwrap().is_valid(&text.into())
    };
    for text in ["live", "1", "7up", "$LATEST", "", "a b", "news-1", "News", "-a", "a/b", "a."] {
        assert_eq!(accepts("AliasName", text), text.parse::<AliasName>().is_ok(), "{text}");
        assert_eq!(accepts("TargetName", text), text.parse::<TargetName>().is_ok(), "{text}");
        let repository = text.parse::<RepositoryName>().is_ok();
        assert_eq!(accepts("RepositoryName", text), repository, "{text}");
    }
}
