//! Every error has one of the names that the state machines match, and its whole chain of causes.

use lambda_runtime::Diagnostic;
use perch_app::notify::NotifyError;
use perch_app::ports::PortError;
use perch_app::step::StepError;
use perch_aws::config::Env;
use perch_aws::diagnostic::{ERROR_TYPES, Failed};
use perch_core::decide::{Event, decide};
use perch_core::phase::Phase;

use crate::samples::{ID, at, release_in};

fn unavailable() -> PortError {
    let source = std::io::Error::other("connection reset");
    PortError::Unavailable { what: "table perch".into(), source: Box::new(source) }
}

fn conflict() -> PortError {
    let (what, expected, found) = ("alias live".into(), "rev-1".into(), "rev-2".into());
    PortError::Conflict { what, expected, found }
}

fn port_errors() -> [(PortError, &'static str); 5] {
    let (what, message) = (|| "alias live".to_owned(), || "no".to_owned());
    [
        (unavailable(), "Unavailable"),
        (conflict(), "Conflict"),
        (PortError::Denied { what: what(), message: message() }, "Denied"),
        (PortError::Invalid { what: what(), message: message() }, "Invalid"),
        (PortError::NotFound { what: what() }, "Invalid"),
    ]
}

#[test]
fn port_errors_have_the_same_name_wherever_they_come_from() {
    for (error, kind) in port_errors() {
        assert_eq!(Failed::from(error).kind, kind);
    }
    for (error, kind) in port_errors() {
        assert_eq!(Failed::from(StepError::Port(error)).kind, kind);
    }
    for (error, kind) in port_errors() {
        assert_eq!(Failed::from(NotifyError::Port(error)).kind, kind);
        assert!(ERROR_TYPES.contains(&kind));
    }
}

#[test]
fn what_trying_again_can_mend_is_a_conflict_and_the_rest_is_not() {
    let id = || ID.parse().unwrap();
    let illegal =
        decide(&release_in(Phase::Promoted), &Event::WeightShifted, at("2026-11-21T12:00:00Z"))
            .unwrap_err();
    let not_as_set = StepError::NotAsSet {
        what: "alias live".into(),
        expected: "version 4 alone".into(),
        found: "version 5 alone".into(),
    };
    for (error, kind) in [
        (not_as_set, "Conflict"),
        (StepError::Illegal(illegal), "Illegal"),
        (StepError::UnknownRelease(id()), "Invalid"),
        (StepError::Incomplete { release: id(), what: "ledger", phase: "Shifting" }, "Invalid"),
    ] {
        let failed = Failed::from(error);
        assert_eq!(failed.kind, kind);
        assert!(ERROR_TYPES.contains(&failed.kind));
    }
    assert_eq!(Failed::from(NotifyError::UnknownRelease(id())).kind, "Invalid");
}

#[test]
fn the_runtime_reports_the_name_and_every_cause_once() {
    let report = Diagnostic::from(Failed::from(StepError::Port(unavailable())));
    assert_eq!(report.error_type, "Unavailable");
    assert_eq!(report.error_message, "table perch is not available now: connection reset");
}

#[test]
fn every_missing_setting_is_named_at_once() {
    let mut env = Env::default();
    let found = env.required("CARGO_MANIFEST_DIR");
    assert!(found.ends_with("crates/aws"), "{found}");
    let missing = (env.required("PERCH_NO_SUCH_SETTING"), env.required("PERCH_NOR_THIS_ONE"));
    assert_eq!(
        env.finish(missing).unwrap_err().to_string(),
        "missing in the function's environment: PERCH_NO_SUCH_SETTING, PERCH_NOR_THIS_ONE"
    );
}
