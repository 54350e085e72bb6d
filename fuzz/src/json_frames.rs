//! Frames of the JSON codec: the in-place reader of Stores against serde's, and whole messages
//! there and back.

use materialize_s3_parquet::protocol::Codec;

use crate::frames;

/// Reads `data` as lines, the last of which is whole.
pub fn run(data: &[u8]) {
    frames::check(Codec::Json, &[data, b"\n"].concat());
}
