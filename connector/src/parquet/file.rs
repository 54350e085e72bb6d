//! One Parquet file, written to anything that takes bytes.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use crate::error::{Error, Result};

/// The bytes that a column's minimum and maximum keep of a string, in the page index and the statistics.
const STATISTICS_BYTES: usize = 64;

/// How a file is written.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The codec of its pages, with its level.
    pub compression: Compression,
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
#[derive(Debug)]
pub struct File<W: Write + Send> {
    writer: ArrowWriter<W>,
    row_group_bytes: u64,
    rows: u64,
}

impl<W: Write + Send> File<W> {
    /// Begins a file of `schema`.
    pub fn new(sink: W, schema: &SchemaRef, options: &FileOptions) -> Result<Self> {
        let options_with_properties = ArrowWriterOptions::new()
            .with_properties(properties(options))
            // The name that Parquet's own documents give to the root; Arrow's would be `arrow_schema`.
            .with_schema_root("schema".to_owned())
            .with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(sink, Arc::clone(schema), options_with_properties);
        Ok(Self {
            writer: writer.map_err(failed)?,
            row_group_bytes: options.row_group_bytes,
            rows: 0,
        })
    }

    /// Writes a batch, and ends the row group where it has reached its bytes.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(failed)?;
        self.rows += batch.num_rows() as u64;
        if self.writer.in_progress_size() as u64 >= self.row_group_bytes {
            self.end_row_group()?;
        }
        Ok(())
    }

    /// Ends the open row group, and so gives back the memory that it holds.
    pub fn end_row_group(&mut self) -> Result<()> {
        self.writer.flush().map_err(failed)
    }

    /// The bytes of the file so far, those that the open row group is expected to have included.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// The bytes of memory that the open row group holds.
    pub fn memory_bytes(&self) -> usize {
        self.writer.memory_size()
    }

    /// Where the bytes go.
    pub fn sink(&self) -> &W {
        self.writer.inner()
    }

    /// Writes the footer, and gives the sink back.
    pub fn finish(mut self) -> Result<(W, FileSummary)> {
        self.end_row_group()?;
        let rows = KeyValue::new("rows".to_owned(), self.rows.to_string());
        self.writer.append_key_value_metadata(rows);
        let summary = FileSummary {
            rows: self.rows,
            row_groups: self.writer.flushed_row_groups().len(),
        };
        // This writes the footer; `ArrowWriter::finish` before it would write a second one.
        let sink = self.writer.into_inner().map_err(failed)?;
        Ok((sink, summary))
    }
}

fn properties(options: &FileOptions) -> WriterProperties {
    let metadata = options
        .metadata
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    WriterProperties::builder()
        // Version 1 of the data pages is what every reader knows.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(
            concat!("materialize-s3-parquet version ", env!("CARGO_PKG_VERSION")).to_owned(),
        )
        .set_compression(options.compression)
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_key_value_metadata(Some(metadata.collect()))
        .build()
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
            row_group_rows: 1_000_000,
            row_group_bytes: u64::MAX,
            metadata: Arc::new([("collection".to_owned(), "acmeCo/orders".to_owned())]),
        }
    }

    fn write(options: &FileOptions, batches: &[RecordBatch]) -> (Vec<u8>, FileSummary) {
        let mut file = File::new(Vec::new(), batches[0].schema_ref(), options).unwrap();
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
}
