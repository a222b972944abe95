//! What does not fit together in a target that takes models.

use super::{Protocol, Replicas, Rule, Target};
use crate::artifact::Lane;
use crate::release::{Driver, Plan};

/// The fields and what is wrong with them.
pub(super) fn model_problems(target: &Target) -> Vec<(&'static str, String)> {
    let (service, sources) = (&target.service, &target.sources);
    let mut found = Vec::new();
    let mut problem = |field, message: &str| found.push((field, message.to_owned()));
    if service.lambda.is_none() && service.model_servers.is_none() {
        problem("service", "service is empty: give `lambda` or `modelServers`");
    }
    if service.lambda.is_none() && (sources.image.is_some() || sources.package.is_some()) {
        problem("sources", "images and packages need `service.lambda`: model servers take models");
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
    if let Some(cache) = &target.cache {
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
