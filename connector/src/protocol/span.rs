//! Where something lies in a buffer.

use std::ops::Range;

/// From where to where, in bytes: half of what a range of `usize` takes, because there is one for
/// every element of every row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// None beyond 4 GiB.
    #[inline]
    pub(super) fn new(range: Range<usize>) -> Option<Self> {
        Some(Self {
            start: u32::try_from(range.start).ok()?,
            end: u32::try_from(range.end).ok()?,
        })
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// What lies there in the buffer for which it was made.
    #[inline]
    pub(super) fn of<T>(self, buffer: &[T]) -> &[T] {
        &buffer[self.start as usize..self.end as usize]
    }
}
