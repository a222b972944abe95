use serde_json::{Value, json};

use super::*;
use crate::target::ByteSize;

const SUM: &str = "7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678";
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn manifest(changes: &[(&str, Value)]) -> Value {
    let mut json = json!({
        "schemaVersion": 1, "model": "news", "version": "v2",
        "files": [
            { "path": "1/model.onnx", "size": 12, "sha256": SUM, "versionId": "a1" },
            { "path": "golden.json", "size": 3, "sha256": SUM, "versionId": "b1" },
        ],
        "metrics": { "accuracy": 0.93 },
        "createdBy": "ada", "createdAt": "2026-11-21T10:00:00Z", "golden": "golden.json",
    });
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match json.pointer_mut(parent).unwrap() {
            Value::Object(fields) => drop(fields.insert(name.to_owned(), value.clone())),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                panic!("{parent}")
            }
        }
    }
    json
}

fn read(changes: &[(&str, Value)]) -> Result<Manifest, String> {
    Manifest::read(manifest(changes).to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    let read = read(&[]).unwrap();
    assert_eq!((read.bytes(), read.golden_file().unwrap().size), (15, 3));
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest(&[]));
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let twice = manifest(&[])["files"][0].clone();
    let parts = json!({ "partSize": 5, "parts": 2, "composite": SUM });
    for (changes, expected) in [
        (vec![("/schemaVersion", json!(2))], "`schemaVersion`: version 2 is not known"),
        (vec![("/version", json!("a/b"))], "`version`: `a/b` is not a version"),
        (vec![("/surprise", json!(1))], "`surprise`: unknown field"),
        (vec![("/files", json!([]))], "`files`: a model has at least one file"),
        (vec![("/files/1", twice)], "`files[1].path`: 1/model.onnx is there twice"),
        (vec![("/files/0/path", json!("../x"))], "`files[0].path`: `../x` is not the path"),
        (vec![("/files/0/path", json!("/x"))], "`files[0].path`: `/x` is not the path"),
        (vec![("/files/0/path", json!("manifest.json"))], "`files[0].path`"),
        (vec![("/files/0/sha256", json!("abc"))], "`files[0].sha256`: `abc` is not a SHA-256"),
        (vec![("/files/0/size", json!(-1))], "`files[0].size`"),
        (vec![("/files/0/versionId", json!("null"))], "`files[0].versionId`"),
        (vec![("/files/0/multipart", parts)], "2 parts of 5 bytes are not 12 bytes"),
        (vec![("/golden", json!("other.json"))], "`golden`: it is none of the files"),
        (vec![("/createdAt", json!("yesterday"))], "`createdAt`"),
        (vec![("/metrics", json!({ "accuracy": "high" }))], "`metrics.accuracy`"),
    ] {
        let error = read(&changes).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let many: Vec<Value> = (0..=MOST_FILES)
        .map(|n| json!({ "path": n.to_string(), "size": 1, "sha256": SUM, "versionId": "a" }))
        .collect();
    let error = read(&[("/files", json!(many)), ("/golden", json!("1"))]).unwrap_err();
    assert!(error.contains("10001 files are too many"), "{error}");
    let half = &manifest(&[]).to_string()[..100];
    assert!(Manifest::read(half.as_bytes()).is_err());
    let trailing = format!("{} x", manifest(&[]));
    assert!(Manifest::read(trailing.as_bytes()).unwrap_err().to_string().contains("trailing"));
}

#[test]
fn each_object_has_to_be_the_one_that_was_uploaded() {
    let file = &read(&[]).unwrap().files[0];
    let mut parted = file.clone();
    parted.multipart =
        Some(Multipart { part_size: 6, parts: 2, composite: OTHER.parse().unwrap() });
    let sum = |text: &str| text.parse().unwrap();
    let object = |version: &str, size, checksum| {
        Found::Object(Stored { version_id: version.to_owned(), size, checksum })
    };
    let composite = |text, parts| Checksum::Composite { sum: sum(text), parts };
    for (file, found, expected) in [
        (file, object("a1", 12, Checksum::Full(sum(SUM))), None),
        (file, Found::Nothing, Some("is not there")),
        (file, Found::Deleted, Some("was deleted after the upload")),
        (file, object("a2", 12, Checksum::Full(sum(SUM))), Some("was overwritten: version a1")),
        (file, object("a1", 11, Checksum::Full(sum(SUM))), Some("has 11 bytes, 12 were uploaded")),
        (file, object("a1", 12, Checksum::Full(sum(OTHER))), Some("has SHA-256 0000")),
        (file, object("a1", 12, Checksum::None), Some("has no SHA-256 in S3")),
        (file, object("a1", 12, composite(SUM, 2)), Some("has no SHA-256 in S3")),
        (&parted, object("a1", 12, composite(OTHER, 2)), None),
        (&parted, object("a1", 12, composite(SUM, 2)), Some("has SHA-256 7f5b")),
        (&parted, object("a1", 12, composite(OTHER, 3)), Some("has no SHA-256 in S3")),
    ] {
        let fault = fault(file, &found).map(|fault| fault.to_string());
        match (fault, expected) {
            (None, None) => {}
            (Some(fault), Some(expected)) => assert!(fault.contains(expected), "{fault}"),
            other => panic!("{found:?}: {other:?}"),
        }
    }
    let manifest = read(&[]).unwrap();
    assert_eq!(too_large(&manifest, Some(ByteSize::bytes(15))), None);
    let text = too_large(&manifest, Some(ByteSize::bytes(14))).unwrap();
    assert_eq!(text, "its 2 files have 15 B, above the target's 14 B");
}

#[test]
fn requirements_compare_with_numbers_and_with_the_baseline() {
    let metrics = |value: f64| BTreeMap::from([("accuracy".to_owned(), value)]);
    let baseline = metrics(0.92);
    for (text, value, expected) in [
        ("accuracy >= 0.9", 0.9, None),
        ("accuracy > 0.9", 0.9, Some("accuracy is 0.9, the limit is 0.9")),
        ("accuracy>=baseline - 0.01", 0.91, None),
        (
            "accuracy >= baseline-0.01",
            0.9,
            Some("accuracy is 0.9, the limit is 0.91 (baseline 0.92)"),
        ),
        ("accuracy >= baseline", 0.92, None),
        ("accuracy <= baseline * 1.1", 1.013, Some("the limit is 1.012 (baseline 0.92)")),
        ("accuracy < baseline + 0.01", 0.92, None),
        ("f1 >= 0.5", 0.9, Some("the manifest has no metric `f1`")),
    ] {
        let requirement: Requirement = text.parse().unwrap();
        assert_eq!(requirement.to_string().parse::<Requirement>().unwrap(), requirement);
        let missed = requirement.check(&metrics(value), Some(&baseline)).err();
        match (missed.map(|missed| missed.to_string()), expected) {
            (None, None) => {}
            (Some(missed), Some(expected)) => assert!(missed.contains(expected), "{missed}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let relative: Requirement = "accuracy >= baseline".parse().unwrap();
    relative.check(&metrics(0.1), None).unwrap();
    relative.check(&BTreeMap::new(), None).unwrap_err();
    let nothing = relative.check(&metrics(0.1), Some(&BTreeMap::new())).unwrap_err();
    assert!(nothing.to_string().contains("baseline's manifest has no metric"), "{nothing}");
    for bad in [
        "",
        "accuracy",
        "accuracy >= ",
        ">= 1",
        "a b >= 1",
        "a >= baseline / 2",
        "a == 1",
        "a >= baseline -",
        "a >= NaN",
        "a >= inf",
    ] {
        assert!(bad.parse::<Requirement>().is_err(), "{bad}");
    }
}

#[test]
fn golden_answers_are_compared_as_they_are_written() {
    let near = json!({ "$near": 0.9, "tolerance": 0.05 });
    for (expected, answer, difference_is) in [
        (json!({ "label": "sport" }), json!({ "label": "sport", "ms": 3 }), None),
        (
            json!({ "label": "sport" }),
            json!({ "label": "world" }),
            Some("$.label: expected \"sport\", got \"world\""),
        ),
        (json!({ "label": 1 }), json!({}), Some("$.label: expected 1, but it is missing")),
        (json!([1, 2]), json!([1.0, 2]), None),
        (json!([1, 2]), json!([1]), Some("$: expected 2 items, got 1")),
        (json!([[{ "a": 1 }]]), json!([[{ "a": 2 }]]), Some("$[0][0].a: expected 1, got 2")),
        (json!({ "p": near }), json!({ "p": 0.94 }), None),
        (json!({ "p": near }), json!({ "p": 0.8 }), Some("$.p: expected 0.9 within 0.05, got 0.8")),
        (json!({ "p": near }), json!({ "p": "0.9" }), Some("$.p: expected 0.9 within 0.05")),
        (json!({ "p": { "$atLeast": 0.5 } }), json!({ "p": 0.5 }), None),
        (json!({ "p": { "$atMost": 0.5 } }), json!({ "p": 0.6 }), Some("expected at most 0.5")),
        (json!({ "$exact": { "a": 1 } }), json!({ "a": 1, "b": 2 }), Some("expected exactly")),
        (json!(null), json!(false), Some("$: expected null, got false")),
    ] {
        match (difference(&expected, &answer), difference_is) {
            (None, None) => {}
            (Some(found), Some(part)) => assert!(found.contains(part), "{found}"),
            other => panic!("{expected} and {answer}: {other:?}"),
        }
    }
}

#[test]
fn golden_requests_that_can_not_be_used_are_refused() {
    let request = |expect: Value| json!([{ "name": "sport", "input": "a", "expect": expect }]);
    let bytes = |value: Value| value.to_string().into_bytes();
    assert_eq!(read_golden(&bytes(request(json!({ "label": "sport" })))).unwrap().len(), 1);
    for (value, expected) in [
        (request(json!({ "p": { "$close": 1 } })), "`sport`: `$close` is not understood"),
        (request(json!([{ "$near": 1 }])), "`$near` is not understood"),
        (json!([{ "name": "sport", "input": 1 }]), "`[0]`: missing field `expect`"),
        (json!({}), "expected a sequence"),
        (json!(vec![request(json!(1))[0].clone(); 101]), "101 are too many"),
    ] {
        let error = read_golden(&bytes(value)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// `openssl genpkey -algorithm ed25519` of OpenSSL 3.0, made for this test.
const KEY: &str = include_str!("tests/key.pem");
const PUBLIC: &str = include_str!("tests/key.pub");

#[test]
fn a_signature_holds_for_what_was_signed_and_for_nothing_else() {
    let key = SigningKey::read(KEY).unwrap();
    let public: PublicKey = PUBLIC.parse().unwrap();
    assert_eq!(key.public(), public);
    assert_eq!(public.to_string(), PUBLIC.trim());
    let text = manifest(&[]).to_string();
    let signed = signed_bytes(text.as_bytes()).unwrap();
    let signature = key.sign(&signed);
    public.verify(&signed, &signature).unwrap();
    let carried = manifest(&[("/signature", serde_json::to_value(&signature).unwrap())]);
    let carried = serde_json::to_string_pretty(&carried).unwrap();
    assert_eq!(
        signed_bytes(carried.as_bytes()).unwrap(),
        signed,
        "neither layout nor itself count"
    );
    let changed = manifest(&[("/metrics/accuracy", json!(0.99))]).to_string();
    let changed = signed_bytes(changed.as_bytes()).unwrap();
    assert_eq!(public.verify(&changed, &signature), Err(SignatureFault::Wrong));
    let foreign = Signature { algorithm: Algorithm::EcdsaSha256, ..signature };
    let error = public.verify(&signed, &foreign).unwrap_err().to_string();
    assert!(error.contains("takes ed25519 signatures"), "{error}");
    assert!(SigningKey::read(PUBLIC).is_err());
}

#[test]
fn the_signed_bytes_have_sorted_keys_and_no_white_space() {
    let text = br#"{ "b": [ {"d": 1, "c": "\u00e9"} ], "signature": {"x": 1}, "a": 0.5 }"#;
    let signed = String::from_utf8(signed_bytes(text).unwrap()).unwrap();
    assert_eq!(signed, r#"{"a":0.5,"b":[{"c":"é","d":1}]}"#);
}

#[test]
fn a_plain_file_and_its_object_version_name_the_model_version() {
    for (key, object, expected) in [
        ("models/news/classifier.onnx", "3sL4kqtJlcpXroDTDmJ", "classifier-3sL4kqtJ"),
        ("weights", "a.b_c-d", "weights-abcd"),
        ("x/.hidden", "12345678", "model-12345678"),
        ("x/über model.bin", "12345678", "ber-model-12345678"),
    ] {
        assert_eq!(version_of_file(key, object).unwrap().as_str(), expected, "{key}");
    }
}
