//! Reads a Parquet file's footer.

use std::fs::File;
use std::path::Path;

use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;
use parquet::schema::printer::print_schema;
use parquet::schema::types::ColumnDescriptor;

use super::error::{Error, Result};
use super::facts::{ChunkFacts, ColumnFacts, FileFacts, RowGroupFacts};
use super::statistics::{End, text};

/// Reads the footer of the file at `path`; `name` is what it is called.
pub fn footer(name: &str, path: &Path) -> Result<FileFacts> {
    let unreadable = |source| Error::File {
        path: name.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let reader = SerializedFileReader::new(file).map_err(|source| Error::Parquet {
        name: name.to_owned(),
        source,
    })?;
    Ok(facts(name, bytes, reader.metadata()))
}

fn facts(name: &str, bytes: u64, metadata: &ParquetMetaData) -> FileFacts {
    let file = metadata.file_metadata();
    let columns = file.schema_descr().columns();
    let kinds: Vec<String> = columns.iter().map(|column| kind(column)).collect();
    let row_groups: Vec<RowGroupFacts> = metadata
        .row_groups()
        .iter()
        .map(|group| row_group(group, &kinds))
        .collect();
    let pairs = file.key_value_metadata().into_iter().flatten();
    FileFacts {
        name: name.to_owned(),
        bytes,
        rows: count(file.num_rows()),
        format_version: file.version(),
        created_by: file.created_by().map(str::to_owned),
        metadata: pairs
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect(),
        columns: columns
            .iter()
            .zip(kinds)
            .enumerate()
            .map(|(index, (descriptor, kind))| {
                column(descriptor, kind, index, metadata, &row_groups)
            })
            .collect(),
        row_groups,
    }
}

fn row_group(group: &RowGroupMetaData, kinds: &[String]) -> RowGroupFacts {
    RowGroupFacts {
        rows: count(group.num_rows()),
        compressed_bytes: count(group.compressed_size()),
        uncompressed_bytes: count(group.total_byte_size()),
        columns: group
            .columns()
            .iter()
            .zip(kinds)
            .map(|(column, kind)| chunk(column, kind))
            .collect(),
    }
}

fn chunk(column: &ColumnChunkMetaData, kind: &str) -> ChunkFacts {
    let statistics = column.statistics();
    let end = |end| statistics.and_then(|statistics| text(statistics, end, kind));
    ChunkFacts {
        compression: codec(column),
        encodings: encodings(column),
        has_dictionary: column.dictionary_page_offset().is_some(),
        has_page_index: column.column_index_offset().is_some(),
        compressed_bytes: count(column.compressed_size()),
        uncompressed_bytes: count(column.uncompressed_size()),
        nulls: statistics.and_then(Statistics::null_count_opt),
        min: end(End::Min),
        max: end(End::Max),
    }
}

fn column(
    descriptor: &ColumnDescriptor,
    kind: String,
    index: usize,
    metadata: &ParquetMetaData,
    row_groups: &[RowGroupFacts],
) -> ColumnFacts {
    let chunks: Vec<&ChunkFacts> = row_groups
        .iter()
        .map(|group| &group.columns[index])
        .collect();
    ColumnFacts {
        name: descriptor.path().parts().join("."),
        repetition: descriptor
            .self_type()
            .get_basic_info()
            .repetition()
            .to_string(),
        compression: distinct(chunks.iter().map(|chunk| &chunk.compression)),
        encodings: distinct(chunks.iter().flat_map(|chunk| &chunk.encodings)),
        compressed_bytes: chunks.iter().map(|chunk| chunk.compressed_bytes).sum(),
        uncompressed_bytes: chunks.iter().map(|chunk| chunk.uncompressed_bytes).sum(),
        nulls: chunks.iter().map(|chunk| chunk.nulls).sum(),
        min: extreme(End::Min, &kind, index, metadata),
        max: extreme(End::Max, &kind, index, metadata),
        kind,
    }
}

/// The least or the greatest value over all row groups. Row groups without a value, because all of
/// it is null, have no say.
fn extreme(end: End, kind: &str, index: usize, metadata: &ParquetMetaData) -> Option<String> {
    let mut extreme: Option<&Statistics> = None;
    for group in metadata.row_groups() {
        let chunk = group.column(index);
        let statistics = chunk.statistics()?;
        let is_all_null = statistics.null_count_opt() == Some(count(chunk.num_values()));
        if is_all_null {
            continue;
        }
        extreme = Some(match extreme {
            Some(other) if !is_beyond(statistics, other, end)? => other,
            _ => statistics,
        });
    }
    text(extreme?, end, kind)
}

/// Whether one end lies further out than another; none where they cannot be compared.
fn is_beyond(one: &Statistics, other: &Statistics, end: End) -> Option<bool> {
    macro_rules! compare {
        ($one:expr, $other:expr) => {
            match end {
                End::Min => $one.min_opt()? < $other.min_opt()?,
                End::Max => $one.max_opt()? > $other.max_opt()?,
            }
        };
    }
    Some(match (one, other) {
        (Statistics::Boolean(one), Statistics::Boolean(other)) => compare!(one, other),
        (Statistics::Int32(one), Statistics::Int32(other)) => compare!(one, other),
        (Statistics::Int64(one), Statistics::Int64(other)) => compare!(one, other),
        (Statistics::Float(one), Statistics::Float(other)) => compare!(one, other),
        (Statistics::Double(one), Statistics::Double(other)) => compare!(one, other),
        (Statistics::ByteArray(one), Statistics::ByteArray(other)) => match end {
            End::Min => one.min_bytes_opt()? < other.min_bytes_opt()?,
            End::Max => one.max_bytes_opt()? > other.max_bytes_opt()?,
        },
        _ => return None,
    })
}

/// The encodings of a chunk. Those of the levels, which every chunk has, are left out where the
/// values have another.
fn encodings(column: &ColumnChunkMetaData) -> Vec<String> {
    #[expect(deprecated, reason = "files that others wrote may have it")]
    let of_levels = [Encoding::RLE, Encoding::BIT_PACKED];
    let all: Vec<Encoding> = column.encodings().collect();
    let mut values: Vec<&Encoding> = all
        .iter()
        .filter(|encoding| !of_levels.contains(encoding))
        .collect();
    if values.is_empty() {
        values = all.iter().collect();
    }
    values.iter().map(ToString::to_string).collect()
}

/// The codec without its level, which a file does not hold.
fn codec(column: &ColumnChunkMetaData) -> String {
    let text = column.compression().to_string();
    text.split('(').next().unwrap_or(&text).to_owned()
}

/// The physical type, with the logical one in parentheses.
fn kind(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type().to_string();
    let mut printed = Vec::new();
    print_schema(&mut printed, column.self_type());
    let printed = String::from_utf8_lossy(&printed);
    let after_name = printed
        .split_once(column.name())
        .map_or("", |(_, rest)| rest);
    let logical = after_name.trim().trim_end_matches(';');
    format!("{physical} {logical}").trim().to_owned()
}

fn distinct<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for text in texts {
        if !distinct.contains(text) {
            distinct.push(text.clone());
        }
    }
    distinct
}

/// Counts of a footer are signed, and negative only in a broken one.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
