//! A new model: finds the targets that take it, checks it, and starts a release of each.
//!
//! What can't be released leaves a note that says why and what to do. A repeated event finds its own
//! release, and what was checked for it once is not refused by a repetition.

use jiff::Timestamp;
use perch_core::artifact::{Artifact, Lane, MANIFEST};
use perch_core::manifest::version_of_file;
use perch_core::names::{BucketName, TargetName, Version};
use perch_core::release::Cause;
use perch_core::target::Target;

use crate::announce::Answer;
use crate::check_model::{self, CheckError, Refusal, Rules, Upload};
use crate::ports::{
    FindTargets, KeepHeard, KeepNote, LoadArtifact, LoadHead, LoadRelease, LoadTarget, Note,
    PlanRelease, PortError, ReadModels, StartExecution, VerifySignature, WaitForTurn,
};
use crate::start_release::start;

/// An object that an event announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// The bucket.
    pub bucket: BucketName,
    /// The object's key.
    pub key: String,
    /// Its version id; `None` from a bucket without versions.
    pub object: Option<String>,
    /// The event's id, or that of the sweep's run.
    pub event: String,
    /// When it was uploaded.
    pub at: Timestamp,
    /// Whether a sweep found it, because no event had announced it.
    pub missed: bool,
}

/// Why an upload could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// What was uploaded is no manifest.
    #[error("{place}: {refusal}")]
    Unreadable {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        refusal: Box<Refusal>,
    },
    /// A port failed; a repeated call does the rest and nothing twice.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Checks the upload for every target that takes it, and starts their releases.
///
/// # Errors
/// [`AnnounceError`]: the event is for the dead-letter queue if it is the same again.
pub async fn run(
    store: &(
         impl FindTargets
         + LoadTarget
         + LoadHead
         + LoadRelease
         + LoadArtifact
         + PlanRelease
         + WaitForTurn
         + KeepNote
         + KeepHeard
     ),
    models: &(impl ReadModels + VerifySignature),
    executions: &impl StartExecution,
    uploaded: &Uploaded,
    now: Timestamp,
) -> Result<Vec<(Option<TargetName>, Answer)>, AnnounceError> {
    let artifact = match uploaded.artifact() {
        Ok(artifact) => artifact,
        Err(why) => {
            store.note(&uploaded.note(None, &why)).await?;
            return Ok(vec![(None, Answer::Ignored(why))]);
        }
    };
    let mut answers = Vec::new();
    for candidate in store.by_source(&artifact).await? {
        let Some(target) = store.target(&candidate.target).await? else { continue };
        if !takes(&target, &uploaded.key) {
            continue;
        }
        let of = (&target, &artifact);
        let answer = told(store, models, executions, of, uploaded, now).await?;
        answers.push((Some(target.name), answer));
    }
    if answers.is_empty() {
        let why = "no target takes models from here: name the bucket and the folder above the \
                   version under `sources.model` in a target file and apply it"
            .to_owned();
        store.note(&uploaded.note(None, &why)).await?;
        log(uploaded, None, &Answer::Ignored(why.clone()));
        answers.push((None, Answer::Ignored(why)));
    }
    Ok(answers)
}

/// The answer to one target, which leaves a note where there is something to say; from then on the
/// target has heard of the upload.
async fn told(
    store: &(
         impl LoadHead + LoadRelease + LoadArtifact + PlanRelease + WaitForTurn + KeepNote + KeepHeard
     ),
    models: &(impl ReadModels + VerifySignature),
    executions: &impl StartExecution,
    (target, artifact): (&Target, &Artifact),
    uploaded: &Uploaded,
    now: Timestamp,
) -> Result<Answer, AnnounceError> {
    let answered = answer(store, models, executions, (target, artifact), uploaded, now).await;
    let note = match &answered {
        Ok(answer) => answer.note(),
        Err(AnnounceError::Unreadable { refusal, .. }) => Some(refusal.to_string()),
        Err(AnnounceError::Port(_)) => return answered,
    };
    if let Some(why) = note {
        store.note(&uploaded.note(Some(&target.name), &why)).await?;
    }
    hear(store, target, artifact).await;
    if let Ok(answer) = &answered {
        log(uploaded, Some(&target.name), answer);
    }
    answered
}

