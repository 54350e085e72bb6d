//! Parquet files: record batches become row groups, row groups become bytes, and limits say where each ends.

mod file;

pub use file::{File, FileOptions, FileSummary};
