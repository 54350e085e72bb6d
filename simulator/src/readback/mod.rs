//! Reads a bucket's Parquet files back with DuckDB and compares them, row by row and types
//! included, with what was sent.
//!
//! What a file must hold is worked out here from the rows and their projections alone
//! ([`Expected`]); nothing of the connector's own mapping is used, so that a mistake there cannot
//! hide here.

mod cell;
mod column;
mod compare;
mod duck;
mod error;
mod expected;
mod fetch;
mod number;
#[cfg(test)]
mod tests;
mod time;

pub use cell::Cell;
pub use column::{Column, ColumnType, JsonColumns};
pub use compare::{Compared, Difference, compare};
pub use duck::{Duck, Preview};
pub use error::{Error, Result};
pub use expected::{EXACT, Expected, Knobs, RESCUED, prefix};
pub use fetch::{Fetched, fetch, local_glob};
pub(crate) use fetch::{fetch_one, literal_part};
