//! From the store's types to S3's and back.

use jiff::Timestamp;
use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::s3::state::{Attributes, StoreError};

/// The checksum that a request's input (or a part of it) carries, out of its five fields.
macro_rules! checksum_of {
    ($input:expr) => {{
        use $crate::s3::state::Algorithm;
        $crate::s3::service::convert::only_checksum([
            (Algorithm::Crc32, $input.checksum_crc32.as_ref()),
            (Algorithm::Crc32c, $input.checksum_crc32c.as_ref()),
            (Algorithm::Crc64Nvme, $input.checksum_crc64nvme.as_ref()),
            (Algorithm::Sha1, $input.checksum_sha1.as_ref()),
            (Algorithm::Sha256, $input.checksum_sha256.as_ref()),
        ])
    }};
}

/// Sets the one of an output's five fields that a checksum belongs into.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some($crate::s3::state::Checksum { algorithm, value }) = $checksum.cloned() {
            use $crate::s3::state::Algorithm;
            match algorithm {
                Algorithm::Crc32 => $output.checksum_crc32 = Some(value),
                Algorithm::Crc32c => $output.checksum_crc32c = Some(value),
                Algorithm::Crc64Nvme => $output.checksum_crc64nvme = Some(value),
                Algorithm::Sha1 => $output.checksum_sha1 = Some(value),
                Algorithm::Sha256 => $output.checksum_sha256 = Some(value),
            }
        }
    };
}

/// Refuses the fields of an input that the server does not implement, rather than to ignore them.
/// The gate logs it.
macro_rules! refuse_fields {
    ($input:expr, $($field:ident),* $(,)?) => {
        $(
            if $input.$field.is_some() {
                let field = stringify!($field);
                return Err(s3s::s3_error!(NotImplemented, "{field} is not implemented by this server"));
            }
        )*
    };
}

pub(super) use {checksum_of, refuse_fields, set_checksum};

use crate::s3::state::{Algorithm, Checksum};

/// At most one checksum may be given.
pub(super) fn only_checksum(
    given: [(Algorithm, Option<&String>); 5],
) -> S3Result<Option<Checksum>> {
    let mut checksums = given.into_iter().filter_map(|(algorithm, value)| {
        let value = value?.clone();
        Some(Checksum { algorithm, value })
    });
    let first = checksums.next();
    if checksums.next().is_some() {
        return Err(s3_error!(
            InvalidRequest,
            "expecting a single x-amz-checksum- header; several were sent"
        ));
    }
    Ok(first)
}

/// The algorithm an upload declares; one that does not exist is an error.
pub(super) fn algorithm(name: Option<&str>) -> S3Result<Option<Algorithm>> {
    let find = |name: &str| {
        Algorithm::from_name(name)
            .ok_or_else(|| s3_error!(InvalidRequest, "there is no checksum algorithm {name:?}"))
    };
    name.map(find).transpose()
}

/// Whether `If-None-Match` asks that the key be new. Only `*` can be asked for when writing.
pub(super) fn must_be_new(condition: Option<&ETagCondition>) -> S3Result<bool> {
    match condition {
        None => Ok(false),
        Some(condition) if condition.is_any() => Ok(true),
        Some(_) => Err(s3_error!(
            NotImplemented,
            "when writing, If-None-Match must be *"
        )),
    }
}

/// Only the standard class exists.
pub(super) fn check_storage_class(class: Option<&str>) -> S3Result<()> {
    match class {
        None | Some("STANDARD") => Ok(()),
        Some(class) => Err(s3_error!(
            InvalidStorageClass,
            "the storage class {class:?} does not exist here"
        )),
    }
}

/// What a client sends beside the bytes.
pub(super) fn attributes(
    content_type: Option<String>,
    metadata: Option<s3s::dto::Metadata>,
) -> Attributes {
    Attributes {
        content_type,
        metadata: metadata.into_iter().flatten().collect(),
    }
}

pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

pub(super) fn timestamp(time: Timestamp) -> s3s::dto::Timestamp {
    std::time::SystemTime::from(time).into()
}

/// A page's size: at most 1,000, as everywhere in S3.
pub(super) fn page_limit(asked: Option<i32>) -> S3Result<usize> {
    let asked = asked.unwrap_or(1000);
    let limit = usize::try_from(asked)
        .map_err(|_| s3_error!(InvalidArgument, "a page cannot hold {asked} entries"))?;
    Ok(limit.min(1000))
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::NoSuchBucket { .. } => S3ErrorCode::NoSuchBucket,
            StoreError::BucketExists { .. } => S3ErrorCode::BucketAlreadyOwnedByYou,
            StoreError::BucketNotEmpty { .. } => S3ErrorCode::BucketNotEmpty,
            StoreError::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
            StoreError::NoSuchUpload { .. } => S3ErrorCode::NoSuchUpload,
            StoreError::PartNumber { .. } => S3ErrorCode::InvalidArgument,
            StoreError::NoParts => S3ErrorCode::MalformedXML,
            StoreError::InvalidPart { .. } | StoreError::UnequalParts { .. } => {
                S3ErrorCode::InvalidPart
            }
            StoreError::InvalidPartOrder { .. } => S3ErrorCode::InvalidPartOrder,
            StoreError::EntityTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            StoreError::Exists { .. } | StoreError::SourceChanged { .. } => {
                S3ErrorCode::PreconditionFailed
            }
            StoreError::ChecksumMissing { .. } | StoreError::CopyOntoItself { .. } => {
                S3ErrorCode::InvalidRequest
            }
            StoreError::NoSuchVersion { .. } => S3ErrorCode::NoSuchVersion,
            StoreError::DeleteMarker { .. } => S3ErrorCode::MethodNotAllowed,
            StoreError::AlreadyCompleting { .. } => S3ErrorCode::InternalError,
        };
        Self::with_message(code, error.to_string())
    }
}
