//! Why a command failed, as people read it and as an exit code.

use std::process::ExitCode;

use perch_app::apply_target::ApplyError;
use perch_app::dead_letters::RedriveError;
use perch_app::order::OrderError;
use perch_app::ports::PortError;
use perch_core::names::{ReleaseId, TargetName};

use crate::target_file::InvalidFiles;

/// Done.
pub(crate) const OK: u8 = 0;
const ERROR: u8 = 1;
const INVALID: u8 = 2;
const NOT_FOUND: u8 = 3;
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
    if error.is::<InvalidFiles>() {
        return INVALID;
    }
    if error.is::<Missing>() {
        return NOT_FOUND;
    }
    if let Some(RedriveError::Unknown(_)) = error.downcast_ref() {
        return NOT_FOUND;
    }
    match error.downcast_ref() {
        Some(OrderError::UnknownTarget(_) | OrderError::NothingInFlight(_)) => return NOT_FOUND,
        Some(OrderError::TooLate { .. }) => return ERROR,
        Some(OrderError::Port(_)) | None => {}
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

/// The port's error, however deep it is.
fn port(error: &anyhow::Error) -> Option<&PortError> {
    error.downcast_ref().or_else(|| match (error.downcast_ref(), error.downcast_ref()) {
        (Some(OrderError::Port(port)), _) | (_, Some(ApplyError::Port(port))) => Some(port),
        _ => None,
    })
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
