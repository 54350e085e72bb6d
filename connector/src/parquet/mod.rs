//! Parquet files: record batches become row groups, row groups become bytes, and limits say where each ends.

mod compression;
mod encoding;
mod file;
mod pages;
mod row_group;

pub use compression::{CompressorMemory, codec};
pub use file::{File, FileOptions, FileSummary};
pub use pages::Sink;
