//! Why a command failed, as people read it and as an exit code.

use std::process::ExitCode;

use perch_app::apply_target::ApplyError;
use perch_app::artifact_name::NoArtifact;
use perch_app::dead_letters::RedriveError;
use perch_app::order::OrderError;
use perch_app::ports::PortError;
use perch_app::served::Served;
use perch_core::head::Serving;
use perch_core::names::{ReleaseId, TargetName, Version};
use perch_core::stop::Stop;

use crate::commands::{InvalidTrace, UnclearPlan};
use crate::target_file::InvalidFiles;
use crate::upload::{Taken, Unfit};

/// Done.
pub(crate) const OK: u8 = 0;
pub(crate) const ERROR: u8 = 1;
const INVALID: u8 = 2;
pub(crate) const NOT_FOUND: u8 = 3;
const CONFLICT: u8 = 4;
/// `watch --until-end`: rolled back.
pub(crate) const ROLLED_BACK: u8 = 5;
/// `watch --until-end`: neither promoted nor rolled back.
pub(crate) const ENDED_OTHERWISE: u8 = 6;

/// What was asked for is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    #[error("target {0} does not exist; `perch targets` lists them")]
    Target(TargetName),
    #[error("target {1} has no model {0}; `perch model list --target {1}` lists them")]
    Model(Version, TargetName),
    #[error("release {0} does not exist; `perch releases` lists them")]
    Release(ReleaseId),
    #[error(
        "dead letter {0} does not exist; `perch dead-letters list` lists them. One that is being \
         redriven is hidden for up to 5 minutes"
    )]
    Letter(String),
}

/// Some letters still lie in their queues; what was printed says which and why.
#[derive(Debug, thiserror::Error)]
#[error(
    "{not} of {of} dead letters {}",
    match (.dry_run, .not) {
        (true, _) => "would not be redriven",
        (false, 1) => "was not redriven; it is still in its queue",
        (false, _) => "were not redriven; they are still in their queues",
    }
)]
pub(crate) struct NotRedriven {
    pub(crate) not: usize,
    pub(crate) of: usize,
    pub(crate) dry_run: bool,
}

/// The release is past the point where it can be aborted.
#[derive(Debug, thiserror::Error)]
#[error(
    "release {release} is in phase {phase}, past its promotion: there is nothing to abort; \
     `perch rollback {target} --reason ...` puts version {baseline} back"
)]
pub(crate) struct PastAbort {
    pub(crate) release: ReleaseId,
    pub(crate) phase: &'static str,
    pub(crate) target: TargetName,
    pub(crate) baseline: String,
}

/// Nothing is in flight that could be rolled back.
#[derive(Debug, thiserror::Error)]
pub(crate) struct NothingToRollBack {
    pub(crate) target: TargetName,
    pub(crate) serving: Option<Serving>,
    pub(crate) before: Vec<Served>,
}

/// Versions that are named; `perch releases` has the rest.
const NAMED: usize = 5;

impl std::fmt::Display for NothingToRollBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, serving, before } = self;
        write!(f, "nothing is in flight for target {target}, and nothing was changed")?;
        if let Some(Serving { artifact, version, release }) = serving {
            write!(f, "\n  serves now:     version {version}, {artifact}, by {release}")?;
        }
        for (place, served) in before.iter().take(NAMED).enumerate() {
            let name = if place == 0 { "served before:" } else { "" };
            write!(f, "\n  {name:<14}  {served}")?;
        }
        match before.first() {
            Some(served) => write!(
                f,
                "\n  to go back:     perch rollback {target} --to {} --reason TEXT",
                served.version
            ),
            None => write!(f, "\n  no other version is known to have served"),
        }
    }
}

/// No stop stands that could be ended.
#[derive(Debug, thiserror::Error)]
pub(crate) struct NoStop {
    pub(crate) target: Option<TargetName>,
    /// The stop of all, where a target's own was meant.
    pub(crate) of_all: Option<Stop>,
}

impl std::fmt::Display for NoStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.target, &self.of_all) {
            (None, _) => write!(f, "there is no stop of all targets; nothing was changed"),
            (Some(target), None) => {
                write!(f, "target {target} is not stopped; nothing was changed")
            }
            (Some(target), Some(stop)) => write!(
                f,
                "target {target} has no stop of its own, but all targets are {stop}; \
                 `perch resume --all --reason TEXT` ends that"
            ),
        }
    }
}

