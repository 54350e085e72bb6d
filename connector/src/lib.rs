//! An Estuary Flow connector that materializes delta updates of any number of collections into an S3 bucket as Apache
//! Parquet files, exactly once. `ARCHITECTURE.md` is the map.

pub mod config;
pub mod error;
pub mod keys;
pub mod logging;
pub mod pacing;
pub mod protocol;
