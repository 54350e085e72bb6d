//! Bytes of a file, cut into parts of equal size, with a ceiling on how many are on their way to
//! S3.
//!
//! An encoder is a plain thread that writes into a [`PartWriter`]. A full part takes one of the
//! [`PartPool`]'s places and keeps it until S3 has the part; while there is none for it the writer
//! waits, and the encoder waits before that while what it has open would not find room beside them
//! ([`PartPool::wait_for_room`]): that is the back-pressure of the whole connector. What a writer
//! has not yet handed over belongs to it alone and takes no place, so that any number of files can
//! be open at once and none needs another to end: see [`PartWriter::buffered`].
//!
//! A part is a list of chunks: pages as they lie in memory, which are never copied together, and
//! between them what was written bit by bit.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::mpsc;

use super::part_body::PartBody;

/// The size of every part but the last, in bytes: one that all stores take, and 10,000 of them make
/// more than the largest file.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// How many parts of all files together may be on their way at once.
#[derive(Clone, Copy, Debug)]
pub struct PartLimits {
    /// The size of a part, in bytes.
    pub part_bytes: usize,
    /// The most bytes that they have together; where it is less than a part, there is one at a
    /// time.
    pub bytes: usize,
    /// The most parts (at least one): files that are small have small ones.
    pub parts: usize,
}

impl Default for PartLimits {
    /// A row group (`staging.rs`), and half of the next one: so the encoder goes on while this one
    /// is on its way.
    fn default() -> Self {
        Self {
            part_bytes: PART_BYTES,
            bytes: 6 * PART_BYTES,
            parts: 16,
        }
    }
}

/// The bytes from which on a page is a chunk of its own. Fewer are copied: a chunk costs something,
/// too.
const CHUNK_BYTES: usize = 16 << 10;

/// The bytes at which what was written bit by bit is a chunk: a buffer grows by doubling, and what
/// it has too much is memory, too.
const BUFFER_BYTES: usize = 1 << 20;

/// The places for parts on their way. Clones share them.
#[derive(Clone, Debug)]
pub struct PartPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: PartLimits,
    places: Mutex<Places>,
    freed: Condvar,
}

#[derive(Debug)]
struct Places {
    free: usize,
    /// The bytes of the parts that have one.
    bytes: usize,
    closed: bool,
}

impl Shared {
    fn has_room(&self, places: &Places, bytes: usize) -> bool {
        places.bytes == 0 || places.bytes + bytes <= self.limits.bytes
    }
}

impl PartPool {
    /// A pool in which all places are free.
    pub fn new(limits: PartLimits) -> Self {
        let places = Mutex::new(Places {
            free: limits.parts.max(1),
            bytes: 0,
            closed: false,
        });
        Self {
            shared: Arc::new(Shared {
                limits,
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
                chunks: Vec::new(),
                chunk_bytes: 0,
                buffer: Vec::new(),
                written: 0,
            },
            receiver,
        )
    }

    /// Wakes every writer that waits for a place, and lets none wait any more: their files are
    /// given up.
    pub(crate) fn close(&self) {
        self.places().closed = true;
        self.shared.freed.notify_all();
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.places().closed
    }

    /// Waits until there would be room for so many bytes beside the parts on their way; not longer
    /// than there are any.
    pub(crate) fn wait_for_room(&self, bytes: usize) {
        let none = |places: &mut Places| !self.shared.has_room(places, bytes) && !places.closed;
        self.shared.freed.wait_while(&mut self.places(), none);
    }

    /// Waits for a place for a part of so many bytes. Fails where the pool is closed.
    fn place(&self, bytes: usize) -> io::Result<Place> {
        let none = |places: &mut Places| {
            let has_place = places.free > 0 && self.shared.has_room(places, bytes);
            !has_place && !places.closed
        };
        let mut places = self.places();
        self.shared.freed.wait_while(&mut places, none);
        if places.closed {
            return Err(ended());
        }
        places.free -= 1;
        places.bytes += bytes;
        Ok(Place {
            pool: self.clone(),
            bytes,
        })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.shared.places.lock()
    }
}

/// A place of a pool, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    pool: PartPool,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.pool.places();
        places.free += 1;
        places.bytes -= self.bytes;
        drop(places);
        // Some wait for a place, some for room.
        self.pool.shared.freed.notify_all();
    }
}

