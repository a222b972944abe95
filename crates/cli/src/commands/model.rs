//! `perch model`: uploads model versions and shows them.

use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use perch_app::check_model::Rules;
use perch_app::doctor::turn_on_events;
use perch_app::model_list;
use perch_app::ports::{
    LoadArtifact, LoadHead, LoadTarget, PortError, ReadBucket as _, ReadFleet, ReadModels as _,
};
use perch_app::reload;
use perch_aws::models::{Models, Put};
use perch_core::manifest::Found;
use perch_core::names::{BucketName, Version};
use perch_core::target::Target;
use serde::Serialize;

use crate::args::model::{List, Push, Show, Verify};
use crate::console::Console;
use crate::failure::{self, Missing};
use crate::render;
use crate::upload::{Plan, Progress, Sender, Silent, Taken, Unfit, warn};

/// What was uploaded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pushed {
    pub(crate) version: Version,
    pub(crate) bucket: BucketName,
    pub(crate) key: String,
    pub(crate) object: String,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// Bytes that were there from a former try.
    pub(crate) skipped: u64,
    pub(crate) seconds: f64,
}

async fn target(
    store: &impl LoadTarget,
    name: &perch_core::names::TargetName,
) -> anyhow::Result<Target> {
    let target = store.target(name).await?;
    Ok(target.ok_or_else(|| Missing::Target(name.clone()))?)
}

/// `perch model push`
pub(super) async fn push(
    store: &impl LoadTarget,
    models: &Models,
    args: &Push,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let target = target(store, &args.target).await?;
    let plan = Plan::of(args, &target)?;
    let bucket = &plan.source.bucket;
    match models.is_versioned(bucket).await {
        Ok(true) => {}
        Ok(false) => return Err(Unfit::NotVersioned(bucket.clone()).into()),
        Err(PortError::NotFound { .. }) => return Err(Unfit::NoBucket(bucket.clone()).into()),
        Err(error) => return Err(error.into()),
    }
    // Who may not read the notifications uploads all the same.
    if matches!(models.announces(bucket).await, Ok(false)) {
        let [show, change] = turn_on_events(bucket);
        warn(&Silent { bucket: bucket.clone(), show, change }.to_string());
    }
    let key = plan.source.key(args.version.as_str(), "manifest.json");
    let taken =
        || Taken { version: args.version.clone(), bucket: bucket.clone(), key: key.clone() };
    if models.object(bucket, &key).await? != Found::Nothing {
        return Err(taken().into());
    }
    let (folder, bytes) = (plan.source.key(args.version.as_str(), ""), plan.bytes());
    let progress = Progress::new(bytes);
    let sender = Sender::new(models, (bucket, &folder), args.part_size.get(), &progress);
    let sent = sender.send(&plan.folder.files).await;
    progress.end();
    let sent = sent.context("the upload was broken off; the same command goes on with it")?;
    let skipped = sent.iter().map(|sent| sent.skipped).sum();
    let files: Vec<_> = sent.into_iter().map(|sent| sent.file).collect();
    let (bucket, count) = (bucket.clone(), files.len());
    let (_, text) = plan.manifest(files, Timestamp::now())?;
    let object = match models.put(&bucket, &key, Put::New(text)).await {
        Err(PortError::Conflict { .. }) => {
            return Err(Taken { version: args.version.clone(), bucket, key }.into());
        }
        other => other?.unwrap_or_default(),
    };
    let pushed = Pushed {
        version: args.version.clone(),
        bucket,
        key,
        object,
        files: count,
        bytes,
        skipped,
        seconds: begun.elapsed().as_secs_f64(),
    };
    console.show(&pushed, |_| render::models::pushed(&pushed, &args.target))
}

/// `perch model list`
pub(super) async fn list(
    store: &(impl LoadTarget + LoadArtifact + LoadHead),
    models: &Models,
    args: &List,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let target = target(store, &args.target).await?;
    let source = target.sources.model.as_ref();
    let source = source.ok_or_else(|| Unfit::NoSource(target.name.clone()))?;
    let found = model_list::list(store, models, &target.name, source).await?;
    console.show(&found, |look| render::models::models(&found, look))
}

/// `perch model show`
pub(super) async fn show(
    store: &(impl LoadTarget + LoadArtifact + LoadHead),
    models: &Models,
    args: &Show,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let target = target(store, &args.target).await?;
    let rules = Rules::of(&target).ok_or_else(|| Unfit::NoSource(target.name.clone()))?;
    let found = model_list::show(store, models, (&target.name, rules), &args.version).await?;
    let missing = || Missing::Model(args.version.clone(), target.name.clone());
    let found = found.ok_or_else(missing)?;
    console.show(&found, |look| render::models::model(&found, look))
}

/// `perch model verify`
pub(super) async fn verify(
    store: &(impl LoadTarget + LoadHead),
    functions: &impl ReadFleet,
    stack: &str,
    args: &Verify,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    let target = target(store, &args.target).await?;
    let function = format!("{stack}-read-replicas").parse()?;
    let fleet = functions.fleet(&function, &target.name).await?;
    let head = store.head(&target.name).await?;
    let verified = reload::verify(head.as_ref(), &fleet, target.cache.is_some());
    console.show(&verified, |look| render::models::verified(&target.name, &verified, look))?;
    Ok(if verified.equal { failure::OK } else { failure::ERROR })
}
