//! How a function starts: logs, time-outs and retries, the same for each.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// Tries of one call, the first included. The SDK retries throttling, server errors and broken
/// connections with exponential backoff and full jitter; every call of Perch is safe to repeat.
const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(4);
/// Below the functions' own time-out, so that an error is reported rather than a killed function.
const OPERATION: Duration = Duration::from_secs(10);

/// The configuration of every client: region and credentials from the environment, explicit
/// time-outs, bounded retries.
pub async fn sdk_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .load()
        .await
}

/// Starts logging as the function's `LoggingConfig` says, JSON on AWS.
pub fn start_logging() {
    lambda_runtime::tracing::init_default_subscriber();
}
