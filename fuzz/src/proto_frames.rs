//! Frames of the proto codec: the in-place reader of Stores against prost, and whole messages there and back.

use materialize_s3_parquet::protocol::Codec;

use crate::frames;

/// Reads `data` as a stream of frames, and as the message of one.
pub fn run(data: &[u8]) {
    let check = |frame: &[u8]| frames::readers_agree(Codec::Proto, frame);
    frames::each(Codec::Proto, data, check);
    check(data);
}
