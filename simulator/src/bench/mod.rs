//! The benchmark: recorded sessions through the connector into an S3 server, against DuckDB's COPY
//! of the same documents.
//!
//! `shape` says what the documents are, `recording` makes them beforehand; `session` and `duck`
//! measure one round of each side, each in a process of its own; `files` looks whether they wrote
//! what was sent; `play` has them take turns, and `report` judges.

mod column;
mod duck;
mod error;
mod files;
mod measure;
mod play;
mod recording;
mod report;
mod server;
mod session;
mod shape;
mod stream;
mod task;
mod usage;
mod variant;

pub use column::{Column, Kind};
pub use duck::{VERB, copy};
pub use error::{Error, Result};
pub use measure::Sample;
pub use play::{Event, Options, bench};
pub use report::{ContenderReport, Growth, Must, Report, ShapeReport};
pub use shape::{Musts, PEAK_BYTES_MUST, Shape};
pub use stream::{Stream, collection};
pub use variant::Variant;