/// What a writer hands over.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next part, [`PART_BYTES`] long.
    Part(PartBody),
    /// The file is whole, with what is left of it. Where a writer goes away without it, the file is
    /// not.
    End(Option<PartBody>),
}

/// Cuts the bytes of one file into parts and hands each to the file's [`Upload`](super::Upload).
/// Writing blocks while the pool has no place for a part, so it has no business on an async worker
/// thread.
///
/// An error ([`io::ErrorKind::BrokenPipe`]) only says that the upload has ended; `Upload::finish`
/// says why.
#[derive(Debug)]
pub struct PartWriter {
    pool: PartPool,
    pieces: mpsc::UnboundedSender<Piece>,
    /// The next part as far as it has come, without what is in `buffer`.
    chunks: Vec<Bytes>,
    chunk_bytes: usize,
    /// What was written bit by bit since the last chunk.
    buffer: Vec<u8>,
    written: u64,
}

impl PartWriter {
    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The memory in bytes that this writer holds outside the pool: about one part at most. It
    /// belongs into the budget of open files.
    pub fn buffered(&self) -> usize {
        self.chunk_bytes + self.buffer.capacity()
    }

    /// Writes a page: as it lies in memory, where it is large enough for that to pay.
    pub fn write_page(&mut self, mut page: Bytes) -> io::Result<()> {
        let whole = page.len();
        while !page.is_empty() {
            // The rest of a page that was cut would hold on to the memory of all of it until its
            // part is full.
            let is_rest = page.len() < whole.min(self.room());
            if is_rest || page.len() < CHUNK_BYTES {
                return self.write_all(&page);
            }
            let chunk = page.split_to(page.len().min(self.room()));
            let bytes = chunk.len();
            self.end_chunk();
            self.push(chunk);
            self.advance(bytes)?;
        }
        Ok(())
    }

    /// Hands over what is left and declares the file whole. Returns its size in bytes.
    pub fn finish(mut self) -> io::Result<u64> {
        let rest = match self.part_bytes() {
            0 => None,
            _ => Some(self.take_part()?),
        };
        self.send(Piece::End(rest))?;
        Ok(self.written)
    }

    /// The bytes that the next part has so far.
    fn part_bytes(&self) -> usize {
        self.chunk_bytes + self.buffer.len()
    }

    /// The bytes that it still takes.
    fn room(&self) -> usize {
        self.pool.shared.limits.part_bytes - self.part_bytes()
    }

    /// Notes that so many bytes have come, and hands the part over once it is full.
    fn advance(&mut self, bytes: usize) -> io::Result<()> {
        self.written += bytes as u64;
        if self.room() == 0 {
            self.hand_over()?;
        }
        Ok(())
    }

    fn end_chunk(&mut self) {
        if !self.buffer.is_empty() {
            self.buffer.shrink_to_fit();
            let chunk = Bytes::from(std::mem::take(&mut self.buffer));
            self.push(chunk);
        }
    }

    fn push(&mut self, chunk: Bytes) {
        self.chunk_bytes += chunk.len();
        self.chunks.push(chunk);
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let part = self.take_part()?;
        self.send(Piece::Part(part))
    }

