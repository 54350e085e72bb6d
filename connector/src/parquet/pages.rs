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

/// Passes bytes on to a sink, and pages as pages; those of the footer are collected instead.
#[derive(Debug)]
pub(super) struct PageSink<W> {
    inner: Inner<W>,
    lent: Lent,
}

#[derive(Debug)]
enum Inner<W> {
    File(W),
    Footer(Collected),
}

/// The bytes of a footer. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    /// Takes the bytes out.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes())
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock()
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

    /// The sink; none once bytes are collected.
    pub(super) fn inner(&self) -> Option<&W> {
        match &self.inner {
            Inner::File(inner) => Some(inner),
            Inner::Footer(_) => None,
        }
    }

    /// Gives the sink up, and collects all further bytes in `collected`. None where it was given up
    /// before.
    pub(super) fn collect(&mut self, collected: &Collected) -> Option<W> {
        match std::mem::replace(&mut self.inner, Inner::Footer(collected.clone())) {
            Inner::File(inner) => Some(inner),
            Inner::Footer(_) => None,
        }
    }
}

impl<W: Sink> Write for PageSink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::File(inner) => match self.lent.claim(bytes) {
                Some(page) => inner.write_page(page).map(|()| bytes.len()),
                None => inner.write(bytes),
            },
            Inner::Footer(collected) => collected.bytes().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::File(inner) => inner.flush(),
            Inner::Footer(_) => Ok(()),
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
        let Noted { pages, copied } = sink.collect(&Collected::default()).unwrap();
        assert_eq!(pages.len(), 1);
        assert_eq!(pages[0].as_ptr(), page.as_ptr());
        assert_eq!(copied.len(), 6 + 50 + 50 + 100 + 100);
    }

    #[test]
    fn what_comes_after_the_sink_is_given_up_is_collected() {
        let mut sink = PageSink::new(Vec::new(), Lent::default());
        let collected = Collected::default();
        sink.write_all(b"row groups").unwrap();
        assert_eq!(sink.collect(&collected).unwrap(), b"row groups");
        sink.write_all(b"footer").unwrap();
        assert_eq!(collected.take(), b"footer");
        assert!(sink.inner().is_none() && sink.collect(&collected).is_none());
    }
}
