//! Bytes of a file, cut into parts of equal size, with a ceiling on how many are on their way to S3.
//!
//! An encoder is a plain thread that writes into a [`PartWriter`]. A full part takes one of the [`PartPool`]'s places and keeps
//! it until S3 has the part; while all places are taken the writer waits, which is the back-pressure of the whole connector.
//! What a writer has not yet handed over belongs to it alone and takes no place, so that any number of files can be open at
//! once and never wait for each other: see [`PartWriter::buffered`].

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

/// The size of every part but the last, in bytes: one that all stores take, and 10,000 of them make more than the largest file.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// How many parts the connector has on their way at once.
pub const PARTS_IN_FLIGHT: usize = 6;

/// The places for parts on their way, and the buffers of those that have arrived, for reuse. Clones share them.
#[derive(Clone, Debug)]
pub struct PartPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    part_bytes: usize,
    places: Mutex<Places>,
    freed: Condvar,
}

#[derive(Debug)]
struct Places {
    free: usize,
    closed: bool,
    buffers: Vec<Vec<u8>>,
}

impl PartPool {
    /// A pool for `in_flight` parts (at least one) of [`PART_BYTES`]. Memory is taken only when it is written to.
    pub fn new(in_flight: usize) -> Self {
        Self::with_part_bytes(in_flight, PART_BYTES)
    }

    pub(crate) fn with_part_bytes(in_flight: usize, part_bytes: usize) -> Self {
        let places = Mutex::new(Places {
            free: in_flight.max(1),
            closed: false,
            buffers: Vec::new(),
        });
        Self {
            shared: Arc::new(Shared {
                part_bytes,
                places,
                freed: Condvar::new(),
            }),
        }
    }

    /// A writer that cuts what it gets into parts, and where they come out.
    pub(crate) fn writer(&self) -> (PartWriter, mpsc::UnboundedReceiver<Piece>) {
        let (pieces, receiver) = mpsc::unbounded_channel();
        (
            PartWriter {
                pool: self.clone(),
                pieces,
                buffer: Vec::new(),
                written: 0,
            },
            receiver,
        )
    }

    /// Wakes every writer that waits for a place, and lets none wait any more: their files are given up.
    pub(crate) fn close(&self) {
        self.places().closed = true;
        self.shared.freed.notify_all();
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.places().closed
    }

    /// Waits for a place and puts `bytes` there. Fails where the pool is closed.
    fn place(&self, bytes: Vec<u8>) -> io::Result<Bytes> {
        let none = |places: &mut Places| places.free == 0 && !places.closed;
        let mut places = self
            .shared
            .freed
            .wait_while(self.places(), none)
            .unwrap_or_else(PoisonError::into_inner);
        if places.closed {
            return Err(ended());
        }
        places.free -= 1;
        let free = places.free;
        places.buffers.truncate(free);
        drop(places);
        Ok(Bytes::from_owner(Placed {
            bytes,
            pool: self.clone(),
        }))
    }

    /// Gives a place back, and keeps its buffer: parts and spare buffers together are never more than there are places.
    fn free(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut places = self.places();
        places.free += 1;
        if buffer.capacity() >= self.shared.part_bytes && places.buffers.len() < places.free {
            places.buffers.push(buffer);
        }
        self.shared.freed.notify_one();
    }

    fn spare_buffer(&self) -> Option<Vec<u8>> {
        self.places().buffers.pop()
    }

    /// No code panics while it holds the lock, so a poisoned one is as good as any.
    fn places(&self) -> MutexGuard<'_, Places> {
        self.shared
            .places
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part that holds a place, until the last clone of its bytes is gone.
struct Placed {
    bytes: Vec<u8>,
    pool: PartPool,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        self.pool.free(std::mem::take(&mut self.bytes));
    }
}

/// What a writer hands over.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next part: [`PART_BYTES`] long, or the last one.
    Part(Bytes),
    /// The file is whole. Where a writer goes away without it, the file is not.
    End,
}

/// Cuts the bytes of one file into parts and hands each to the file's [`Upload`](super::Upload). Writing blocks while all
/// places of the pool are taken, so it has no business on an async worker thread.
///
/// An error ([`io::ErrorKind::BrokenPipe`]) only says that the upload has ended; `Upload::finish` says why.
#[derive(Debug)]
pub struct PartWriter {
    pool: PartPool,
    pieces: mpsc::UnboundedSender<Piece>,
    buffer: Vec<u8>,
    written: u64,
}

impl PartWriter {
    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The memory in bytes that this writer holds outside the pool: at most one part. It belongs into the budget of open files.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// Hands over what is left and declares the file whole. Returns its size in bytes.
    pub fn finish(mut self) -> io::Result<u64> {
        if !self.buffer.is_empty() {
            self.hand_over()?;
        }
        self.send(Piece::End)?;
        Ok(self.written)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.pieces.is_closed() {
            return Err(ended());
        }
        let part = self.pool.place(std::mem::take(&mut self.buffer))?;
        self.send(Piece::Part(part))
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.pieces.send(piece).map_err(|_| ended())
    }

