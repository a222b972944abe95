//! S3 and KMS: uploaded models, their checksums, and who signed them.

mod checksum;
mod list;
mod read;
mod upload;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use perch_app::ports::{PortError, VerifySignature};
use perch_core::manifest::Signature;
use sha2::{Digest as _, Sha256};

use crate::error::port_error;

pub use upload::{Kept, Part, Put, Unfinished};

/// Models in the buckets of the account and region.
#[derive(Debug, Clone)]
pub struct Models {
    s3: aws_sdk_s3::Client,
    kms: aws_sdk_kms::Client,
}

impl Models {
    /// Models under this configuration.
    pub fn new(sdk: &SdkConfig) -> Self {
        let s3 = aws_sdk_s3::config::Builder::from(sdk).force_path_style(path_style(sdk)).build();
        Self { s3: aws_sdk_s3::Client::from_conf(s3), kms: aws_sdk_kms::Client::new(sdk) }
    }

    /// The same for uploads, whose calls take as long as the line needs. The SDK's guard against stalled
    /// streams ends those that stand still.
    pub fn for_uploads(sdk: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(std::time::Duration::from_secs(5))
            .disable_operation_attempt_timeout()
            .disable_operation_timeout()
            .build();
        let sdk = sdk.clone().into_builder().timeout_config(timeouts).build();
        Self::new(&sdk)
    }
}

/// An endpoint of its own, such as a local stack's, has no host name for each bucket.
fn path_style(sdk: &SdkConfig) -> bool {
    sdk.endpoint_url().is_some()
}

impl VerifySignature for Models {
    async fn holds(
        &self,
        key: &str,
        signed: &[u8],
        signature: &Signature,
    ) -> Result<bool, PortError> {
        let answer = self
            .kms
            .verify()
            .key_id(key)
            .message(Blob::new(Sha256::digest(signed).to_vec()))
            .message_type(MessageType::Digest)
            .signature(Blob::new(signature.bytes()))
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.signature_valid()),
            // KMS answers with an error rather than with `false` (API Reference, `Verify`).
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_kms_invalid_signature_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(port_error(format!("key {key}"), error)),
        }
    }
}
