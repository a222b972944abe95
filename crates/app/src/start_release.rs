//! Plans a release and starts its execution, or has its artifact wait, replace or be refused.

use jiff::Timestamp;
use perch_core::artifact::{Artifact, Lane};
use perch_core::head::{Fence, Head, Waiting};
use perch_core::journal::{JournalEntry, What};
use perch_core::names::{ReleaseId, TargetName};
use perch_core::phase::{Phase, RollbackCause};
use perch_core::release::{Cause, Plan, Release};
use perch_core::target::{Target, WhileReleasing};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::announce::Answer;
use crate::ports::{
    Behind, KeepNote, LoadHead, LoadRelease, Machine, Note, PlanRelease, Planned, PortError,
    StartExecution, Turn, WaitForTurn,
};
use crate::restore_traffic::RollbackInput;
use crate::step::entry;

/// How often a release is planned anew when what it was to wait for ends meanwhile.
const ATTEMPTS: usize = 3;

/// Plans a release of the artifact and starts its execution, or has it wait its turn.
pub(crate) async fn start(
    store: &(impl LoadHead + LoadRelease + PlanRelease + WaitForTurn + KeepNote),
    executions: &impl StartExecution,
    target: &Target,
    artifact: &Artifact,
    cause: Cause,
    now: Timestamp,
) -> Result<Answer, PortError> {
    for _ in 0..ATTEMPTS {
        let head = store.head(&target.name).await?;
        if let Some(why) = head.as_ref().and_then(|head| no_turn(head, artifact, &cause)) {
            return Ok(Answer::Ignored(why));
        }
        let fence = head.map_or(0, |head| head.fence) + 1;
        let Some(release) = planned(target, artifact.clone(), cause.clone(), fence, now) else {
            let why = "the target has no service that takes it".to_owned();
            return Ok(Answer::Ignored(why));
        };
        let active = match store.plan(&release, &first_entry(&release)).await? {
            Planned::Created => return launch(executions, release).await,
            // The head's fence may be a later one: the execution goes on with the release's own.
            Planned::Repeated => {
                let known = store.release(&release.id).await?.unwrap_or(release);
                return launch(executions, known).await;
            }
            Planned::AlreadyReleased { by, outcome } => {
                let why = format!("the artifact had its release already: {by}, {outcome}");
                return Ok(Answer::Ignored(why));
            }
            // A person hears of it and decides again: nothing waits, or gives way, behind their back.
            Planned::Busy { active } if cause.is_person() => {
                return Ok(Answer::Ignored(format!("release {active} holds the target")));
            }
            Planned::Stopped(stop) if cause.is_person() => {
                return Ok(Answer::Ignored(stop.to_string()));
            }
            Planned::Busy { active } => active,
            Planned::Stopped(stop) => {
                if let Some(answer) = queue(store, &release, Behind::Stop, stop.to_string()).await?
                {
                    return Ok(answer);
                }
                continue;
            }
        };
        if target.while_releasing == WhileReleasing::Reject {
            // Of models the sweep knows each by its name.
            if artifact.lane() == Lane::Code {
                store.mark_seen(&target.name, release.cause.pushed_at()).await?;
            }
            let why = format!("release {active} runs, and whileReleasing is reject");
            return Ok(Answer::Ignored(why));
        }
        // Of two lanes neither is newer: what came while the other runs has its turn after it.
        let what = format!("the end of release {active}");
        if let Some(answer) = queue(store, &release, Behind::Release(&active), what).await? {
            if target.while_releasing == WhileReleasing::Replace {
                replace(store, executions, &active, &release).await?;
            }
            return Ok(answer);
        }
    }
    Err(PortError::Conflict {
        what: format!("target {}", target.name),
        expected: "a release to wait for".to_owned(),
        found: "releases that end meanwhile".to_owned(),
    })
}

/// Why an artifact has no turn, whatever runs.
fn no_turn(head: &Head, artifact: &Artifact, cause: &Cause) -> Option<String> {
    if cause.is_person() {
        return None;
    }
    if let Some(serving) = [&head.serving, &head.model_serving]
        .into_iter()
        .flatten()
        .find(|serving| serving.artifact.lane() == artifact.lane())
        && serving.artifact.identity() == artifact.identity()
    {
        return Some(format!(
            "it serves already, as version {} by release {}",
            serving.version, serving.release
        ));
    }
    (!head.admits(artifact.lane(), cause.pushed_at())).then(|| {
        "it was pushed before what was promoted last, and the newest wins; `perch release start` \
         releases it all the same"
            .to_owned()
    })
}