    /// Takes what is there as a part, and waits for its place.
    fn take_part(&mut self) -> io::Result<PartBody> {
        if self.pieces.is_closed() {
            return Err(ended());
        }
        self.end_chunk();
        let place = self.pool.place(self.chunk_bytes)?;
        self.chunk_bytes = 0;
        let chunks = std::mem::take(&mut self.chunks);
        Ok(PartBody::new(chunks, Some(place)))
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.pieces.send(piece).map_err(|_| ended())
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
        let taken = bytes.len().min(self.room());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() >= BUFFER_BYTES {
            self.end_chunk();
        }
        self.advance(taken)?;
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
    use std::thread;
    use std::time::Duration;

    const PART: usize = 64;
    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(50);

    fn received(receiver: &mut mpsc::UnboundedReceiver<Piece>) -> (Vec<Vec<u8>>, bool) {
        let (mut parts, mut ended) = (Vec::new(), false);
        while let Ok(piece) = receiver.try_recv() {
            match piece {
                Piece::Part(body) => parts.push(body.chunks().concat()),
                Piece::End(rest) => {
                    parts.extend(rest.map(|body| body.chunks().concat()));
                    ended = true;
                }
            }
        }
        (parts, ended)
    }

    fn pool(parts: usize, part_bytes: usize) -> PartPool {
        PartPool::new(PartLimits {
            part_bytes,
            bytes: parts * part_bytes,
            parts,
        })
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
                let (mut writer, mut pieces) = pool(10, PART).writer();
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
        let (mut writer, mut pieces) = pool(1, PART).writer();
        writer.write_all(b"half a file").unwrap();
        drop(writer);
        assert_eq!(received(&mut pieces), (vec![], false));
    }

    #[test]
    fn a_writer_waits_while_every_place_is_taken() {
        let (mut writer, mut pieces) = pool(2, PART).writer();
        let encoder = thread::spawn(move || writer.write_all(&[0; 3 * PART]));
        let first = (pieces.blocking_recv(), pieces.blocking_recv());
        thread::sleep(Duration::from_millis(20));
        assert!(!encoder.is_finished());
        assert!(pieces.try_recv().is_err());
        drop(first);
        assert!(pieces.blocking_recv().is_some());
        encoder.join().unwrap().unwrap();
    }

    #[test]
    fn a_writer_that_waits_is_told_when_the_pool_is_closed() {
        let pool = pool(1, PART);
        let (mut writer, mut pieces) = pool.writer();
        let encoder = thread::spawn(move || writer.write_all(&[0; 2 * PART]));
        let _part = pieces.blocking_recv();
        pool.close();
        let error = encoder.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn open_files_that_have_not_filled_a_part_take_no_place() {
        let pool = pool(1, PART);
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
        let (mut writer, mut pieces) = pool(1, PART).writer();
        let encoder = thread::spawn(move || writer.write_all(&[0; 3 * PART]));
        let part = pieces.blocking_recv();
        drop((pieces, part));
        assert_eq!(
            encoder.join().unwrap().unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_small_file_takes_little_memory_and_a_large_one_a_part() {
        let (mut writer, _pieces) = pool(1, PART_BYTES).writer();
        writer.write_all(&[0; 1_000]).unwrap();
        assert!(writer.buffered() < 10_000);
        writer
            .write_page(vec![0; PART_BYTES - 2_000].into())
            .unwrap();
        assert_eq!(writer.buffered(), PART_BYTES - 1_000);
    }

    #[test]
    fn what_comes_bit_by_bit_takes_little_more_memory_than_it_has_bytes() {
        let (mut writer, _pieces) = pool(1, PART_BYTES).writer();
        for written in (1_000..PART_BYTES).step_by(1_000) {
            writer.write_all(&[0; 1_000]).unwrap();
            assert!(writer.buffered() <= written + BUFFER_BYTES, "{written}");
        }
    }

    #[test]
    fn pages_are_cut_where_a_part_ends_and_never_copied_together() {
        let part = 4 * CHUNK_BYTES;
        for lead in [0, 1, CHUNK_BYTES, part - 1] {
            let (mut writer, mut pieces) = pool(10, part).writer();
            let bytes: Vec<u8> = (0..lead + 3 * part).map(|byte| byte as u8).collect();
            writer.write_all(&bytes[..lead]).unwrap();
            let page = Bytes::copy_from_slice(&bytes[lead..]);
            writer.write_page(page.clone()).unwrap();
            writer.finish().unwrap();
            // The rest of it shares a part with what comes next.
            let rest = (lead + 3 * part) % part;
            let (mut file, mut ours) = (Vec::new(), 0);
            while let Some(Piece::Part(body) | Piece::End(Some(body))) = pieces.blocking_recv() {
                assert!(body.bytes() == part || file.len() + body.bytes() == bytes.len());
                file.extend(body.chunks().concat());
                let in_page = |chunk: &&Bytes| page.as_ptr_range().contains(&chunk.as_ptr());
                ours += body
                    .chunks()
                    .iter()
                    .filter(in_page)
                    .map(Bytes::len)
                    .sum::<usize>();
            }
            assert_eq!(file, bytes);
            assert_eq!(ours, page.len() - rest, "lead {lead}");
        }
    }

    #[test]
    fn the_rest_of_a_page_that_was_cut_does_not_hold_on_to_all_of_it() {
        for rest in [1, CHUNK_BYTES, PART_BYTES - 1] {
            let (mut writer, mut pieces) = pool(2, PART_BYTES).writer();
            let page: Arc<[u8]> = vec![7; 2 * PART_BYTES + rest].into();
            let memory = Arc::downgrade(&page);
            writer.write_page(Bytes::from_owner(page)).unwrap();
            assert!(writer.buffered() < 2 * PART_BYTES);
            while let Ok(part) = pieces.try_recv() {
                drop(part);
            }
            assert_eq!(memory.strong_count(), 0, "{rest}");
        }
    }

    #[test]
    fn small_pages_are_gathered() {
        let (mut writer, mut pieces) = pool(1, PART_BYTES).writer();
        for _ in 0..100 {
            writer.write_page(Bytes::from_static(b"page")).unwrap();
        }
        writer.finish().unwrap();
        let Some(Piece::End(Some(body))) = pieces.blocking_recv() else {
            panic!("there is a rest");
        };
        assert_eq!((body.bytes(), body.chunks().len()), (400, 1));
    }

    #[test]
    fn a_place_is_free_again_once_the_last_clone_of_a_part_is_gone() {
        let pool = pool(2, PART);
        let (mut writer, mut pieces) = pool.writer();
        writer.write_all(&[1; PART]).unwrap();
        let Some(Piece::Part(body)) = pieces.blocking_recv() else {
            panic!("there is a part");
        };
        let clone = body.clone();
        drop(body);
        assert_eq!(pool.places().free, 1);
        drop(clone);
        assert_eq!(pool.places().free, 2);
    }

    #[test]
    fn small_parts_find_room_where_large_ones_do_not_and_their_number_ends_as_well() {
        let pool = PartPool::new(PartLimits {
            part_bytes: PART,
            bytes: 2 * PART,
            parts: 4,
        });
        let place = |bytes| {
            let pool = pool.clone();
            let (sender, place) = std::sync::mpsc::channel();
            thread::spawn(move || sender.send(pool.place(bytes).unwrap()));
            place
        };
        let first = place(PART).recv_timeout(LONG).unwrap();
        let second = place(PART - 1).recv_timeout(LONG).unwrap();
        let third = place(1).recv_timeout(LONG).unwrap();
        let fourth = place(1);
        assert!(fourth.recv_timeout(SHORT).is_err(), "more bytes");
        drop(first);
        let _fourth = fourth.recv_timeout(LONG).unwrap();
        let _fifth = place(1).recv_timeout(LONG).unwrap();
        let sixth = place(1);
        assert!(sixth.recv_timeout(SHORT).is_err(), "more parts");
        drop((second, third));
        sixth.recv_timeout(LONG).unwrap();
    }

    /// Whether a thread that waits for room for so many bytes goes on in that time.
    fn goes_on(pool: &PartPool, bytes: usize, within: Duration) -> bool {
        let (done, waits) = std::sync::mpsc::channel();
        let pool = pool.clone();
        thread::spawn(move || {
            pool.wait_for_room(bytes);
            let _ = done.send(());
        });
        waits.recv_timeout(within).is_ok()
    }

    fn must_go_on(pool: &PartPool, bytes: usize) {
        assert!(goes_on(pool, bytes, LONG));
    }

    fn must_wait(pool: &PartPool, bytes: usize) {
        assert!(!goes_on(pool, bytes, SHORT));
    }

    #[test]
    fn who_waits_for_room_waits_for_the_bytes_of_parts_to_be_few_enough() {
        let pool = pool(3, PART);
        let whole = pool.place(PART).unwrap();
        let last = pool.place(1).unwrap();
        must_go_on(&pool, 0);
        must_go_on(&pool, 2 * PART - 1);
        must_wait(&pool, 2 * PART);
        drop(last);
        must_go_on(&pool, 2 * PART);
        must_wait(&pool, 2 * PART + 1);
        drop(whole);
        must_go_on(&pool, 3 * PART);
    }

    #[test]
    fn nobody_waits_for_room_that_will_never_come() {
        let pool = pool(3, PART);
        must_go_on(&pool, 100 * PART);
        let _taken = pool.place(1).unwrap();
        must_wait(&pool, 100 * PART);
        pool.close();
        must_go_on(&pool, 100 * PART);
    }
}
