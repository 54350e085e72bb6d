//! The pages of an open row group, in memory, and how many columns have any: such a column has
//! begun to hold a compressor.
//!
//! When a row group ends its pages are moved on, not copied. The file's writer only passes on a
//! reference to each, though: so a page that is taken out of its place is lent beforehand, and a
//! [`PageSink`] knows it again by where it lies.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use parquet::arrow::arrow_writer::{
    InMemoryPageStore, PageKey, PageStore, PageStoreArgs, PageStoreFactory,
};
use parquet::errors::Result;

use super::page_memory::PageMemory;

/// Takes the bytes of a file.
pub trait Sink: Write + Send {
    /// Takes a page, which is bytes of the file as all others are, as it lies in memory.
    fn write_page(&mut self, page: Bytes) -> io::Result<()> {
        self.write_all(&page)
    }

    /// The bytes of memory that it holds of what it has taken.
    fn held_bytes(&self) -> usize {
        0
    }
}

impl Sink for Vec<u8> {}
impl Sink for io::Sink {}

/// The page that is about to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Lent(Arc<Mutex<Option<Bytes>>>);

impl Lent {
    fn lend(&self, page: Bytes) {
        *self.page() = Some(page);
    }

    /// The page that is lent, where it is just `bytes`. As long as it is lent nothing else can lie
    /// where it does.
    fn claim(&self, bytes: &[u8]) -> Option<Bytes> {
        self.page()
            .take_if(|page| std::ptr::eq(&raw const page[..], bytes))
    }

    /// Takes it back.
    pub(super) fn end(&self) {
        *self.page() = None;
    }

    fn page(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock()
    }
}

/// Passes bytes on to a sink, and pages as pages; of the footer it holds the last bytes back.
#[derive(Debug)]
pub(super) struct PageSink<W> {
    inner: Inner<W>,
    lent: Lent,
}

#[derive(Debug)]
enum Inner<W> {
    File(W),
    Footer(Arc<Mutex<Tail<W>>>),
    Gone,
}

/// A sink whose last bytes are held back, so that they can be changed.
#[derive(Debug)]
pub(super) struct Tail<W> {
    /// The sink.
    pub(super) inner: W,
    /// The bytes after those that it has.
    pub(super) held: Vec<u8>,
    bytes: usize,
}

impl<W: Sink> Tail<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        let passed = self.held.len().saturating_sub(self.bytes);
        self.inner.write_all(&self.held[..passed])?;
        self.held.drain(..passed);
        Ok(())
    }
}

impl<W> PageSink<W> {
    /// Knows the pages that are `lent`.
    pub(super) fn new(inner: W, lent: Lent) -> Self {
        Self {
            inner: Inner::File(inner),
            lent,
        }
    }

    /// The sink; none once the footer has begun.
    pub(super) fn inner(&self) -> Option<&W> {
        match &self.inner {
            Inner::File(inner) => Some(inner),
            Inner::Footer(_) | Inner::Gone => None,
        }
    }

    /// Holds so many bytes back from now on. What is returned has them, and the sink, when this one
    /// is gone. None where the footer had begun before.
    pub(super) fn hold_back(&mut self, bytes: usize) -> Option<Arc<Mutex<Tail<W>>>> {
        let Inner::File(inner) = std::mem::replace(&mut self.inner, Inner::Gone) else {
            return None;
        };
        let tail = Arc::new(Mutex::new(Tail {
            inner,
            held: Vec::new(),
            bytes,
        }));
        self.inner = Inner::Footer(Arc::clone(&tail));
        Some(tail)
    }
}

impl<W: Sink> Write for PageSink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::File(inner) => match self.lent.claim(bytes) {
                Some(page) => inner.write_page(page).map(|()| bytes.len()),
                None => inner.write(bytes),
            },
            Inner::Footer(tail) => tail.lock().write(bytes).map(|()| bytes.len()),
            Inner::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::File(inner) => inner.flush(),
            Inner::Footer(_) | Inner::Gone => Ok(()),
        }
    }
}

/// Makes a place for the pages of each column of a row group.
#[derive(Debug)]
pub(super) struct Pages {
    columns: Arc<AtomicUsize>,
    memory: PageMemory,
    lent: Lent,
}

impl Pages {
    /// Pages that are `lent` as they are taken out.
    pub(super) fn new(memory: PageMemory, lent: Lent) -> Self {
        Self {
            columns: Arc::default(),
            memory,
            lent,
        }
    }

    /// How many columns have completed a page.
    pub(super) fn columns(&self) -> usize {
        self.columns.load(Ordering::Relaxed)
    }
}

impl PageStoreFactory for Pages {
    fn create(&self, _column: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        Ok(Box::new(ColumnPages {
            pages: InMemoryPageStore::default(),
            columns: Some(Arc::clone(&self.columns)),
            memory: self.memory.clone(),
            lent: self.lent.clone(),
        }))
    }
}

struct ColumnPages {
    pages: InMemoryPageStore,
    /// Where to count this column; none once it is.
    columns: Option<Arc<AtomicUsize>>,
    memory: PageMemory,
    lent: Lent,
}

impl PageStore for ColumnPages {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        if let Some(columns) = self.columns.take() {
            columns.fetch_add(1, Ordering::Relaxed);
        }
        self.pages.put(self.memory.keep(value))
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let page = self.pages.take(key)?;
        self.lent.lend(page.clone());
        Ok(page)
    }

    fn memory_size(&self) -> usize {
        self.pages.memory_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Noted {
        pages: Vec<Bytes>,
        copied: Vec<u8>,
    }

    impl Write for Noted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.copied.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Noted {
        fn write_page(&mut self, page: Bytes) -> io::Result<()> {
            self.pages.push(page);
            Ok(())
        }
    }

    #[test]
    fn a_page_that_is_lent_is_known_again_and_nothing_else_is() {
        let lent = Lent::default();
        let mut sink = PageSink::new(Noted::default(), lent.clone());
        let page = Bytes::from(vec![7; 100]);
        lent.lend(page.clone());
        // A header before it, its parts, what is equal to it, itself, and itself once more.
        for bytes in [
            &b"header"[..],
            &page[..50],
            &page[50..],
            &[7; 100],
            &page,
            &page,
        ] {
            sink.write_all(bytes).unwrap();
        }
        let Noted { pages, copied } = end(sink, 0).0;
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].as_ptr(), page.as_ptr());
        assert_eq!(copied.len(), 6 + 50 + 50 + 100 + 100 + 6);
    }

    /// The sink, and what was held back of the footer.
    fn end<W: Sink>(mut sink: PageSink<W>, bytes: usize) -> (W, Vec<u8>) {
        let tail = sink.hold_back(bytes).unwrap();
        sink.write_all(b"foo").unwrap();
        sink.write_all(b"ter").unwrap();
        assert!(sink.inner().is_none() && sink.hold_back(1).is_none());
        drop(sink);
        let Tail { inner, held, .. } = Arc::into_inner(tail).unwrap().into_inner();
        (inner, held)
    }

    #[test]
    fn the_last_bytes_of_a_footer_are_held_back() {
        for (bytes, written, held) in [(0, "footer", ""), (4, "fo", "oter"), (9, "", "footer")] {
            let mut sink = PageSink::new(Vec::new(), Lent::default());
            sink.write_all(b"row groups ").unwrap();
            let (inner, rest) = end(sink, bytes);
            assert_eq!(inner, format!("row groups {written}").as_bytes());
            assert_eq!(rest, held.as_bytes());
        }
    }
}
