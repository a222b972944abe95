//! Models that no event announced: what lies in a source and its target never heard of.
//!
//! S3 lists folders without their times. So the table remembers which versions a target has heard of,
//! and only the others are looked at: of those that have a manifest the newest is announced as its event
//! would have. It is checked there, so that the sweep reads no model. One that is refused has been heard
//! of then, and the next look announces the one before it.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _};
use perch_core::artifact::{Artifact, MANIFEST};
use perch_core::head::Head;
use perch_core::manifest::version_of_file;
use perch_core::names::Version;
use perch_core::release::Release;
use perch_core::sweep::{Hearing, Unheard, hearing};
use perch_core::target::{ModelSource, Target};

use super::{Store, Sweep};
use crate::announce_model::Uploaded;
use crate::ports::{AnnounceUpload, ListUploads, PortError, StartExecution, Written};

/// Manifests that are looked at at the same time.
const AT_ONCE: usize = 16;

/// Manifests that one look at a target asks for: what is left has its turn in the next.
const MOST: usize = 1000;

/// What was listed and read in this run, which targets of the same source share.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: HashMap<String, Vec<String>>,
    written: HashMap<String, Option<Written>>,
}

impl<S: Store, E: StartExecution> Sweep<'_, S, E> {
    /// Announces the newest model that the target never heard of; what was done.
    pub(super) async fn announce_upload(
        &self,
        uploads: &(impl ListUploads + AnnounceUpload),
        seen: &mut Seen,
        target: &Target,
        (head, active): (&Head, Option<&Release>),
    ) -> Result<Option<String>, PortError> {
        let Some(source) = &target.sources.model else { return Ok(None) };
        let heard = self.store.heard(&target.name, source).await?;
        let keys = seen.keys(uploads, source).await?;
        let named = |key: &str| source.version_of(key)?.parse::<Version>().ok();
        let is_new = |key: &&String| named(key).is_none_or(|one| !heard.versions.contains(&one));
        let new: Vec<&String> = keys.iter().filter(is_new).take(MOST).collect();
        seen.read(uploads, source, &new).await?;
        let mut unheard: Vec<Unheard> =
            new.iter().filter_map(|key| seen.unheard(source, key)).collect();
        // What is gone from the source is forgotten.
        let files = unheard.iter().map(|one| one.version.clone());
        let there: BTreeSet<Version> = keys.iter().filter_map(|k| named(k)).chain(files).collect();
        let mut versions: BTreeSet<Version> = &heard.versions & &there;
        unheard.retain(|one| !heard.versions.contains(&one.version));
        unheard.sort_by(|one, other| (other.at, &other.version).cmp(&(one.at, &one.version)));
        let mut did = None;
        for one in unheard {
            match hearing(head, active, &one, !heard.swept) {
                Hearing::Past => drop(versions.insert(one.version)),
                Hearing::Later => {}
                Hearing::Announced if did.is_some() => {}
                Hearing::Announced => {
                    if self.store.artifact(&target.name, &artifact(source, &one)).await?.is_some() {
                        versions.insert(one.version);
                        continue;
                    }
                    let text =
                        format!("no event announced model {}: its check begins", one.version);
                    uploads.announce(&self.uploaded(source, one)).await?;
                    did = Some(text);
                }
            }
        }
        if versions != heard.versions || !heard.swept {
            self.store.swept(&target.name, source, &versions).await?;
        }
        Ok(did)
    }

    fn uploaded(&self, source: &ModelSource, of: Unheard) -> Uploaded {
        Uploaded {
            bucket: source.bucket.clone(),
            key: of.key,
            object: Some(of.object),
            event: self.run.to_owned(),
            at: of.at,
            missed: true,
        }
    }
}

fn artifact(source: &ModelSource, of: &Unheard) -> Artifact {
    let (key, object, version) = (of.key.clone(), of.object.clone(), of.version.clone());
    Artifact::Model { bucket: source.bucket.clone(), key, object, version }
}

impl Seen {
    /// The keys of a source, listed once per run.
    async fn keys(
        &mut self,
        uploads: &impl ListUploads,
        source: &ModelSource,
    ) -> Result<Vec<String>, PortError> {
        let name = format!("{}|{}", source.place(), source.keys.join("|"));
        if let Some(known) = self.keys.get(&name) {
            return Ok(known.clone());
        }
        let found = uploads.uploads(source).await?;
        self.keys.insert(name, found.clone());
        Ok(found)
    }

    /// Reads what is under these keys, each once per run.
    async fn read(
        &mut self,
        uploads: &impl ListUploads,
        source: &ModelSource,
        keys: &[&String],
    ) -> Result<(), PortError> {
        let bucket = &source.bucket;
        let unread = keys.iter().filter(|key| !self.written.contains_key(&place(source, key)));
        let reads = unread.map(|key| async move {
            Ok::<_, PortError>((place(source, key), uploads.written(bucket, key).await?))
        });
        let found: Vec<_> =
            futures_util::stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        self.written.extend(found);
        Ok(())
    }

    /// The model under a key; nothing where the upload is not complete, or has no name.
    fn unheard(&self, source: &ModelSource, key: &str) -> Option<Unheard> {
        let Written { object, at } = self.written.get(&place(source, key))?.clone()?;
        let version = match key.strip_suffix(MANIFEST) {
            Some(_) => source.version_of(key)?.parse().ok()?,
            None => version_of_file(key, &object)?,
        };
        Some(Unheard { version, key: key.to_owned(), object, at })
    }
}

fn place(source: &ModelSource, key: &str) -> String {
    format!("{}/{key}", source.bucket)
}
