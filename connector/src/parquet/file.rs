//! One Parquet file, written to anything that takes bytes.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::file::writer::TrackedWrite;
use parquet::schema::types::{SchemaDescriptor, TypePtr};

use super::PAGE_BYTES;
use super::compression::CompressorMemory;
use super::encoding;
use super::footer::{Footer, declare_type_orders, orders_bytes};
use super::page_memory::PageMemory;
use super::pages::{Lent, PageSink, Pages, Sink, Tail};
use super::row_group::RowGroup;
use crate::error::{Error, Result};

/// The four bytes that a file begins with.
const MAGIC: &[u8] = b"PAR1";

/// What wrote the file, as its metadata say it.
pub(super) const CREATED_BY: &str =
    concat!("materialize-s3-parquet version ", env!("CARGO_PKG_VERSION"));

/// The bytes that a column's minimum and maximum keep of a string, in the page index and the
/// statistics.
const STATISTICS_BYTES: usize = 64;

/// The bytes that the compressors of all columns may take before pages no longer end after so many
/// rows: that is when every column would get one, however little there is in it.
const COMPRESSORS_BYTES: usize = 16 << 20;

/// The rows of a page where it is to end by its bytes only.
const ANY_ROWS: usize = 1 << 30;

/// About how many bytes of memory the metadata of a finished column chunk take until the footer is
/// written.
const CHUNK_METADATA_BYTES: usize = 2048;

/// How a file is written.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The codec of its pages, with its level.
    pub compression: Compression,
    /// The memory that a column's compressor takes: of that codec.
    pub compressor_memory: CompressorMemory,
    /// The most rows that a row group has; met exactly.
    pub row_group_rows: usize,
    /// The encoded bytes at which a row group ends; passed by less than a batch.
    pub row_group_bytes: u64,
    /// Names and values for the file's key-value metadata.
    pub metadata: Arc<[(String, String)]>,
}

/// What a finished file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Its rows.
    pub rows: u64,
    /// Its row groups.
    pub row_groups: usize,
}

/// A Parquet file that is being written to `W`.
pub struct File<W: Sink> {
    bytes: TrackedWrite<PageSink<W>>,
    footer: Footer,
    page_memory: PageMemory,
    lent: Lent,
    schema: SchemaRef,
    parquet_schema: TypePtr,
    options: FileOptions,
    open: Option<RowGroup>,
    rows: u64,
}

impl<W: Sink> File<W> {
    /// Begins a file of `schema`, whose pages wait in `page_memory` for the end of their row group.
    pub fn new(
        sink: W,
        schema: &SchemaRef,
        options: &FileOptions,
        page_memory: PageMemory,
    ) -> Result<Self> {
        let parquet_schema = ArrowSchemaConverter::new()
            // The name that Parquet's own documents give to the root; Arrow's would be
            // `arrow_schema`.
            .schema_root("schema")
            .convert(schema)
            .map_err(failed)?
            .root_schema_ptr();
        let lent = Lent::default();
        let mut bytes = TrackedWrite::new(PageSink::new(sink, lent.clone()));
        bytes.write_all(MAGIC).map_err(io_failed)?;
        Ok(Self {
            bytes,
            footer: Footer::new(Arc::new(SchemaDescriptor::new(Arc::clone(&parquet_schema)))),
            page_memory,
            lent,
            schema: Arc::clone(schema),
            parquet_schema,
            options: options.clone(),
            open: None,
            rows: 0,
        })
    }

