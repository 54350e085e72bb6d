//! The conformance suite: the real connector, driven by the simulator against real S3 servers, read
//! back with DuckDB. `cargo conformance` sets up what it needs and runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bench;
mod browser;
mod catalogs;
mod command_line;
mod compared;
mod containers;
mod docker;
mod exit_status;
mod files;
mod image;
mod inspect;
mod interruption;
mod memory;
mod one_prefix;
mod operator;
mod outages;
mod parts;
mod process;
mod protocol;
mod readers;
mod recording;
mod runs;
mod servers;
mod sessions;
mod signals;
mod snapshot;
mod standard;
mod stores;
mod streaming;
mod torture;
mod values;
mod wikipedia;
mod wrong_input;
