//! The bytes of a part or an object: a rope of the buffers they arrived in, so that nothing is ever
//! copied on the way in.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Some bytes, or only their number if the server was told to discard them.
#[derive(Clone, Default)]
pub struct Payload {
    chunks: Vec<Bytes>,
    length: u64,
    discarded: bool,
}

impl Payload {
    /// A payload that counts what is pushed and keeps none of it.
    pub fn discarding() -> Self {
        Self {
            discarded: true,
            ..Self::default()
        }
    }

    /// Adds bytes to the end.
    pub fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len() as u64;
        if !self.discarded && !chunk.is_empty() {
            self.chunks.push(chunk);
        }
    }

    /// Adds another payload to the end, sharing its buffers.
    pub fn append(&mut self, other: &Self) {
        self.length += other.length;
        self.discarded |= other.discarded;
        self.chunks.extend(other.chunks.iter().cloned());
    }

    /// How many bytes it has, kept or not.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the bytes were thrown away.
    pub fn is_discarded(&self) -> bool {
        self.discarded
    }

    /// The buffers in order. Empty if the bytes were thrown away.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// All bytes in one buffer: a copy unless they arrived in one.
    pub fn to_bytes(&self) -> Bytes {
        if let [only] = self.chunks.as_slice() {
            return only.clone();
        }
        let mut whole = BytesMut::with_capacity(self.chunks.iter().map(Bytes::len).sum());
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }

    /// The bytes of a range, sharing the buffers. What lies beyond the end is left out.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut slice = Self {
            discarded: self.discarded,
            ..Self::default()
        };
        let mut start = 0;
        for chunk in &self.chunks {
            let end = start + chunk.len() as u64;
            let from = range.start.max(start);
            let to = range.end.min(end);
            if from < to {
                slice.push(chunk.slice((from - start) as usize..(to - start) as usize));
            }
            start = end;
        }
        slice
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Payload({} bytes)", self.length)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        let mut payload = Self::default();
        payload.push(bytes);
        payload
    }
}