    /// Writes a batch, and ends the row group where it has reached its rows or its bytes.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let limit = self.options.row_group_rows;
            let row_group = self.row_group(batch, from)?;
            let rows = (batch.num_rows() - from).min(limit - row_group.rows());
            row_group.write(&batch.slice(from, rows)).map_err(failed)?;
            if row_group.rows() >= limit {
                self.end_row_group()?;
            }
            from += rows;
            self.rows += rows as u64;
        }
        if self.encoded_bytes() as u64 >= self.options.row_group_bytes {
            self.end_row_group()?;
        }
        Ok(())
    }

    /// The open row group; where there is none, one whose columns are laid out for the rows of
    /// `batch` from `from` on.
    fn row_group(&mut self, batch: &RecordBatch, from: usize) -> Result<&mut RowGroup> {
        if self.open.is_none() {
            let sample = batch.slice(from, batch.num_rows() - from);
            let mut properties = properties(&self.options);
            if self.options.compressor_memory.busy * self.schema.fields().len() > COMPRESSORS_BYTES
            {
                properties = properties.set_data_page_row_count_limit(ANY_ROWS);
            }
            let properties = encoding::choose(properties, &sample, self.options.compression);
            let row_group = RowGroup::new(
                &self.schema,
                &self.parquet_schema,
                properties.build(),
                self.options.compressor_memory,
                Pages::new(self.page_memory.clone(), self.lent.clone()),
            );
            self.open = Some(row_group.map_err(failed)?);
        }
        Ok(self.open.as_mut().expect("it has just been begun"))
    }

    /// Ends the open row group, and so gives back the memory that it holds.
    pub fn end_row_group(&mut self) -> Result<()> {
        let Some(row_group) = self.open.take() else {
            return Ok(());
        };
        let finished = row_group
            .finish(&mut self.bytes, &mut self.footer)
            .map_err(failed);
        self.lent.end();
        finished
    }

    /// The bytes of the file so far, those that the open row group is expected to have included.
    pub fn bytes(&self) -> u64 {
        (self.bytes.bytes_written() + self.encoded_bytes()) as u64
    }

    fn encoded_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, RowGroup::encoded_bytes)
    }

    /// The bytes of memory that the open row group holds: they come back with its end.
    pub fn row_group_memory_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, RowGroup::memory_bytes)
    }

    /// Those among them that values and pages take.
    pub fn row_group_values_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, RowGroup::values_bytes)
    }

    /// About how many bytes of memory the footer's metadata take so far: they come back with the
    /// end of the file.
    pub fn metadata_memory_bytes(&self) -> usize {
        self.footer.row_groups() * self.schema.fields().len() * CHUNK_METADATA_BYTES
    }

    /// The least and greatest value of an INT64 column in the row groups that have ended; none
    /// where it has no values there.
    pub fn bounds(&self, column: &str) -> Option<(i64, i64)> {
        self.footer.bounds(column)
    }

    /// The bytes of memory that the sink holds of what was written to it.
    pub fn sink_bytes(&self) -> usize {
        self.bytes.inner().inner().map_or(0, Sink::held_bytes)
    }

    /// Writes the footer, and gives the sink back.
    pub fn finish(mut self) -> Result<(W, FileSummary)> {
        self.end_row_group()?;
        let summary = FileSummary {
            rows: self.rows,
            row_groups: self.footer.row_groups(),
        };
        let pairs = self.pairs();
        let columns = self.footer.schema().num_columns();
        self.bytes.flush().map_err(io_failed)?;
        // The library writes a footer to its end, and drops what it has written to.
        let tail = self.bytes.inner_mut().hold_back(orders_bytes(columns));
        let tail = tail.ok_or_else(ended)?;
        self.footer
            .write(self.bytes, CREATED_BY.to_owned(), pairs)
            .map_err(failed)?;
        let Tail {
            mut inner,
            mut held,
            ..
        } = Arc::into_inner(tail).ok_or_else(ended)?.into_inner();
        declare_type_orders(&mut held, columns).map_err(failed)?;
        inner.write_all(&held).map_err(io_failed)?;
        Ok((inner, summary))
    }

    /// The key-value metadata, with the number of rows at its end.
    fn pairs(&self) -> Vec<KeyValue> {
        let pairs = self.options.metadata.iter();
        let rows = KeyValue::new("rows".to_owned(), self.rows.to_string());
        pairs
            .map(|(name, value)| KeyValue::new(name.clone(), value.clone()))
            .chain([rows])
            .collect()
    }
}

/// What all row groups of a file have in common.
fn properties(options: &FileOptions) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        // Version 1 of the data pages is what every reader knows.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(options.compression)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
}

fn ended() -> Error {
    Error::internal("a Parquet file has ended twice")
}

fn io_failed(error: std::io::Error) -> Error {
    failed(error.into())
}

