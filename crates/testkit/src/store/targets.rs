//! Targets and the index items that lead to them.

use jiff::Timestamp;
use perch_app::ports::{FindTargets, LoadTarget, PortError, SaveTarget, SourceMatch};
use perch_core::artifact::Artifact;
use perch_core::head::Head;
use perch_core::names::{AlarmName, TargetName};
use perch_core::target::Target;

use super::{Items, MemoryStore, conflict};

impl LoadTarget for MemoryStore {
    async fn target(&self, name: &TargetName) -> Result<Option<Target>, PortError> {
        self.look("target", |items| Ok(items.targets.get(name).cloned())).await
    }

    async fn targets(&self) -> Result<Vec<Target>, PortError> {
        self.port("targets", |items| Ok(items.targets.values().cloned().collect())).await
    }
}

impl SaveTarget for MemoryStore {
    async fn save_target(
        &self,
        target: &Target,
        before: Option<&Target>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port("save_target", |items| items.save(target, before, now)).await
    }
}

impl FindTargets for MemoryStore {
    async fn by_source(&self, artifact: &Artifact) -> Result<Vec<SourceMatch>, PortError> {
        let source = match artifact {
            Artifact::Image { repository, .. } => format!("ecr#{repository}"),
            Artifact::Package { bucket, .. } => format!("s3#{bucket}"),
            Artifact::Model { bucket, .. } => format!("models#{bucket}"),
            Artifact::Version { .. } => return Ok(Vec::new()),
        };
        self.look("by_source", |items| {
            let found = items.sources.get(&source).into_iter().flatten();
            Ok(found
                .map(|(target, globs)| SourceMatch { target: target.clone(), globs: globs.clone() })
                .collect())
        })
        .await
    }

    async fn by_guard(&self, alarm: &AlarmName) -> Result<Vec<TargetName>, PortError> {
        self.look("by_guard", |items| {
            Ok(items.guards.get(alarm).into_iter().flatten().cloned().collect())
        })
        .await
    }
}

impl Items {
    /// Writes a target and its index items; an alias belongs to one target.
    fn save(
        &mut self,
        target: &Target,
        before: Option<&Target>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let services = services(target);
        for service in &services {
            if let Some(owner) = self.services.get(service).filter(|owner| **owner != target.name) {
                let what = format!("{} of {}", service.1, service.0);
                return Err(conflict(what, target.name.to_string(), owner.to_string()));
            }
        }
        if let Some(before) = before {
            self.take_out(before);
        }
        for (source, globs) in sources(target) {
            self.sources.entry(source).or_default().insert(target.name.clone(), globs);
        }
        for guard in target.all_guards() {
            self.guards.entry(guard).or_default().insert(target.name.clone());
        }
        let name = target.name.clone();
        let head = self.heads.entry(name.clone()).or_insert_with(|| Head::new(name));
        if before.is_none_or(|before| before.sources != target.sources) {
            head.seen = head.seen.max(Some(now));
        }
        self.due.insert(target.name.clone(), now);
        for service in services {
            self.services.insert(service, target.name.clone());
        }
        self.targets.insert(target.name.clone(), target.clone());
        Ok(())
    }

    fn take_out(&mut self, before: &Target) {
        for (source, _) in sources(before) {
            self.sources.entry(source).or_default().remove(&before.name);
        }
        for guard in before.all_guards() {
            self.guards.entry(guard).or_default().remove(&before.name);
        }
        for service in services(before) {
            self.services.remove(&service);
        }
    }
}

fn services(target: &Target) -> Vec<(String, String)> {
    let alias = target.service.lambda.iter();
    let servers = target.service.model_servers.iter();
    alias
        .map(|lambda| (lambda.function.to_string(), lambda.alias.to_string()))
        .chain(target.service.ecs.iter().map(|of| (of.cluster.to_string(), of.service.to_string())))
        .chain(servers.map(|servers| (servers.model.to_string(), "model servers".to_owned())))
        .collect()
}

fn sources(target: &Target) -> Vec<(String, Vec<String>)> {
    let image = target.sources.image.iter();
    let package = target.sources.package.iter();
    let model = target.sources.model.iter();
    image
        .map(|source| (format!("ecr#{}", source.repository), source.tags.clone()))
        .chain(package.map(|source| (format!("s3#{}", source.bucket), source.keys.clone())))
        .chain(
            model.map(|source| (format!("models#{}", source.bucket), vec![source.prefix.clone()])),
        )
        .collect()
}
