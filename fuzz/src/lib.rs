//! Fuzz bodies: one module for each thing that reads bytes from outside, each with a `run` that
//! panics where a property of the connector does not hold.
//!
//! They are an ordinary library, so that the stable compiler checks them and `cargo test` runs each
//! over its seeds (`fuzz/corpus/<body>`) and over generated input. `cargo xtask fuzz` runs them
//! under libFuzzer, by the programs in `fuzz_targets`.
#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is how a body tells what it found"
)]

mod cells;
pub mod config;
mod documents;
pub mod formats;
mod frames;
mod generate;
pub mod json_frames;
mod oracle;
pub mod packed_tuples;
pub mod proto_frames;
pub mod rows;
pub mod schema;
#[cfg(test)]
mod smoke;
pub mod state;

/// A body: looks at some input, and panics where a property does not hold.
pub type Body = fn(&[u8]);

/// All bodies by name; each has seeds in `corpus` and a program in `fuzz_targets` of the same name.
pub const BODIES: [(&str, Body); 8] = [
    ("config", config::run),
    ("formats", formats::run),
    ("json_frames", json_frames::run),
    ("packed_tuples", packed_tuples::run),
    ("proto_frames", proto_frames::run),
    ("rows", rows::run),
    ("schema", schema::run),
    ("state", state::run),
];
