//! The real object store: S3, and what speaks its protocol, through the AWS SDK.
//!
//! Decided on purpose:
//!
//! * **Checksums.** We give each part's CRC-32 in a header and again at completion, which AWS,
//!   MinIO, Ceph and R2 take. The SDK's own (trailers in chunked bodies) are off, because some
//!   stores cannot read them.
//! * **Payloads are not hashed** for the signature where something else guards the bytes: TLS, or
//!   the part's CRC-32, whose header is signed. Only with `checksums: none` over plain HTTP they
//!   are.
//! * **Timeouts** for connecting, each attempt and the whole operation, so that nothing ever hangs;
//!   the SDK's standard retries with jittered backoff in between. The SDK would also end a transfer
//!   that does not move for some seconds, and so every attempt over a line on which a page takes as
//!   long.
//! * **Parts, objects and copies** are tried again by us, because their time depends on what else
//!   is on its way ([`Line`]), and because a copy is looked for before it is repeated.
//! * **Every request has its attempts.** The SDK would have all requests share a budget of retries,
//!   of which the last of 16 completions would find nothing left after an outage. Their number at
//!   once is what bounds us.
//! * **A completion that is refused for good** is `NoSuchUpload` nearly everywhere. Ceph answers
//!   500 `InternalError` ("already in progress") whenever it has no such upload (any more), so
//!   after that answer we ask for the upload itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, MetadataDirective,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::content_length::with_content_length;
use super::error::{Failure, Operation, explain};
use super::line::Line;
use super::timeouts::Limit;
use super::{
    Completion, ContentType, Copied, Marker, ObjectInfo, ObjectStore, Page, PartBody,
    PendingUpload, Written,
};
use crate::checkpoint::{Location, Part, StagedObject, StagedUpload};
use crate::config::Checksums;
use crate::error::{Error, Result};
use crate::keys::token_of;

mod backoff;
mod client;

pub(super) use backoff::Backoff;
pub use client::S3Options;

/// How often a request is tried, all in all, while a task runs: retries take a minute at most,
/// besides the requests themselves.
pub const ATTEMPTS: u32 = 8;

/// How often a request is tried by Validate and Apply, where a user waits for the answer.
pub const CHECK_ATTEMPTS: u32 = 3;

/// The name of the metadata that hold an upload's token.
const TOKEN: &str = "token";

/// The bytes per second that a line to a store carries at least, over all parts on their way.
const LINE_BYTES_PER_SECOND: u64 = 70_000;

/// The bytes per second that a store copies at least, over all copies that run.
const COPY_BYTES_PER_SECOND: u64 = 4_000_000;

/// A bucket behind S3's protocol.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    options: Arc<S3Options>,
    uploads: Arc<Line>,
    copies: Arc<Line>,
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
        let speed = |bytes_per_second| options.haste.hasten(bytes_per_second);
        Self {
            client: client::client(&options),
            uploads: Arc::new(Line::new(speed(LINE_BYTES_PER_SECOND))),
            copies: Arc::new(Line::new(speed(COPY_BYTES_PER_SECOND))),
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

    /// A body for the SDK, which can only hash for the signature what is in one piece.
    fn payload(&self, body: &PartBody) -> ByteStream {
        if !self.payload_is_guarded() {
            return ByteStream::from(body.clone().into_bytes());
        }
        let body = body.clone();
        let stream = move || SdkBody::from_body_1_x(body.stream());
        ByteStream::new(SdkBody::retryable(stream))
    }

    fn crc32(&self, body: &PartBody) -> Option<String> {
        (self.options.checksums == Checksums::Crc32).then(|| crc32_text(body))
    }

    fn within(&self, limit: Limit) -> Builder {
        client::within(&self.options.timeouts, limit)
    }

    fn once(&self) -> Builder {
        client::once(self.options.timeouts.connect)
    }

    /// Sends `bytes`, as often as it takes and there are attempts.
    async fn transfer<T, F>(
        &self,
        key: &str,
        bytes: u64,
        attempt: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let limit = self.options.timeouts.part;
        let mut backoff = Backoff::new(key, self.options.haste);
        let began = Instant::now();
        let mut number = 1;
        loop {
            let sent = self.uploads.attempt(bytes, limit.attempt, attempt()).await;
            let failure = match sent.unwrap_or_else(|| Err(Failure::timeout())) {
                Ok(sent) => return Ok(sent),
                Err(failure) => failure,
            };
            let is_last = number >= self.options.attempts || began.elapsed() >= limit.operation;
            if is_last || !failure.is_transient() {
                return Err(failure);
            }
            sleep(backoff.next_pause()).await;
            number += 1;
        }
    }

    /// Whether S3 says plainly that it has no such upload. What else it may answer, or refuse to,
    /// proves nothing.
    async fn is_gone(&self, key: &str, upload: &StagedUpload) -> bool {
        let parts = self
            .client
            .list_parts()
            .bucket(self.bucket())
            .key(key)
            .upload_id(&upload.upload_id)
            .max_parts(1);
        let failure = parts.send().await.map_err(Failure::from).err();
        failure.is_some_and(|failure| failure.is_no_such_upload())
    }

    /// Whether the answer that a failure tells of is MinIO's. An answer that passes, and none at
    /// all, is an error.
    fn is_of_minio(&self, operation: Operation, key: &str, failure: &Failure) -> Result<bool> {
        if failure.transport.is_some() || failure.is_transient() {
            return Err(self.failed(operation, key)(failure));
        }
        Ok(failure.is_of_minio)
    }

    fn failed(&self, operation: Operation, key: &str) -> impl Fn(&Failure) -> Error {
        move |failure| explain(operation, &self.options.location, key, failure)
    }

    fn no_etag(&self, of: &str) -> Error {
        Error::config(format!(
            "{} took {of} without an ETag: it does not speak S3's protocol",
            self.options.location
        ))
    }
}

