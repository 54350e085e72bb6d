//! After the sessions: what is in the bucket is compared with what was sent. Nothing is known of
//! files that a standard binding may have, nor of a store that the run has not been told of; what
//! standard bindings load was compared while they ran.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use serde_json::Value;

use super::bucket::Bucket;
use super::error::Result;
use super::folder::Folder;
use super::narrator::{Event, Narrator};
use super::options::Options;
use super::report::{BindingReport, FileReport};
use super::rows::RowMaker;
use crate::readback::{Duck, EXACT, Expected, Fetched, Knobs, Preview, RESCUED, compare, fetch};
use crate::runtime::{KeyRange, Row, Shard, Transaction};

/// What is needed to read a run back.
pub(super) struct ReadBack<'a> {
    pub(super) options: &'a Options,
    /// The endpoint's configuration.
    pub(super) config: &'a Value,
    pub(super) bucket: Option<&'a Bucket>,
    pub(super) folder: &'a Folder,
    /// How many documents each standard binding has loaded as they were stored.
    pub(super) loaded: &'a BTreeMap<u32, u64>,
}

impl ReadBack<'_> {
    /// What became of every binding.
    pub(super) async fn bindings(
        &self,
        spec: &MaterializationSpec,
        maker: &RowMaker<'_>,
        committed: &[Arc<Transaction>],
        narrator: &Narrator<'_>,
    ) -> Result<Vec<BindingReport>> {
        let duck = Duck::start()?;
        let shards = Shard::split(self.options.shards);
        let ranges: Vec<KeyRange> = shards.iter().map(|shard| shard.range).collect();
        let transactions = committed.iter().map(AsRef::as_ref);
        let expected = Expected::of(spec, &ranges, transactions, Knobs::of(self.config))?;
        let mut reports = Vec::with_capacity(expected.len());
        for ((index, expected), binding) in expected.iter().enumerate().zip(&spec.bindings) {
            let source = maker.source(index);
            let documents = committed
                .iter()
                .filter_map(|transaction| transaction.read.get(source))
                .sum::<i64>();
            let bucket = self.bucket.filter(|_| binding.delta_updates);
            let report = match bucket {
                None => unread(expected, binding.resource_path.join("/")),
                Some(bucket) => self.compare(bucket, &duck, expected, narrator).await?,
            };
            reports.push(BindingReport {
                missing: missing(committed, index as u32),
                documents: documents.unsigned_abs(),
                loaded: self
                    .loaded
                    .get(&(index as u32))
                    .copied()
                    .unwrap_or_default(),
                ..report
            });
        }
        Ok(reports)
    }

    async fn compare(
        &self,
        bucket: &Bucket,
        duck: &Duck,
        expected: &Expected<'_>,
        narrator: &Narrator<'_>,
    ) -> Result<BindingReport> {
        let folder = self.folder.path();
        let files = fetch(bucket.client(), &bucket.name, &expected.prefix, folder).await?;
        narrator.event(Event::Comparing {
            prefix: expected.prefix.clone(),
            files: files.len(),
            rows: expected.rows(),
        });
        let compared = compare(duck, expected, &files)?;
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let kept = |column| kept_in(duck, expected, &paths, column);
        Ok(BindingReport {
            columns: match paths.first() {
                Some(path) => duck.describe(path)?,
                None => Vec::new(),
            },
            files: of_files(expected, &files, &compared.file_rows),
            preview: duck.preview(&paths, self.options.preview_rows)?,
            rescued: kept(RESCUED)?,
            exact: kept(EXACT)?,
            equal_rows: compared.equal_rows,
            difference: compared.difference,
            is_read_back: true,
            ..unread(expected, expected.prefix.clone())
        })
    }
}

/// How many rows of a binding have a value at each location that is in no column.
fn missing(committed: &[Arc<Transaction>], binding: u32) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for missing in committed.iter().filter_map(|one| one.missing.get(&binding)) {
        for (pointer, count) in missing {
            *all.entry(pointer.clone()).or_default() += count;
        }
    }
    all
}

/// How many values of each field a column of the connector's own keeps for it. A field of that name
/// is no such column.
fn kept_in(
    duck: &Duck,
    expected: &Expected<'_>,
    paths: &[PathBuf],
    column: &str,
) -> Result<BTreeMap<String, u64>> {
    let mut kept = BTreeMap::new();
    if expected.columns.iter().any(|own| own.name == column) {
        return Ok(kept);
    }
    for path in paths {
        duck.count_members(path, column, &mut kept)?;
    }
    Ok(kept)
}

/// Rows and bytes of each file.
fn of_files(
    expected: &Expected<'_>,
    files: &[Fetched],
    file_rows: &[(String, u64)],
) -> Vec<FileReport> {
    // The files are in the order in which the rows were sent.
    let mut rows_sent = expected.shards.values().flatten();
    let mut json_bytes = |rows: u64| -> u64 {
        let own = rows_sent.by_ref().take(rows as usize);
        own.map(|row| row.document_bytes).sum()
    };
    let file = |file: &Fetched| {
        let rows = file_rows.iter().find(|(key, _)| *key == file.key);
        let rows = rows.map(|(_, rows)| *rows);
        FileReport {
            key: file.key.clone(),
            bytes: file.bytes,
            rows,
            json_bytes: rows.map(&mut json_bytes),
        }
    };
    files.iter().map(file).collect()
}

/// A binding of which only what was sent is known.
fn unread(expected: &Expected<'_>, place: String) -> BindingReport {
    let rows = || expected.shards.values().flatten();
    let bytes = |row: &&Row| row.document_bytes;
    BindingReport {
        collection: expected.collection.clone(),
        prefix: place,
        documents: 0,
        rows: expected.rows() as u64,
        json_bytes: rows().map(bytes).sum(),
        columns: Vec::new(),
        files: Vec::new(),
        is_read_back: false,
        loaded: 0,
        equal_rows: 0,
        difference: None,
        rescued: BTreeMap::new(),
        exact: BTreeMap::new(),
        missing: BTreeMap::new(),
        preview: Preview::default(),
    }
}
