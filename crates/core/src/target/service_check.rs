//! What a target is, and what does not fit an ECS service.

use super::{JudgeRule, Target};

/// The fields and what is wrong with them.
pub(super) fn service_problems(target: &Target) -> Vec<(&'static str, String)> {
    let (service, sources) = (&target.service, &target.sources);
    let mut found: Vec<(&'static str, &str)> = Vec::new();
    if service.lambda.is_none() && service.ecs.is_none() && service.model_servers.is_none() {
        found.push(("service", "service is empty: give `lambda`, `ecs` or `modelServers`"));
    }
    if service.ecs.is_none() {
        if target.judge.healthy_targets.is_some() {
            let text = "targets are those of a load balancer in front of `service.ecs`: remove it";
            found.push(("judge.healthyTargets", text));
        }
        return owned(&found);
    }
    if service.lambda.is_some() {
        let text = "an image goes to one of them: give `lambda` or `ecs`, and the other one a target \
                    of its own";
        found.push(("service.ecs", text));
    }
    if sources.package.is_some() {
        found.push(("sources.package", "an ECS service runs images: give `sources.image`"));
    }
    if sources.image.is_none() {
        found.push(("sources", "an ECS service runs images: give `sources.image`"));
    }
    if sources.model.is_some() && service.model_servers.is_none() {
        let text = "a model goes to the tasks of an ECS service as to model servers: give \
                    `service.modelServers` with `replicas.ecs`";
        found.push(("sources.model", text));
    }
    found.extend(judge_problems(&target.judge));
    owned(&found)
}

fn judge_problems(judge: &JudgeRule) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if judge.low_traffic.synthetic.is_some() {
        let text = "synthetic requests go to a Lambda alias: remove them for an ECS service";
        found.push(("judge.lowTraffic.synthetic", text));
    }
    if judge.healthy_targets.is_some_and(|least| !(1.0..=100.0).contains(&least.percent())) {
        found.push(("judge.healthyTargets", "use 1% to 100%"));
    }
    found
}

fn owned(found: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    found.iter().map(|(field, text)| (*field, (*text).to_owned())).collect()
}
