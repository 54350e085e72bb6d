//! Frames of the proto codec: the in-place reader of Stores against prost, and whole messages there
//! and back.

use materialize_s3_parquet::protocol::Codec;

use crate::frames;

/// Reads `data` as a stream of frames, and as the message of one.
pub fn run(data: &[u8]) {
    frames::check(Codec::Proto, data);
    let length = u32::try_from(data.len()).expect("an input is short");
    frames::check(Codec::Proto, &[&length.to_le_bytes(), data].concat());
}
