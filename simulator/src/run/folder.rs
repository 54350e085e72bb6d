//! Where files are fetched to.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::{Error, Result};

/// Where files are fetched to.
pub(super) enum Folder {
    /// The user's own, which stays.
    Kept(PathBuf),
    /// Ours, which goes when this is dropped.
    Temporary(TempDir),
}

impl Folder {
    /// Makes the folder. One that holds something already is refused: files of two runs would
    /// mingle.
    pub(super) fn new(output: Option<&Path>) -> Result<Self> {
        let Some(path) = output else {
            return TempDir::with_prefix("flow-sim-")
                .map(Self::Temporary)
                .map_err(|source| unusable(&std::env::temp_dir(), source));
        };
        if path.is_file() {
            return Err(Error::Usage(format!(
                "--output {} is a file; name a new folder",
                path.display()
            )));
        }
        if is_empty(path).map_err(|source| unusable(path, source))? {
            return Ok(Self::Kept(path.to_owned()));
        }
        Err(Error::Usage(format!(
            "the folder {} is not empty; name a new one with --output",
            path.display()
        )))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn unusable(path: &Path, source: io::Error) -> Error {
    Error::Folder {
        path: path.display().to_string(),
        source,
    }
}

fn is_empty(path: &Path) -> io::Result<bool> {
    std::fs::create_dir_all(path)?;
    Ok(std::fs::read_dir(path)?.next().is_none())
}
