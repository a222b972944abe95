//! Takes the snapshot of what serves, or says why a release can't start: without a way back, none
//! does. Nothing is changed here.

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::decide::Event;
use perch_core::head::{AliasSnapshot, Ledger, Snapshot};
use perch_core::names::AlarmName;
use perch_core::pointer::ModelPointer;
use perch_core::release::{Cause, Release};
use perch_core::target::{AlarmAtStart, Lambda};

use crate::ports::{
    AliasState, FindImage, ImageState, PortError, ReadAlarms, ReadAlias, ReadFunction,
};
use crate::step::{StepError, alias_of};

/// What a release begins with: its ledger, or the reason why it ends at once. Nothing where the alias is
/// split, maybe by a deployment that the target has a rule for.
pub(crate) async fn run(
    lambda: &(impl ReadAlias + ReadFunction),
    images: &impl FindImage,
    alarms: &impl ReadAlarms,
    release: &Release,
    now: Timestamp,
) -> Result<Option<Event>, StepError> {
    let service = alias_of(release)?;
    let alias = match lambda.alias(service).await {
        Ok(alias) => alias,
        Err(PortError::NotFound { .. }) => return Ok(refused(no_alias(service))),
        Err(error) => return Err(error.into()),
    };
    if let Some(why) = unfit(service, &alias) {
        let deployed = release.plan.driver.moves_itself();
        return Ok(if deployed { None } else { refused(why) });
    }
    if lambda.has_provisioned_concurrency(service).await? {
        return Ok(refused(provisioned(service)));
    }
    let ignored = match guards(alarms, release).await? {
        Ok(ignored) => ignored,
        Err(why) => return Ok(refused(why)),
    };
    let baseline = alias.route.primary;
    let (code, model) = match lambda.version(&service.function, &baseline).await {
        Ok(version) => {
            if let Some(why) = no_way_back(images, release, version.image.as_deref()).await? {
                return Ok(refused(why));
            }
            (version.code, version.model)
        }
        // A person leaves a version that is gone: there is nothing to come back to, and no reason.
        Err(PortError::NotFound { .. }) if release.artifact.is_version() => (String::new(), None),
        Err(PortError::NotFound { .. }) => {
            return Ok(refused(format!(
                "there is no way back: alias {} points at version {baseline}, which does not exist \
                 any more; point it at a version that does, then start again",
                service.alias
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let serves = match &release.artifact {
        Artifact::Image { digest, .. } => digest.as_str() == code,
        Artifact::Version { version } => *version == baseline,
        Artifact::Model { .. } => ModelPointer::to(&release.artifact) == model,
        Artifact::Package { .. } => false,
    };
    if serves {
        return Ok(refused(format!("{} serves already, as version {baseline}", release.artifact)));
    }
    let snapshot = AliasSnapshot { lambda: service.clone(), code, revision: alias.revision, model };
    let snapshot = Snapshot::Alias(snapshot);
    let ledger = Ledger { baseline, canary: None, snapshot, taken_at: now };
    Ok(Some(Event::LedgerTaken { ledger, ignored }))
}

fn refused(why: String) -> Option<Event> {
    Some(Event::Refused { why })
}

fn no_alias(lambda: &Lambda) -> String {
    format!(
        "function {0} has no alias {1}: publish a version and create the alias first, with `aws \
         lambda create-alias --function-name {0} --name {1} --function-version N`",
        lambda.function, lambda.alias
    )
}

/// Why an alias is no state to come back to.
pub(crate) fn unfit(service: &Lambda, alias: &AliasState) -> Option<String> {
    let (second, weight) = alias.route.split.as_ref()?;
    Some(format!(
        "alias {} is split already ({weight} on version {second}), and Perch did not do it: a split \
         is never taken as the state to come back to; end it first",
        service.alias
    ))
}

fn provisioned(lambda: &Lambda) -> String {
    format!(
        "alias {1} of {0} has provisioned concurrency, and Lambda does not let such an alias split \
         traffic: remove it with `aws lambda delete-provisioned-concurrency-config --function-name \
         {0} --qualifier {1}`, or give the versions reserved concurrency instead",
        lambda.function, lambda.alias
    )
}

/// The guards in ALARM that do not count yet, or why the release can't start with its guards.
pub(crate) async fn guards(
    alarms: &impl ReadAlarms,
    release: &Release,
) -> Result<Result<Vec<AlarmName>, String>, PortError> {
    let guards = alarms.alarms(&release.plan.guards).await?;
    if let Some(missing) = guards.missing.first() {
        return Ok(Err(format!(
            "guard {missing} does not exist: create the alarm or take it out of `guards`"
        )));
    }
    Ok(match blocked(release, &guards.in_alarm) {
        Some(why) => Err(why),
        None => Ok(guards.in_alarm),
    })
}

/// Why guards in ALARM keep the release from starting, unless the target or a person says that they
/// do not count yet.
fn blocked(release: &Release, in_alarm: &[AlarmName]) -> Option<String> {
    if release.plan.alarm_at_start == AlarmAtStart::IgnoreUntilOk {
        return None;
    }
    let overridden: &[AlarmName] = match &release.cause {
        Cause::Person { overrides, .. } => overrides,
        Cause::Event { .. } | Cause::Waited { .. } | Cause::Sweep { .. } => &[],
    };
    let alarm = in_alarm.iter().find(|alarm| !overridden.contains(alarm))?;
    Some(format!(
        "guard {alarm} is in ALARM already, so it could not protect this release. If this is the \
         fix: `perch release start {} --artifact {} --override-alarm {alarm} --reason TEXT`",
        release.target,
        release.artifact.identity()
    ))
}

pub(crate) async fn no_way_back(
    images: &impl FindImage,
    release: &Release,
    image: Option<&str>,
) -> Result<Option<String>, PortError> {
    let (Some(uri), false) = (image, release.artifact.is_version()) else { return Ok(None) };
    let gone = images.image(uri).await? == ImageState::Gone;
    Ok(gone.then(|| {
        format!(
            "there is no way back: the image of what serves now, {uri}, is not in the registry any \
             more; push it again or go to a version whose image exists with `perch rollback {} --to \
             VERSION`, and see `perch doctor` for the lifecycle rule that deletes images in use",
            release.target
        )
    }))
}
