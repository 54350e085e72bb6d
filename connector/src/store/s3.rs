//! The real object store: S3, and what speaks its protocol, through the AWS SDK.
//!
//! Decided on purpose:
//!
//! * **Checksums.** We give each part's CRC-32 in a header and again at completion, which AWS, MinIO, Ceph and R2 take. The SDK's own
//!   (trailers in chunked bodies) are off, because some stores cannot read them.
//! * **Payloads are not hashed** for the signature where something else guards the bytes: TLS, or the part's CRC-32, whose header is
//!   signed. Only with `checksums: none` over plain HTTP they are.
//! * **Timeouts** for connecting, each attempt and the whole operation, so that nothing ever hangs; the SDK's standard retries with
//!   jittered backoff in between. An attempt may take as long as a part needs at 70 KB/s. That is all it is judged by: the SDK would
//!   also end what does not move for some seconds, and so every attempt over a line on which a page takes as long.
//! * **Every request has its attempts.** The SDK would have all requests share a budget of retries, of which the last of 16 completions
//!   would find nothing left after an outage. What bounds us is their number at once.
//! * **A completion that is refused for good** is `NoSuchUpload` nearly everywhere. Ceph answers 500 `InternalError`
//!   ("already in progress") whenever it has no such upload (any more), so after that answer we ask for the upload itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, MultipartUpload,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::error::{Failure, Operation, explain};
use super::timeouts::{Limit, Timeouts};
use super::{Completion, Haste, ListedUpload, ObjectInfo, ObjectStore, PartBody, PendingUpload};
use crate::checkpoint::{Location, Part, StagedUpload};
use crate::config::{Checksums, EndpointConfig};
use crate::error::{Error, Result};

/// How often a request is tried, all in all, while a task runs: retries take a minute at most, besides the requests themselves.
pub const ATTEMPTS: u32 = 8;

/// How often a request is tried by Validate and Apply, where a user waits for the answer.
pub const CHECK_ATTEMPTS: u32 = 3;

const CONTENT_TYPE: &str = "application/vnd.apache.parquet";
const TOKEN: &str = "token";
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(20);

/// The pages that a listing reads at most, of 1,000 uploads each.
const LIST_PAGES: usize = 100;

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
    /// How often a request is tried, all in all: [`ATTEMPTS`] or [`CHECK_ATTEMPTS`].
    pub attempts: u32,
    /// How much less to wait between two of them than in life.
    pub haste: Haste,
    /// How long requests may take.
    pub timeouts: Timeouts,
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

/// A bucket behind S3's protocol.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    options: Arc<S3Options>,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3Store")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl S3Store {
    /// A client of this bucket. It does not connect yet.
    pub fn new(options: S3Options) -> Self {
        Self {
            client: Client::from_conf(configure(&options)),
            options: Arc::new(options),
        }
    }

    fn bucket(&self) -> &str {
        &self.options.location.bucket
    }

    /// See the module's documentation.
    fn payload_is_guarded(&self) -> bool {
        let plain = self
            .options
            .location
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        !plain || self.options.checksums == Checksums::Crc32
    }

    /// A part for the SDK, which can only hash for the signature what is in one piece.
    fn payload(&self, body: PartBody) -> ByteStream {
        if !self.payload_is_guarded() {
            return ByteStream::from(body.into_bytes());
        }
        // Each attempt sends it anew.
        let stream = move || SdkBody::from_body_1_x(body.stream());
        ByteStream::new(SdkBody::retryable(stream))
    }

    /// Other timeouts than those of most requests.
    fn within(&self, limit: Limit) -> Builder {
        Builder::new().timeout_config(self.options.timeouts.config(limit))
    }

    /// Whether S3 says plainly that it has no such upload. What else it may answer, or refuse to, proves nothing.
    async fn is_gone(&self, upload: &StagedUpload) -> bool {
        let parts = self
            .client
            .list_parts()
            .bucket(self.bucket())
            .key(&upload.key)
            .upload_id(&upload.upload_id)
            .max_parts(1);
        let failure = parts.send().await.map_err(Failure::from).err();
        failure.is_some_and(|failure| failure.is_no_such_upload())
    }

    fn failed(&self, operation: Operation, key: &str) -> impl Fn(&Failure) -> Error {
        move |failure| explain(operation, &self.options.location, key, failure)
    }
}

