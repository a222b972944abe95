//! What does not fit together in a target that takes models.

use super::check::Problem;
use super::{ModelSource, Protocol, Replicas, Rule, Target, Upload};
use crate::artifact::Lane;
use crate::manifest::SignatureRule;
use crate::release::{Driver, Plan};

/// The fields and what is wrong with them.
pub(super) fn model_problems(target: &Target) -> Vec<Problem> {
    let found = field_problems(target).into_iter();
    found.map(|(field, message)| Problem { field: field.into(), message }).collect()
}

fn field_problems(target: &Target) -> Vec<(&'static str, String)> {
    let (service, sources) = (&target.service, &target.sources);
    let mut found = Vec::new();
    let mut problem = |field, message: &str| found.push((field, message.to_owned()));
    if service.model_servers.is_some()
        && service.lambda.is_none()
        && service.ecs.is_none()
        && (sources.image.is_some() || sources.package.is_some())
    {
        problem(
            "sources",
            "images and packages need `service.lambda` or `service.ecs`: model servers take models",
        );
    }
    if sources.model.is_none() {
        for (field, given) in [
            ("service.modelServers", service.model_servers.is_some()),
            ("modelRelease", !target.model_release.is_empty()),
            ("cache", target.cache.is_some()),
        ] {
            if given {
                problem(field, "there is no source of models: give `sources.model`");
            }
        }
        return found;
    }
    if let Some(source) = &sources.model {
        found.extend(source_problems(source));
    }
    let mut problem = |field, message: &str| found.push((field, message.to_owned()));
    if let Some(cache) = &target.cache {
        if service.model_servers.is_none() {
            problem(
                "cache",
                "a cache is switched for model servers only: the versions of a function answer side by \
                 side, so put PERCH_MODEL_VERSION into the keys instead (docs/models-on-lambda.md)",
            );
        }
        if cache.redis.is_none() && cache.webhook.is_none() {
            problem("cache", "cache is empty: give `redis` or `webhook`");
        }
        if let Some(redis) = &cache.redis
            && !["redis://", "rediss://"].iter().any(|scheme| redis.url.starts_with(scheme))
        {
            problem("cache.redis.url", "write redis://HOST:PORT, or rediss:// for TLS");
        }
        if let Some(redis) = &cache.redis
            && redis.url.contains('@')
        {
            problem(
                "cache.redis.url",
                "a password never stands in a target file: keep it in SSM and name it under \
                 `cache.redis.password`",
            );
        }
    }
    let Some(servers) = &service.model_servers else { return found };
    if servers.grpc_port.is_some() && servers.protocol != Protocol::OpenInference {
        problem(
            "service.modelServers.grpcPort",
            "`grpcPort` is for `protocol: open-inference`: remove it",
        );
    }
    match (servers.protocol, &servers.tensorflow) {
        (Protocol::TensorflowServing, None) => problem(
            "service.modelServers.tensorflow",
            "TensorFlow Serving takes its configuration as a whole: give `tensorflow.basePath`",
        ),
        (Protocol::Perch | Protocol::OpenInference, Some(_)) => problem(
            "service.modelServers.tensorflow",
            "`tensorflow` is for `protocol: tensorflow-serving`: remove it",
        ),
        _ => {}
    }
    if let Replicas::Static(urls) = &servers.replicas {
        let schemes: &[&str] = match servers.protocol {
            Protocol::Perch | Protocol::OpenInference => &["http://", "https://"],
            Protocol::TensorflowServing => &["http://", "https://", "grpc://"],
        };
        if urls.is_empty() {
            problem("service.modelServers.replicas.static", "no replica is given");
        }
        for url in urls {
            if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
                let text = format!(
                    "`{url}` is not the address of a replica: write {}HOST:PORT",
                    schemes[0]
                );
                problem("service.modelServers.replicas.static", &text);
            }
        }
    }
    if let Some(Plan { driver: Driver::Servers(_), judge, .. }) = Plan::of(target, Lane::Model) {
        if judge.metrics.is_none() {
            problem(
                "modelRelease.judge.metrics",
                "model servers are judged by metrics that they publish themselves: give \
                 `modelRelease.judge.metrics` (docs/metrics.md)",
            );
        }
        if judge.rule == Rule::Thresholds {
            problem(
                "modelRelease.judge.rule",
                "model servers are judged by `rule: sequential` only",
            );
        }
        if judge.low_traffic.synthetic.is_some() {
            problem(
                "modelRelease.judge.lowTraffic.synthetic",
                "synthetic requests go to a Lambda alias: remove them for model servers",
            );
        }
    }
    found
}

