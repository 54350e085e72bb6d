//! Parquet files: record batches become row groups, row groups become bytes, and limits say where each ends.

mod compression;
mod file;

pub use compression::codec;
pub use file::{File, FileOptions, FileSummary};