fn configure(options: &S3Options) -> aws_sdk_s3::Config {
    let S3Options {
        location,
        access_key_id,
        secret_access_key,
        attempts,
        haste,
        timeouts,
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
        .retry_partition(retry_partition())
        .timeout_config(timeouts.config(timeouts.request))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    builder.set_endpoint_url(location.endpoint.clone());
    builder.build()
}

/// See the module's documentation.
fn retry_partition() -> RetryPartition {
    RetryPartition::custom("materialize-s3-parquet")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// A CRC-32 as S3 writes it.
fn crc32_text(body: &PartBody) -> String {
    STANDARD.encode(body.crc32().to_be_bytes())
}

fn completed_parts(parts: &[Part]) -> CompletedMultipartUpload {
    let parts = parts.iter().zip(1..).map(|(part, number)| {
        CompletedPart::builder()
            .part_number(number)
            .e_tag(&part.etag)
            .set_checksum_crc32(part.crc32.clone())
            .build()
    });
    CompletedMultipartUpload::builder()
        .set_parts(Some(parts.collect()))
        .build()
}

fn listed(upload: MultipartUpload) -> Option<ListedUpload> {
    let initiated = upload
        .initiated
        .and_then(|time| Timestamp::new(time.secs(), time.subsec_nanos() as i32).ok());
    Some(ListedUpload {
        upload: PendingUpload {
            key: upload.key?,
            upload_id: upload.upload_id?,
        },
        initiated,
    })
}

impl ObjectStore for S3Store {
    fn location(&self) -> &Location {
        &self.options.location
    }

    fn at(&self, location: &Location) -> Self {
        Self::new(S3Options {
            location: location.clone(),
            ..S3Options::clone(&self.options)
        })
    }

    async fn create_upload(&self, key: &str, token: &str) -> Result<String> {
        let checksum =
            (self.options.checksums == Checksums::Crc32).then_some(ChecksumAlgorithm::Crc32);
        let request = self
            .client
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(key);
        let request = request
            .content_type(CONTENT_TYPE)
            .metadata(TOKEN, token)
            .set_checksum_algorithm(checksum);
        let created = request.send().await.map_err(Failure::from);
        let created =
            created.map_err(|failure| self.failed(Operation::CreateUpload, key)(&failure))?;
        created.upload_id.ok_or_else(|| {
            Error::config(format!(
                "{} created an upload without an id: it does not speak S3's protocol",
                self.location()
            ))
        })
    }

    async fn upload_part(
        &self,
        upload: &PendingUpload,
        number: u32,
        body: PartBody,
    ) -> Result<Part> {
        let PendingUpload { key, upload_id } = upload;
        let crc32 = (self.options.checksums == Checksums::Crc32).then(|| crc32_text(&body));
        let request = self
            .client
            .upload_part()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id)
            .part_number(number as i32);
        let request = request
            .set_checksum_crc32(crc32.clone())
            .body(self.payload(body))
            .customize()
            .config_override(self.within(self.options.timeouts.part));
        let request = if self.payload_is_guarded() {
            request.disable_payload_signing()
        } else {
            request
        };
        let uploaded = request.send().await.map_err(Failure::from);
        let uploaded =
            uploaded.map_err(|failure| self.failed(Operation::UploadPart, key)(&failure))?;
        let etag = uploaded.e_tag.ok_or_else(|| {
            Error::config(format!(
                "{} took a part without an ETag: it does not speak S3's protocol",
                self.location()
            ))
        })?;
        Ok(Part { etag, crc32 })
    }

    async fn complete(&self, upload: &StagedUpload) -> Result<Completion> {
        let StagedUpload {
            key,
            upload_id,
            parts,
            ..
        } = upload;
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id);
        let request = request
            .multipart_upload(completed_parts(parts))
            .customize()
            .config_override(self.within(self.options.timeouts.completion));
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(Completion::Completed),
            Err(failure) if failure.is_no_such_upload() => Ok(Completion::NoSuchUpload),
            Err(failure) if failure.is_no_such_part() => Ok(Completion::NoSuchPart),
            Err(failure) if failure.is_internal() && self.is_gone(upload).await => {
                Ok(Completion::NoSuchUpload)
            }
            Err(failure) => Err(self.failed(Operation::CompleteUpload, key)(&failure)),
        }
    }

    async fn abort(&self, upload: &PendingUpload) -> Result<()> {
        let PendingUpload { key, upload_id } = upload;
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload_id);
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_no_such_upload() => Ok(()),
            Err(failure) => Err(self.failed(Operation::AbortUpload, key)(&failure)),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        match self
            .client
            .head_object()
            .bucket(self.bucket())
            .key(key)
            .send()
            .await
            .map_err(Failure::from)
        {
            Ok(object) => {
                let token = object
                    .metadata
                    .as_ref()
                    .and_then(|metadata| metadata.get(TOKEN))
                    .cloned();
                let bytes = object
                    .content_length
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .unwrap_or_default();
                Ok(Some(ObjectInfo { bytes, token }))
            }
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(self.failed(Operation::HeadObject, key)(&failure)),
        }
    }

    async fn list_uploads(&self, prefix: &str) -> Result<Vec<ListedUpload>> {
        let mut uploads = Vec::new();
        let mut markers = (None, None);
        for _ in 0..LIST_PAGES {
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(self.bucket())
                .prefix(prefix);
            let request = request
                .set_key_marker(markers.0.clone())
                .set_upload_id_marker(markers.1.clone());
            let page = request.send().await.map_err(Failure::from);
            let page =
                page.map_err(|failure| self.failed(Operation::ListUploads, prefix)(&failure))?;
            let pending = page.uploads.unwrap_or_default().into_iter();
            uploads.extend(pending.filter_map(listed));
            let next = (page.next_key_marker, page.next_upload_id_marker);
            // A store that does not move its markers would list the same page for ever.
            if page.is_truncated != Some(true) || next == markers {
                break;
            }
            markers = next;
        }
        Ok(uploads)
    }
}

#[cfg(test)]
mod patience_tests;
#[cfg(test)]
mod tests;
