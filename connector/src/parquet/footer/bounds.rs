//! The bounds of a column: its minimum and maximum, in the metadata of its chunks and in the page
//! index.
//!
//! Readers get two kinds of them wrong. Beside a NaN, which they leave out, ClickHouse, Spark and
//! DataFusion count rows that are not there or miss those that are. Where some row groups of a file
//! have bounds and others have not, DataFusion takes those of the former for the whole file.

use parquet::basic::{BoundaryOrder, Type};
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, LevelHistogram};
use parquet::file::page_index::column_index::{ColumnIndexMetaData, PrimitiveColumnIndex};
use parquet::file::statistics::{Statistics, ValueStatistics};

/// Tells whether a chunk may keep its bounds: it has both and no NaN, or has no value that could be
/// in them.
pub(super) fn are_whole(chunk: &ColumnChunkMetaData) -> bool {
    let Some(statistics) = chunk.statistics() else {
        return false;
    };
    if statistics.nan_count_opt().is_some_and(|count| count > 0) {
        return false;
    }
    let nulls = statistics.null_count_opt();
    let has_bounds = statistics.min_bytes_opt().is_some() && statistics.max_bytes_opt().is_some();
    has_bounds || nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(chunk.num_values()))
}

/// Removes the bounds of a chunk, and leaves it its number of nulls.
pub(super) fn remove(chunk: &mut ColumnChunkMetaData) -> Result<()> {
    let Some(statistics) = chunk.statistics() else {
        return Ok(());
    };
    let nulls = statistics.null_count_opt();
    let statistics = match statistics {
        Statistics::Boolean(_) => Statistics::new::<bool>(None, None, None, nulls, false),
        Statistics::Int32(_) => Statistics::new::<i32>(None, None, None, nulls, false),
        Statistics::Int64(_) => Statistics::new::<i64>(None, None, None, nulls, false),
        Statistics::Double(_) => Statistics::new::<f64>(None, None, None, nulls, false),
        Statistics::ByteArray(_) => Statistics::new::<ByteArray>(None, None, None, nulls, false),
        // No column of ours has another type; a chunk without statistics is right for any.
        _ => return replace(chunk, None),
    };
    replace(chunk, Some(statistics))
}

/// Makes a minimum of zero a negative zero and a maximum a positive one, as the order of the type
/// asks writers to: a column of zeros may have both, and they are equal (parquet.thrift,
/// `ColumnOrder`).
pub(super) fn widen_zeros(
    chunk: &mut ColumnChunkMetaData,
    index: &mut Option<ColumnIndexMetaData>,
) -> Result<()> {
    if let Some(Statistics::Double(doubles)) = chunk.statistics() {
        let widened = ValueStatistics::new(
            doubles.min_opt().copied().map(least_zero),
            doubles.max_opt().copied().map(greatest_zero),
            None,
            doubles.null_count_opt(),
            false,
        )
        .with_nan_count(doubles.nan_count_opt());
        replace(chunk, Some(Statistics::Double(widened)))?;
    }
    let order = index
        .as_ref()
        .and_then(ColumnIndexMetaData::get_boundary_order);
    if let Some(ColumnIndexMetaData::DOUBLE(doubles)) = index {
        *index = Some(widened(doubles, order.unwrap_or(BoundaryOrder::UNORDERED))?);
    }
    Ok(())
}

fn least_zero(minimum: f64) -> f64 {
    if minimum == 0.0 { -0.0 } else { minimum }
}

fn greatest_zero(maximum: f64) -> f64 {
    if maximum == 0.0 { 0.0 } else { maximum }
}

/// Builds the same page index again, with zeros as [`widen_zeros`] has them.
fn widened(
    doubles: &PrimitiveColumnIndex<f64>,
    order: BoundaryOrder,
) -> Result<ColumnIndexMetaData> {
    let mut builder = ColumnIndexBuilder::new(Type::DOUBLE);
    let bytes =
        |bound: Option<f64>| bound.map_or_else(Vec::new, |bound| bound.to_le_bytes().into());
    let levels =
        |levels: Option<&[i64]>| levels.map(|levels| LevelHistogram::from(levels.to_vec()));
    for page in 0..doubles.min_values().len() {
        builder.append(
            doubles.is_null_page(page),
            bytes(doubles.min_value(page).copied().map(least_zero)),
            bytes(doubles.max_value(page).copied().map(greatest_zero)),
            doubles.null_count(page).unwrap_or_default(),
            doubles.nan_count(page),
        );
        builder.append_histograms(
            &levels(doubles.repetition_level_histogram(page)),
            &levels(doubles.definition_level_histogram(page)),
        );
    }
    builder.set_boundary_order(order);
    builder.build()
}

/// Gives a chunk other statistics.
fn replace(chunk: &mut ColumnChunkMetaData, statistics: Option<Statistics>) -> Result<()> {
    let builder = chunk.clone().into_builder();
    let builder = match statistics {
        Some(statistics) => builder.set_statistics(statistics),
        None => builder.clear_statistics(),
    };
    *chunk = builder.build()?;
    Ok(())
}
