//! Memory for pages that is used again: what the pages of one row group give back takes those of
//! the next one.
//!
//! Pages are of all sizes and stay for as long as a row group, among buffers that come and go with
//! each of them. Left where the encoder made them they keep the memory around them from being used
//! again: a row group takes a third more.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

/// The bytes below which a page, or its header, gets memory of just its size: the allocator is good
/// at small pieces.
const SMALL_BYTES: usize = 16 << 10;

/// The bytes from which on a page stays where it is: there are few of them, and copying them costs
/// most.
const LARGE_BYTES: usize = 4 << 20;

/// Where pages get their memory, and where it goes when they have been sent. Clones share it. What
/// is free stays: all of it is never more than pages needed at one moment, and a quarter.
#[derive(Clone, Debug, Default)]
pub struct PageMemory(Arc<Mutex<Free>>);

impl PageMemory {
    /// The same page, in memory that is used again.
    pub(super) fn keep(&self, page: Bytes) -> Bytes {
        match page.len() {
            ..SMALL_BYTES => Bytes::copy_from_slice(&page),
            // It takes the place of others, as one that is copied does.
            bytes @ LARGE_BYTES.. => {
                self.free().give_up(bytes);
                page
            }
            bytes => {
                let mut buffer = self.free().take(bytes);
                buffer.extend_from_slice(&page);
                let home = self.clone();
                Bytes::from_owner(Used { buffer, home })
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock()
    }
}

/// The memory of one page, which goes home with it.
struct Used {
    buffer: Vec<u8>,
    home: PageMemory,
}

impl AsRef<[u8]> for Used {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.free().put(buffer);
    }
}

/// Empty buffers, in the order of their capacities.
#[derive(Debug, Default)]
struct Free(Vec<Vec<u8>>);

impl Free {
    fn put(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        let at = self.first_of(buffer.capacity());
        self.0.insert(at, buffer);
    }

    /// An empty buffer for so many bytes, and at most a quarter more. Where there is none it is
    /// made, and as much is given up of the others: so there is never more memory than the
    /// pages of one moment needed.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let at = self.first_of(bytes);
        let next = self.0.get(at);
        if next.is_some_and(|next| next.capacity() <= bytes + bytes / 4) {
            return self.0.remove(at);
        }
        self.give_up(bytes);
        Vec::with_capacity(bytes)
    }

    /// Gives up buffers of so many bytes, as far as there are any.
    fn give_up(&mut self, bytes: usize) {
        let at = self.first_of(bytes);
        let mut given_up = 0;
        while given_up < bytes && !self.0.is_empty() {
            // The next larger one, where there is one: it leaves a hole that the new one fits into.
            let buffer = self.0.remove(at.min(self.0.len() - 1));
            given_up += buffer.capacity();
        }
    }

    /// The place of the first buffer that has room for so many bytes.
    fn first_of(&self, bytes: usize) -> usize {
        self.0.partition_point(|buffer| buffer.capacity() < bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: usize) -> Bytes {
        (0..bytes).map(|index| index as u8).collect()
    }

    fn free_bytes(memory: &PageMemory) -> usize {
        memory.free().0.iter().map(Vec::capacity).sum()
    }

    #[test]
    fn a_page_of_any_size_stays_as_it_is() {
        let memory = PageMemory::default();
        // Twice, because the second time there is something to use again.
        for _ in 0..2 {
            for edge in [SMALL_BYTES, LARGE_BYTES] {
                for bytes in [edge - 1, edge, edge + 1] {
                    let page = page(bytes);
                    assert_eq!(memory.keep(page.clone()), page);
                }
            }
        }
        assert_eq!(memory.keep(Bytes::new()), Bytes::new());
    }

    #[test]
    fn a_large_page_stays_where_it_is_and_a_small_one_lets_go_of_what_it_was_cut_from() {
        let memory = PageMemory::default();
        let large = page(LARGE_BYTES);
        assert_eq!(memory.keep(large.clone()).as_ptr(), large.as_ptr());
        let header = large.slice(..100);
        assert_ne!(memory.keep(header.clone()).as_ptr(), header.as_ptr());
    }

    #[test]
    fn memory_that_comes_back_takes_pages_of_about_its_size() {
        let memory = PageMemory::default();
        let first = memory.keep(page(100_000));
        let lies = first.as_ptr();
        let part = first.slice(10..20);
        drop(first);
        assert_eq!(free_bytes(&memory), 0, "a part of it is still needed");
        drop(part);
        assert_eq!(free_bytes(&memory), 100_000);
        let second = memory.keep(page(80_000));
        assert_eq!(second.as_ptr(), lies);
        assert_eq!(second, page(80_000));
        drop(second);
        let much_smaller = memory.keep(page(79_999));
        assert_eq!(free_bytes(&memory), 0, "what does not fit is given up");
        drop(much_smaller);
        assert_eq!(free_bytes(&memory), 79_999);
        let large = memory.keep(page(LARGE_BYTES));
        assert_eq!(
            free_bytes(&memory),
            0,
            "{} bytes take its place",
            large.len()
        );
    }

    #[test]
    fn there_is_never_more_memory_than_the_pages_of_one_moment_needed() {
        let mut random = fastrand::Rng::with_seed(7);
        let memory = PageMemory::default();
        let mut pages: Vec<Bytes> = Vec::new();
        let mut most = 0;
        for _ in 0..5_000 {
            if pages.len() > 40 || random.u8(..) < 100 && !pages.is_empty() {
                pages.swap_remove(random.usize(..pages.len()));
            } else {
                let bytes = random.usize(SMALL_BYTES..20 * SMALL_BYTES);
                pages.push(memory.keep(Bytes::from(vec![0; bytes])));
            }
            let needed: usize = pages.iter().map(Bytes::len).sum();
            most = most.max(needed);
            // A page lies in a quarter more than it needs, at most.
            assert!(needed + free_bytes(&memory) <= most + most / 4);
        }
        assert!(free_bytes(&memory) > 0);
    }
}
