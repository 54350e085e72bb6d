//! What the store refuses, and why.

use super::Algorithm;

/// A refusal of the store. The text is what the client reads in the error's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The bucket does not exist.
    #[error("the bucket {bucket:?} does not exist; create it first")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// There is a bucket of that name.
    #[error("the bucket {bucket:?} exists already and is yours")]
    BucketExists {
        /// Its name.
        bucket: String,
    },
    /// A bucket with objects cannot be deleted.
    #[error("the bucket {bucket:?} still holds objects; delete them first")]
    BucketNotEmpty {
        /// Its name.
        bucket: String,
    },
    /// The object does not exist.
    #[error("the key {key:?} does not exist")]
    NoSuchKey {
        /// Its key.
        key: String,
    },
    /// The upload was never created, or completed, aborted or expired.
    #[error(
        "the upload {upload_id:?} does not exist for the key {key:?}; it may have been completed, \
         aborted or expired"
    )]
    NoSuchUpload {
        /// The key it was looked for under.
        key: String,
        /// Its id.
        upload_id: String,
    },
    /// The version of the object does not exist.
    #[error("the key {key:?} has no version {version:?}")]
    NoSuchVersion {
        /// The key.
        key: String,
        /// The version's id.
        version: String,
    },
    /// The version is a delete marker: there is nothing to read.
    #[error("the version {version:?} of the key {key:?} is a delete marker")]
    DeleteMarker {
        /// The key.
        key: String,
        /// The version's id.
        version: String,
    },
    /// The source of a copy is another than the request says.
    #[error(
        "the source {key:?} has the ETag {etag:?}, which is not that of x-amz-copy-source-if-match"
    )]
    SourceChanged {
        /// The source's key.
        key: String,
        /// The `ETag` it has, without quotes.
        etag: String,
    },
    /// A copy onto itself that would change nothing.
    #[error("the copy of {key:?} onto itself would change nothing; replace its metadata")]
    CopyOntoItself {
        /// The key.
        key: String,
    },
    /// An upload cannot be completed, and the server does not say why.
    #[error("a completion of the upload {upload_id:?} is already in progress")]
    AlreadyCompleting {
        /// The upload's id.
        upload_id: String,
    },
    /// A part number outside 1 to 10,000.
    #[error("part number {number} is not between 1 and 10000")]
    PartNumber {
        /// The number.
        number: i32,
    },
    /// A completion that names no part.
    #[error("a completion must name at least one part")]
    NoParts,
    /// A completion names a part that was not uploaded, or another `ETag` or checksum than it was
    /// uploaded with.
    #[error("part {number} was not uploaded, or its ETag or checksum is another")]
    InvalidPart {
        /// Its number.
        number: i32,
    },
    /// A completion's parts must ascend.
    #[error("the parts are not in ascending order: part {number} comes too late")]
    InvalidPartOrder {
        /// The first number that is not greater than the one before.
        number: i32,
    },
    /// A part other than the last is too small.
    #[error("part {number} has {length} bytes; every part but the last needs at least {minimum}")]
    EntityTooSmall {
        /// Its number.
        number: i32,
        /// Its length in bytes.
        length: u64,
        /// The least there may be, in bytes.
        minimum: u64,
    },
    /// Parts of unequal length where the rules ask for equal ones.
    #[error(
        "part {number} has another length than the first; all parts but the last must be equal"
    )]
    UnequalParts {
        /// The first that differs.
        number: i32,
    },
    /// The key exists, and the request said that it must not.
    #[error("the key {key:?} exists already, and If-None-Match: * forbids to overwrite it")]
    Exists {
        /// The key.
        key: String,
    },
    /// The upload declared a checksum algorithm that this part (or its claim at completion) does
    /// not follow.
    #[error(
        "the upload was created with {declared}: part {number} must carry a checksum of that \
         algorithm"
    )]
    ChecksumMissing {
        /// The part's number.
        number: i32,
        /// What the upload declared.
        declared: Algorithm,
    },
}
