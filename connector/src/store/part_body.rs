//! The bytes of a part, as a list of chunks that are sent one after the other.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::parts::Place;

/// A part's bytes. Clones share them, and the place that they take in a pool.
#[derive(Clone, Debug)]
pub struct PartBody {
    chunks: Arc<[Bytes]>,
    bytes: usize,
    /// Kept until the last clone is gone.
    place: Option<Arc<Place>>,
}

/// A part's bytes in one piece, in the same place.
struct Joined {
    bytes: Vec<u8>,
    _place: Option<Arc<Place>>,
}

impl AsRef<[u8]> for Joined {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartBody {
    pub(super) fn new(chunks: Vec<Bytes>, place: Option<Place>) -> Self {
        Self {
            bytes: chunks.iter().map(Bytes::len).sum(),
            chunks: chunks.into(),
            place: place.map(Arc::new),
        }
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The chunks that they are made of.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Their CRC-32.
    pub fn crc32(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        self.chunks.iter().for_each(|chunk| hasher.update(chunk));
        hasher.finalize()
    }

    /// All of them in one piece, which is a copy that takes the place of the chunks.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(Joined {
            bytes: self.chunks.concat(),
            _place: self.place,
        })
    }

    /// What a client sends: from the first byte each time that it is asked for.
    pub(super) fn stream(&self) -> PartStream {
        PartStream {
            body: self.clone(),
            sent: 0,
            sent_bytes: 0,
        }
    }
}

impl From<Bytes> for PartBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(vec![bytes], None)
    }
}

/// A part as the body of a request.
#[derive(Debug)]
pub(super) struct PartStream {
    body: PartBody,
    /// The chunks that have been sent, and their bytes.
    sent: usize,
    sent_bytes: usize,
}

impl Body for PartStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.body.chunks.get(self.sent).cloned();
        self.sent += 1;
        self.sent_bytes += chunk.as_ref().map_or(0, Bytes::len);
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent >= self.body.chunks.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.body.bytes - self.sent_bytes) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> PartBody {
        let chunks = [&b"1234"[..], b"567", b"89"];
        PartBody::new(chunks.map(Bytes::from_static).to_vec(), None)
    }

    #[test]
    fn a_part_is_its_chunks_one_after_the_other() {
        assert_eq!(
            (body().bytes(), &body().into_bytes()[..]),
            (9, &b"123456789"[..])
        );
        assert_eq!(body().crc32(), 0xcbf4_3926, "the check value of CRC-32");
    }

    #[test]
    fn a_stream_says_how_much_is_left_until_nothing_is() {
        let mut stream = body().stream();
        let mut context = Context::from_waker(std::task::Waker::noop());
        for left in [9, 5, 2] {
            assert_eq!(stream.size_hint().exact(), Some(left));
            assert!(!stream.is_end_stream());
            let frame = Pin::new(&mut stream).poll_frame(&mut context);
            assert!(matches!(frame, Poll::Ready(Some(Ok(_)))));
        }
        assert_eq!(stream.size_hint().exact(), Some(0));
        assert!(stream.is_end_stream());
        let frame = Pin::new(&mut stream).poll_frame(&mut context);
        assert!(matches!(frame, Poll::Ready(None)));
    }
}
