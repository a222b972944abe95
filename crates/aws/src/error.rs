//! The one map from SDK errors to [`PortError`].

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use perch_app::ports::PortError;

/// What an SDK error means for the caller. `what` names what was to be done, such as
/// "alias live of function news".
pub(crate) fn port_error<E, R>(what: impl Into<String>, error: SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let what = what.into();
    let Some(service) = error.as_service_error() else {
        return PortError::Unavailable { what, source: Box::new(error) };
    };
    let code = service.code().unwrap_or_default();
    let message = service.message().unwrap_or(code).to_owned();
    match kind(code) {
        Kind::NotFound => PortError::NotFound { what },
        Kind::Conflict => {
            PortError::Conflict { what, expected: "it unchanged".into(), found: message }
        }
        Kind::Denied => PortError::Denied { what, message },
        Kind::Invalid => PortError::Invalid { what, message },
        Kind::Unavailable => PortError::Unavailable { what, source: Box::new(error) },
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Conflict,
    Denied,
    Invalid,
    Unavailable,
}

/// The error codes of the services that Perch calls (API References, "Errors" of each action).
/// A code that is not listed may pass, so it counts as unavailable.
fn kind(code: &str) -> Kind {
    match code {
        "ResourceNotFoundException"
        | "ResourceNotFound"
        | "NotFound"
        | "NotFoundException"
        | "ParameterNotFound"
        | "ImageNotFoundException"
        | "RepositoryNotFoundException"
        | "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "ApplicationDoesNotExistException"
        | "DeploymentConfigDoesNotExistException"
        | "DeploymentDoesNotExistException"
        | "DeploymentGroupDoesNotExistException"
        | "ListenerNotFound"
        | "NamespaceNotFound"
        | "RuleNotFound"
        | "ServiceDeploymentNotFoundException"
        | "ServiceNotFound"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchUpload"
        | "NoSuchVersion"
        | "QueueDoesNotExist"
        | "TargetGroupNotFound"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "StateMachineDoesNotExist"
        | "ExecutionDoesNotExist" => Kind::NotFound,
        "PreconditionFailedException"
        | "ConditionalCheckFailedException"
        | "ConditionalRequestConflict"
        | "DeploymentLimitExceededException"
        | "PreconditionFailed"
        | "ResourceConflictException" => Kind::Conflict,
        "AccessDeniedException"
        | "AccessDenied"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "KMSAccessDeniedException"
        | "UnrecognizedClientException" => Kind::Denied,
        "ValidationException"
        | "ValidationError"
        | "InvalidParameterValueException"
        | "InvalidParameterValue"
        | "InvalidParameter"
        | "InvalidParameterException"
        | "AlarmsLimitExceededException"
        | "BadDigest"
        | "InvalidAlarmConfigException"
        | "InvalidAutoRollbackConfigException"
        | "InvalidDeploymentConfigNameException"
        | "InvalidECSServiceException"
        | "InvalidLifecycleEventHookExecutionIdException"
        | "InvalidLoadBalancerInfoException"
        | "InvalidRevisionException"
        | "InvalidTrafficRoutingConfigurationException"
        | "CodeVerificationFailedException"
        | "DisabledException"
        | "InvalidCodeSignatureException"
        | "CodeStorageExceededException"
        | "InvalidExecutionInput"
        | "InvalidKeyUsageException"
        | "InvalidName"
        | "InvalidRequestContentException"
        | "ReceiptHandleIsInvalid"
        | "RequestTooLargeException"
        | "PlatformTaskDefinitionIncompatibilityException"
        | "PlatformUnknownException"
        | "ServiceNotActiveException"
        | "UnsupportedFeatureException" => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_may_pass() {
        assert_eq!(kind("ThrottlingException"), Kind::Unavailable);
        assert_eq!(kind("SomethingNew"), Kind::Unavailable);
        assert_eq!(kind("PreconditionFailedException"), Kind::Conflict);
    }
}
