//! How long requests to S3 may take, so that nothing ever hangs.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;

/// How long requests may take. The default fits every store; tests take less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Most requests.
    pub request: Limit,
    /// Uploading a part: 8 MiB at 70 KB/s, and enough of the attempts.
    pub part: Limit,
    /// Completing an upload: S3 says that it can take minutes.
    pub completion: Limit,
}

/// How long one kind of request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Until it is tried again.
    pub attempt: Duration,
    /// With all attempts and the pauses between them.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let limit = |attempt, operation| Limit {
            attempt: Duration::from_mins(attempt),
            operation: Duration::from_mins(operation),
        };
        Self {
            connect: Duration::from_secs(10),
            request: limit(1, 5),
            part: limit(2, 15),
            completion: limit(5, 20),
        }
    }
}

impl Timeouts {
    /// The SDK's form of a limit.
    pub(super) fn config(&self, limit: Limit) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(limit.attempt)
            .operation_timeout(limit.operation)
            .build()
    }
}
