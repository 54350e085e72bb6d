//! The files that are held to the rules.

use std::fs;
use std::path::Path;

use crate::sh::{self, Result};

/// The folders with sources and documents.
const FOLDERS: [&str; 8] = [
    "connector",
    "simulator",
    "fuzz",
    "tests",
    "benches",
    "xtask",
    "docs",
    "image",
];

/// A file, by its path from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.strip_suffix(".rs").is_some()
    }

    /// Tells whether the file holds tests only: such a file is a part of the module that is tested.
    pub(super) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
    }

    /// The code without its comments and without the tests at its end.
    pub(super) fn code(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        lines.filter(|line| !line.trim_start().starts_with("//"))
    }
}

/// Reads all Rust sources and Markdown documents, in the order of their paths.
pub(super) fn all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in entries(root)? {
        if entry.is_file() {
            take(root, &entry, &mut sources)?;
        }
    }
    for folder in FOLDERS {
        let folder = root.join(folder);
        if folder.is_dir() {
            walk(root, &folder, &mut sources)?;
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in entries(folder)? {
        if entry.is_dir() {
            walk(root, &entry, sources)?;
        } else {
            take(root, &entry, sources)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).map_err(sh::file_error("read", folder))?;
    entries
        .map(|entry| Ok(entry.map_err(sh::file_error("read", folder))?.path()))
        .collect()
}

fn take(root: &Path, file: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let known = ["rs", "md"].map(Some);
    let extension = file.extension().and_then(|extension| extension.to_str());
    if !known.contains(&extension) {
        return Ok(());
    }
    let path = file.strip_prefix(root).unwrap_or(file);
    sources.push(Source {
        path: path.display().to_string(),
        text: fs::read_to_string(file).map_err(sh::file_error("read", file))?,
    });
    Ok(())
}
