//! Where the messages of a buffer are, and the parts of the Stores among them.
//!
//! Finding them is a good part of the work on a row, and needs nothing but the bytes: so it is done
//! where they are read, on another thread than the session's. What is found are places in the
//! buffer, which stay true when both are handed on.

use std::ops::Range;

use super::json_tuple::Element;
use super::span::Span;
use super::store;
use crate::error::Result;
use crate::protocol::{Codec, JsonTuple, Store, Tuple};

/// The messages of a buffer. Kept from buffer to buffer, so that nothing is allocated for a row.
#[derive(Debug, Default)]
pub struct FrameIndex {
    frames: Vec<Frame>,
    parts: Parts,
}

/// What the parts of Stores refer to, besides the buffer.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The elements of JSON arrays, each within the text of its array.
    pub(super) elements: Vec<Element>,
    /// Packed tuples that came as base64.
    pub(super) decoded: Vec<u8>,
}

/// One message.
#[derive(Debug)]
enum Frame {
    Store(StoreParts),
    Other(Range<usize>),
}

/// A Store in the usual form.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StoreParts {
    pub(super) binding: u32,
    pub(super) key: TupleParts,
    pub(super) values: TupleParts,
    pub(super) doc: Option<Span>,
    pub(super) delete: bool,
}

/// Where a tuple is.
#[derive(Clone, Copy, Debug)]
pub(super) enum TupleParts {
    /// In the buffer.
    Packed(Span),
    /// In [`Parts::decoded`].
    Decoded(Span),
    /// The text in the buffer, the elements in [`Parts::elements`].
    Json { text: Span, elements: Span },
}

impl Default for TupleParts {
    fn default() -> Self {
        Self::Packed(Span::default())
    }
}

/// A message as it is found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// A Store, in a form that the hot path reads.
    Store(Store<'a>),
    /// The frame of another message, or of one that is none.
    Other(&'a [u8]),
}

impl FrameIndex {
    /// Finds the messages of `bytes`, in place of those that it had, and returns how many bytes are
    /// whole frames. Errors as [`Codec::split_frame`] does.
    pub fn read(&mut self, codec: Codec, bytes: &[u8]) -> Result<usize> {
        self.clear();
        // JSON is text. Once for all lines is faster; line by line matters only where one of them
        // is none.
        let is_text = codec == Codec::Proto || simdutf8::basic::from_utf8(bytes).is_ok();
        let mut at = 0;
        while let Some((frame, length)) = codec.split_frame(&bytes[at..])? {
            let start = at + codec.header_bytes();
            let range = start..start + frame.len();
            let store = if is_text || simdutf8::basic::from_utf8(frame).is_ok() {
                self.parts.read(codec, bytes, range.clone())
            } else {
                None
            };
            self.frames
                .push(store.map_or(Frame::Other(range), Frame::Store));
            at += length;
        }
        Ok(at)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.parts.elements.clear();
        self.parts.decoded.clear();
    }

    /// The bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.frames.capacity() * size_of::<Frame>()
            + self.parts.elements.capacity() * size_of::<Element>()
            + self.parts.decoded.capacity()
    }

    /// A message by its place among them; none behind the last. `bytes` are those that were read.
    #[inline]
    pub fn get<'a>(&'a self, index: usize, bytes: &'a [u8]) -> Option<Found<'a>> {
        self.frames.get(index).map(|frame| match frame {
            Frame::Store(store) => Found::Store(self.parts.store(store, bytes)),
            Frame::Other(range) => Found::Other(&bytes[range.clone()]),
        })
    }
}

impl Parts {
    /// Reads a frame as a Store; none where it is another message, or not as usual.
    #[inline]
    fn read(&mut self, codec: Codec, bytes: &[u8], frame: Range<usize>) -> Option<StoreParts> {
        if codec == Codec::Proto {
            return store::proto::read(bytes, frame);
        }
        let (elements, decoded) = (self.elements.len(), self.decoded.len());
        let store = store::json::read(bytes, frame, self);
        if store.is_none() {
            self.elements.truncate(elements);
            self.decoded.truncate(decoded);
        }
        store
    }

    #[inline]
    fn store<'a>(&'a self, store: &StoreParts, bytes: &'a [u8]) -> Store<'a> {
        Store {
            binding: store.binding,
            key: self.tuple(store.key, bytes),
            values: self.tuple(store.values, bytes),
            doc: store.doc.map(|doc| doc.of(bytes)),
            delete: store.delete,
        }
    }

    #[inline]
    fn tuple<'a>(&'a self, tuple: TupleParts, bytes: &'a [u8]) -> Tuple<'a> {
        match tuple {
            TupleParts::Packed(packed) => Tuple::Packed(packed.of(bytes)),
            TupleParts::Decoded(packed) => Tuple::Packed(packed.of(&self.decoded)),
            TupleParts::Json { text, elements } => Tuple::Json(JsonTuple::of_parts(
                text.of(bytes),
                elements.of(&self.elements),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(codec: Codec, bytes: &[u8]) -> Vec<String> {
        let mut index = FrameIndex::default();
        index.read(codec, bytes).unwrap();
        let found = (0..index.len()).map(|at| match index.get(at, bytes).unwrap() {
            Found::Store(store) => format!("Store {}", store.binding),
            Found::Other(frame) => String::from_utf8_lossy(frame).into_owned(),
        });
        found.collect()
    }

    #[test]
    fn messages_are_found_in_order() {
        let lines = b"{\"flush\":{}}\n{\"store\":{\"binding\":3}}\n\n{\"store\":{}}\n";
        assert_eq!(
            names(Codec::Json, lines),
            [r#"{"flush":{}}"#, "Store 3", "", "Store 0"]
        );
        let frames = b"\x02\0\0\0\x32\0\x04\0\0\0\x3a\x02\x08\x03\0\0\0\0";
        assert_eq!(names(Codec::Proto, frames), ["2\0", "Store 3", ""]);
    }

    #[test]
    fn what_is_not_whole_is_not_there() {
        let line = b"{\"store\":{}}\n";
        let frame = b"\x02\0\0\0\x3a\0";
        for (codec, frame) in [(Codec::Json, &line[..]), (Codec::Proto, frame)] {
            for cut in 0..frame.len() {
                let bytes = [frame, &frame[..cut]].concat();
                let whole = FrameIndex::default().read(codec, &bytes).unwrap();
                assert_eq!(whole, frame.len());
                assert_eq!(names(codec, &bytes), ["Store 0"]);
            }
        }
    }

    #[test]
    fn a_line_that_is_not_text_is_no_store_and_those_around_it_are() {
        let lines = b"{\"store\":{}}\n{\"store\":{\"newer\":\"\xad\"}}\n{\"store\":{}}\n";
        let names = names(Codec::Json, lines);
        assert_eq!((&names[0][..], &names[2][..]), ("Store 0", "Store 0"));
        assert!(names[1].contains("newer"));
    }

    #[test]
    fn an_index_takes_the_place_of_the_one_before() {
        let mut index = FrameIndex::default();
        for line in [
            &b"{\"store\":{\"key\":[1,2,3],\"valuesPacked\":\"JyY=\"}}\n"[..],
            b"{\"store\":{\"key\":[4]}}\n",
        ] {
            index.read(Codec::Json, line).unwrap();
        }
        assert_eq!(
            (
                index.len(),
                index.parts.elements.len(),
                index.parts.decoded.len()
            ),
            (1, 1, 0)
        );
    }
}
