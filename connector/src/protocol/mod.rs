//! Flow's materialize protocol: its messages, their two codecs, and the tuples that carry keys and
//! values.
//!
//! Knows nothing of S3 or Parquet. The messages are generated from `connector/proto` by `build.rs`;
//! one of them, `Store`, is on the hot path and is also read without them: see [`FrameIndex`].

mod codec;
mod frame_index;
mod json_scanner;
mod json_tuple;
mod linked;
pub mod open;
pub mod packed;
#[allow(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands every field over by reference"
)]
mod protojson;
mod redacted;
pub mod request;
mod span;
mod store;
mod value;

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated from connector/proto"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

pub use codec::{Codec, MAX_FRAME_BYTES};
pub use frame_index::{Found, FrameIndex};
pub use generated::{consumer, flow, gazette, materialize};
pub use json_tuple::{JsonTuple, Positions};
pub use linked::collection;
pub use open::{Materialization, Open};
pub use request::Request;
pub use store::Store;
pub use value::{Elements, Tuple, Value};

/// The version of the protocol that the Spec response states.
pub const PROTOCOL_VERSION: u32 = 3_032_023;
