//! Why a run came to no report, and the exit status that says so.

use crate::catalog::{BuildError, CatalogError};
use crate::container::ContainerError;
use crate::status::Status;
use crate::{readback, runtime, s3};

/// A run's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run came to no report. A difference between what was sent and what was found is no error,
/// but part of the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The catalog is wrong.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The documents are wrong.
    #[error("{0}")]
    Documents(String),
    /// Documents name a collection that the catalog does not have.
    #[error("{0}")]
    UnknownCollection(String),
    /// A document does not fit the schema that its collection is read by.
    #[error("{0}")]
    InvalidDocument(String),
    /// The specification cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The connector failed, or broke the protocol.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The files could not be read back.
    #[error(transparent)]
    ReadBack(#[from] readback::Error),
    /// The embedded S3 server did not start.
    #[error(transparent)]
    Server(#[from] s3::ServerError),
    /// A server in a container did not start.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The bucket cannot be used.
    #[error("cannot {operation} the bucket `{name}` at {endpoint}: {message}")]
    Bucket {
        /// What was tried.
        operation: &'static str,
        /// The bucket.
        name: String,
        /// The server.
        endpoint: String,
        /// What the server said.
        message: String,
    },
    /// A folder of this machine cannot be used.
    #[error("the folder {path} for the files: {source}")]
    Folder {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit status that says so.
    pub fn status(&self) -> Status {
        match self {
            Self::Usage(_) | Self::Catalog(_) | Self::Documents(_) => Status::Usage,
            Self::UnknownCollection(_) => Status::UnknownCollection,
            Self::InvalidDocument(_) => Status::InvalidDocument,
            Self::Folder { .. } | Self::ReadBack(readback::Error::File { .. }) => {
                Status::NotWritten
            }
            _ => Status::Failed,
        }
    }
}
