//! The SDK's client, configured for one bucket.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{
    ClassifyRetry, RetryAction, RetryConfig, RetryPartition, TokenBucket,
};
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

use super::super::Haste;
use super::super::error::Failure;
use super::super::timeouts::{Limit, Timeouts};
use super::backoff::{FIRST_BACKOFF, LONGEST_BACKOFF};
use crate::checkpoint::Location;
use crate::config::{Checksums, EndpointConfig};

/// How to reach a bucket. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct S3Options {
    /// The bucket, and where it is.
    pub location: Location,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub secret_access_key: String,
    /// How parts are guarded.
    pub checksums: Checksums,
    /// How often a request is tried, all in all: [`super::ATTEMPTS`] or [`super::CHECK_ATTEMPTS`].
    pub attempts: u32,
    /// How much less to wait between two of them than in life.
    pub haste: Haste,
    /// How long requests may take.
    pub timeouts: Timeouts,
    /// The HTTP client; `None` is the SDK's own.
    pub http_client: Option<SharedHttpClient>,
}

impl S3Options {
    /// The bucket of an endpoint's configuration.
    pub fn new(endpoint: &EndpointConfig, attempts: u32, haste: Haste) -> Self {
        Self {
            location: Location {
                bucket: endpoint.bucket.clone(),
                region: endpoint.region.clone(),
                endpoint: endpoint.advanced.endpoint.clone(),
                path_style: endpoint.advanced.path_style(),
            },
            access_key_id: endpoint.aws_access_key_id.clone(),
            secret_access_key: endpoint.aws_secret_access_key.expose().to_owned(),
            checksums: endpoint.advanced.checksums,
            attempts,
            haste,
            timeouts: Timeouts::default().in_haste(haste),
            http_client: None,
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Options")
            .field("location", &self.location)
            .field("checksums", &self.checksums)
            .field("attempts", &self.attempts)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// Makes the client of a bucket. It does not connect yet.
pub(super) fn client(options: &S3Options) -> Client {
    let S3Options {
        location,
        access_key_id,
        secret_access_key,
        attempts,
        haste,
        timeouts,
        http_client,
        ..
    } = options;
    let credentials = Credentials::new(
        access_key_id,
        secret_access_key,
        None,
        None,
        "configuration",
    );
    let retries = RetryConfig::standard()
        .with_max_attempts(*attempts)
        .with_initial_backoff(haste.shorten(FIRST_BACKOFF))
        .with_max_backoff(haste.shorten(LONGEST_BACKOFF));
    let mut builder = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(location.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(location.path_style)
        .retry_config(retries)
        .retry_classifier(AlsoTransient)
        .retry_partition(retry_partition())
        .timeout_config(timeouts.config(timeouts.request))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    builder.set_endpoint_url(location.endpoint.clone());
    builder.set_http_client(http_client.clone());
    Client::from_conf(builder.build())
}

/// Other timeouts than those of most requests.
pub(super) fn within(timeouts: &Timeouts, limit: Limit) -> Builder {
    Builder::new().timeout_config(timeouts.config(limit))
}

/// One attempt, whose time is somebody else's concern.
pub(super) fn once(connect: Duration) -> Builder {
    use aws_sdk_s3::config::timeout::TimeoutConfig;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(connect)
        .disable_operation_timeout()
        .disable_operation_attempt_timeout();
    Builder::new()
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::disabled())
}

/// A budget of retries of its own for every request: see the module's documentation.
fn retry_partition() -> RetryPartition {
    RetryPartition::custom("materialize-s3-parquet")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// What stores answer in passing, and the SDK takes for good: 429, and a conflict with a request
/// that is still running.
#[derive(Debug)]
struct AlsoTransient;

impl ClassifyRetry for AlsoTransient {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let transient = context
            .response()
            .is_some_and(|response| Failure::from_response(response).is_transient());
        if transient {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "answers that pass"
    }
}
