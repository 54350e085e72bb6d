//! A Store by the proto codec, found in one pass. Field numbers as in `proto/materialize.proto`;
//! the wire format as in protobuf's encoding specification.
//!
//! What is not as usual, in good order or not, is left to prost.

use std::ops::Range;

use crate::protocol::frame_index::{StoreParts, TupleParts};
use crate::protocol::span::Span;

/// The tag of the `store` field of a Request: field 7, length-delimited.
const STORE_TAG: u64 = 7 << 3 | 2;

/// The greatest number of a field.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// Finds a Store in the message that is `frame` of `bytes`; none where it holds something else,
/// more, or less.
#[inline]
pub(in crate::protocol) fn read(bytes: &[u8], frame: Range<usize>) -> Option<StoreParts> {
    let mut wire = Wire {
        bytes: &bytes[..frame.end],
        at: frame.start,
    };
    if wire.varint()? != STORE_TAG {
        return None;
    }
    let length = wire.varint()?;
    if length != (frame.end - wire.at) as u64 {
        return None;
    }
    let mut store = StoreParts::default();
    while wire.at < frame.end {
        wire.field(&mut store)?;
    }
    Some(store)
}

/// A message as far as it has not been read.
struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Wire<'_> {
    /// Takes a field of a Store; none where it has not the form that it should have.
    #[inline]
    fn field(&mut self, store: &mut StoreParts) -> Option<()> {
        let tag = self.varint()?;
        match (tag >> 3, tag & 7) {
            (1, 0) => store.binding = self.varint()? as u32,
            (3, 2) => store.key = TupleParts::Packed(self.length_delimited()?),
            (5, 2) => store.values = TupleParts::Packed(self.length_delimited()?),
            (6, 2) => {
                let doc = self.length_delimited()?;
                store.doc = (!doc.is_empty()).then_some(doc);
            }
            (8, 0) => store.delete = self.varint()? != 0,
            // `exists`, which is always false with delta updates; and fields that newer runtimes
            // may have.
            (7, 0) => drop(self.varint()?),
            (9..=MAX_FIELD, wire_type) => self.skip(wire_type)?,
            _ => return None,
        }
        Some(())
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for index in 0..10 {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte has room for the last of 64 bits.
                return (index < 9 || byte < 2).then_some(value);
            }
        }
        None
    }

    #[inline]
    fn length_delimited(&mut self) -> Option<Span> {
        let length = usize::try_from(self.varint()?).ok()?;
        let start = self.at;
        self.advance(length)?;
        Span::new(start..self.at)
    }

    #[inline]
    fn advance(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    /// Passes over the value of a field that is not known, by its wire type.
    fn skip(&mut self, wire_type: u64) -> Option<()> {
        match wire_type {
            0 => self.varint().map(drop),
            1 => self.advance(8),
            2 => self.length_delimited().map(drop),
            5 => self.advance(4),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Codec;
    use crate::protocol::frame_index::{Found, FrameIndex};
    use crate::protocol::request::Decoder;

    /// The frame of a Store.
    fn frame(store: &[u8]) -> Vec<u8> {
        let message = [&[STORE_TAG as u8, store.len() as u8], store].concat();
        [&(message.len() as u32).to_le_bytes(), &message[..]].concat()
    }

    fn index(frame: &[u8]) -> FrameIndex {
        let mut index = FrameIndex::default();
        index.read(Codec::Proto, frame).unwrap();
        index
    }

    #[test]
    fn proto_stores_that_protobuf_forbids_are_refused() {
        for (what, store) in [
            ("field zero", &[0, 0][..]),
            ("a key that is a number", &[3 << 3, 1]),
            ("an `exists` that is a text", &[7 << 3 | 2, 0]),
            ("an end without a beginning", &[9 << 3 | 4]),
            (
                "a number of 70 bits",
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127],
            ),
        ] {
            let frame = frame(store);
            let index = index(&frame);
            let found = index.get(0, &frame).unwrap();
            assert!(matches!(found, Found::Other(_)), "{what}");
            assert!(Decoder::new(Codec::Proto).decode(found).is_err(), "{what}");
        }
    }

    #[test]
    fn fields_of_newer_runtimes_are_passed_over() {
        let store = [
            8,
            7,
            9 << 3 | 2,
            1,
            b'a',
            10 << 3 | 5,
            0,
            0,
            0,
            0,
            8 << 3,
            1,
        ];
        let frame = frame(&store);
        let index = index(&frame);
        let Some(Found::Store(store)) = index.get(0, &frame) else {
            panic!("it is a Store");
        };
        assert_eq!((store.binding, store.delete), (7, true));
    }
}
