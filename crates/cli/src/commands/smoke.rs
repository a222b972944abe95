//! `perch smoke TARGET`

use std::io::Read;

use perch_app::ports::{InvokeVersion, LoadHead, LoadRelease, LoadTarget, ReadAlias, RequestUrl};
use perch_app::smoke::test;
use perch_core::names::{TargetName, Version};
use perch_core::smoke::all_passed;
use perch_core::target::{Lambda, MetricResolution, Target};

use super::apply::source;
use super::simulate::choose;
use crate::args::looks::Smoke;
use crate::console::Console;
use crate::failure::Missing;
use crate::{failure, render, target_file};

/// A target that nothing can be asked of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untestable {
    /// It names no checks.
    #[error("target {0} has no smoke tests: give `smoke` in its file, and try it with -f FILE")]
    NoChecks(TargetName),
    /// It has no function, so there is no version to ask.
    #[error("target {0} has no function with versions")]
    NoFunction(TargetName),
}

/// Does the checks from here and prints what came back; the exit code, which tells whether all passed.
pub(super) async fn run(
    store: &(impl LoadTarget + LoadHead + LoadRelease),
    (lambda, web): (&(impl ReadAlias + InvokeVersion), &impl RequestUrl),
    args: &Smoke,
    stdin: &mut impl Read,
    console: &mut Console<'_>,
) -> anyhow::Result<u8> {
    let name = || args.target.clone();
    let target = match &args.file {
        None => store.target(&args.target).await?.ok_or_else(|| Missing::Target(name()))?,
        Some(file) => {
            let file = source(file, stdin)?;
            let shown = file.name.clone();
            let targets = target_file::read(&[file], MetricResolution::Second)?;
            choose(targets, Some(&args.target), shown)?
        }
    };
    let tests = target.smoke.as_ref().ok_or_else(|| Untestable::NoChecks(name()))?;
    let service = service(&target)?;
    let version = match &args.version {
        Some(version) => version.clone(),
        None => usual(store, lambda, &target, service).await?,
    };
    let results = test(tests, (lambda, Some(service)), web, &version).await;
    console.show(&results, |look| {
        let table = render::smoke(&results, look);
        format!("version {version} of {}\n\n{table}", service.function)
    })?;
    Ok(if all_passed(&results) { failure::OK } else { failure::ERROR })
}

fn service(target: &Target) -> Result<&Lambda, Untestable> {
    let none = || Untestable::NoFunction(target.name.clone());
    target.service.lambda.as_ref().ok_or_else(none)
}

/// The canary of the release that is under way; else what the alias sends most traffic to.
async fn usual(
    store: &(impl LoadHead + LoadRelease),
    lambda: &impl ReadAlias,
    target: &Target,
    service: &Lambda,
) -> anyhow::Result<Version> {
    let active = store.head(&target.name).await?.and_then(|head| head.active);
    let release = match active {
        Some(id) => store.release(&id).await?,
        None => None,
    };
    match release.and_then(|release| release.canary) {
        Some(canary) => Ok(canary),
        None => Ok(lambda.alias(service).await?.route.primary),
    }
}
