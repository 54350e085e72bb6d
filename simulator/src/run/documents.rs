//! The documents of a run: from a file, from standard input, or made from a recipe; each gets its UUID here.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::narrator::{Event, Progress};
use super::options::Options;
use crate::document_uuid::DocumentClock;
use crate::fixture::{self, Document, Recipe};

/// What stands beside a catalog that has documents of its own, in the order in which they are looked for.
const BESIDE_THE_CATALOG: [&str; 2] = ["fixture.jsonl", "fixture.yaml"];

/// The documents of a run.
pub(super) struct Documents {
    /// The documents of each transaction.
    pub(super) transactions: Vec<Vec<Document>>,
    /// The transactions of each session; negative for all that are left.
    pub(super) sessions: Vec<i64>,
}

impl Documents {
    /// Reads all of them.
    pub(super) fn read(options: &Options, progress: &mut dyn Progress) -> Result<Self> {
        let source = source(options)?;
        let mut documents = if is_recipe(&source) {
            Self::make(&source, options.seed)?
        } else {
            Self::load(&source)?
        };
        if let Some(sessions) = &options.sessions {
            documents.sessions.clone_from(sessions);
        }
        documents.stamp()?;
        progress.event(Event::Documents {
            documents: documents
                .transactions
                .iter()
                .map(|transaction| transaction.len() as u64)
                .sum(),
            transactions: documents.transactions.len(),
            source: source.display().to_string(),
        });
        Ok(documents)
    }

    /// The run's seed is added to the recipe's, so that a run without one has the documents that the recipe means.
    fn make(source: &Path, seed: u64) -> Result<Self> {
        let mut recipe = Recipe::load(source)?;
        recipe.seed = recipe.seed.wrapping_add(seed);
        Ok(Self {
            transactions: recipe.transactions().collect(),
            sessions: recipe
                .transactions_per_session()
                .into_iter()
                .map(|length| length as i64)
                .collect(),
        })
    }

    fn load(source: &Path) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::Documents(format!("{}: {error}", source.display()))
        };
        let reader: Box<dyn Read> = match source.to_str() {
            Some("-") => Box::new(io::stdin()),
            _ => Box::new(File::open(source).map_err(|error| wrong(&error))?),
        };
        let transactions = fixture::read(reader).map_err(|error| wrong(&error))?;
        Ok(Self {
            transactions: transactions
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(&error))?,
            sessions: vec![-1],
        })
    }

    fn stamp(&mut self) -> Result<()> {
        let mut clock = DocumentClock::default();
        for Document {
            collection,
            document,
        } in self.transactions.iter_mut().flatten()
        {
            if !clock.stamp(document) {
                return Err(Error::Documents(format!(
                    "a document of `{collection}` has no room for `_meta/uuid`: it and its `_meta` must be objects"
                )));
            }
        }
        Ok(())
    }
}

fn is_recipe(source: &Path) -> bool {
    source
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The fixture that the options name, or the one beside the catalog.
fn source(options: &Options) -> Result<PathBuf> {
    if let Some(named) = &options.fixture {
        return Ok(named.clone());
    }
    let beside = BESIDE_THE_CATALOG
        .iter()
        .map(|name| options.catalog.with_file_name(name));
    beside
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::Usage(format!(
                "there is neither {} beside {}; name the documents with --fixture",
                BESIDE_THE_CATALOG.join(" nor "),
                options.catalog.display()
            ))
        })
}
