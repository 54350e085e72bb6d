//! `cargo xtask tidy`: the rules of CONTRIBUTING and the map of ARCHITECTURE that no compiler
//! holds.

mod citations;
mod rooms;
mod sources;
mod text;

use std::path::Path;

use self::sources::Source;
use crate::sh::{self, Failure, Result};

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

/// Checks all sources and documents. Fails where a rule is broken, after every place is named.
pub(crate) fn run(root: &Path) -> Result<()> {
    let sources = sources::all(root)?;
    let findings = findings(root, &sources);
    for Finding { place, what } in &findings {
        sh::say(&format!("{place}: {what}"));
    }
    sh::say(&format!(
        "{} files, {} lines over {} columns (at most {})",
        sources.len(),
        text::long_lines(&sources),
        text::COLUMNS,
        text::MOST_LONG_LINES
    ));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "{} places are not tidy",
        findings.len()
    )))
}

fn findings(root: &Path, sources: &[Source]) -> Vec<Finding> {
    let mut findings = text::findings(sources);
    findings.extend(citations::findings(root, sources));
    findings.extend(rooms::findings(sources));
    findings
}
