//! What is logged of every file: one line when it is staged, and one for each field of which values did not fit. Of fields of which
//! values are kept exactly beside their column, a session tells once.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::binding::Binding;
use crate::mapping::{ColumnType, EXACT_FIELD, Inexact, Rescued};
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
    /// The values that are kept exactly beside their columns.
    pub inexact: Inexact,
    /// Why it ended.
    pub end: End,
    /// The time that went into decoding its rows.
    pub decoding: Duration,
    /// The time that went into encoding and compressing them.
    pub encoding: Duration,
}

impl FileReport {
    /// Logs the file, and what was rescued in it; what is kept exactly, of each column that `told` does not have yet.
    pub fn log(&self, binding: &Binding, upload: &FinishedUpload, told: &mut BTreeSet<usize>) {
        let staged = &upload.staged;
        info!(
            key = staged.key,
            collection = binding.collection,
            rows = staged.rows,
            bytes = staged.bytes,
            parts = upload.parts,
            rowGroups = self.summary.row_groups,
            rescued = self.rescued.values().sum::<u64>(),
            exact = self.inexact.values().sum::<u64>(),
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
        for (&index, count) in &self.inexact {
            if told.insert(index) {
                let column = &binding.schema.columns()[index];
                info!(
                    key = staged.key,
                    collection = binding.collection,
                    field = column.field,
                    count,
                    "{}",
                    exact_message(column.column_type)
                );
            }
        }
    }
}

/// What a user is told of a column that has values only nearly.
fn exact_message(column_type: ColumnType) -> String {
    let cure = match column_type {
        ColumnType::Number { .. } => {
            "for a column that is exact itself, give the field `decimal` or `castToString` under `fields`"
        }
        _ => "for a column that is exact itself, give the field `castToString` under `fields`",
    };
    format!(
        "values of a field are kept in `{EXACT_FIELD}` as the documents have them, beside the nearest {column_type} in their own \
         column; {cure}"
    )
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
