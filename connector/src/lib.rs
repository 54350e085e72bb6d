//! An Estuary Flow connector that materializes delta updates of any number of collections into an
//! S3 bucket as Apache Parquet files, exactly once. `ARCHITECTURE.md` is the map.

pub mod apply;
pub mod binding;
pub mod checkpoint;
pub mod command_line;
pub mod config;
pub mod error;
pub mod keys;
pub mod left_behind;
pub mod logging;
pub mod mapping;
pub mod pacing;
pub mod parquet;
pub mod protocol;
pub mod report;
pub mod requests;
pub mod responses;
pub mod serve;
pub mod staging;
pub mod stop;
pub mod store;
pub mod transactor;
pub mod validate;
