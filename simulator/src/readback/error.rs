//! Why files could not be read back; a difference is no error, but a finding.

/// The read-back's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why files could not be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store refused a request.
    #[error("reading the bucket back: cannot {operation} `{name}`: {message}")]
    Store {
        /// What was tried.
        operation: &'static str,
        /// The prefix or key.
        name: String,
        /// What the store said.
        message: String,
    },
    /// A fetched file could not be kept.
    #[error("keeping the fetched file {path}: {source}")]
    File {
        /// Where.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// DuckDB could not read a file.
    #[error("DuckDB cannot read {name}: {source}")]
    DuckDb {
        /// The file, or what was asked.
        name: String,
        /// What DuckDB said.
        source: duckdb::Error,
    },
    /// The specification and the rows do not belong together.
    #[error("what was sent does not match its specification: {0}")]
    Specification(String),
}
