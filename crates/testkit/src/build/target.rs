//! Targets.

use perch_core::span::Span;
use perch_core::target::{
    AlarmAtStart, ApiVersion, CodeDeploy, EcsService, ImageSource, JudgeRule, Kind, Lambda,
    LowTraffic, ModelRelease, NoData, Notify, PackageSource, Rollout, Rule, Service, Slack,
    Sources, Step, Target, WhenBusy, WhileReleasing,
};
use perch_core::weight::Weight;

/// A target under construction.
#[derive(Debug, Clone)]
pub struct TargetBuilder(Target);

/// Target `news`: images of repository `news` tagged `v*`; 10 % and 50 % for two minutes each;
/// guarded by alarm `errors`; watched for ten minutes. Judged by fixed limits.
pub fn target() -> TargetBuilder {
    let source = ImageSource { repository: "news".parse().unwrap(), tags: vec!["v*".to_owned()] };
    TargetBuilder(Target {
        api_version: ApiVersion::V1,
        kind: Kind::Target,
        name: "news".parse().unwrap(),
        service: Service {
            lambda: Some(Lambda {
                function: "news".parse().unwrap(),
                alias: "live".parse().unwrap(),
                code_deploy: None,
            }),
            ecs: None,
            model_servers: None,
        },
        sources: Sources { image: Some(source), package: None, model: None },
        smoke: None,
        rollout: Rollout::Steps(vec![step(10, 120), step(50, 120)]),
        judge: JudgeRule { rule: Rule::Thresholds, ..JudgeRule::default() },
        model_release: ModelRelease::default(),
        cache: None,
        guards: vec!["errors".parse().unwrap()],
        alarm_at_start: AlarmAtStart::default(),
        while_releasing: WhileReleasing::default(),
        watch: Span::minutes(10),
        deadline: None,
        notify: Notify::default(),
    })
}

fn step(percent: u8, bake_seconds: u64) -> Step {
    Step { weight: Weight::new(percent).unwrap(), bake: Span::seconds(bake_seconds) }
}

impl TargetBuilder {
    /// With this name.
    pub fn named(mut self, name: &str) -> Self {
        self.0.name = name.parse().unwrap();
        self
    }

    /// Whose weights CodeDeploy moves, in the group `app/live`.
    pub fn deployed_by_code_deploy(mut self, when_busy: WhenBusy) -> Self {
        let group = CodeDeploy {
            application: "app".parse().unwrap(),
            deployment_group: "live".parse().unwrap(),
            when_busy,
        };
        self.0.service.lambda.as_mut().unwrap().code_deploy = Some(Box::new(group));
        self
    }

    /// The ECS service `news` instead of a function; CodeDeploy moves it where a rule for its group is
    /// given, else ECS.
    pub fn on_ecs(mut self, when_busy: Option<WhenBusy>) -> Self {
        let group = |when_busy| {
            Box::new(CodeDeploy {
                application: "app".parse().unwrap(),
                deployment_group: "live".parse().unwrap(),
                when_busy,
            })
        };
        let service = EcsService {
            cluster: "main".parse().unwrap(),
            service: "news".parse().unwrap(),
            container: None,
            code_deploy: when_busy.map(group),
        };
        self.0.service = Service { lambda: None, ecs: Some(service), model_servers: None };
        self
    }

    /// With this share of healthy targets.
    pub fn needing_healthy_targets(mut self, share: &str) -> Self {
        self.0.judge.healthy_targets = Some(share.parse().unwrap());
        self
    }

    /// Serving through this function's alias `live`.
    pub fn function(mut self, function: &str) -> Self {
        self.0.service.lambda.as_mut().unwrap().function = function.parse().unwrap();
        self
    }

    /// With these steps of percent and seconds; none promotes at once.
    pub fn steps(mut self, steps: &[(u8, u64)]) -> Self {
        self.0.rollout = Rollout::Steps(steps.iter().map(|(p, s)| step(*p, *s)).collect());
        self
    }

    /// With these guards.
    pub fn guarded_by(mut self, guards: &[&str]) -> Self {
        self.0.guards = guards.iter().map(|guard| guard.parse().unwrap()).collect();
        self
    }

    /// With this answer to an artifact that comes while a release runs.
    pub fn while_releasing(mut self, policy: WhileReleasing) -> Self {
        self.0.while_releasing = policy;
        self
    }

    /// Starting although a guard is in ALARM.
    pub fn ignoring_alarms_at_start(mut self) -> Self {
        self.0.alarm_at_start = AlarmAtStart::IgnoreUntilOk;
        self
    }

    /// Rolls back at the end of a bake without enough requests.
    pub fn failing_without_data(mut self) -> Self {
        self.0.judge.no_data = NoData::Fail;
        self
    }

    /// Judged by evidence instead of fixed limits.
    pub fn judged_by_evidence(mut self) -> Self {
        self.0.judge.rule = Rule::Sequential;
        self
    }

    /// With this answer to too few requests, before `noData`.
    pub fn with_low_traffic(mut self, low_traffic: LowTraffic) -> Self {
        self.0.judge.low_traffic = low_traffic;
        self
    }

    /// With a smoke test that versions of unfit code fail.
    pub fn smoke_tested(self) -> Self {
        self.with_smoke_tests(serde_json::json!({ "checks": [{
            "name": "fit", "invoke": { "payload": { "text": "late goal" } },
            "expect": { "json": { "$.fit": true } },
        }] }))
    }

    /// With the smoke tests that this JSON describes.
    pub fn with_smoke_tests(mut self, tests: serde_json::Value) -> Self {
        self.0.smoke = Some(serde_json::from_value(tests).unwrap());
        self
    }

    /// With this deadline in seconds.
    pub fn deadline(mut self, seconds: u64) -> Self {
        self.0.deadline = Some(Span::seconds(seconds));
        self
    }

    /// Takes zip packages of bucket `models` under `news/*.zip` instead of images.
    pub fn taking_packages(mut self) -> Self {
        let keys = vec!["news/*.zip".to_owned()];
        let package = PackageSource { bucket: "models".parse().unwrap(), keys };
        self.0.sources = Sources { image: None, package: Some(package), model: None };
        self
    }

    /// Takes models of bucket `models` under `models/news`, as this JSON says more, on three servers,
    /// instead of images.
    pub fn taking_models(mut self, more: serde_json::Value) -> Self {
        let mut source = serde_json::json!({ "bucket": "models", "prefix": "models/news" });
        source.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let replicas = ["http://a:1", "http://b:1", "http://c:1"];
        let servers = serde_json::json!({
            "protocol": "perch", "model": "news", "replicas": { "static": replicas },
        });
        let model = serde_json::from_value(source).unwrap();
        self.0.sources = Sources { image: None, package: None, model: Some(model) };
        let model_servers = serde_json::from_value(servers).unwrap();
        self.0.service = Service { lambda: None, ecs: None, model_servers };
        self
    }

    /// Tells Slack through the webhook under this reference.
    pub fn telling_slack(mut self, webhook: &str) -> Self {
        self.0.notify = Notify { slack: Some(Slack { webhook: webhook.parse().unwrap() }) };
        self
    }

    /// The target.
    pub fn build(self) -> Target {
        self.0
    }
}