fn failed(error: ParquetError) -> Error {
    Error::internal("a Parquet file cannot be written").with_source(error)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use bytes::Bytes;
    use parquet::file::metadata::{
        PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
    };

    use super::*;

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("number", DataType::Int64, true),
            Field::new("text", DataType::Utf8, true),
        ]);
        let numbers = Int64Array::from_iter_values(rows.clone());
        let texts = StringArray::from_iter_values(rows.map(|row| format!("{row:0100}")));
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
    }

    fn options() -> FileOptions {
        FileOptions {
            compression: Compression::SNAPPY,
            compressor_memory: CompressorMemory::default(),
            row_group_rows: 1_000_000,
            row_group_bytes: u64::MAX,
            metadata: Arc::new([("collection".to_owned(), "acmeCo/orders".to_owned())]),
        }
    }

    fn write(options: &FileOptions, batches: &[RecordBatch]) -> (Vec<u8>, FileSummary) {
        let mut file = File::new(
            Vec::new(),
            batches[0].schema_ref(),
            options,
            PageMemory::default(),
        )
        .unwrap();
        for batch in batches {
            file.write(batch).unwrap();
        }
        file.finish().unwrap()
    }

    fn metadata(bytes: Vec<u8>) -> ParquetMetaData {
        ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .parse_and_finish(&Bytes::from(bytes))
            .unwrap()
    }

    #[test]
    fn a_file_has_one_footer_with_its_metadata_and_a_page_index() {
        let (bytes, summary) = write(&options(), &[batch(0..10), batch(10..20)]);
        assert_eq!(
            summary,
            FileSummary {
                rows: 20,
                row_groups: 1
            }
        );
        assert_eq!(
            bytes.windows(4).filter(|window| window == b"PAR1").count(),
            2
        );
        let metadata = metadata(bytes);
        let pairs = metadata.file_metadata().key_value_metadata().unwrap();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.key.as_str(), pair.value.as_deref()))
            .collect();
        assert_eq!(
            pairs,
            [("collection", Some("acmeCo/orders")), ("rows", Some("20"))]
        );
        assert!(metadata.page_index().is_some());
        assert_eq!(metadata.file_metadata().schema().name(), "schema");
    }

    #[test]
    fn the_bounds_of_a_column_are_those_of_all_row_groups_that_have_ended() {
        let options = FileOptions {
            row_group_rows: 7,
            ..options()
        };
        let schema = batch(0..1).schema();
        let mut file = File::new(Vec::new(), &schema, &options, PageMemory::default()).unwrap();
        assert_eq!(file.bounds("number"), None);
        file.write(&batch(3..20)).unwrap();
        assert_eq!(file.bounds("number"), Some((3, 16)));
        file.end_row_group().unwrap();
        assert_eq!(file.bounds("number"), Some((3, 19)));
        assert_eq!(file.bounds("text"), None);
        assert_eq!(file.bounds("nothing"), None);
    }

    #[test]
    fn the_row_limit_of_a_row_group_holds_to_the_row() {
        let options = FileOptions {
            row_group_rows: 7,
            ..options()
        };
        let (bytes, summary) = write(&options, &[batch(0..10), batch(10..20)]);
        assert_eq!(summary.row_groups, 3);
        let rows: Vec<_> = metadata(bytes)
            .row_groups()
            .iter()
            .map(RowGroupMetaData::num_rows)
            .collect();
        assert_eq!(rows, [7, 7, 6]);
    }

    #[test]
    fn the_byte_limit_of_a_row_group_is_passed_by_less_than_a_batch() {
        let options = FileOptions {
            compression: Compression::UNCOMPRESSED,
            row_group_bytes: 20_000,
            ..options()
        };
        let batches: Vec<_> = (0..100)
            .map(|index| batch(index * 20..(index + 1) * 20))
            .collect();
        let (bytes, summary) = write(&options, &batches);
        assert!(summary.row_groups > 5);
        for group in &metadata(bytes).row_groups()[..summary.row_groups - 1] {
            assert!(
                (18_000..26_000).contains(&group.total_byte_size()),
                "{}",
                group.total_byte_size()
            );
        }
    }

    /// Counts what is written, and keeps the size of the largest piece: pages are written whole.
    #[derive(Default)]
    struct Counter {
        bytes: usize,
        largest: usize,
    }

    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.bytes += bytes.len();
            self.largest = self.largest.max(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Counter {}

    /// Tells the bytes of pages that came as such from those that were copied.
    #[derive(Default)]
    struct Pages {
        moved: usize,
        copied: usize,
    }

    impl Write for Pages {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.copied += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Pages {
        fn write_page(&mut self, page: Bytes) -> std::io::Result<()> {
            self.moved += page.len();
            Ok(())
        }
    }

    #[test]
    fn pages_are_moved_into_the_sink_and_not_copied() {
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
            let options = FileOptions {
                compression,
                ..options()
            };
            let batches = [batch(0..50_000), batch(50_000..100_000)];
            let (whole, _) = write(&options, &batches);
            let mut file = File::new(
                Pages::default(),
                batches[0].schema_ref(),
                &options,
                PageMemory::default(),
            )
            .unwrap();
            for batch in &batches {
                file.write(batch).unwrap();
            }
            let (Pages { moved, copied }, _) = file.finish().unwrap();
            assert_eq!(moved + copied, whole.len());
            assert!(20 * copied < moved, "{copied} bytes of {moved} are copied");
        }
    }

    #[test]
    fn a_page_has_twice_the_bytes_at_which_it_ends_at_most() {
        let options = FileOptions {
            compression: Compression::UNCOMPRESSED,
            ..options()
        };
        let schema = batch(0..1).schema();
        let mut file =
            File::new(Counter::default(), &schema, &options, PageMemory::default()).unwrap();
        file.write(&batch(0..100_000)).unwrap();
        let (written, _) = file.finish().unwrap();
        assert!(written.bytes > 8 << 20);
        assert!(
            (PAGE_BYTES..2 * PAGE_BYTES).contains(&written.largest),
            "{}",
            written.largest
        );
    }

    #[test]
    fn more_than_2_gib_of_values_are_never_in_one_page() {
        const VALUE: usize = 16 << 20;
        const COUNT: usize = (2 << 30) / VALUE + 2;
        let options = FileOptions {
            compression: Compression::UNCOMPRESSED,
            row_group_bytes: 64 << 20,
            ..options()
        };
        let text = "x".repeat(VALUE);
        let column: arrow_array::ArrayRef = Arc::new(StringArray::from_iter_values([&text]));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut file = File::new(
            Counter::default(),
            batch.schema_ref(),
            &options,
            PageMemory::default(),
        )
        .unwrap();
        for _ in 0..COUNT {
            file.write(&batch).unwrap();
            assert!(file.row_group_memory_bytes() < 6 * VALUE);
        }
        let (written, summary) = file.finish().unwrap();
        assert_eq!(summary.rows, COUNT as u64);
        assert!(written.bytes > 2 << 30);
        assert!(
            written.largest < VALUE + (1 << 20),
            "a page of {} bytes",
            written.largest
        );
    }
}
