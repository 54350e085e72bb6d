//! What came of a run, as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::response;
use serde::Serialize;

use super::endpoint::Replaced;
use crate::catalog::BindingSelection;
use crate::figures::{listed, plural};
use crate::readback::{Difference, Preview};
use crate::runtime::{Log, RecoveryLog, Transaction};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The task's name.
    pub task: String,
    /// What was not as the catalog has it.
    pub replaced: Vec<Replaced>,
    /// The bucket; empty where there is none.
    pub bucket: String,
    /// The URL of the S3 server; empty where there is none.
    pub endpoint: String,
    /// Whether the files have ended with the run.
    pub is_ephemeral: bool,
    /// The connector's answer to Spec.
    pub spec: response::Spec,
    /// The connector's answer to Validate.
    pub validated: response::Validated,
    /// What was built of it, and run.
    pub built: MaterializationSpec,
    /// Each binding's selection, with its reasons.
    pub selections: Vec<BindingSelection>,
    /// Every binding's files and rows, in the specification's order.
    pub bindings: Vec<BindingReport>,
    /// How many sessions were played.
    pub sessions: u64,
    /// What no session has played.
    pub unplayed: Unplayed,
    /// How many documents of what was played no binding reads, by their collection.
    pub without_binding: BTreeMap<String, u64>,
    /// The recovery logs as they stand at the end: one of each shard under the old runtime, one of
    /// all under the new.
    pub recovery: Vec<RecoveryLog>,
    /// Every log of the connector, in order.
    pub logs: Vec<Log>,
    /// Requests that the embedded S3 server does not implement.
    pub unsupported_requests: Vec<String>,
}

impl Report {
    /// The first difference of each binding that has one.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.bindings
            .iter()
            .filter_map(|binding| binding.difference.as_ref())
    }

    /// How many documents standard bindings have loaded, all of them as they were stored.
    pub fn loaded(&self) -> u64 {
        self.bindings.iter().map(|binding| binding.loaded).sum()
    }

    /// How many rows were sent of bindings that were not read back; none where all were.
    pub fn unread_rows(&self) -> Option<u64> {
        let unread = || self.bindings.iter().filter(|binding| !binding.is_read_back);
        unread().next()?;
        Some(unread().map(|binding| binding.rows).sum())
    }

    /// Whether anything was compared: a row that was read back, or a document that was loaded.
    pub fn has_compared(&self) -> bool {
        self.equal_rows() + self.loaded() > 0
    }

    /// How many rows were compared and found equal.
    pub fn equal_rows(&self) -> u64 {
        self.bindings.iter().map(|binding| binding.equal_rows).sum()
    }
}

/// What is left over after the last session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unplayed {
    /// How many documents.
    pub documents: u64,
    /// In how many transactions; those without documents do not count.
    pub transactions: u64,
    /// Whether there may be more: the sessions were over before the end of standard input or a
    /// FIFO was seen.
    pub more_may_come: bool,
}

impl Unplayed {
    /// Counts the documents of transactions that were not committed.
    pub(super) fn of(transactions: &[Arc<Transaction>], more_may_come: bool) -> Self {
        let none = Self {
            more_may_come,
            ..Self::default()
        };
        let documents = transactions.iter().map(|transaction| transaction.documents);
        let filled = documents.filter(|documents| *documents > 0);
        filled.fold(none, |all, documents| Self {
            more_may_come,
            documents: all.documents + documents,
            transactions: all.transactions + 1,
        })
    }

    /// Whether all documents that have come were played.
    pub fn is_empty(self) -> bool {
        self.documents == 0
    }
}

impl fmt::Display for Unplayed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let documents = plural(self.documents, "document");
        let transactions = plural(self.transactions, "transaction");
        write!(
            formatter,
            "{documents} in {transactions} left over after the last session"
        )
    }
}

/// Says how many documents no binding reads; none where a binding reads each.
pub fn without_binding(counts: &BTreeMap<String, u64>) -> Option<String> {
    let documents = plural(counts.values().sum(), "document");
    (!counts.is_empty()).then(|| format!("No binding reads {documents}: {}", listed(counts)))
}

/// One binding's files and rows.
#[derive(Clone, Debug)]
pub struct BindingReport {
    /// The source.
    pub collection: String,
    /// The key prefix of its files; the resource path, where they were not read back.
    pub prefix: String,
    /// How many documents the source had for it, before they were combined.
    pub documents: u64,
    /// How many rows were sent and committed.
    pub rows: u64,
    /// The bytes of the combined documents behind those rows, as JSON.
    pub json_bytes: u64,
    /// The columns of its first file, with their types as DuckDB has them.
    pub columns: Vec<(String, String)>,
    /// Its files, in the order in which they were written.
    pub files: Vec<FileReport>,
    /// Whether its files were read back: not of a standard binding, and not without a bucket.
    pub is_read_back: bool,
    /// How many documents a standard binding has loaded, all of them as they were stored.
    pub loaded: u64,
    /// How many rows were compared and found equal.
    pub equal_rows: u64,
    /// The first difference.
    pub difference: Option<Difference>,
    /// How many values did not fit their column and stand in the rescue column instead, by field.
    pub rescued: BTreeMap<String, u64>,
    /// How many values stand beside the nearest one in their column as exact text, by field.
    pub exact: BTreeMap<String, u64>,
    /// How many rows have a value at each location that is in no column.
    pub missing: BTreeMap<String, u64>,
    /// Its first rows.
    pub preview: Preview,
}

impl BindingReport {
    /// Whether every value is in a column of its own.
    pub fn is_all_in_columns(&self) -> bool {
        self.rescued.is_empty() && self.exact.is_empty() && self.missing.is_empty()
    }

    /// The bytes of its files.
    pub fn file_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its key in the bucket.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its rows; none where a difference came before.
    pub rows: Option<u64>,
    /// The bytes of the documents behind those rows, as JSON; none like the rows.
    pub json_bytes: Option<u64>,
}
