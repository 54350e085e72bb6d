//! What is logged of every file: one line when it is staged, and one for each field of which values did not fit.

use std::time::Duration;

use tracing::{info, warn};

use crate::binding::Binding;
use crate::mapping::Rescued;
use crate::parquet::FileSummary;
use crate::store::FinishedUpload;

/// Why a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its transaction ended.
    Transaction,
    /// It reached `fileSizeLimit`.
    Size,
    /// Open files held too much memory.
    Memory,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            End::Transaction => "transaction",
            End::Size => "fileSizeLimit",
            End::Memory => "memory",
        }
    }
}

/// What is known of a written file besides its upload.
#[derive(Debug)]
pub struct FileReport {
    /// Its rows and row groups.
    pub summary: FileSummary,
    /// The values that did not fit their columns.
    pub rescued: Rescued,
    /// Why it ended.
    pub end: End,
    /// The time that went into decoding its rows.
    pub decoding: Duration,
    /// The time that went into encoding and compressing them.
    pub encoding: Duration,
}

impl FileReport {
    /// Logs the file, and what was rescued in it.
    pub fn log(&self, binding: &Binding, upload: &FinishedUpload) {
        let staged = &upload.staged;
        info!(
            key = staged.key,
            collection = binding.collection,
            rows = staged.rows,
            bytes = staged.bytes,
            parts = upload.parts,
            rowGroups = self.summary.row_groups,
            end = self.end.as_str(),
            decodeMillis = millis(self.decoding),
            encodeMillis = millis(self.encoding),
            uploadMillis = millis(upload.elapsed),
            "staged a file"
        );
        for ((column, misfit), count) in &self.rescued {
            let field = &binding.schema.columns()[*column].field;
            warn!(
                key = staged.key,
                collection = binding.collection,
                field,
                count,
                "values of a field were rescued into their own column: each {}",
                misfit.reason()
            );
        }
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