/// Has the release's artifact wait; `None` when what it was to wait for has ended.
async fn queue(
    store: &(impl WaitForTurn + KeepNote),
    release: &Release,
    behind: Behind<'_>,
    what: String,
) -> Result<Option<Answer>, PortError> {
    let waiting = Waiting {
        artifact: release.artifact.clone(),
        event: release.cause.id(),
        pushed_at: release.cause.pushed_at(),
    };
    match store.wait_for_turn(&release.target, &waiting, behind).await? {
        Turn::Free => Ok(None),
        Turn::Overtaken { by } => {
            Ok(Some(Answer::Ignored(format!("a newer artifact waits already: {}", by.artifact))))
        }
        Turn::Waits { instead_of } => {
            if let Some(skipped) = instead_of.filter(|other| other.artifact != waiting.artifact) {
                let text = format!("skipped: {} is newer and waits instead", waiting.artifact);
                store.note(&skipped_note(&release.target, &skipped, text)).await?;
            }
            Ok(Some(Answer::Waits { behind: what }))
        }
    }
}

/// Starts the rollback of a release that makes room for a newer artifact, if it still can.
async fn replace(
    store: &impl LoadRelease,
    executions: &impl StartExecution,
    active: &ReleaseId,
    newer: &Release,
) -> Result<(), PortError> {
    let Some(release) = store.release(active).await? else { return Ok(()) };
    let is_older = release.cause.pushed_at() < newer.cause.pushed_at()
        && release.artifact.lane() == newer.artifact.lane();
    if !is_older || !release.is_replaceable() {
        return Ok(());
    }
    let (by, artifact) = (newer.id.clone(), newer.artifact.to_string());
    let input = RollbackInput {
        release_id: active.clone(),
        cause: Some(RollbackCause::Replaced { by, artifact }),
    };
    // Its own name: the release's may be needed for a rollback that must not be left out.
    let name = format!("{active}-{}", release.seq).parse().unwrap_or_else(|_| active.clone());
    executions.start(Machine::Rollback, &name, &json!(input)).await
}

fn skipped_note(target: &TargetName, skipped: &Waiting, text: String) -> Note {
    Note {
        at: skipped.pushed_at,
        target: Some(target.clone()),
        event: skipped.event.clone(),
        subject: skipped.artifact.to_string(),
        text,
    }
}

fn first_entry(release: &Release) -> JournalEntry {
    let cause = format!("{} by {}", release.artifact, release.cause);
    entry(release, What::ReleasePlanned, cause, None, release.started_at)
}

async fn launch(executions: &impl StartExecution, release: Release) -> Result<Answer, PortError> {
    let input = json!({ "releaseId": release.id, "fence": release.fence });
    executions.start(Machine::of(&release.plan.driver), &release.id, &input).await?;
    Ok(Answer::Started(release.id))
}

fn planned(
    target: &Target,
    artifact: Artifact,
    cause: Cause,
    fence: Fence,
    now: Timestamp,
) -> Option<Release> {
    let lane = artifact.lane();
    let goes_back = artifact.is_version() || cause.is_way_back();
    let plan = if goes_back { Plan::at_once(target, lane) } else { Plan::of(target, lane) }?;
    let deadline = now.saturating_add(target.deadline(lane).duration()).unwrap_or(Timestamp::MAX);
    Some(Release {
        id: release_id(&target.name, &artifact, &cause),
        target: target.name.clone(),
        plan,
        artifact,
        phase: Phase::Pending,
        fence,
        seq: 1,
        kept: 0,
        code: None,
        ledger: None,
        canary: None,
        cause,
        started_at: now,
        deadline,
        due: now,
        ended_at: None,
        verdict: None,
        judging: None,
        synthetic: Default::default(),
        deployment: None,
        reload: None,
        smoke: Vec::new(),
        order: None,
        ignored_guards: Vec::new(),
    })
}

/// `TARGET-yyyymmdd-hhmmss-XXXXXX`: the time of the push, and six digits of a hash over target,
/// artifact and event. The same event gives the same id, so it can't start two releases.
fn release_id(target: &TargetName, artifact: &Artifact, cause: &Cause) -> ReleaseId {
    let hash = Sha256::digest(format!("{target}|{}|{}", artifact.identity(), cause.id()));
    let time = cause.pushed_at().strftime("%Y%m%d-%H%M%S");
    let id = format!("{target}-{time}-{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2]);
    // A target name (40 characters at most) and this suffix are always a release id.
    id.parse().unwrap_or_else(|_| unreachable!("{id}"))
}
