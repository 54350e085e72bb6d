//! What is in Parquet files: schema, row groups, encodings, compression, sizes, statistics, metadata, and a few rows.
//!
//! Footers are read with the parquet crate, rows with DuckDB, as a reader of the files would.

mod error;
mod facts;
mod footer;
mod source;
mod statistics;
#[cfg(test)]
mod tests;

use crate::readback::{Duck, Preview};

pub use error::{Error, Result};
pub use facts::{ChunkFacts, ColumnFacts, FileFacts, RowGroupFacts};
pub use footer::footer;
pub use source::{Options, Source};

/// What is in the files that were found.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The files that were looked into.
    pub files: Vec<FileFacts>,
    /// How many more were found.
    pub more_files: u64,
    /// The bytes of those; of files in a bucket, as its listing says.
    pub more_bytes: u64,
    /// The first rows of the files that were looked into, read as one table.
    pub preview: Preview,
}

/// Looks into the files that `sources` name.
pub async fn inspect(sources: &[Source], options: &Options) -> Result<Inspection> {
    let found = source::find(sources, options).await?;
    let mut inspection = Inspection {
        more_files: found.more_files,
        more_bytes: found.more_bytes,
        ..Inspection::default()
    };
    for file in &found.files {
        inspection.files.push(footer(&file.name, &file.path)?);
    }
    if options.rows > 0 {
        let paths: Vec<_> = found.files.iter().map(|file| file.path.clone()).collect();
        inspection.preview = Duck::start()?.preview(&paths, options.rows)?;
    }
    Ok(inspection)
}
