//! Why a run came to no report, and the exit status that says so.

use crate::catalog::{BuildError, CatalogError};
use crate::container::ContainerError;
use crate::{readback, runtime, s3};

/// A run's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run came to no report. A difference between what was sent and what was found is no error, but part of the report.
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
    #[error("the folder for the files: {0}")]
    Folder(std::io::Error),
}

impl Error {
    /// The exit status: 2 for what the user asked for, 1 for what came of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Catalog(_) | Self::Documents(_) => 2,
            _ => 1,
        }
    }
}
