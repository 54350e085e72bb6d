//! The pages of an open row group, in memory, and how many columns have any: such a column has begun to hold a compressor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_writer::{
    InMemoryPageStore, PageKey, PageStore, PageStoreArgs, PageStoreFactory,
};
use parquet::errors::Result;

/// Makes a place for the pages of each column of a row group.
#[derive(Debug, Default)]
pub(super) struct Pages {
    columns: Arc<AtomicUsize>,
}

impl Pages {
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
        }))
    }
}

struct ColumnPages {
    pages: InMemoryPageStore,
    /// Where to count this column; none once it is.
    columns: Option<Arc<AtomicUsize>>,
}

impl PageStore for ColumnPages {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        if let Some(columns) = self.columns.take() {
            columns.fetch_add(1, Ordering::Relaxed);
        }
        self.pages.put(value)
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        self.pages.take(key)
    }

    fn memory_size(&self) -> usize {
        self.pages.memory_size()
    }
}
