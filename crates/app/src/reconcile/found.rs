//! Where the traffic of a target goes, as the sweep finds it.

use perch_core::sweep::Found;
use perch_core::target::Service;
use perch_core::weight::Weight;

use crate::ports::{AliasState, PortError, ReadAlias, ReadServices, ServiceState};

/// What an alias or a service sends; nothing where there is none.
pub(super) async fn run(
    (lambda, services): (&impl ReadAlias, &impl ReadServices),
    service: &Service,
) -> Result<Option<Found>, PortError> {
    let found = match (&service.lambda, &service.ecs) {
        (Some(alias), _) => lambda.alias(alias).await.map(of_alias),
        (None, Some(service)) => services.service(service).await.map(|found| of_service(&found)),
        (None, None) => return Ok(None),
    };
    match found {
        Ok(found) => Ok(Some(found)),
        Err(PortError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_alias(AliasState { route, .. }: AliasState) -> Found {
    Found { alone: route.split.is_none().then(|| route.primary.clone()), text: route.to_string() }
}

fn of_service(found: &ServiceState) -> Found {
    let alone = match (found.shares.as_slice(), &found.foreign) {
        ([(version, Weight::FULL)], None) => Some(version.clone()),
        _ => None,
    };
    Found { alone, text: found.to_string() }
}