/// The fields of a source of models and what is wrong with them.
fn source_problems(source: &ModelSource) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut problem = |field, message: &str| found.push((field, message.to_owned()));
    if source.prefix.split('/').any(|part| part == "..") || source.prefix.contains("//") {
        problem("sources.model.prefix", "write a folder such as models/news");
    }
    match source.upload {
        Upload::Manifest if !source.keys.is_empty() => problem(
            "sources.model.keys",
            "keys are for plain files: remove them, or write `upload: file`",
        ),
        Upload::File if source.keys.iter().all(|glob| glob.is_empty()) => problem(
            "sources.model.keys",
            "no key glob is given: say which files are models, such as [\"*.onnx\"]",
        ),
        Upload::Manifest | Upload::File => {}
    }
    if source.upload == Upload::File {
        for (field, given) in [
            ("sources.model.require", !source.require.is_empty()),
            ("sources.model.signature", source.signature.is_some()),
        ] {
            if given {
                problem(
                    field,
                    "a plain file has no manifest that could say it: remove it, or write `upload: manifest`",
                );
            }
        }
    }
    if let Some(SignatureRule::Kms(key)) = &source.signature
        && !(key.starts_with("arn:") && key.contains(":kms:") && key.contains(":key/"))
    {
        problem(
            "sources.model.signature.kms",
            "write the key's ARN, such as arn:aws:kms:eu-west-1:123456789012:key/ID",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::source_problems;
    use crate::target::ModelSource;

    fn source(more: Value) -> Result<ModelSource, String> {
        let mut json = json!({ "bucket": "models", "prefix": "models/news" });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named() {
        let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
        for (more, expected) in [
            (json!({}), vec![]),
            (json!({ "require": ["accuracy >= 0.9"], "maxBytes": "2GB" }), vec![]),
            (json!({ "signature": { "kms": key } }), vec![]),
            (
                json!({ "signature": { "kms": "alias/models" } }),
                vec!["sources.model.signature.kms"],
            ),
            (json!({ "upload": "file", "keys": ["*.onnx"] }), vec![]),
            (json!({ "upload": "file" }), vec!["sources.model.keys"]),
            (json!({ "keys": ["*.onnx"] }), vec!["sources.model.keys"]),
            (json!({ "prefix": "models/../x" }), vec!["sources.model.prefix"]),
            (
                json!({ "upload": "file", "keys": ["*"], "require": ["a > 1"], "signature": { "kms": key } }),
                vec!["sources.model.require", "sources.model.signature"],
            ),
        ] {
            let fields: Vec<_> =
                source_problems(&source(more.clone()).unwrap()).iter().map(|p| p.0).collect();
            assert_eq!(fields, expected, "{more}");
        }
        for (more, expected) in [
            (json!({ "require": ["accuracy is high"] }), "is not a requirement"),
            (json!({ "maxBytes": "much" }), "is not a size"),
            (json!({ "signature": { "ed25519": "abc" } }), "is not an Ed25519 public key"),
        ] {
            assert!(source(more).unwrap_err().contains(expected), "{expected}");
        }
    }

    #[test]
    fn keys_lead_to_versions_and_back() {
        let folder = source(json!({})).unwrap();
        for (key, version) in [
            ("models/news/v2/manifest.json", Some("v2")),
            ("models/news/manifest.json", None),
            ("models/news/v2/deep/manifest.json", None),
            ("models/newspaper/v2/manifest.json", None),
            ("other/v2/manifest.json", None),
            ("models/news/v2/model.onnx", None),
        ] {
            assert_eq!(folder.version_of(key), version, "{key}");
        }
        assert_eq!(folder.key("v2", "manifest.json"), "models/news/v2/manifest.json");
        let files = source(json!({ "upload": "file", "keys": ["*.onnx"] })).unwrap();
        assert!(files.admits_file("models/news/a.onnx") && !files.admits_file("models/news/a.txt"));
        assert!(!folder.admits_file("models/news/a.onnx"), "only where the target says so");
        assert_eq!(files.version_of("models/news/v2/manifest.json"), None);
    }
}