    /// Makes room for `more` bytes. A file's first part grows by doubling, so that many small files stay small; those that
    /// follow are whole at once.
    fn reserve(&mut self, more: usize) {
        let (length, capacity) = (self.buffer.len(), self.buffer.capacity());
        if length + more <= capacity {
            return;
        }
        let whole = self.pool.shared.part_bytes;
        let first = self.written < whole as u64;
        if first && length + more <= whole / 8 {
            self.buffer.reserve(more);
        } else if let Some(mut spare) = self.pool.spare_buffer() {
            spare.extend_from_slice(&self.buffer);
            self.buffer = spare;
        } else {
            let target = if first {
                (length + more).max(2 * capacity).min(whole)
            } else {
                whole
            };
            self.buffer.reserve_exact(target - length);
        }
    }
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the upload of this file has ended",
    )
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part_bytes = self.pool.shared.part_bytes;
        let taken = bytes.len().min(part_bytes - self.buffer.len());
        self.reserve(taken);
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.written += taken as u64;
        if self.buffer.len() == part_bytes {
            self.hand_over()?;
        }
        Ok(taken)
    }

    /// Does nothing: only whole parts can go on their way.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PART: usize = 64;

    fn received(receiver: &mut mpsc::UnboundedReceiver<Piece>) -> (Vec<Vec<u8>>, bool) {
        let (mut parts, mut ended) = (Vec::new(), false);
        while let Ok(piece) = receiver.try_recv() {
            match piece {
                Piece::Part(bytes) => parts.push(bytes.to_vec()),
                Piece::End => ended = true,
            }
        }
        (parts, ended)
    }

    #[test]
    fn parts_are_equal_but_the_last_at_every_size_around_a_multiple() {
        for size in [
            1,
            PART - 1,
            PART,
            PART + 1,
            3 * PART - 1,
            3 * PART,
            3 * PART + 1,
        ] {
            for chunk in [1, 7, PART, 5 * PART] {
                let data: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
                let (mut writer, mut pieces) = PartPool::with_part_bytes(10, PART).writer();
                data.chunks(chunk)
                    .for_each(|chunk| writer.write_all(chunk).unwrap());
                assert_eq!(writer.written(), size as u64);
                assert_eq!(writer.finish().unwrap(), size as u64);
                let (parts, ended) = received(&mut pieces);
                let expected: Vec<Vec<u8>> = data.chunks(PART).map(<[u8]>::to_vec).collect();
                assert!(ended && parts == expected, "size {size}, chunk {chunk}");
            }
        }
    }

    #[test]
    fn a_writer_that_goes_away_does_not_declare_the_file_whole() {
        let (mut writer, mut pieces) = PartPool::with_part_bytes(1, PART).writer();
        writer.write_all(b"half a file").unwrap();
        drop(writer);
        assert_eq!(received(&mut pieces), (vec![], false));
    }

    #[test]
    fn a_writer_waits_while_every_place_is_taken() {
        let (mut writer, mut pieces) = PartPool::with_part_bytes(2, PART).writer();
        let encoder = std::thread::spawn(move || writer.write_all(&[0; 3 * PART]));
        let first = (pieces.blocking_recv(), pieces.blocking_recv());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!encoder.is_finished());
        assert!(pieces.try_recv().is_err());
        drop(first);
        assert!(pieces.blocking_recv().is_some());
        encoder.join().unwrap().unwrap();
    }

    #[test]
    fn a_writer_that_waits_is_told_when_the_pool_is_closed() {
        let pool = PartPool::with_part_bytes(1, PART);
        let (mut writer, mut pieces) = pool.writer();
        let encoder = std::thread::spawn(move || writer.write_all(&[0; 2 * PART]));
        let _part = pieces.blocking_recv();
        pool.close();
        let error = encoder.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn open_files_that_have_not_filled_a_part_take_no_place() {
        let pool = PartPool::with_part_bytes(1, PART);
        let mut open: Vec<_> = (0..20).map(|_| pool.writer()).collect();
        for (writer, _) in &mut open {
            writer.write_all(&[0; PART - 1]).unwrap();
        }
        for (writer, mut pieces) in open {
            writer.finish().unwrap();
            assert_eq!(received(&mut pieces).0.len(), 1);
        }
    }

    #[test]
    fn a_writer_whose_upload_has_ended_is_told_and_not_left_waiting() {
        let (mut writer, mut pieces) = PartPool::with_part_bytes(1, PART).writer();
        let encoder = std::thread::spawn(move || writer.write_all(&[0; 3 * PART]));
        let part = pieces.blocking_recv();
        drop((pieces, part));
        assert_eq!(
            encoder.join().unwrap().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_small_file_takes_little_memory_and_a_large_one_a_part() {
        let (mut writer, _pieces) = PartPool::new(1).writer();
        writer.write_all(&[0; 1_000]).unwrap();
        assert!(writer.buffered() < 10_000);
        writer.write_all(&vec![0; PART_BYTES]).unwrap();
        assert_eq!(writer.buffered(), PART_BYTES);
    }

    #[test]
    fn buffers_are_used_again_and_never_more_than_there_are_places() {
        let pool = PartPool::with_part_bytes(2, PART);
        for _ in 0..10 {
            let (mut writer, mut pieces) = pool.writer();
            for _ in 0..4 {
                writer.write_all(&[1; PART]).unwrap();
                assert_eq!(received(&mut pieces).0, [[1; PART]]);
            }
        }
        let places = pool.places();
        assert_eq!(places.free, 2);
        assert!(
            (1..=2).contains(&places.buffers.len()),
            "{}",
            places.buffers.len()
        );
    }
}
