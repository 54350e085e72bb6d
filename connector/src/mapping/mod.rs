//! The schema mapper: which column a projection becomes, and how a JSON value becomes a value of
//! that column.
//!
//! Everything here is pure. A value that does not fit its column is never lost and never stops the
//! task: it is rescued into one column of its own, unless the user wants such a value to be an
//! error. A value that its column has only nearly is kept exactly in another.

/// The version of the rules by which values become columns. A state notes the version that each
/// backfill began with, so that rules can change without changing what stands in one folder.
///
/// 2 adds `flow_exact`, reads numbers and base64 as Flow does, and rescues what lies before the
/// year 0001.
pub const MAPPING_VERSION: u32 = 2;

mod batch;
mod change;
mod column;
mod convert;
#[cfg(test)]
mod exact_tests;
mod format;
mod forms;
mod json_text;
mod kept;
mod number;
mod rescue;
mod scalar;
#[cfg(test)]
pub(crate) mod scale;

pub use batch::{Batch, BatchBuilder};
pub use change::{Change, Selected, changes, selected_fields};
pub use column::{
    Column, ColumnType, EXACT_FIELD, JsonTypes, RESCUED_FIELD, Schema, applied_column_type,
    column_type, projections_by_field,
};
pub use rescue::{Inexact, Misfit, Rescued};
