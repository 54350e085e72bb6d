//! The row group that is being written: its columns are encoded and compressed side by side, on two
//! threads.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, SchemaRef};
use parking_lot::Mutex;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::TypePtr;

use super::compression::CompressorMemory;
use super::footer::Footer;
use super::pages::Pages;

/// The bytes of values below which a second thread is not worth its start.
const BYTES_FOR_TWO: usize = 64 << 10;

/// About how many bytes of memory a column's writer takes before its first value.
const COLUMN_BYTES: usize = 4 << 10;

/// Columns whose pages wait in memory for the row group's end.
#[derive(Debug)]
pub(super) struct RowGroup {
    schema: SchemaRef,
    columns: Vec<ArrowColumnWriter>,
    pages: Arc<Pages>,
    compressor_memory: CompressorMemory,
    rows: usize,
}

impl RowGroup {
    /// An empty row group of a file of that schema, written by properties of its own. Each column
    /// holds a compressor that takes `compressor_memory`. Its completed pages are kept in
    /// `pages`.
    pub(super) fn new(
        schema: &SchemaRef,
        parquet_schema: &TypePtr,
        properties: WriterProperties,
        compressor_memory: CompressorMemory,
        pages: Pages,
    ) -> Result<Self> {
        // Column writers come from a file writer only. This one lends its properties; the file
        // itself never sees them.
        let lender = SerializedFileWriter::new(
            io::sink(),
            Arc::clone(parquet_schema),
            Arc::new(properties),
        )?;
        let pages = Arc::new(pages);
        let factory = ArrowRowGroupWriterFactory::new(&lender, Arc::clone(schema))
            .with_page_store_factory(Arc::clone(&pages) as _);
        Ok(Self {
            schema: Arc::clone(schema),
            columns: factory.create_column_writers(0)?,
            pages,
            compressor_memory,
            rows: 0,
        })
    }

    /// The rows so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes that it is expected to have in the file.
    pub(super) fn encoded_bytes(&self) -> usize {
        let bytes = self
            .columns
            .iter()
            .map(ArrowColumnWriter::get_estimated_total_bytes);
        bytes.sum()
    }

    /// The bytes of memory that values and pages take.
    pub(super) fn values_bytes(&self) -> usize {
        let bytes = self.columns.iter().map(ArrowColumnWriter::memory_size);
        bytes.sum()
    }

    /// The bytes of memory that it holds: besides those, what its columns need to write them.
    pub(super) fn memory_bytes(&self) -> usize {
        self.values_bytes()
            + self.columns.len() * (COLUMN_BYTES + self.compressor_memory.idle)
            + self.pages.columns() * self.compressor_memory.busy
    }

    /// Encodes the rows of `batch`.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.columns.iter_mut();
        let values = self.schema.fields().iter().zip(batch.columns());
        let mut jobs: Vec<_> = columns
            .zip(values)
            .map(|(writer, (field, array))| Job {
                writer,
                field,
                array,
                bytes: array.to_data().get_slice_memory_size().unwrap_or_default(),
            })
            .collect();
        let bytes: usize = jobs.iter().map(|job| job.bytes).sum();
        // The heaviest first, so that the last ones to be taken are short.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.bytes));
        side_by_side(jobs, bytes >= BYTES_FOR_TWO, Job::run)?;
        self.rows += batch.num_rows();
        Ok(())
    }

    /// Encodes what is left, writes the columns one after the other, and notes in the footer where
    /// they are.
    pub(super) fn finish<W: Write + Send>(
        self,
        bytes: &mut TrackedWrite<W>,
        footer: &mut Footer,
    ) -> Result<()> {
        let pays = self.encoded_bytes() >= BYTES_FOR_TWO;
        let chunks: Vec<ArrowColumnChunk> =
            side_by_side(self.columns, pays, ArrowColumnWriter::close)?;
        let schema = Arc::clone(footer.schema());
        let ordinal = i32::try_from(footer.row_groups())
            .map_err(|_| ParquetError::General("a file has 2^31 row groups at most".to_owned()))?;
        let note = |_: &mut TrackedWrite<W>, metadata, _, column_indexes, offset_indexes| {
            footer.push(metadata, column_indexes, offset_indexes);
            Ok(())
        };
        // Nothing of these properties is asked for: chunks bring their own.
        let properties = Arc::new(WriterProperties::default());
        let mut row_group =
            SerializedRowGroupWriter::new(schema, properties, bytes, ordinal, Some(Box::new(note)));
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }
}

/// The values of one column, on their way into its writer.
struct Job<'a> {
    writer: &'a mut ArrowColumnWriter,
    field: &'a FieldRef,
    array: &'a ArrayRef,
    bytes: usize,
}

impl Job<'_> {
    fn run(self) -> Result<()> {
        for leaf in compute_leaves(self.field, self.array)? {
            self.writer.write(&leaf)?;
        }
        Ok(())
    }
}

/// Does `work` for each of `items`, taken in their order by this thread and, where that `pays`, by
/// a second one. The results are in the order of the items; of several errors the first one counts.
fn side_by_side<T: Send, R: Send>(
    items: Vec<T>,
    pays: bool,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    if !pays || items.len() < 2 {
        return items.into_iter().map(work).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().next();
    let worker = || -> Vec<(usize, Result<R>)> {
        std::iter::from_fn(take)
            .map(|(index, item)| (index, work(item)))
            .collect()
    };
    let mut results = thread::scope(|scope| {
        let second = scope.spawn(worker);
        let mut results = worker();
        match second.join() {
            Ok(others) => results.extend(others),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_their_items_whoever_took_them() {
        let items: Vec<u64> = (0..1000).collect();
        for pays in [false, true] {
            let doubled = side_by_side(items.clone(), pays, |item| Ok(2 * item)).unwrap();
            assert_eq!(
                doubled,
                items.iter().map(|item| 2 * item).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn two_threads_work_at_once() {
        let both = std::sync::Barrier::new(2);
        side_by_side(vec![0, 1], true, |_| Ok(both.wait().is_leader())).unwrap();
    }

    #[test]
    fn the_first_error_in_order_is_told() {
        let fail = |item: i32| match item {
            3 | 7 => Err(ParquetError::General(item.to_string())),
            _ => Ok(()),
        };
        let error = side_by_side((0..10).collect(), true, fail).unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
    }
}
