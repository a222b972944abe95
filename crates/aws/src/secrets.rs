//! Secrets by the references of target files, from SSM and Secrets Manager.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use perch_app::ports::{PortError, ReadSecret};
use perch_core::names::SecretRef;

use crate::error::port_error;

/// Secrets of this account and region.
#[derive(Clone)]
pub struct Secrets(Client);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Secrets that this configuration reaches.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }
}

impl ReadSecret for Secrets {
    async fn secret(&self, secret: &SecretRef) -> Result<String, PortError> {
        let what = format!("secret {secret}");
        let found = self
            .0
            .get_parameter()
            .name(parameter_name(secret))
            .with_decryption(true)
            .send()
            .await
            .map_err(|e| port_error(what.as_str(), e))?;
        found.parameter.and_then(|p| p.value).ok_or(PortError::NotFound { what })
    }
}

/// The name of the SSM parameter. SSM answers for Secrets Manager under a reserved path (Systems
/// Manager User Guide, "Referencing AWS Secrets Manager secrets from Parameter Store parameters").
fn parameter_name(secret: &SecretRef) -> String {
    match secret.as_str().split_once(':') {
        Some(("secretsmanager", id)) => format!("/aws/reference/secretsmanager/{id}"),
        Some((_, name)) => name.to_owned(),
        None => secret.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_secret_are_ssm_parameters() {
        let name = |text: &str| parameter_name(&text.parse().unwrap());
        assert_eq!(name("ssm:/perch/slack/ml"), "/perch/slack/ml");
        assert_eq!(name("secretsmanager:perch/slack"), "/aws/reference/secretsmanager/perch/slack");
    }
}
