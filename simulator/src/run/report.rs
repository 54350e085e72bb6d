//! What came of a run, as plain data.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::response;

use super::endpoint::Replaced;
use crate::catalog::BindingSelection;
use crate::readback::{Difference, Preview};
use crate::runtime::{Log, RecoveryLog};

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
