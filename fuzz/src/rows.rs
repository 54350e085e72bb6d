//! Rows of any collection become a Parquet file, and the file holds the rows: each value converted
//! in its column or as it was in the rescue column, never in both, never in neither, whatever codec
//! it came by.

use std::borrow::Cow;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow_array::RecordBatch;
use bytes::Bytes;
use materialize_s3_parquet::config::{Compression, JsonColumns, TypeChanges};
use materialize_s3_parquet::error::ErrorKind;
use materialize_s3_parquet::mapping::{BatchBuilder, Schema};
use materialize_s3_parquet::parquet::{CompressorMemory, File, FileOptions, PageMemory, codec};
use materialize_s3_parquet::protocol::{JsonTuple, Positions, Store, Tuple, Value, packed};
use materialize_s3_parquet::validate::Candidate;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value as Json;

use crate::cells::{self, Cell};
use crate::documents::{self, Row};
use crate::{generate, schema};

/// The most rows of a file; enough for several row groups and batches.
const MOST_ROWS: usize = 12;

/// Makes a collection and rows of `data`.
pub fn run(data: &[u8]) {
    // Too few bytes make no collection.
    let _ = check(&mut Unstructured::new(data));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let Some(schema) = arbitrary_schema(input)? else {
        return Ok(());
    };
    let mut rows = Vec::new();
    for _ in 0..input.int_in_range(1..=MOST_ROWS)? {
        rows.push(documents::row(input, &schema)?);
    }
    let rows_per_batch = input.int_in_range(1..=rows.len())?;
    let expected: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| cells::expected(&schema, row))
        .collect();
    let options = file_options(input)?;
    for form in [Form::Packed, Form::Json, Form::OtherJson] {
        let built: Result<Vec<_>, _> = rows
            .chunks(rows_per_batch)
            .map(|rows| batch(&schema, rows, form))
            .collect();
        match built {
            Ok(batches) => {
                assert_eq!(all_cells(&schema, &batches), expected, "{form:?} {rows:?}");
                let file = file(&schema, &batches, &options);
                assert_eq!(
                    all_cells(&schema, &read(file)),
                    expected,
                    "read back {rows:?}"
                );
            }
            Err(error) => misfit_is_an_error(&schema, &rows, &error),
        }
    }
    Ok(())
}

/// The columns of a collection where everything that may be selected is; none where there would be
/// no column.
fn arbitrary_schema(input: &mut Unstructured<'_>) -> Result<Option<Arc<Schema>>> {
    let collection = generate::collection(input)?;
    let (field_config, is_known) = generate::field_config(input, &collection)?;
    let candidate = Candidate {
        collection: &collection,
        field_config: &field_config,
        last: None,
        rescues: input.ratio(3, 4)?,
        type_changes: TypeChanges::Continue,
    };
    if !is_known {
        return Ok(None);
    }
    let selection = schema::select(&collection, &schema::kinds(&candidate), &field_config);
    let json_columns = *input.choose(&[JsonColumns::String, JsonColumns::Json])?;
    let schema = Schema::new(&collection, &selection, json_columns, candidate.rescues)
        .expect("every allowed field has a column");
    Ok(Some(Arc::new(schema)).filter(|schema| !schema.columns().is_empty()))
}

/// The ways a row may come.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Packed tuples.
    Packed,
    /// JSON arrays, as this process writes JSON.
    Json,
    /// JSON arrays that say the same in other words.
    OtherJson,
}

fn batch(
    schema: &Arc<Schema>,
    rows: &[Row],
    form: Form,
) -> materialize_s3_parquet::error::Result<RecordBatch> {
    let mut builder = BatchBuilder::new(Arc::clone(schema));
    let (mut key_positions, mut value_positions) = (Positions::default(), Positions::default());
    for row in rows {
        let (key, values) = (tuple(&row.key, form), tuple(&row.values, form));
        let doc = row.document.as_ref().map(Json::to_string);
        builder.append(&Store {
            binding: 0,
            key: borrow(&key, form, &mut key_positions),
            values: borrow(&values, form, &mut value_positions),
            doc: doc.as_ref().map(String::as_bytes),
            delete: false,
        })?;
    }
    assert_eq!(builder.rows(), rows.len());
    Ok(builder.finish()?.records)
}

fn tuple(values: &[Json], form: Form) -> Vec<u8> {
    match form {
        Form::Packed => pack(values),
        Form::Json => Json::from(values).to_string().into_bytes(),
        Form::OtherJson => {
            let elements: Vec<String> = values.iter().map(documents::other_words).collect();
            format!(" [ {} ]\r", elements.join(" ,\t")).into_bytes()
        }
    }
}

fn borrow<'a>(bytes: &'a [u8], form: Form, positions: &'a mut Positions) -> Tuple<'a> {
    match form {
        Form::Packed => Tuple::Packed(bytes),
        Form::Json | Form::OtherJson => {
            let text = std::str::from_utf8(bytes).expect("it was made of text");
            Tuple::Json(JsonTuple::new(text, positions).expect("it was made as an array"))
        }
    }
}

fn pack(values: &[Json]) -> Vec<u8> {
    let mut writer = packed::Writer::new();
    for value in values {
        writer.push(&match value {
            Json::Null => Value::Null,
            Json::Bool(boolean) => Value::Boolean(*boolean),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Value::Integer(integer),
                (None, Some(integer)) => Value::Unsigned(integer),
                (None, None) => Value::Double(number.as_f64().expect("a double is one")),
            },
            Json::String(text) => Value::String(Cow::Borrowed(text)),
            container => Value::Json(Cow::Owned(container.to_string().into_bytes())),
        });
    }
    writer.into_bytes()
}

/// Where nothing is rescued, the first misfit is an error that names its field.
fn misfit_is_an_error(schema: &Schema, rows: &[Row], error: &materialize_s3_parquet::error::Error) {
    assert!(!schema.rescues(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    let misfit = rows
        .iter()
        .find_map(|row| cells::first_misfit(schema, row))
        .expect("an error without a misfit");
    assert!(error.to_string().contains(misfit), "{misfit}: {error}");
}

fn file_options(input: &mut Unstructured<'_>) -> Result<FileOptions> {
    let compression = *input.choose(&[
        Compression::None,
        Compression::Snappy,
        Compression::Gzip,
        Compression::Lz4,
        Compression::Zstd,
    ])?;
    let compression = codec(compression, None).expect("a codec without a level");
    Ok(FileOptions {
        compression,
        compressor_memory: CompressorMemory::of(compression),
        row_group_rows: input.int_in_range(1..=MOST_ROWS)?,
        row_group_bytes: input.int_in_range(1..=10_000)?,
        metadata: Arc::new([]),
    })
}

fn file(schema: &Schema, batches: &[RecordBatch], options: &FileOptions) -> Vec<u8> {
    let written = || {
        let mut file = File::new(Vec::new(), &schema.arrow(), options, PageMemory::default())?;
        for batch in batches {
            file.write(batch)?;
        }
        file.finish()
    };
    let (bytes, summary) = written().unwrap_or_else(|error| panic!("{error}"));
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(summary.rows, rows as u64);
    bytes
}

fn read(file: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file))
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .unwrap_or_else(|error| panic!("{error}"));
    reader
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn all_cells(schema: &Schema, batches: &[RecordBatch]) -> Vec<Vec<Cell>> {
    batches
        .iter()
        .flat_map(|batch| cells::found(schema, batch))
        .collect()
}
