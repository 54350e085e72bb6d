//! What is wrong with a catalog, and where: every error names file and line, and what to write
//! instead.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a catalog's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the path it was read by.
    pub file: Arc<Path>,
    /// The line, from 1 on; 0 = the file as a whole.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        Ok(())
    }
}

impl Place {
    /// An error about what stands here.
    pub fn error(&self, message: impl Into<String>) -> CatalogError {
        CatalogError::Wrong {
            place: self.clone(),
            message: message.into(),
        }
    }
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file that cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something written in it that is wrong.
    #[error("{place}: {message}")]
    Wrong {
        /// Where.
        place: Place,
        /// What is wrong and what to write instead.
        message: String,
    },
}
