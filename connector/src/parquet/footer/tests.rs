use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{ColumnOrder, Compression};
use parquet::file::metadata::{
    KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::statistics::Statistics;

use crate::parquet::compression::CompressorMemory;
use crate::parquet::{File, FileOptions, PageMemory};

/// Writes a file of one column, in which each array is a row group.
fn write(row_groups: &[ArrayRef]) -> Bytes {
    let options = FileOptions {
        compression: Compression::SNAPPY,
        compressor_memory: CompressorMemory::default(),
        row_group_rows: 1_000_000,
        row_group_bytes: u64::MAX,
        metadata: Arc::new([("collection".to_owned(), "acmeCo/orders".to_owned())]),
    };
    let batches: Vec<_> = row_groups.iter().map(batch).collect();
    let schema = batches[0].schema();
    let mut file = File::new(Vec::new(), &schema, &options, PageMemory::default()).unwrap();
    for batch in batches {
        file.write(&batch).unwrap();
        file.end_row_group().unwrap();
    }
    Bytes::from(file.finish().unwrap().0)
}

fn batch(column: &ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("value", Arc::clone(column), true)]).unwrap()
}

fn read(bytes: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .parse_and_finish(bytes)
        .unwrap()
}

fn doubles(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// Tells of each row group whether its chunk has bounds, whether its pages have any, and its number
/// of nulls.
fn bounds(bytes: &Bytes) -> Vec<(bool, bool, Option<u64>)> {
    let metadata = read(bytes);
    let indexes = metadata.page_index();
    let row_groups = metadata.row_groups().iter().enumerate();
    row_groups
        .map(|(number, group)| {
            let statistics = group.column(0).statistics();
            let bounded = statistics.is_some_and(|found| {
                found.min_bytes_opt().is_some() && found.max_bytes_opt().is_some()
            });
            let index = indexes.and_then(|indexes| indexes.column_index(number, 0));
            (
                bounded,
                index.is_some(),
                statistics.and_then(Statistics::null_count_opt),
            )
        })
        .collect()
}

#[test]
fn a_file_is_the_librarys_but_for_what_is_changed() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..5_000).map(|row| format!("order {row}")),
    ));
    let pairs = [("collection", "acmeCo/orders"), ("rows", "5000")];
    let pairs = pairs.map(|(name, value)| KeyValue::new(name.to_owned(), value.to_owned()));
    let properties = WriterProperties::builder()
        .set_created_by(super::super::file::CREATED_BY.to_owned())
        .set_compression(Compression::SNAPPY)
        .set_data_page_size_limit(super::super::PAGE_BYTES)
        .set_column_index_truncate_length(Some(64))
        .set_statistics_truncate_length(Some(64))
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(pairs.to_vec()))
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true)
        .with_schema_root("schema".to_owned());
    let batch = batch(&texts);
    let mut theirs =
        ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).unwrap();
    theirs.write(&batch).unwrap();
    assert_eq!(write(&[texts]), theirs.into_inner().unwrap());
}

#[test]
fn every_column_is_in_the_order_of_its_type() {
    let columns: [ArrayRef; 3] = [
        doubles([1.5]),
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(StringArray::from(vec!["a"])),
    ];
    for column in columns {
        let metadata = read(&write(&[column]));
        let order = metadata.file_metadata().column_order(0);
        assert!(
            matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_)),
            "{order}"
        );
    }
}

#[test]
fn a_column_with_a_nan_anywhere_has_no_bounds_but_its_nulls() {
    let plain: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.0)]));
    assert_eq!(
        bounds(&write(&[Arc::clone(&plain)])),
        [(true, true, Some(1))]
    );
    let with_nan = write(&[plain, doubles([3.0]), doubles([4.0, f64::NAN])]);
    assert_eq!(
        bounds(&with_nan),
        [
            (false, false, Some(1)),
            (false, false, Some(0)),
            (false, false, Some(0))
        ]
    );
}

#[test]
fn a_column_has_bounds_in_all_row_groups_or_in_none() {
    let long = |count| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..count).map(|_| "x".repeat(1 << 20)),
        ))
    };
    let short: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    assert_eq!(
        bounds(&write(&[Arc::clone(&short), Arc::clone(&short)])),
        [(true, true, Some(0)); 2]
    );
    let some = bounds(&write(&[Arc::clone(&short), long(3), short]));
    assert!(
        some.iter()
            .all(|(bounded, indexed, _)| !bounded && !indexed),
        "{some:?}"
    );
}

#[test]
fn a_row_group_of_nulls_alone_takes_no_bounds_away() {
    let nulls: ArrayRef = Arc::new(Float64Array::new_null(4));
    assert_eq!(
        bounds(&write(&[doubles([1.0]), nulls, doubles([2.0])])),
        [
            (true, true, Some(0)),
            (false, true, Some(4)),
            (true, true, Some(0))
        ]
    );
}

#[test]
fn a_bound_of_zero_covers_both_zeros() {
    let metadata = read(&write(&[doubles([0.0, 7.0]), doubles([-7.0, -0.0])]));
    let bound = |value: Option<&f64>| value.unwrap().to_bits();
    let chunk = |group: usize| match metadata.row_group(group).column(0).statistics() {
        Some(Statistics::Double(found)) => (bound(found.min_opt()), bound(found.max_opt())),
        other => panic!("{other:?}"),
    };
    let pages = |group: usize| match metadata.page_index().unwrap().column_index(group, 0) {
        Some(ColumnIndexMetaData::DOUBLE(found)) => {
            (bound(found.min_value(0)), bound(found.max_value(0)))
        }
        other => panic!("{other:?}"),
    };
    let first = ((-0.0_f64).to_bits(), 7.0_f64.to_bits());
    let second = ((-7.0_f64).to_bits(), 0.0_f64.to_bits());
    assert_eq!([chunk(0), chunk(1)], [first, second]);
    assert_eq!([pages(0), pages(1)], [first, second]);
}

#[test]
fn row_groups_and_pages_are_found_where_the_footer_says() {
    let bytes = write(&[doubles([1.0, 2.0]), doubles([3.0])]);
    let metadata = read(&bytes);
    let rows: Vec<_> = metadata
        .row_groups()
        .iter()
        .map(RowGroupMetaData::num_rows)
        .collect();
    assert_eq!(rows, [2, 1]);
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap();
    let values: Vec<f64> = reader
        .flat_map(|batch| {
            let column = Arc::clone(batch.unwrap().column(0));
            let column =
                arrow_array::cast::as_primitive_array::<arrow_array::types::Float64Type>(&column)
                    .clone();
            column.values().to_vec()
        })
        .collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
}
