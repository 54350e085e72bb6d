//! The documents of a run: from a file, as they come through standard input or a FIFO, or made from
//! a recipe; each gets its UUID here.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::narrator::{Event, Progress};
use super::options::Options;
use crate::catalog::Catalog;
use crate::document_uuid::DocumentClock;
use crate::fixture::{self, Document, Live, Recipe};
use crate::suggest::did_you_mean;

/// What names standard input.
const STANDARD_INPUT: &str = "-";

/// What stands beside a catalog that has documents of its own, in the order in which they are
/// looked for.
const BESIDE_THE_CATALOG: [&str; 2] = ["fixture.jsonl", "fixture.yaml"];

/// The documents of a run.
pub(super) struct Documents {
    /// The documents of each transaction, as far as they are there already.
    pub(super) transactions: Vec<Vec<Document>>,
    /// Those that are still to come.
    pub(super) live: Option<LiveDocuments>,
    /// The transactions of each session; negative for all that are left.
    pub(super) sessions: Vec<i64>,
    /// Where they come from.
    pub(super) source: String,
}

impl Documents {
    /// Reads all of them; but standard input and a FIFO while the run goes on.
    pub(super) fn read(
        options: &Options,
        catalog: &Catalog,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let source = source(options)?;
        let collections: Vec<String> = catalog.collections.keys().cloned().collect();
        let mut documents = if is_recipe(&source) {
            Self::make(&source, options)?
        } else if is_live(&source) {
            Self::live(&source, options, collections.clone())
        } else {
            Self::load(&source, options)?
        };
        if let Some(sessions) = &options.sessions {
            documents.sessions.clone_from(sessions);
        }
        require_known(
            &source,
            &collections,
            documents.transactions.iter().flatten(),
        )?;
        let mut clock = DocumentClock::default();
        stamp(&mut clock, documents.transactions.iter_mut().flatten())?;
        if documents.live.is_none() {
            progress.event(Event::Documents {
                documents: documents
                    .transactions
                    .iter()
                    .map(|transaction| transaction.len() as u64)
                    .sum(),
                transactions: documents.transactions.len(),
                source: documents.source.clone(),
            });
        }
        Ok(documents)
    }

    /// The run's seed is added to the recipe's, so that a run without one has the documents that
    /// the recipe means.
    fn make(source: &Path, options: &Options) -> Result<Self> {
        let mut recipe = Recipe::load(source)?;
        recipe.seed = recipe.seed.wrapping_add(options.seed);
        Ok(Self {
            transactions: fixture::close(recipe.transactions(), options.close),
            live: None,
            sessions: sessions(&recipe),
            source: source.display().to_string(),
        })
    }

    fn load(source: &Path, options: &Options) -> Result<Self> {
        let file = File::open(source).map_err(|error| wrong(source, &error))?;
        let transactions =
            fixture::read(file, options.close).map_err(|error| wrong(source, &error))?;
        Ok(Self {
            transactions: transactions
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(source, &error))?,
            live: None,
            sessions: vec![-1],
            source: source.display().to_string(),
        })
    }

    fn live(source: &Path, options: &Options, collections: Vec<String>) -> Self {
        let reader: Box<dyn Read + Send> = match source.to_str() {
            Some(STANDARD_INPUT) => Box::new(io::stdin()),
            _ => Box::new(Unopened(source.to_owned(), None)),
        };
        Self {
            transactions: Vec::new(),
            live: Some(LiveDocuments {
                live: Live::read(reader, options.close),
                clock: DocumentClock::default(),
                collections,
                source: source.to_owned(),
            }),
            sessions: vec![-1],
            source: source.display().to_string(),
        }
    }
}

/// The transactions of each session of a recipe. The last one has all that are left, which are
/// more where some are closed early.
fn sessions(recipe: &Recipe) -> Vec<i64> {
    let lengths = recipe.transactions_per_session().into_iter();
    let mut lengths: Vec<i64> = lengths.map(|length| length as i64).collect();
    if let Some(last) = lengths.last_mut() {
        *last = -1;
    }
    lengths
}

/// Documents that come while the run goes on.
pub(super) struct LiveDocuments {
    live: Live,
    clock: DocumentClock,
    /// Those that the catalog has.
    collections: Vec<String>,
    source: PathBuf,
}

impl LiveDocuments {
    /// Those of the next transaction, once it has closed; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Document>>> {
        let next = self.live.next().await;
        let mut documents = next.map_err(|error| wrong(&self.source, &error))?;
        let arrived = documents.iter().flatten();
        require_known(&self.source, &self.collections, arrived)?;
        stamp(&mut self.clock, documents.iter_mut().flatten())?;
        Ok(documents)
    }
}

/// A FIFO that is opened when it is read first: that waits for whoever writes.
struct Unopened(PathBuf, Option<File>);

impl Read for Unopened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.1 {
            Some(file) => file,
            unopened => unopened.insert(File::open(&self.0)?),
        };
        file.read(buffer)
    }
}

fn wrong(source: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Documents(format!("{}: {error}", source.display()))
}

/// Refuses documents of collections that the catalog does not have: nothing would become of them.
/// Those of a collection that the task does not materialize are none of its business.
fn require_known<'a>(
    source: &Path,
    collections: &[String],
    mut documents: impl Iterator<Item = &'a Document>,
) -> Result<()> {
    let unknown = documents.find(|document| !collections.contains(&document.collection));
    let Some(document) = unknown else {
        return Ok(());
    };
    Err(Error::UnknownCollection(format!(
        "{}: {}the catalog has no collection `{}`{}",
        source.display(),
        document.place(),
        document.collection,
        did_you_mean(&document.collection, collections.iter().map(String::as_str))
    )))
}

fn stamp<'a>(
    clock: &mut DocumentClock,
    documents: impl Iterator<Item = &'a mut Document>,
) -> Result<()> {
    for document in documents {
        if !clock.stamp(&mut document.document) {
            return Err(Error::Documents(format!(
                "{}a document of `{}` has no room for `_meta/uuid`: it and its `_meta` must be \
                 objects",
                document.place(),
                document.collection
            )));
        }
    }
    Ok(())
}

/// Whether the documents come as they are made.
fn is_live(source: &Path) -> bool {
    let is_fifo = || std::fs::metadata(source).is_ok_and(|metadata| metadata.file_type().is_fifo());
    source.to_str() == Some(STANDARD_INPUT) || is_fifo()
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
