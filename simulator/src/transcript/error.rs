//! Why a recording cannot be read or written.

/// The transcripts' result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or folder cannot be used.
    #[error("the recording {path}: {source}")]
    File {
        /// Where.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is none of a recording.
    #[error("the recording {path}, line {line}: {what}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong, and what should stand there.
        what: String,
    },
    /// There is nothing in it.
    #[error(
        "the recording {0} has no message; record one with `flow-sim record --to FILE -- \
         CONNECTOR`"
    )]
    Empty(String),
    /// A place in a configuration was not named by a JSON pointer.
    #[error(
        "`{0}` is no JSON pointer: write one such as /credentials/password, with `*` for any name \
         or index"
    )]
    Pointer(String),
}
