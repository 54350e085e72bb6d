//! Why a replay came to no outcome.

use crate::status::Status;
use crate::{run, runtime, transcript};

/// The replay's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a replay came to no outcome. A difference from the recording is no error, but part of the
/// outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The recording cannot be read.
    #[error(transparent)]
    Transcript(#[from] transcript::Error),
    /// The rules cannot be read.
    #[error("the rules: {0}")]
    Rules(String),
    /// The connector did not start.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] run::Error),
    /// What the recording has in a place of its own is not what belongs there.
    #[error("{file}, line {line}: {what}")]
    Recording {
        /// The recording.
        file: String,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    /// The exit status that says so.
    pub fn status(&self) -> Status {
        match self {
            Self::Transcript(_) | Self::Rules(_) | Self::Recording { .. } => Status::Usage,
            Self::Bucket(error) => error.status(),
            Self::Runtime(_) => Status::Failed,
        }
    }
}
