//! `perch doctor [TARGET]`

use jiff::Timestamp;
use perch_app::doctor::{self, Outcome, Ports, Store};
use perch_app::ports::{
    FindImage, PortError, ReadAlarms, ReadAlias, ReadBucket, ReadFleet, ReadFunction, ReadGroups,
    ReadLifecycle, ReadModels, ReadServices, ReceiveLetters,
};

use crate::args::looks::Doctor;
use crate::console::Console;
use crate::failure::Missing;
use crate::{failure, render};

/// Prints what the checks find; the exit code, which tells whether anything is a problem.
pub(super) async fn run<S: Store, L, A, I, R>(
    ports: &Ports<'_, S, L, A, I, R>,
    letters: Result<impl ReceiveLetters, PortError>,
    (buckets, functions, services, groups): (
        &(impl ReadModels + ReadBucket),
        &impl ReadFleet,
        &impl ReadServices,
        &impl ReadGroups,
    ),
    args: &Doctor,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<u8>
where
    L: ReadAlias + ReadFunction,
    A: ReadAlarms,
    I: FindImage,
    R: ReadLifecycle,
{
    let (installation, targets) = doctor::installation(ports, letters, args.target.as_ref()).await;
    if let (Some(name), true, true) =
        (&args.target, targets.is_empty(), installation.targets.is_ok())
    {
        return Err(Missing::Target(name.clone()).into());
    }
    let mut found = doctor::check_installation(&installation, now);
    for target in &targets {
        let facts = doctor::target(ports, target).await;
        found.extend(doctor::check_target(&facts, now));
        let head = facts.standing.as_ref().ok().and_then(|standing| standing.head.as_ref());
        if let Some(service) = doctor::service(services, target).await {
            found.push(doctor::check_service(target, head, &service));
            found.extend(doctor::check_hooks(target, &service));
        }
        found.extend(doctor::check_group(groups, target).await);
        if let Some(models) = doctor::models(buckets, functions, ports.stack, target).await {
            found.extend(doctor::check_models(target, head, &models));
        }
    }
    let bad = found.iter().any(|finding| finding.result == Outcome::Problem);
    // A person who asks about one target wants to see what was looked at.
    let all = args.verbose || args.target.is_some();
    console.show(&found, |look| render::findings(&found, all, look))?;
    Ok(if bad { failure::ERROR } else { failure::OK })
}
