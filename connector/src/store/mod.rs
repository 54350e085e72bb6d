//! Objects in S3: staged part by part where nobody sees them, then made visible exactly once.
//!
//! [`ObjectStore`] is the one seam that tests replace; everything above it (streaming, completion, clean-up) is written
//! against the trait. [`S3Store`] is the real thing.

mod check;
mod cleanup;
mod complete;
mod content_length;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod haste;
mod http_client;
mod part_body;
mod parts;
mod s3;
mod timeouts;
mod upload;

use std::future::Future;

use jiff::Timestamp;

pub use check::check;
pub use cleanup::{abort_all, abort_stale};
pub use complete::{CompleteOptions, Entry, Outcome, complete_all};
pub use haste::Haste;
pub use http_client::http_client;
pub use part_body::PartBody;
pub use parts::{PART_BYTES, PartLimits, PartPool, PartWriter};
pub use s3::{ATTEMPTS, CHECK_ATTEMPTS, S3Options, S3Store};
pub use timeouts::{Limit, Timeouts};
pub use upload::{FinishedUpload, Upload};

use crate::checkpoint::{Location, Part, StagedUpload};
use crate::error::Result;

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingUpload {
    /// The key of the object it would become.
    pub key: String,
    /// Its id.
    pub upload_id: String,
}

/// A pending upload as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The upload.
    pub upload: PendingUpload,
    /// When it was created, by the store's clock; `None` where the store does not say.
    pub initiated: Option<Timestamp>,
}

impl From<&StagedUpload> for PendingUpload {
    fn from(staged: &StagedUpload) -> Self {
        Self {
            key: staged.key.clone(),
            upload_id: staged.upload_id.clone(),
        }
    }
}

/// What a store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its size in bytes.
    pub bytes: u64,
    /// The token of the upload that made it, where it carries one.
    pub token: Option<String>,
}

/// How a store answered a completion that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there now.
    Completed,
    /// There is no such upload (any more): it was completed earlier, or aborted.
    NoSuchUpload,
    /// The upload is there, and parts of it are not (any more): a completion is running, or was cut off by a crash of the server.
    NoSuchPart,
}

/// One bucket of an object store. Clones are cheap and talk to the same bucket.
///
/// Every error is final: what a retry can mend has been retried. Its message names the bucket and what the user can do.
pub trait ObjectStore: Clone + Send + Sync + 'static {
    /// Where this is.
    fn location(&self) -> &Location;

    /// The same store, with the same credentials, for another place.
    #[must_use]
    fn at(&self, location: &Location) -> Self;

    /// Begins a multipart upload of a Parquet file and returns its id. The object will carry `token` as metadata.
    fn create_upload(&self, key: &str, token: &str) -> impl Future<Output = Result<String>> + Send;

    /// Uploads a part; the first has number 1.
    fn upload_part(
        &self,
        upload: &PendingUpload,
        number: u32,
        body: PartBody,
    ) -> impl Future<Output = Result<Part>> + Send;

    /// Makes the object visible. The upload's own location is not looked at.
    fn complete(&self, upload: &StagedUpload) -> impl Future<Output = Result<Completion>> + Send;

    /// Throws an upload and its parts away; that it is gone already is no error.
    fn abort(&self, upload: &PendingUpload) -> impl Future<Output = Result<()>> + Send;

    /// What stands under a key; `None` where nothing does.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<ObjectInfo>>> + Send;

    /// The pending uploads whose keys begin with `prefix`, as far as the store tells.
    fn list_uploads(&self, prefix: &str) -> impl Future<Output = Result<Vec<ListedUpload>>> + Send;
}
