//! Objects in S3: staged where nobody takes them for files, then made visible exactly once.
//!
//! [`ObjectStore`] is the one seam that tests replace; everything above it (streaming, the two ways
//! to commit, clean-up) is written against the trait. [`S3Store`] is the real thing.

mod check;
mod choose;
mod cleanup;
mod content_length;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod haste;
mod http_client;
mod line;
mod outcome;
mod part_body;
mod parts;
mod places;
mod publish;
mod receipt;
mod s3;
mod timeouts;
mod upload;
mod way;

use std::future::Future;

use bytes::Bytes;

pub use check::{Trial, check};
pub use choose::{Choice, choose};
pub use cleanup::{LeftBehind, Prefixes, clean_up, discard_all};
pub use haste::Haste;
pub use http_client::http_client;
pub use outcome::Outcome;
pub use part_body::PartBody;
pub use parts::{PART_BYTES, PartLimits, PartPool, PartWriter};
pub use publish::{Entry, PublishOptions, Published, publish};
pub use s3::{ATTEMPTS, CHECK_ATTEMPTS, S3Options, S3Store};
pub use timeouts::{Limit, Timeouts};
pub use upload::{FinishedUpload, Upload, abort_uploads};
pub use way::{Target, Way};

use crate::checkpoint::{Location, Part, StagedObject, StagedUpload};
use crate::error::Result;

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingUpload {
    /// The key of the object that it would become.
    pub key: String,
    /// Its id.
    pub upload_id: String,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entries, in the store's order.
    pub items: Vec<T>,
    /// The place where the next page begins; `None` where there is none.
    pub next: Option<Marker>,
}

/// The place where a page of a listing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The key marker of uploads, or the continuation token of objects.
    pub key: String,
    /// The upload id marker.
    pub upload_id: Option<String>,
}

/// An object as the store describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its entity tag and version.
    pub written: Written,
}

/// The identity that a store gives to an object that it has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The entity tag, exactly as S3 gave it.
    pub etag: String,
    /// The version, where the bucket has versions.
    pub version: Option<String>,
}

/// The answer to a completion that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there now.
    Completed(Written),
    /// There is no such upload (any more): it was completed earlier, or aborted.
    NoSuchUpload,
    /// The upload is there, and parts of it are not (any more): a completion is running, or the
    /// store has lost them.
    NoSuchPart,
}

/// The answer to a copy that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The object is there now.
    Done,
    /// The staged object is not there (any more), or it is another one.
    NoSource,
}

/// The content type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// A Parquet file.
    Parquet,
    /// A receipt.
    Json,
}

/// One bucket of an object store. Clones are cheap and talk to the same bucket.
///
/// Every error is final: where a retry can mend something, it was retried, but for copies. Its
/// message names the bucket and says what the user can do.
pub trait ObjectStore: Clone + Send + Sync + 'static {
    /// The bucket, and where it is.
    fn location(&self) -> &Location;

    /// The same store, with the same credentials, for another place.
    #[must_use]
    fn at(&self, location: &Location) -> Self;

    /// Whether the server is MinIO, as its answer to a HEAD of `key` says, which should not be
    /// there.
    fn is_minio(&self, key: &str) -> impl Future<Output = Result<bool>> + Send;

    /// Begins a multipart upload of a Parquet file and returns its id.
    fn create_upload(&self, key: &str) -> impl Future<Output = Result<String>> + Send;

    /// Uploads a part; the first has number 1.
    fn upload_part(
        &self,
        upload: &PendingUpload,
        number: u32,
        body: PartBody,
    ) -> impl Future<Output = Result<Part>> + Send;

    /// Makes an object of the parts of an upload under `key`.
    fn complete(
        &self,
        key: &str,
        upload: &StagedUpload,
    ) -> impl Future<Output = Result<Completion>> + Send;

    /// Throws an upload and its parts away; an upload that is gone already is no error.
    fn abort(&self, upload: &PendingUpload) -> impl Future<Output = Result<()>> + Send;

    /// Writes a whole object.
    fn put(
        &self,
        key: &str,
        body: PartBody,
        content_type: ContentType,
    ) -> impl Future<Output = Result<Written>> + Send;

    /// Copies a staged object of `bytes` to `key`, as it was written. Tries once: whether to try
    /// again depends on what stands under the key then.
    fn copy(
        &self,
        from: &StagedObject,
        bytes: u64,
        key: &str,
    ) -> impl Future<Output = Result<Copied>> + Send;

    /// Describes the object under a key; `None` where there is none.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<ObjectInfo>>> + Send;

    /// Reads a small object whole; `None` where there is none.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// Deletes an object, or the one version of it that is given.
    fn delete(&self, key: &str, version: Option<&str>) -> impl Future<Output = Result<()>> + Send;

    /// Lists the pending uploads whose keys begin with `prefix`, as far as the store tells.
    fn list_uploads(
        &self,
        prefix: &str,
        from: Option<Marker>,
    ) -> impl Future<Output = Result<Page<PendingUpload>>> + Send;

    /// Lists the keys of the objects that begin with `prefix`.
    fn list_objects(
        &self,
        prefix: &str,
        from: Option<Marker>,
    ) -> impl Future<Output = Result<Page<String>>> + Send;
}
