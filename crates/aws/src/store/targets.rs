//! Targets and the index items that lead to them.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use perch_app::ports::{FindTargets, LoadTarget, PortError, SaveTarget, SourceMatch};
use perch_core::artifact::Artifact;
use perch_core::names::{AlarmName, TargetName};
use perch_core::target::Target;

use super::item::{Item, put, read_items, text, write_item, write_value};
use super::keys::{self, Key};
use super::{Range, Table};
use crate::store::plan::{built, transaction_error};

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
    image
        .map(|source| entry(keys::image_source(&source.repository), &source.tags))
        .chain(package.map(|source| entry(keys::package_source(&source.bucket), &source.keys)))
        .chain(target.guards.iter().map(|alarm| entry(keys::guard(alarm), &[])))
        .collect()
}

impl SaveTarget for Table {
    async fn save_target(&self, target: &Target, before: Option<&Target>) -> Result<(), PortError> {
        let spec = keys::spec(&target.name);
        let mut writes = vec![
            self.put_item(write_item(&spec, target)?)?,
            self.put_item(write_item(&keys::listed_target(&target.name), target)?)?,
            self.claim_service(target)?,
        ];
        let entries = index(target);
        for (key, entry) in &entries {
            writes.push(self.put_item(write_item(key, entry)?)?);
        }
        if let Some(before) = before {
            let stale = index(before).into_iter().map(|(key, _)| key);
            let stale = stale.filter(|key| entries.iter().all(|(kept, _)| kept != key));
            for key in stale.chain(moved_service(before, target)) {
                writes.push(self.delete(&key)?);
            }
        }
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send();
        sent.await.map_err(|e| transaction_error(&spec.to_string(), e))?;
        Ok(())
    }
}

/// The claim of an alias that the target gave up.
fn moved_service(before: &Target, after: &Target) -> Option<Key> {
    let key = keys::service(&before.service.lambda);
    (key != keys::service(&after.service.lambda)).then_some(key)
}

impl Table {
    fn put_item(&self, item: Item) -> Result<TransactWriteItem, PortError> {
        let put = built(put(&self.name, item).build())?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete(&self, key: &Key) -> Result<TransactWriteItem, PortError> {
        let delete = Delete::builder().table_name(&self.name).set_key(Some(key.item()));
        Ok(TransactWriteItem::builder().delete(built(delete.build())?).build())
    }

    /// An alias belongs to one target: two would move it against each other.
    fn claim_service(&self, target: &Target) -> Result<TransactWriteItem, PortError> {
        let key = keys::service(&target.service.lambda);
        let mut item = key.item();
        item.insert("target".into(), write_value(&key, &target.name)?);
        let put = put(&self.name, item)
            .condition_expression("attribute_not_exists(pk) OR target = :name")
            .expression_attribute_values(":name", text(target.name.as_str()));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }
}
