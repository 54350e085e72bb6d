//! The lines that tell of a session, its transactions and its files. Operators alert on the
//! messages `session`, `transaction` and `files are visible`, so these stay as they are. Of fields
//! whose column has values only nearly, a session tells once.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::binding::Binding;
use crate::config::EndpointConfig;
use crate::keys::version_folder;
use crate::mapping::{ColumnType, EXACT_FIELD, Inexact, Rescued};
use crate::parquet::FileSummary;
use crate::store::{FinishedUpload, Way};

/// Between which instants documents were published, the first and the last of them included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    first: Timestamp,
    last: Timestamp,
}

impl Published {
    /// From the least to the greatest of the instants, in µs since 1970; none where the calendar
    /// has not both.
    pub fn of_micros((least, greatest): (i64, i64)) -> Option<Self> {
        Some(Self {
            first: Timestamp::from_microsecond(least).ok()?,
            last: Timestamp::from_microsecond(greatest).ok()?,
        })
    }

    /// Covers both.
    fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// Files and what is in them, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their values that did not fit their columns.
    pub rescued: u64,
    /// Their values that their columns have only nearly.
    pub exact: u64,
    /// When their documents were published; none where that is not known.
    pub published: Option<Published>,
}

impl Totals {
    /// Adds a file that has been staged.
    pub fn add_staged(&mut self, report: &FileReport, bytes: u64) {
        self.add(report.summary.rows, bytes);
        self.rescued += report.rescued_values();
        self.exact += report.exact_values();
        self.published = match (self.published, report.published) {
            (Some(before), Some(more)) => Some(before.and(more)),
            (before, more) => before.or(more),
        };
    }

    /// Adds a file of which no more is known.
    pub fn add(&mut self, rows: u64, bytes: u64) {
        self.files += 1;
        self.rows += rows;
        self.bytes += bytes;
    }
}

/// Logs that a session begins.
pub fn log_session(task: &str, bindings: usize, endpoint: &EndpointConfig, way: Way) {
    info!(
        connector = env!("CARGO_PKG_VERSION"),
        materialization = task,
        bindings,
        bucket = endpoint.bucket,
        endpoint = endpoint.advanced.endpoint,
        uploadIntervalInSeconds = endpoint.upload_interval.as_secs(),
        commit = way.as_str(),
        "session"
    );
}

/// Logs a transaction whose files are staged. `held_back` is how long the runtime was made to wait
/// for it by the upload interval.
pub fn log_transaction(stored: &Totals, held_back: Duration) {
    info!(
        rows = stored.rows,
        bytes = stored.bytes,
        files = stored.files,
        rescued = stored.rescued,
        exact = stored.exact,
        heldBackSeconds = held_back.as_secs(),
        "transaction"
    );
}

/// Logs files that have become visible, and how long after the Flush of their transaction where it
/// is of this session.
pub fn log_visible(visible: &Totals, since_flush: Option<Duration>) {
    let published = visible.published;
    info!(
        files = visible.files,
        rows = visible.rows,
        bytes = visible.bytes,
        recovered = since_flush.is_none(),
        firstPublishedAt = published.map(|published| tracing::field::display(published.first)),
        lastPublishedAt = published.map(|published| tracing::field::display(published.last)),
        millisSinceFlush = since_flush.map(millis),
        "files are visible"
    );
}

/// Warns that the files of a binding go to a new folder from now on.
pub fn log_new_version(binding: &Binding) {
    warn!(
        collection = binding.collection,
        "the files of a binding go to the folder {} from now on; those of earlier versions, if \
         there are any, stay where they are",
        version_folder(&binding.resource.path_prefix, binding.backfill)
    );
}

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
    /// When its documents were published; none where that field is not selected.
    pub published: Option<Published>,
    /// The values that did not fit their columns.
    pub rescued: Rescued,
    /// The values that their columns have only nearly.
    pub inexact: Inexact,
    /// Why it ended.
    pub end: End,
    /// The time that went into decoding its rows.
    pub decoding: Duration,
    /// The time that went into encoding and compressing them.
    pub encoding: Duration,
}

impl FileReport {
    /// Counts the values that did not fit their columns.
    fn rescued_values(&self) -> u64 {
        self.rescued.values().sum()
    }

    /// Counts the values that their columns have only nearly.
    fn exact_values(&self) -> u64 {
        self.inexact.values().sum()
    }

    /// Logs the file, and what was rescued in it; which values its columns have only nearly, of
    /// each column that `told` does not have yet.
    pub fn log(&self, binding: &Binding, upload: &FinishedUpload, told: &mut BTreeSet<usize>) {
        let staged = &upload.staged;
        info!(
            key = staged.key,
            collection = binding.collection,
            rows = staged.rows,
            bytes = staged.bytes,
            parts = upload.parts,
            rowGroups = self.summary.row_groups,
            rescued = self.rescued_values(),
            exact = self.exact_values(),
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
                    exact_message(column.column_type, binding.schema.keeps_exact())
                );
            }
        }
    }
}

/// What a user is told of a column that has values only nearly, which are kept exactly where `kept`
/// says so.
fn exact_message(column_type: ColumnType, kept: bool) -> String {
    // An instant is floored, a number is rounded.
    let which = match column_type {
        ColumnType::Timestamp => format!("the {column_type} just below"),
        _ => format!("the nearest {column_type}"),
    };
    let cure = "for a column that is exact itself, give the field `castToString` under `fields`";
    if kept {
        format!(
            "values of a field are kept in `{EXACT_FIELD}` as the documents have them, beside \
             {which} in their own column; {cure}"
        )
    } else {
        format!(
            "values of a field become {which}, and are not kept as the documents have them, \
             because a field has the name `{EXACT_FIELD}`; {cure}"
        )
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_the_one_below_and_a_number_the_nearest() {
        let number = ColumnType::Number { strings: true };
        let code = ColumnType::Integer { strings: true };
        for (column_type, neighbour) in [
            (number, "the nearest DOUBLE"),
            (code, "the nearest INT64"),
            (
                ColumnType::Timestamp,
                "the TIMESTAMP(MICROS, UTC) just below",
            ),
        ] {
            for (kept, says) in [(true, "are kept in `flow_exact`"), (false, "are not kept")] {
                let message = exact_message(column_type, kept);
                assert!(message.contains(neighbour), "{message}");
                assert!(message.contains(says), "{message}");
            }
        }
    }
}
