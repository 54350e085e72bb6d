//! Rows for the columns of a schema: values that mostly suit their column, in every form that JSON
//! allows.

use std::fmt::Write as _;

use arbitrary::{Result, Unstructured};
use materialize_s3_parquet::mapping::{ColumnType, Schema};
use serde_json::{Value as Json, json};

/// Objects and arrays within objects and arrays.
const DEPTH: usize = 3;

/// From here on not every integer is a double, and a text says more than the double that a packed
/// tuple makes of it.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Texts at the edges of what a format allows.
const TEXTS: [&str; 46] = [
    "",
    "a",
    "\u{0}",
    "größe 😀 \"\\\u{7f}",
    "2024-02-29",
    "2023-02-29",
    "0000-12-31",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2024-02-29T23:59:60.123456789Z",
    "2024-02-29t00:00:00z",
    "9999-12-31 23:59:59.9999999+23:59",
    "0000-12-31T23:59:59-00:01",
    "0001-01-01T00:00:00+00:01",
    "2024-02-29T12:00:00.123456000Z",
    "1969-12-31T23:59:59.9999999Z",
    "2024-02-29T24:00:00Z",
    "2024-02-29T00:00:00",
    "1",
    "-0",
    "+7",
    "007",
    ".15",
    "5.",
    "+.5e1",
    "1_000",
    "19.90",
    "12345678901234567.89",
    "9007199254740993",
    "1e23",
    "1.0",
    "1.9",
    "12e2",
    "1200e-2",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e400",
    "NaN",
    "-Infinity",
    "AAEC/w==",
    "AAEC/w",
    "AA EC\r\n/w=\n=",
    "AAEC/x==",
    "A-_=",
];

/// What a Store says of one row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its key.
    pub(crate) key: Vec<Json>,
    /// Its values.
    pub(crate) values: Vec<Json>,
    /// The root document.
    pub(crate) document: Option<Json>,
}

/// A row for the columns of `schema`.
pub(crate) fn row(input: &mut Unstructured<'_>, schema: &Schema) -> Result<Row> {
    let mut values = Vec::new();
    for column in schema.columns() {
        values.push(value_for(input, column.column_type)?);
    }
    let document = schema.has_document().then(|| values.pop()).flatten();
    let values_only = values.split_off(schema.key_columns());
    Ok(Row {
        key: values,
        values: values_only,
        document: document.filter(|document| !document.is_null()),
    })
}

fn value_for(input: &mut Unstructured<'_>, column_type: ColumnType) -> Result<Json> {
    if input.ratio(1, 4)? {
        return value(input, DEPTH);
    }
    Ok(match column_type {
        ColumnType::Boolean => Json::Bool(input.arbitrary()?),
        ColumnType::Integer { .. } | ColumnType::Number { .. } if input.ratio(2, 3)? => {
            number(input)?
        }
        ColumnType::Json => value(input, DEPTH)?,
        _ => text(input)?,
    })
}

fn value(input: &mut Unstructured<'_>, depth: usize) -> Result<Json> {
    Ok(match input.int_in_range(0..=6)? {
        0 => Json::Null,
        1 => Json::Bool(input.arbitrary()?),
        2 | 3 => number(input)?,
        5 if depth > 0 => json!([value(input, depth - 1)?, value(input, depth - 1)?]),
        6 if depth > 0 => {
            let name: &str = input.arbitrary()?;
            json!({name: value(input, depth - 1)?, "empty": {}, "none": []})
        }
        _ => text(input)?,
    })
}

fn text(input: &mut Unstructured<'_>) -> Result<Json> {
    if input.ratio(1, 4)? {
        return input.arbitrary().map(|text: &str| json!(text));
    }
    input.choose(&TEXTS).map(|text| json!(text))
}

fn number(input: &mut Unstructured<'_>) -> Result<Json> {
    Ok(match input.int_in_range(0..=4)? {
        0 => json!(input.arbitrary::<i8>()?),
        1 => json!(input.arbitrary::<i64>()?),
        2 => json!(input.arbitrary::<u64>()?),
        3 => json!(f64::from(input.arbitrary::<i32>()?) / 4.0),
        _ => {
            let double: f64 = input.arbitrary()?;
            let is_exact = double.abs() < EXACT || double.abs() > u64::MAX as f64;
            // JSON has no word for what is not finite.
            json!(if is_exact { double } else { 0.5 })
        }
    })
}

/// The JSON text of a value in other words: strings in escapes, doubles by their exponent and with
/// a zero more. Objects and arrays are not ours to change.
pub(crate) fn other_words(value: &Json) -> String {
    match value {
        Json::String(text) => {
            let mut escaped = String::from("\"");
            for unit in text.encode_utf16() {
                write!(escaped, "\\u{unit:04X}").expect("writing to a string cannot fail");
            }
            escaped + "\""
        }
        Json::Number(number) if number.is_f64() => {
            let shortest = format!("{:e}", number.as_f64().unwrap_or_default());
            // A zero at the end of the digits makes it no other number.
            match shortest.split_once('e') {
                Some((digits, exponent)) if digits.contains('.') => format!("{digits}0e{exponent}"),
                _ => shortest,
            }
        }
        other => other.to_string(),
    }
}
