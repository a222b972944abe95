//! The environment of a function, of which Perch knows three variables. The others may be secrets: they
//! go back to Lambda as they came, and nowhere else.

use std::collections::HashMap;

use aws_sdk_lambda::types::{Environment, EnvironmentResponse};
use perch_app::ports::{PointAtModel, PortError};
use perch_core::names::FunctionName;
use perch_core::pointer::{ModelPointer, VARIABLES};

use super::Functions;
use crate::error::port_error;

/// The model that an environment points at.
pub(super) fn pointer(environment: Option<&EnvironmentResponse>) -> Option<ModelPointer> {
    let variables = environment?.variables.as_ref()?;
    ModelPointer::of(|name| variables.get(name).map(String::as_str))
}

impl PointAtModel for Functions {
    async fn point_at(
        &self,
        function: &FunctionName,
        model: Option<&ModelPointer>,
    ) -> Result<(), PortError> {
        let what = format!("the environment of function {function}");
        let request = self.client.get_function_configuration().function_name(function.as_str());
        let found = request.send().await.map_err(|error| port_error(what.as_str(), error))?;
        // Lambda sends an error in the place of variables that it may not decrypt for the caller.
        // Whoever writes an environment writes all of it: these would be lost.
        if let Some(error) = found.environment.as_ref().and_then(|found| found.error.as_ref()) {
            let code = error.error_code.as_deref().unwrap_or("an error");
            let message = format!(
                "Lambda does not show its variables ({code}); allow Perch's prepare-canary to use \
                 the function's KMS key (kms:Decrypt, kms:Encrypt)"
            );
            return Err(PortError::Invalid { what, message });
        }
        let variables = found.environment.and_then(|found| found.variables).unwrap_or_default();
        // Without the revision an update of somebody else could be undone.
        let revision = found.revision_id.ok_or_else(|| PortError::Invalid {
            what: what.clone(),
            message: "Lambda answered without a revision".to_owned(),
        })?;
        let environment = Environment::builder().set_variables(Some(merged(variables, model)));
        self.client
            .update_function_configuration()
            .function_name(function.as_str())
            .environment(environment.build())
            .revision_id(revision)
            .send()
            .await
            .map_err(|error| port_error(what, error))?;
        Ok(())
    }
}

/// All variables as they were, but for those of the pointer.
fn merged(
    mut variables: HashMap<String, String>,
    model: Option<&ModelPointer>,
) -> HashMap<String, String> {
    variables.retain(|name, _| !VARIABLES.contains(&name.as_str()));
    let own = model.iter().flat_map(|model| model.variables());
    variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables
}
