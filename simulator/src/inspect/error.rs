//! Why files could not be inspected.

use std::io::ErrorKind;

use crate::readback;
use crate::status::Status;

/// The inspection's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why files could not be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no Parquet file.
    #[error("{name} is no Parquet file, or a broken one: {source}")]
    Parquet {
        /// Which.
        name: String,
        /// What is wrong with it.
        source: parquet::errors::ParquetError,
    },
    /// The bucket cannot be listed.
    #[error("cannot list s3://{bucket}/{prefix}: {message}")]
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
        /// What the store said.
        message: String,
    },
    /// Files could not be fetched, or their rows not be read.
    #[error(transparent)]
    ReadBack(#[from] readback::Error),
}

impl Error {
    /// The exit status that says so.
    pub fn status(&self) -> Status {
        match self {
            Self::Usage(_) => Status::Usage,
            Self::File { source, .. } if source.kind() == ErrorKind::NotFound => Status::Usage,
            Self::Parquet { .. } => Status::BrokenFile,
            _ => Status::Failed,
        }
    }
}
