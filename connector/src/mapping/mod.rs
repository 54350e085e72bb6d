//! The schema mapper: which column a projection becomes, and how a JSON value becomes a value of that column.
//!
//! Everything here is pure. A value that does not fit its column is never lost and never stops the task: it is rescued into
//! one column of its own, unless the user wants such a value to be an error.

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
