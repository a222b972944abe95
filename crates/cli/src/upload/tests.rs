use std::path::PathBuf;

use perch_core::manifest::{Manifest, ManifestFile};
use perch_core::target::Target;
use sha2::Digest as _;

use super::sums::Sums;
use super::*;
use crate::args::model::{Command, Model, Push};
use crate::args::{Cli, Command as Top};

/// A folder of this test's own.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("perch-upload-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (path, content) in files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    folder
}

fn push(folder: &std::path::Path, more: &[&str]) -> Push {
    let given = ["perch", "model", "push", folder.to_str().unwrap(), "-t", "news", "-v", "v2"];
    let given = given.iter().chain(["--by", "ada"].iter()).chain(more);
    let cli = <Cli as clap::Parser>::try_parse_from(given).unwrap();
    match cli.command {
        Top::Model(Model { command: Command::Push(push) }) => push,
        other => panic!("{other:?}"),
    }
}

fn target(source: serde_json::Value) -> Target {
    let mut model = serde_json::json!({ "bucket": "models", "prefix": "models/news" });
    model.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    serde_json::from_value(serde_json::json!({
        "apiVersion": "perch/v1", "kind": "Target", "name": "news",
        "service": { "modelServers": {
            "protocol": "perch", "model": "classifier", "replicas": { "static": ["http://a:1"] },
        } },
        "sources": { "model": model },
        "rollout": { "steps": [{ "weight": "10%", "bake": "5m" }] },
    }))
    .unwrap()
}

#[test]
fn a_file_and_its_parts_are_summed_in_one_reading() {
    let file = folder("sums", &[("a", "0123456789")]).join("a");
    let sum = |text: &[u8]| perch_core::manifest::Sha256::new(sha2::Sha256::digest(text).into());
    for (wish, parts) in
        [(4, vec!["0123", "4567", "89"]), (5, vec!["01234", "56789"]), (10, vec![]), (64, vec![])]
    {
        let sums = Sums::of(&file, 10, wish).unwrap();
        assert_eq!(sums.whole, sum(b"0123456789"), "{wish}");
        let expected: Vec<_> = parts.iter().map(|part| sum(part.as_bytes())).collect();
        assert_eq!(sums.parts, expected, "{wish}");
        let multipart = sums.multipart();
        assert_eq!(multipart.is_some(), !parts.is_empty(), "{wish}");
        if let Some(multipart) = multipart {
            let digests: Vec<u8> = expected.iter().flat_map(|sum| *sum.bytes()).collect();
            assert_eq!(multipart.composite, sum(&digests));
            assert_eq!(multipart.parts as usize, parts.len());
        }
    }
    let large = Sums::of(&file, 1 << 40, 64 << 20).unwrap();
    assert_eq!(large.part_size, (1u64 << 40).div_ceil(10_000), "10,000 parts at most");
}

#[test]
fn a_folder_is_read_with_its_metrics_and_golden_requests() {
    let place = folder(
        "whole",
        &[
            ("1/model.onnx", "weights"),
            ("metrics.json", r#"{"accuracy": 0.93, "note": "x"}"#),
            ("golden.json", r#"[{"name": "a", "input": 1, "expect": 2}]"#),
            (".git/config", "hidden"),
            (".DS_Store", "hidden"),
        ],
    );
    let found = Folder::read(&place).unwrap();
    let paths: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["1/model.onnx", "golden.json", "metrics.json"]);
    assert_eq!(found.metrics.into_iter().collect::<Vec<_>>(), [("accuracy".to_owned(), 0.93)]);
    assert_eq!(found.golden.unwrap().as_str(), "golden.json");
    for (name, files, why) in [
        ("empty", vec![(".hidden", "x")], "has no files"),
        ("manifest", vec![("manifest.json", "{}")], "manifest.json itself is none"),
        ("golden", vec![("golden.json", "[{}]")], "`[0]`: missing field `name`"),
        ("metrics", vec![("metrics.json", "[]")], "metrics.json: `.`: "),
    ] {
        let error = Folder::read(&folder(name, &files)).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
}

const KEY: &str = include_str!("../../../core/src/manifest/tests/key.pem");
const PUBLIC: &str = include_str!("../../../core/src/manifest/tests/key.pub");

#[test]
fn what_breaks_a_rule_of_the_target_is_said_before_the_first_byte() {
    let place = folder("rules", &[("model.onnx", "weights"), ("key.pem", KEY)]);
    let key = place.join("key.pem");
    let sign = ["--sign", key.to_str().unwrap()];
    let ours = serde_json::json!({ "signature": { "ed25519": PUBLIC.trim() } });
    let kms = "arn:aws:kms:us-east-1:123456789012:key/1";
    for (source, more, why) in [
        (serde_json::json!({ "maxBytes": "10B" }), vec![], "above the target's 10 B"),
        (serde_json::json!({ "require": ["accuracy >= 0.9"] }), vec![], "no metric `accuracy`"),
        (
            serde_json::json!({ "require": ["accuracy >= 0.9"] }),
            vec!["--metric", "accuracy=0.8"],
            "accuracy is 0.8, the limit is 0.9",
        ),
        (ours.clone(), vec![], "give `--sign KEYFILE`"),
        (
            serde_json::json!({ "signature": { "kms": kms } }),
            vec![],
            "which `perch model push` can't make",
        ),
        (serde_json::json!({ "upload": "file", "keys": ["*"] }), vec![], "takes plain files"),
    ] {
        let (args, target) = (push(&place, &more), target(source));
        let error = Plan::of(&args, &target).err().unwrap();
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
    let (args, target) = (push(&place, &sign), target(ours));
    Plan::of(&args, &target).unwrap();
}

#[test]
fn the_manifest_says_what_was_given_and_is_signed() {
    let place =
        folder("manifest-of", &[("model.onnx", "weights"), ("metrics.json", r#"{"f1": 0.5}"#)]);
    let key = folder("key-of", &[("key.pem", KEY)]).join("key.pem");
    let more = ["--metric", "accuracy=0.93", "--training", "s3://data/1", "--framework", "onnx"];
    let sign = ["--sign", key.to_str().unwrap()];
    let args = push(&place, &[&more[..], &sign[..]].concat());
    let target = target(serde_json::json!({}));
    let plan = Plan::of(&args, &target).unwrap();
    assert_eq!(plan.bytes(), 18);
    let files: Vec<ManifestFile> = plan
        .folder
        .files
        .iter()
        .map(|local| ManifestFile {
            path: local.path.clone(),
            size: local.size,
            sha256: perch_core::manifest::Sha256::new([1; 32]),
            version_id: "a".to_owned(),
            multipart: None,
        })
        .collect();
    let (manifest, text) = plan.manifest(files, jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(Manifest::read(&text).unwrap(), manifest);
    assert_eq!((manifest.model.as_str(), manifest.version.as_str()), ("classifier", "v2"));
    assert_eq!(manifest.metrics.len(), 2);
    assert_eq!(
        (manifest.created_by.as_str(), manifest.framework.as_deref()),
        ("ada", Some("onnx"))
    );
    let signed = perch_core::manifest::signed_bytes(&text).unwrap();
    let public: perch_core::manifest::PublicKey = PUBLIC.parse().unwrap();
    public.verify(&signed, manifest.signature.as_ref().unwrap()).unwrap();
}