/// Without this the sweep would announce the upload once more, which has no effect: so its failure has
/// none either.
async fn hear(store: &impl KeepHeard, target: &Target, artifact: &Artifact) {
    let (Some(source), Artifact::Model { version, .. }) = (&target.sources.model, artifact) else {
        return;
    };
    if let Err(error) = store.hear(&target.name, source, version).await {
        tracing::warn!(target.name = %target.name, %error, "The sweep will look at it again");
    }
}

async fn answer(
    store: &(impl LoadHead + LoadRelease + LoadArtifact + PlanRelease + WaitForTurn + KeepNote),
    models: &(impl ReadModels + VerifySignature),
    executions: &impl StartExecution,
    (target, artifact): (&Target, &Artifact),
    uploaded: &Uploaded,
    now: Timestamp,
) -> Result<Answer, AnnounceError> {
    let (Some(rules), Some(upload)) = (Rules::of(target), Upload::of(artifact)) else {
        return Ok(Answer::Ignored("the target takes no models".to_owned()));
    };
    if uploaded.object.is_none() {
        return Ok(Answer::Ignored(Refusal::NotVersioned(uploaded.bucket.clone()).to_string()));
    }
    // What has a release was checked before it, and is checked again when it starts.
    if store.artifact(&target.name, artifact).await?.is_none() {
        let baseline = serving_model(store, &target.name).await?;
        match check_model::run(models, rules, upload, baseline.as_ref()).await {
            Ok(facts) => tracing::info!(target.name = %target.name, %facts, "Model checked"),
            Err(CheckError::Refused(refusal)) if refusal.is_unreadable() => {
                let place = format!("s3://{}/{}", uploaded.bucket, uploaded.key);
                return Err(AnnounceError::Unreadable { place, refusal });
            }
            Err(CheckError::Refused(refusal)) => return Ok(Answer::Ignored(refusal.to_string())),
            Err(CheckError::Port(error)) => return Err(error.into()),
        }
    }
    let (id, pushed_at) = (uploaded.event.clone(), uploaded.at);
    let cause = match uploaded.missed {
        true => Cause::Sweep { id, pushed_at },
        false => Cause::Event { id, pushed_at },
    };
    Ok(start(store, executions, target, artifact, cause, now).await?)
}

/// Whether the target's source has models under this key.
fn takes(target: &Target, key: &str) -> bool {
    let source = target.sources.model.as_ref();
    source.is_some_and(|source| source.version_of(key).is_some() || source.admits_file(key))
}

/// The model version that serves, as far as Perch knows.
async fn serving_model(
    store: &impl LoadHead,
    target: &TargetName,
) -> Result<Option<Version>, PortError> {
    let head = store.head(target).await?;
    let serving = head.map(|head| [head.model_serving, head.serving]);
    let of_model = serving.into_iter().flatten().flatten().map(|serving| serving.artifact);
    Ok(of_model.filter(|artifact| artifact.lane() == Lane::Model).find_map(
        |artifact| match artifact {
            Artifact::Model { version, .. } => Some(version),
            Artifact::Image { .. } | Artifact::Package { .. } | Artifact::Version { .. } => None,
        },
    ))
}

fn log(uploaded: &Uploaded, target: Option<&TargetName>, answer: &Answer) {
    tracing::info!(
        event.id = uploaded.event,
        target.name = target.map_or("none", TargetName::as_str),
        bucket = %uploaded.bucket,
        key = uploaded.key,
        ?answer,
        "Model uploaded"
    );
}

impl Uploaded {
    /// The model version that the object is, or is the manifest of.
    fn artifact(&self) -> Result<Artifact, String> {
        let object = self.object.clone().unwrap_or_else(|| "null".to_owned());
        let version = match self.key.strip_suffix(MANIFEST) {
            Some(folder) => {
                let name = folder.rsplit('/').next().unwrap_or(folder);
                name.parse().map_err(|error: perch_core::names::InvalidName| error.to_string())?
            }
            None => version_of_file(&self.key, &object)
                .ok_or_else(|| format!("{} gives no name for a version", self.key))?,
        };
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        Ok(Artifact::Model { bucket, key, object, version })
    }

    fn note(&self, target: Option<&TargetName>, text: &str) -> Note {
        Note {
            at: self.at,
            target: target.cloned(),
            event: self.event.clone(),
            subject: self
                .artifact()
                .map_or_else(|_| format!("s3://{}/{}", self.bucket, self.key), |a| a.to_string()),
            text: text.to_owned(),
        }
    }
}
