//! The schema mapper: which column a projection becomes, and how a JSON value becomes a value of that column.
//!
//! Everything here is pure. A value that does not fit its column is never lost and never stops the task: it is rescued into
//! one column of its own, unless the user wants such a value to be an error.

/// The version of the rules by which values become columns. A state notes the version that each
/// backfill began with, so that rules can change without changing what stands in one folder.
pub const MAPPING_VERSION: u32 = 1;

mod batch;
mod column;
mod convert;
mod format;
mod json_text;
mod number;
mod rescue;
#[cfg(test)]
pub(crate) mod scale;

pub use batch::{Batch, BatchBuilder};
pub use column::casts_to_string;
pub use column::{Column, ColumnType, JsonTypes, RESCUED_FIELD, Schema, projections_by_field};
pub use rescue::{Misfit, Rescued};