/// Whether nobody reads the output any more, as after `| head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The exit code that tells what kind of failure it is.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.is::<InvalidFiles>() || error.is::<InvalidTrace>() || error.is::<UnclearPlan>() {
        return INVALID;
    }
    if error.is::<Missing>() || error.is::<NothingToRollBack>() || error.is::<NoStop>() {
        return NOT_FOUND;
    }
    if error.is::<Unfit>() {
        return INVALID;
    }
    if error.is::<Taken>() {
        return CONFLICT;
    }
    if let Some(RedriveError::Unknown(_)) = error.downcast_ref() {
        return NOT_FOUND;
    }
    if let Some(code) = error.downcast_ref().and_then(order) {
        return code;
    }
    match error.downcast_ref() {
        Some(NoArtifact::NoImage { .. }) => return NOT_FOUND,
        Some(NoArtifact::OtherSource { .. }) => return INVALID,
        Some(NoArtifact::Port(_)) | None => {}
    }
    if let Some(ApplyError::Problems(_)) = error.downcast_ref() {
        return INVALID;
    }
    match port(error) {
        Some(PortError::NotFound { .. }) => NOT_FOUND,
        Some(PortError::Conflict { .. }) => CONFLICT,
        _ => ERROR,
    }
}

/// The code of an order that can't be carried out; none where a port failed.
fn order(error: &OrderError) -> Option<u8> {
    match error {
        OrderError::UnknownTarget(_)
        | OrderError::NothingInFlight(_)
        | OrderError::UnknownVersion { .. }
        | OrderError::UnknownRevision { .. }
        | OrderError::UnknownModel { .. }
        | OrderError::NoModelBefore(_) => Some(NOT_FOUND),
        OrderError::NoGuard { .. } | OrderError::NoFunction(_) | OrderError::NoModels(_) => {
            Some(INVALID)
        }
        OrderError::TooLate { .. }
        | OrderError::MovesItself { .. }
        | OrderError::Stopped { .. }
        | OrderError::Busy { .. }
        | OrderError::Quarantined { .. }
        | OrderError::InFlight { .. }
        | OrderError::ServesAlready { .. } => Some(ERROR),
        OrderError::Port(_) => None,
    }
}

/// The port's error, however deep it is.
fn port(error: &anyhow::Error) -> Option<&PortError> {
    if let Some(OrderError::Port(port)) = error.downcast_ref() {
        return Some(port);
    }
    if let Some(ApplyError::Port(port)) = error.downcast_ref() {
        return Some(port);
    }
    if let Some(NoArtifact::Port(port)) = error.downcast_ref() {
        return Some(port);
    }
    error.downcast_ref()
}

/// What is wrong and what to do about it.
pub(crate) fn message(error: &anyhow::Error, stack: &str) -> String {
    if error.is::<InvalidFiles>() {
        return error.to_string();
    }
    let mut text = format!("perch: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !last.contains(&cause) {
            text += &format!("\n  because: {cause}");
        }
        last = cause;
    }
    if let Some(hint) = port(error).and_then(|port| hint(port, stack)) {
        text += &format!("\n  {hint}");
    }
    text
}

fn hint(error: &PortError, stack: &str) -> Option<String> {
    match error {
        PortError::NotFound { .. } => Some(format!(
            "Is Perch installed here as stack {stack}? Check --stack, the region and the account."
        )),
        PortError::Conflict { .. } => Some("Nothing was changed. Try again.".to_owned()),
        PortError::Unavailable { .. } => Some(
            "Check the credentials, AWS_REGION and AWS_ENDPOINT_URL, then try again.".to_owned(),
        ),
        PortError::Denied { .. } => {
            Some("Ask for a policy that allows it; nothing was changed.".to_owned())
        }
        PortError::Invalid { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict() -> PortError {
        PortError::Conflict { what: "x".into(), expected: "1".into(), found: "2".into() }
    }

    #[test]
    fn each_kind_of_failure_has_its_code() {
        let target: TargetName = "news".parse().unwrap();
        let missing = || PortError::NotFound { what: "table".into() };
        let errors: [(anyhow::Error, u8); 7] = [
            (anyhow::anyhow!("x"), ERROR),
            (Missing::Target(target.clone()).into(), NOT_FOUND),
            (OrderError::NothingInFlight(target).into(), NOT_FOUND),
            (OrderError::Port(conflict()).into(), CONFLICT),
            (ApplyError::Port(missing()).into(), NOT_FOUND),
            (missing().into(), NOT_FOUND),
            (anyhow::Error::from(conflict()).context("while reading"), CONFLICT),
        ];
        for (error, expected) in errors {
            assert_eq!(code(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_message_says_what_and_why_and_what_to_do() {
        let source = Box::new(std::io::Error::other("connection refused"));
        let error = PortError::Unavailable { what: "item TARGET#news/SPEC".into(), source };
        insta::assert_snapshot!(message(&error.into(), "perch"), @r"
        perch: item TARGET#news/SPEC is not available now
          because: connection refused
          Check the credentials, AWS_REGION and AWS_ENDPOINT_URL, then try again.
        ");
    }
}
