//! Parquet files: record batches become row groups, row groups become bytes, and limits say where
//! each ends.

mod compression;
mod encoding;
mod file;
mod footer;
mod page_memory;
mod pages;
mod row_group;

pub use compression::{CompressorMemories, CompressorMemory, codec};
pub use file::{File, FileOptions, FileSummary};
pub use page_memory::PageMemory;
pub use pages::Sink;

/// The encoded bytes at which a page ends, before it is compressed. While a page is completed there
/// are several copies of it.
const PAGE_BYTES: usize = 512 << 10;
