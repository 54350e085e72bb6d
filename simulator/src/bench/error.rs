//! Why a benchmark came to no result.

use std::path::Path;

use crate::extract::UnknownField;
use crate::{catalog, readback, run, runtime};

/// A benchmark's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a benchmark came to no result. One that came to a bad result is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The catalog that the benchmark makes is not one.
    #[error("the benchmark's own catalog: {0}; this is a bug of the simulator's")]
    Catalog(#[from] catalog::CatalogError),
    /// The schema that the benchmark makes is not one.
    #[error("the benchmark's own schema: {0}; this is a bug of the simulator's")]
    Schema(#[from] crate::schema::SchemaError),
    /// The connector's answer to Validate does not fit.
    #[error(transparent)]
    Build(#[from] catalog::BuildError),
    /// The connector's answer to Validate selects what is not there.
    #[error(transparent)]
    Field(#[from] UnknownField),
    /// The connector takes other fields than those that DuckDB is given.
    #[error(
        "the connector takes {found} fields of the shape `{shape}` by default, and the benchmark \
         means {expected}"
    )]
    Fields {
        /// The shape.
        shape: &'static str,
        /// How many it takes.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The connector failed, or broke the protocol.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] run::Error),
    /// The files could not be read back.
    #[error(transparent)]
    ReadBack(#[from] readback::Error),
    /// DuckDB refused what it was asked.
    #[error("DuckDB: {0}")]
    DuckDb(#[from] duckdb::Error),
    /// The files do not hold what was sent.
    #[error("{contender} wrote something else than was sent: {difference}")]
    Different {
        /// Who wrote it.
        contender: String,
        /// What differs.
        difference: String,
    },
    /// A file of the benchmark's own cannot be written or read.
    #[error("the benchmark's file {path}: {source}; TMPDIR says where such files go")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A process of the benchmark's own is not as it should be.
    #[error("{process}: {source}")]
    Process {
        /// What process.
        process: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }

    pub(super) fn process(process: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Process { process, source }
    }
}
