//! What a file should hold of a row, and what it holds.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use materialize_s3_parquet::mapping::{ColumnType, Schema};
use serde_json::{Map, Number, Value as Json};

use crate::documents::Row;
use crate::oracle;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    /// By its bits, so that a NaN is itself.
    Double(u64),
    Text(String),
    Bytes(Vec<u8>),
    Date(i32),
    Timestamp(i64),
    /// What the columns for rescued and for exact values hold: the same value may be said in more
    /// than one way.
    Kept(Json),
}

/// The cells of a row: of each column, and of those for rescued and for exact values where there
/// are such.
pub(crate) fn expected(schema: &Schema, row: &Row) -> Vec<Cell> {
    let (mut rescued, mut exact) = (Map::new(), Map::new());
    let mut cells = Vec::new();
    for (index, (column, value, cell)) in converted(schema, row).enumerate() {
        let column_type = schema.columns()[index].column_type;
        match &cell {
            None => drop(rescued.insert(column.to_owned(), value.clone())),
            Some(cell) if is_inexact(column_type, index < schema.key_columns(), value, cell) => {
                exact.insert(column.to_owned(), value.clone());
            }
            Some(_) => {}
        }
        cells.push(cell.unwrap_or(Cell::Null));
    }
    if schema.rescues() {
        cells.push(kept(rescued));
    }
    if schema.keeps_exact() {
        cells.push(kept(exact));
    }
    cells
}

fn kept(values: Map<String, Json>) -> Cell {
    if values.is_empty() {
        Cell::Null
    } else {
        Cell::Kept(Json::Object(values))
    }
}

/// Whether a column does not give a value back, by the table of the design.
fn is_inexact(column_type: ColumnType, is_key: bool, value: &Json, cell: &Cell) -> bool {
    match (column_type, value, cell) {
        (ColumnType::Number { .. }, Json::Number(number), Cell::Double(bits))
            if !number.is_f64() =>
        {
            format!("{:.0}", f64::from_bits(*bits)) != number.to_string()
        }
        (ColumnType::Number { .. }, Json::String(text), Cell::Double(bits)) => {
            let double = f64::from_bits(*bits);
            let is_number = oracle::number(text).is_some();
            is_number && (oracle::is_code(text) || !oracle::is_given_back(double, text))
        }
        (ColumnType::Integer { .. }, Json::String(text), _) => oracle::is_code(text),
        (ColumnType::Timestamp, Json::String(text), _) => {
            is_key && oracle::is_finer_than_micros(text)
        }
        _ => false,
    }
}

/// The field of the first value of a row that does not fit.
pub(crate) fn first_misfit<'a>(schema: &'a Schema, row: &'a Row) -> Option<&'a str> {
    converted(schema, row).find_map(|(field, _, cell)| cell.is_none().then_some(field))
}

fn converted<'a>(
    schema: &'a Schema,
    row: &'a Row,
) -> impl Iterator<Item = (&'a str, &'a Json, Option<Cell>)> {
    let values = row
        .key
        .iter()
        .chain(&row.values)
        .map(|value| (value, false));
    let document = schema
        .has_document()
        .then(|| (row.document.as_ref().unwrap_or(&Json::Null), true));
    let columns = schema.columns().iter();
    columns
        .zip(values.chain(document))
        .map(|(column, (value, is_document))| {
            let cell = match (column.column_type, is_document) {
                _ if value.is_null() => Some(Cell::Null),
                // The document is text already, whatever it is.
                (ColumnType::Json | ColumnType::CastToString, true) => Some(json_text(value)),
                (_, true) => None,
                (column_type, false) => convert(column_type, value),
            };
            (column.field.as_str(), value, cell)
        })
}

/// The value of a column that a JSON value is, by the table of the design; none where it does not
/// fit.
fn convert(column_type: ColumnType, value: &Json) -> Option<Cell> {
    match (column_type, value) {
        (_, Json::Null) => Some(Cell::Null),
        (ColumnType::Boolean, Json::Bool(boolean)) => Some(Cell::Boolean(*boolean)),
        (ColumnType::Integer { .. }, Json::Number(number)) => {
            oracle::integer(&decimal_text(number)).map(Cell::Integer)
        }
        (ColumnType::Integer { strings: true }, Json::String(text)) => {
            oracle::integer(text).map(Cell::Integer)
        }
        (ColumnType::Number { .. }, Json::Number(number)) => number.as_f64().map(double),
        (ColumnType::Number { strings: true }, Json::String(text)) => {
            oracle::double_of_string(text).map(double)
        }
        (ColumnType::String | ColumnType::CastToString, Json::String(text)) => {
            Some(Cell::Text(text.clone()))
        }
        (ColumnType::Binary, Json::String(text)) => oracle::base64(text).map(Cell::Bytes),
        (ColumnType::Date, Json::String(text)) => oracle::date(text).map(Cell::Date),
        (ColumnType::Timestamp, Json::String(text)) => oracle::date_time(text).map(Cell::Timestamp),
        (ColumnType::Json | ColumnType::CastToString, value) => Some(json_text(value)),
        _ => None,
    }
}

/// A number with all its digits, none of them an exponent. A whole double is written exactly, not
/// only as near as tells it from its neighbours.
fn decimal_text(number: &Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 => format!("{double:.0}"),
        Some(double) if number.is_f64() => format!("{double}"),
        _ => number.to_string(),
    }
}

fn double(double: f64) -> Cell {
    Cell::Double(double.to_bits())
}

fn json_text(value: &Json) -> Cell {
    Cell::Text(value.to_string())
}

/// The rows of a batch as cells.
pub(crate) fn found(schema: &Schema, batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let is_kept = |index: usize| index >= schema.columns().len();
    let columns: Vec<Vec<Cell>> = batch
        .columns()
        .iter()
        .enumerate()
        .map(|(index, array)| cells(array, is_kept(index)))
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column[row].clone()).collect())
        .collect()
}

fn cells(array: &dyn Array, is_kept: bool) -> Vec<Cell> {
    if let Some(values) = array.as_boolean_opt() {
        return values
            .iter()
            .map(|value| cell(value, Cell::Boolean))
            .collect();
    }
    if let Some(values) = array.as_string_opt::<i32>() {
        let text = |text: &str| {
            if is_kept {
                Cell::Kept(serde_json::from_str(text).expect("what is kept is JSON"))
            } else {
                Cell::Text(text.to_owned())
            }
        };
        return values.iter().map(|value| cell(value, text)).collect();
    }
    if let Some(values) = array.as_binary_opt::<i32>() {
        let bytes = |bytes: &[u8]| Cell::Bytes(bytes.to_vec());
        return values.iter().map(|value| cell(value, bytes)).collect();
    }
    primitives::<Int64Type>(array, Cell::Integer)
        .or_else(|| primitives::<Float64Type>(array, double))
        .or_else(|| primitives::<Date32Type>(array, Cell::Date))
        .or_else(|| primitives::<TimestampMicrosecondType>(array, Cell::Timestamp))
        .unwrap_or_else(|| panic!("a column of {}", array.data_type()))
}

fn primitives<T: ArrowPrimitiveType>(
    array: &dyn Array,
    kind: impl Fn(T::Native) -> Cell,
) -> Option<Vec<Cell>> {
    let values = array.as_primitive_opt::<T>()?;
    Some(values.iter().map(|value| cell(value, &kind)).collect())
}

fn cell<T>(value: Option<T>, kind: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::Null, kind)
}