/// The token as metadata, by which connectors of version 0.1 know that an upload made an object: a
/// task may go back to one.
fn metadata(key: &str) -> Option<HashMap<String, String>> {
    token_of(key).map(|token| HashMap::from([(TOKEN.to_owned(), token)]))
}

/// A CRC-32 as S3 writes it.
fn crc32_text(body: &PartBody) -> String {
    STANDARD.encode(body.crc32().to_be_bytes())
}

impl ContentType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Json => "application/json",
        }
    }
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

/// The source of a copy as its header wants it: bucket and key, percent-encoded but for slashes,
/// and the version.
fn copy_source(bucket: &str, from: &StagedObject) -> String {
    let source = format!("{bucket}/{}", percent_encoded(&from.key));
    match &from.version {
        Some(version) => format!("{source}?versionId={}", percent_encoded(version)),
        None => source,
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

fn written(etag: Option<String>, version: Option<String>) -> Option<Written> {
    // Stores without versions answer `null` where they answer at all.
    let version = version.filter(|version| version != "null");
    etag.map(|etag| Written { etag, version })
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

    async fn is_minio(&self, key: &str) -> Result<bool> {
        let request = self.client.head_object().bucket(self.bucket()).key(key);
        let Err(failure) = request.send().await.map_err(Failure::from) else {
            // Nothing is under such a key, so whatever answers so is not to be judged.
            return Ok(false);
        };
        let is_minio = self.is_of_minio(Operation::HeadObject, key, &failure)?;
        if failure.has_request_id {
            return Ok(is_minio);
        }
        // An answer to HEAD has no body, and not every store gives request ids; but errors have a
        // form.
        let request = self.client.get_object().bucket(self.bucket()).key(key);
        let Err(failure) = request.send().await.map_err(Failure::from) else {
            return Ok(false);
        };
        self.is_of_minio(Operation::GetObject, key, &failure.of_s3())
    }

    async fn create_upload(&self, key: &str) -> Result<String> {
        let checksum =
            (self.options.checksums == Checksums::Crc32).then_some(ChecksumAlgorithm::Crc32);
        let request = self
            .client
            .create_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .content_type(ContentType::Parquet.as_str())
            .set_metadata(metadata(key))
            .set_checksum_algorithm(checksum)
            .customize();
        let created = with_content_length(request)
            .send()
            .await
            .map_err(Failure::from);
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
        let crc32 = self.crc32(&body);
        let attempt = || async {
            let request = self
                .client
                .upload_part()
                .bucket(self.bucket())
                .key(key)
                .upload_id(upload_id)
                .part_number(number as i32)
                .set_checksum_crc32(crc32.clone())
                .body(self.payload(&body))
                .customize()
                .config_override(self.once());
            let request = if self.payload_is_guarded() {
                request.disable_payload_signing()
            } else {
                request
            };
            request.send().await.map_err(Failure::from)
        };
        let uploaded = self
            .transfer(upload_id, body.bytes() as u64, attempt)
            .await
            .map_err(|failure| self.failed(Operation::UploadPart, key)(&failure))?;
        let etag = uploaded.e_tag.ok_or_else(|| self.no_etag("a part"))?;
        Ok(Part { etag, crc32 })
    }

    async fn complete(&self, key: &str, upload: &StagedUpload) -> Result<Completion> {
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(self.bucket())
            .key(key)
            .upload_id(&upload.upload_id)
            .multipart_upload(completed_parts(&upload.parts))
            .customize()
            .config_override(self.within(self.options.timeouts.completion));
        match request.send().await.map_err(Failure::from) {
            Ok(completed) => {
                let written = written(completed.e_tag, completed.version_id);
                Ok(Completion::Completed(written.unwrap_or_default()))
            }
            Err(failure) if failure.is_no_such_upload() => Ok(Completion::NoSuchUpload),
            Err(failure) if failure.is_no_such_part() => Ok(Completion::NoSuchPart),
            Err(failure) if failure.is_internal() && self.is_gone(key, upload).await => {
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

    async fn put(&self, key: &str, body: PartBody, content_type: ContentType) -> Result<Written> {
        let crc32 = self.crc32(&body);
        let attempt = || async {
            let request = self
                .client
                .put_object()
                .bucket(self.bucket())
                .key(key)
                .content_type(content_type.as_str())
                .set_checksum_crc32(crc32.clone())
                .body(self.payload(&body))
                .customize()
                .config_override(self.once());
            let request = if self.payload_is_guarded() {
                request.disable_payload_signing()
            } else {
                request
            };
            request.send().await.map_err(Failure::from)
        };
        let put = self
            .transfer(key, body.bytes() as u64, attempt)
            .await
            .map_err(|failure| self.failed(Operation::PutObject, key)(&failure))?;
        written(put.e_tag, put.version_id).ok_or_else(|| self.no_etag("an object"))
    }

    async fn copy(&self, from: &StagedObject, bytes: u64, key: &str) -> Result<Copied> {
        let request = self
            .client
            .copy_object()
            .bucket(self.bucket())
            .key(key)
            .copy_source(copy_source(self.bucket(), from))
            .copy_source_if_match(&from.etag)
            .metadata_directive(MetadataDirective::Replace)
            .content_type(ContentType::Parquet.as_str())
            .customize()
            .config_override(self.once());
        let request = with_content_length(request);
        let limit = self.options.timeouts.copy;
        let attempt = async { request.send().await.map_err(Failure::from) };
        let copied = self.copies.attempt(bytes, limit, attempt).await;
        match copied
            .unwrap_or_else(|| Err(Failure::timeout()))
            .map_err(Failure::of_s3)
        {
            Ok(_) => Ok(Copied::Done),
            Err(failure) if failure.is_no_source() => Ok(Copied::NoSource),
            Err(failure) => Err(self.failed(Operation::CopyObject, key)(&failure)),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        let request = self.client.head_object().bucket(self.bucket()).key(key);
        match request.send().await.map_err(Failure::from) {
            Ok(object) => {
                let bytes = object
                    .content_length
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .unwrap_or_default();
                let written = written(object.e_tag, object.version_id).unwrap_or_default();
                Ok(Some(ObjectInfo { bytes, written }))
            }
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(self.failed(Operation::HeadObject, key)(&failure)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let request = self.client.get_object().bucket(self.bucket()).key(key);
        let object = match request
            .send()
            .await
            .map_err(|error| Failure::from(error).of_s3())
        {
            Ok(object) => object,
            Err(failure) if failure.is_no_such_key() => return Ok(None),
            Err(failure) => return Err(self.failed(Operation::GetObject, key)(&failure)),
        };
        let bytes =
            object.body.collect().await.map_err(|error| {
                self.failed(Operation::GetObject, key)(&Failure::broken(&error))
            })?;
        Ok(Some(bytes.into_bytes()))
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<()> {
        let request = self
            .client
            .delete_object()
            .bucket(self.bucket())
            .key(key)
            .set_version_id(version.map(str::to_owned));
        match request.send().await.map_err(Failure::from) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_not_found() => Ok(()),
            Err(failure) => Err(self.failed(Operation::DeleteObject, key)(&failure)),
        }
    }

    async fn list_uploads(
        &self,
        prefix: &str,
        from: Option<Marker>,
    ) -> Result<Page<PendingUpload>> {
        let (key, upload_id) = from
            .clone()
            .map_or((None, None), |marker| (Some(marker.key), marker.upload_id));
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_key_marker(key)
            .set_upload_id_marker(upload_id);
        let page = request.send().await.map_err(Failure::from);
        let page = page.map_err(|failure| self.failed(Operation::ListUploads, prefix)(&failure))?;
        let items = page.uploads.unwrap_or_default().into_iter();
        let items = items.filter_map(|upload| {
            Some(PendingUpload {
                key: upload.key?,
                upload_id: upload.upload_id?,
            })
        });
        let next = page.next_key_marker.map(|key| Marker {
            key,
            upload_id: page.next_upload_id_marker,
        });
        Ok(Page {
            items: items.collect(),
            next: next_page(page.is_truncated, from.as_ref(), next),
        })
    }

    async fn list_objects(&self, prefix: &str, from: Option<Marker>) -> Result<Page<String>> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_continuation_token(from.clone().map(|marker| marker.key));
        let page = request.send().await.map_err(Failure::from);
        let page = page.map_err(|failure| self.failed(Operation::ListObjects, prefix)(&failure))?;
        let keys = page.contents.unwrap_or_default().into_iter();
        let next = page.next_continuation_token.map(|key| Marker {
            key,
            upload_id: None,
        });
        Ok(Page {
            items: keys.filter_map(|object| object.key).collect(),
            next: next_page(page.is_truncated, from.as_ref(), next),
        })
    }
}

/// The next page, unless the store does not move its markers, and would list the same for ever.
fn next_page(
    is_truncated: Option<bool>,
    from: Option<&Marker>,
    next: Option<Marker>,
) -> Option<Marker> {
    next.filter(|_| is_truncated == Some(true))
        .filter(|next| from != Some(next))
}

#[cfg(test)]
mod patience_tests;
#[cfg(test)]
mod tests;
