//! What is known of a Parquet file, as plain data. The names are those of `--json`.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokenFile {
    /// Its path, or its `s3://` URL.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl BrokenFile {
    pub(super) fn new(name: &str, problem: &dyn Display) -> Self {
        Self {
            name: name.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFacts {
    /// Its path, or its `s3://` URL.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The version of the format that its footer states.
    pub format_version: i32,
    /// What wrote it.
    pub created_by: Option<String>,
    /// Its key-value metadata.
    pub metadata: BTreeMap<String, Option<String>>,
    /// Its columns, over all row groups.
    pub columns: Vec<ColumnFacts>,
    /// Its row groups.
    pub row_groups: Vec<RowGroupFacts>,
}

/// A column over all row groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnFacts {
    /// Its name; of a nested one, the path to it with dots.
    pub name: String,
    /// Its physical type, and its logical one in parentheses.
    #[serde(rename = "type")]
    pub kind: String,
    /// `OPTIONAL`, `REQUIRED` or `REPEATED`.
    pub repetition: String,
    /// Its compression codecs.
    pub compression: Vec<String>,
    /// Its encodings, without those of levels where there are others.
    pub encodings: Vec<String>,
    /// Its bytes in the file.
    pub compressed_bytes: u64,
    /// Its encoded bytes before compression.
    pub uncompressed_bytes: u64,
    /// How many of its values are null, where all row groups say so.
    pub nulls: Option<u64>,
    /// The least value, as text, where all row groups have one. It may be truncated.
    pub min: Option<String>,
    /// The greatest value, as text, where all row groups have one. It may be truncated.
    pub max: Option<String>,
}

/// A row group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowGroupFacts {
    /// Its rows.
    pub rows: u64,
    /// Its bytes in the file.
    pub compressed_bytes: u64,
    /// Its encoded bytes before compression.
    pub uncompressed_bytes: u64,
    /// Its column chunks, in the order of the columns.
    pub columns: Vec<ChunkFacts>,
}

/// A column within a row group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkFacts {
    /// Its compression codec.
    pub compression: String,
    /// Its encodings.
    pub encodings: Vec<String>,
    /// Whether it has a dictionary.
    pub has_dictionary: bool,
    /// Whether it has a page index.
    pub has_page_index: bool,
    /// Its bytes in the file.
    pub compressed_bytes: u64,
    /// Its encoded bytes before compression.
    pub uncompressed_bytes: u64,
    /// How many of its values are null.
    pub nulls: Option<u64>,
    /// The least value, as text. It may be truncated.
    pub min: Option<String>,
    /// The greatest value, as text. It may be truncated.
    pub max: Option<String>,
}
