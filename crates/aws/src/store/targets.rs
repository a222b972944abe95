//! Targets and the index items that lead to them.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use perch_app::ports::{FindTargets, LoadTarget, PortError, SaveTarget, SourceMatch};
use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, TargetName};
use perch_core::stamp;
use perch_core::target::Target;

use super::item::{Change, read_items, text, write_value};
use super::keys::{self, Key};
use super::transaction::{putting, transaction_error, updating};
use super::{Range, Table};

impl LoadTarget for Table {
    async fn target(&self, name: &TargetName) -> Result<Option<Target>, PortError> {
        self.get(&keys::spec(name)).await
    }

    async fn targets(&self) -> Result<Vec<Target>, PortError> {
        read_items(self.query(keys::ALL_TARGETS, Range::all("")).await?)
    }
}

impl FindTargets for Table {
    async fn by_source(&self, artifact: &Artifact) -> Result<Vec<SourceMatch>, PortError> {
        let pk = match artifact {
            Artifact::Image { repository, .. } => keys::image_source(repository),
            Artifact::Package { bucket, .. } => keys::package_source(bucket),
            Artifact::Model { bucket, .. } => keys::model_source(bucket),
            // A version exists already: no source announces it.
            Artifact::Version { .. } => return Ok(Vec::new()),
        };
        let items = self.query(&pk, Range::all("TARGET#")).await?;
        let found: Vec<Indexed> = read_items(items)?;
        Ok(found.into_iter().map(|i| SourceMatch { target: i.target, globs: i.globs }).collect())
    }

    async fn by_guard(&self, alarm: &AlarmName) -> Result<Vec<TargetName>, PortError> {
        let items = self.query(&keys::guard(alarm), Range::all("TARGET#")).await?;
        let found: Vec<Indexed> = read_items(items)?;
        Ok(found.into_iter().map(|indexed| indexed.target).collect())
    }
}

/// An index item.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Indexed {
    target: TargetName,
    #[serde(default)]
    globs: Vec<String>,
}

/// The index items of a target: one for each source and guard.
fn index(target: &Target) -> Vec<(Key, Indexed)> {
    let name = &target.name;
    let entry = |pk, globs: &[String]| {
        (keys::indexed(pk, name), Indexed { target: name.clone(), globs: globs.to_vec() })
    };
    let image = target.sources.image.iter();
    let package = target.sources.package.iter();
    let model = target.sources.model.iter();
    image
        .map(|source| entry(keys::image_source(&source.repository), &source.tags))
        .chain(package.map(|source| entry(keys::package_source(&source.bucket), &source.keys)))
        .chain(model.map(|source| {
            entry(keys::model_source(&source.bucket), std::slice::from_ref(&source.prefix))
        }))
        .chain(target.all_guards().iter().map(|alarm| entry(keys::guard(alarm), &[])))
        .collect()
}

impl SaveTarget for Table {
    async fn save_target(
        &self,
        target: &Target,
        before: Option<&Target>,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let spec = keys::spec(&target.name);
        let mut writes = vec![
            self.replace(&spec, target)?,
            self.replace(&keys::listed_target(&target.name), target)?,
        ];
        for key in keys::services(&target.service) {
            writes.push(self.claim_service(&key, target)?);
        }
        writes.push(self.due_now(target, before, now)?);
        let entries = index(target);
        for (key, entry) in &entries {
            writes.push(self.replace(key, entry)?);
        }
        if let Some(before) = before {
            let stale = index(before).into_iter().map(|(key, _)| key);
            let stale = stale.filter(|key| entries.iter().all(|(kept, _)| kept != key));
            for key in stale.chain(moved_services(before, target)) {
                writes.push(self.delete(&key)?);
            }
        }
        self.transact(writes).await.map_err(|error| transaction_error(&spec.to_string(), error))
    }
}

/// The claims of what the target gave up.
fn moved_services(before: &Target, after: &Target) -> Vec<Key> {
    let kept = keys::services(&after.service);
    let mut gone = keys::services(&before.service);
    gone.retain(|key| !kept.contains(key));
    gone
}

impl Table {
    /// An alias, or a model on its servers, belongs to one target: two would move it against each other.
    fn claim_service(&self, key: &Key, target: &Target) -> Result<TransactWriteItem, PortError> {
        let mut item = key.item();
        item.insert("target".into(), write_value(key, &target.name)?);
        let put = self
            .put(item)
            .condition_expression("attribute_not_exists(pk) OR target = :name")
            .expression_attribute_values(":name", text(target.name.as_str()));
        putting(put)
    }

    /// The sweep looks at the target now. What its sources held before they were its sources is no
    /// missed event.
    fn due_now(
        &self,
        target: &Target,
        before: Option<&Target>,
        now: Timestamp,
    ) -> Result<TransactWriteItem, PortError> {
        let change = Change::default().on_head_of(&target.name).due_at(now);
        let seen = text(stamp::text(now));
        let moved = before.is_some_and(|before| before.sources != target.sources);
        let change = if moved { change.set("seen", seen) } else { change.set_new("seen", seen) };
        updating(self.update(&keys::head(&target.name), change))
    }
}
