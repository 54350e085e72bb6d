//! What is in Parquet files: schema, row groups, encodings, compression, sizes, statistics,
//! metadata, and a few rows.
//!
//! Footers are read with the parquet crate, rows with DuckDB, as a reader of the files would.

mod error;
mod facts;
mod footer;
mod source;
mod statistics;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::readback::{self, Duck, Preview};
use source::Found;

pub use error::{Error, Result};
pub use facts::{BrokenFile, ChunkFacts, ColumnFacts, FileFacts, RowGroupFacts};
pub use footer::footer;
pub use source::{Options, Source};

/// What is in the files that were found.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The files that were looked into.
    pub files: Vec<FileFacts>,
    /// Those that cannot be read.
    pub broken: Vec<BrokenFile>,
    /// How many more were found.
    pub more_files: u64,
    /// The bytes of those; of files in a bucket, as its listing says.
    pub more_bytes: u64,
    /// The first rows of the files that were looked into, read as one table.
    pub preview: Preview,
}

/// Looks into the files that `sources` name. One that is broken hides none of the others.
pub async fn inspect(sources: &[Source], options: &Options) -> Result<Inspection> {
    let found = source::find(sources, options).await?;
    let mut inspection = Inspection {
        more_files: found.more_files,
        more_bytes: found.more_bytes,
        ..Inspection::default()
    };
    let mut readable = Vec::with_capacity(found.files.len());
    for file in &found.files {
        match footer(&file.name, &file.path) {
            Ok(facts) => {
                inspection.files.push(facts);
                readable.push(file);
            }
            Err(error) => inspection.broken.push(BrokenFile::new(&file.name, &error)),
        }
    }
    if options.rows > 0 {
        inspection.preview(&readable, options.rows)?;
    }
    Ok(inspection)
}

impl Inspection {
    /// How many files were looked into, the broken ones among them.
    pub fn looked_into(&self) -> u64 {
        let is_readable =
            |broken: &&BrokenFile| self.files.iter().any(|file| file.name == broken.name);
        let without_footer = self.broken.iter().filter(|broken| !is_readable(broken));
        (self.files.len() + without_footer.count()) as u64
    }

    /// Reads the first rows of the files as one table. Those whose rows cannot be read are broken,
    /// too.
    fn preview(&mut self, files: &[&Found], rows: usize) -> Result<()> {
        let duck = Duck::start()?;
        let read = |files: &[&Found]| -> readback::Result<Preview> {
            let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
            duck.preview(&paths, rows)
        };
        let Err(error) = read(files).map(|preview| self.preview = preview) else {
            return Ok(());
        };
        let mut readable = Vec::new();
        for file in files {
            match read(&[*file]) {
                Ok(_) => readable.push(*file),
                Err(error) => {
                    let problem = format!("the rows of {} cannot be read: {error}", file.name);
                    self.broken.push(BrokenFile::new(&file.name, &problem));
                }
            }
        }
        if readable.len() == files.len() {
            return Err(error.into());
        }
        self.preview = read(&readable)?;
        Ok(())
    }
}
