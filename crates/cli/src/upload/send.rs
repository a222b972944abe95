//! Sends files: those that are there with the same content are left out, and unfinished uploads are
//! gone on with.

use futures_util::{StreamExt as _, TryStreamExt as _};
use perch_app::ports::ReadModels as _;
use perch_aws::models::{Kept, Models, Part, Put, Unfinished};
use perch_core::manifest::{Found, ManifestFile, fault};
use perch_core::names::BucketName;
use tokio::sync::Semaphore;

use super::sums::Sums;
use super::{Local, NoVersion, Progress};

/// Files that are read and sent at the same time.
const FILES: usize = 8;
/// Requests that send content at the same time: enough for a fast line, and few enough that each goes
/// on while memory holds no more than their buffers.
const REQUESTS: usize = 8;

/// Sends the files of one version.
pub(crate) struct Sender<'a> {
    models: &'a Models,
    bucket: &'a BucketName,
    /// What the keys begin with, with a slash at the end.
    folder: &'a str,
    part_size: u64,
    turns: Semaphore,
    progress: &'a Progress,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// How the manifest says it.
    pub(crate) file: ManifestFile,
    /// The bytes that were not sent again.
    pub(crate) skipped: u64,
}

impl<'a> Sender<'a> {
    /// Sends below this folder.
    pub(crate) fn new(
        models: &'a Models,
        (bucket, folder): (&'a BucketName, &'a str),
        part_size: u64,
        progress: &'a Progress,
    ) -> Self {
        Self { models, bucket, folder, part_size, turns: Semaphore::new(REQUESTS), progress }
    }

    /// Sends the files; what the manifest says of them, in the same order.
    pub(crate) async fn send(&self, files: &[Local]) -> anyhow::Result<Vec<Sent>> {
        let sends = files.iter().map(|local| self.file(local));
        futures_util::stream::iter(sends).buffered(FILES).try_collect().await
    }

    async fn file(&self, local: &Local) -> anyhow::Result<Sent> {
        let (file, size, wish) = (local.file.clone(), local.size, self.part_size);
        let sums = tokio::task::spawn_blocking(move || Sums::of(&file, size, wish)).await??;
        let key = format!("{}{}", self.folder, local.path);
        let mut file = ManifestFile {
            path: local.path.clone(),
            size,
            sha256: sums.whole,
            version_id: String::new(),
            multipart: sums.multipart(),
        };
        if let Found::Object(stored) = self.models.object(self.bucket, &key).await? {
            file.version_id.clone_from(&stored.version_id);
            if stored.version_id != "null" && fault(&file, &Found::Object(stored)).is_none() {
                self.progress.sent(size);
                self.progress.done(local.path.as_str(), size, true);
                return Ok(Sent { file, skipped: size });
            }
        }
        let (version, skipped) = match sums.parts.is_empty() {
            true => (self.whole(local, &key, &sums).await?, 0),
            false => self.parts(local, &key, &sums).await?,
        };
        let version = version.filter(|version| version != "null");
        let (bucket, lost) = (self.bucket.clone(), key.clone());
        file.version_id = version.ok_or(NoVersion { bucket, key: lost })?;
        self.progress.done(local.path.as_str(), size, false);
        Ok(Sent { file, skipped })
    }

    async fn whole(&self, local: &Local, key: &str, sums: &Sums) -> anyhow::Result<Option<String>> {
        let _turn = self.turns.acquire().await?;
        let part =
            Part { file: &local.file, number: 1, offset: 0, size: local.size, sha256: sums.whole };
        let version = self.models.put(self.bucket, key, Put::File(part)).await?;
        self.progress.sent(local.size);
        Ok(version)
    }

    /// Sends the parts that are not there; the version id, and the bytes that were.
    async fn parts(
        &self,
        local: &Local,
        key: &str,
        sums: &Sums,
    ) -> anyhow::Result<(Option<String>, u64)> {
        let Unfinished { id, parts: kept } = self.begun(key, sums).await?;
        let id = id.as_str();
        let sends = sums.parts.iter().zip(0u64..).map(|(sum, place)| {
            let offset = place * sums.part_size;
            let part = Part {
                file: &local.file,
                number: i32::try_from(place + 1).unwrap_or(i32::MAX),
                offset,
                size: sums.part_size.min(local.size - offset),
                sha256: *sum,
            };
            let there = kept.iter().find(|kept| fits(kept, &part)).cloned();
            async move {
                let (kept, skipped) = match there {
                    Some(kept) => (kept, part.size),
                    None => {
                        let _turn = self.turns.acquire().await?;
                        (self.models.send_part(self.bucket, key, id, part).await?, 0)
                    }
                };
                self.progress.sent(part.size);
                anyhow::Ok((kept, skipped))
            }
        });
        let sent: Vec<(Kept, u64)> =
            futures_util::stream::iter(sends).buffered(REQUESTS).try_collect().await?;
        let skipped = sent.iter().map(|(_, skipped)| skipped).sum();
        let parts: Vec<Kept> = sent.into_iter().map(|(kept, _)| kept).collect();
        let composite = sums.multipart().map_or(sums.whole, |multipart| multipart.composite);
        let version = self.models.finish(self.bucket, key, id, (&parts, &composite)).await?;
        Ok((version, skipped))
    }

    /// The upload to go on with: the one that has most of the parts, or a new one. Others under the key
    /// are given up.
    async fn begun(&self, key: &str, sums: &Sums) -> anyhow::Result<Unfinished> {
        let mut best: Option<Unfinished> = None;
        let useful = |unfinished: &Unfinished| {
            let there = |kept: &&Kept| {
                let place = usize::try_from(kept.number - 1).ok();
                place.and_then(|place| sums.parts.get(place)) == Some(&kept.sha256)
            };
            unfinished.parts.iter().filter(there).count()
        };
        for unfinished in self.models.unfinished(self.bucket, key).await? {
            let better = useful(&unfinished) > best.as_ref().map_or(0, useful);
            let (kept, gone) = match better {
                true => (Some(unfinished), best),
                false => (best, Some(unfinished)),
            };
            if let Some(gone) = gone {
                self.models.abandon(self.bucket, key, &gone.id).await?;
            }
            best = kept;
        }
        match best {
            Some(unfinished) => Ok(unfinished),
            None => {
                let id = self.models.begin(self.bucket, key).await?;
                Ok(Unfinished { id, parts: Vec::new() })
            }
        }
    }
}

fn fits(kept: &Kept, part: &Part<'_>) -> bool {
    (kept.number, kept.size, kept.sha256) == (part.number, part.size, part.sha256)
}
