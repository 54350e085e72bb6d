//! Frames of the JSON codec: the in-place reader of Stores against serde's, and whole messages there and back.

use materialize_s3_parquet::protocol::Codec;

use crate::frames;

/// Reads `data` as lines, and as one line.
pub fn run(data: &[u8]) {
    let check = |frame: &[u8]| frames::readers_agree(Codec::Json, frame);
    frames::each(Codec::Json, data, check);
    check(data);
}
