//! One run from end to end: a catalog and its documents through a connector into a bucket, and back
//! out with DuckDB.
//!
//! The command line and the conformance suite both call [`run`]. What it does while it does it goes
//! to a [`Progress`]; what came of it is the [`Report`].

mod bucket;
mod command;
mod coverage;
mod documents;
mod endpoint;
mod error;
mod folder;
mod narrator;
mod options;
mod play;
mod read_back;
mod report;
mod rows;
mod selector;
mod sessions;
mod supply;

pub(crate) use bucket::client;
pub use bucket::{Bucket, Location, Opening};
pub use command::{CONNECTOR, beside_ourselves};
pub use endpoint::Replaced;
pub use error::{Error, Result};
pub use narrator::{Event, Progress, Published};
pub use options::{Options, Store};
pub use play::run;
pub use report::{BindingReport, FileReport, Report, Unplayed, without_binding};
