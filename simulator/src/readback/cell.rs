//! One value of one column: as it must be, and as DuckDB reads it.

use std::fmt;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use duckdb::types::{TimeUnit, Value as Found};
use serde_json::{Number, Value};

use super::column::ColumnType;
use super::number::{self, Decimal};
use super::time;

/// One value of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Null.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A double; equal only bit for bit.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// JSON text that may be written in any way.
    Json(Value),
    /// A value of a kind that no column has, as DuckDB shows it.
    Other(String),
}

/// A value does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Misfit;

impl Cell {
    /// What a column of `column_type` must hold for `value`; a misfit stands in the rescue column.
    pub(super) fn expected(column_type: ColumnType, value: &Value) -> Result<Self, Misfit> {
        let cell = match (column_type, value) {
            (_, Value::Null) => Some(Self::Null),
            (ColumnType::Boolean, Value::Bool(boolean)) => Some(Self::Boolean(*boolean)),
            (ColumnType::Integer { .. }, Value::Number(number)) => {
                integer(number).map(Self::Integer)
            }
            (ColumnType::Integer { from_text: true }, Value::String(text)) => {
                Decimal::parse(text).and_then(|decimal| decimal.integer().map(Self::Integer))
            }
            (ColumnType::Double { .. }, Value::Number(number)) => number.as_f64().map(Self::Double),
            (ColumnType::Double { from_text: true }, Value::String(text)) => {
                number::double(text).map(Self::Double)
            }
            (ColumnType::Text | ColumnType::Cast, Value::String(text)) => {
                Some(Self::Text(text.clone()))
            }
            (ColumnType::Bytes, Value::String(text)) => base64(text).map(Self::Bytes),
            (ColumnType::Date, Value::String(text)) => time::days(text).map(Self::Date),
            (ColumnType::Timestamp, Value::String(text)) => time::micros(text).map(Self::Timestamp),
            (ColumnType::Cast | ColumnType::Json, value) => Some(Self::Text(value.to_string())),
            _ => None,
        };
        cell.ok_or(Misfit)
    }

    /// Whether this cell of a column, of a key or of other values, says all of `value`; what does
    /// not is kept exactly beside it.
    pub(super) fn gives_back(&self, column_type: ColumnType, is_key: bool, value: &Value) -> bool {
        match (column_type, self, value) {
            (ColumnType::Double { .. }, Self::Double(double), Value::Number(number)) => {
                number.is_f64() || number::is_given_back(*double, &number.to_string())
            }
            (ColumnType::Double { .. }, Self::Double(double), Value::String(text)) => {
                !number::is_code(text) && number::is_given_back(*double, text)
            }
            (ColumnType::Integer { .. }, _, Value::String(text)) => !number::is_code(text),
            (ColumnType::Timestamp, _, Value::String(text)) => !is_key || time::is_given_back(text),
            _ => true,
        }
    }

    /// What DuckDB read.
    pub(super) fn found(found: Found) -> Self {
        match found {
            Found::Null => Self::Null,
            Found::Boolean(boolean) => Self::Boolean(boolean),
            Found::BigInt(integer) => Self::Integer(integer),
            Found::Double(double) => Self::Double(double),
            Found::Text(text) => Self::Text(text),
            Found::Blob(bytes) => Self::Bytes(bytes),
            Found::Date32(days) => Self::Date(days),
            Found::Timestamp(TimeUnit::Microsecond, micros) => Self::Timestamp(micros),
            other => Self::Other(format!("{other:?}")),
        }
    }

    /// Whether `found` is what was expected.
    pub(super) fn accepts(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Double(expected), Self::Double(found)) => same_double(*expected, *found),
            (Self::Json(expected), Self::Text(found)) => {
                serde_json::from_str::<Value>(found).is_ok_and(|found| found == *expected)
            }
            // A value of a kind that no column has is never right.
            (Self::Other(_), _) => false,
            (expected, found) => expected == found,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Boolean(boolean) => write!(formatter, "{boolean}"),
            Self::Integer(integer) => write!(formatter, "{integer}"),
            Self::Double(double) => write!(formatter, "{double:?}"),
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Bytes(bytes) => write!(formatter, "bytes {}", BASE64_STANDARD.encode(bytes)),
            Self::Date(days) => write!(formatter, "day {days}"),
            Self::Timestamp(micros) => match jiff::Timestamp::from_microsecond(*micros) {
                Ok(time) => write!(formatter, "{time:.6}"),
                Err(_) => write!(formatter, "{micros} µs"),
            },
            Self::Json(value) => write!(formatter, "{value}"),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

/// NaN has many patterns of bits, and all of them are the one that JSON can name.
fn same_double(expected: f64, found: f64) -> bool {
    expected.to_bits() == found.to_bits() || (expected.is_nan() && found.is_nan())
}

fn integer(number: &Number) -> Option<i64> {
    number
        .as_i64()
        .or_else(|| whole(number.as_f64().filter(|_| number.is_f64())?))
}

/// A double that is an integer of 64 bits.
fn whole(double: f64) -> Option<i64> {
    // Out of range, the cast saturates far beyond 64 bits; NaN has no fraction of zero.
    let integer = (double.fract() == 0.0).then_some(double as i128)?;
    i64::try_from(integer).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    let text = text.as_str();
    BASE64_STANDARD
        .decode(text)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(column_type: ColumnType, value: &Value) -> String {
        Cell::expected(column_type, value)
            .map_or_else(|Misfit| "rescued".to_owned(), |cell| cell.to_string())
    }

    #[test]
    fn integers_are_exact_or_rescued() {
        let table = [
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(i64::MAX as u64 + 1), "rescued"),
            (json!(1.0), "1"),
            (json!(1.5), "rescued"),
            (json!(9.3e18), "rescued"),
            (json!("7"), "rescued"),
            (json!(null), "null"),
            (json!(true), "rescued"),
        ];
        for (value, expected) in table {
            assert_eq!(
                shown(ColumnType::Integer { from_text: false }, &value),
                expected,
                "{value}"
            );
        }
        for (text, expected) in [
            ("7", "7"),
            ("7.00", "7"),
            ("1e3", "1000"),
            ("5.", "5"),
            ("9223372036854775808", "rescued"),
            ("x", "rescued"),
        ] {
            assert_eq!(
                shown(ColumnType::Integer { from_text: true }, &json!(text)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn doubles_take_every_number_and_three_names() {
        let table = [
            (json!(1), "1.0"),
            (json!(u64::MAX), "1.8446744073709552e19"),
            (json!("NaN"), "NaN"),
            (json!("1e400"), "rescued"),
        ];
        for (value, expected) in table {
            assert_eq!(
                shown(ColumnType::Double { from_text: true }, &value),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_value_counts_as_kept_only_where_its_cell_gives_it_back() {
        let double = ColumnType::Double { from_text: true };
        let integer = ColumnType::Integer { from_text: true };
        for (column_type, is_key, value, expected) in [
            (double, false, json!(9_007_199_254_740_993_i64), false),
            (double, false, json!(9_007_199_254_740_992_i64), true),
            (double, false, json!(0.1), true),
            (double, false, json!("19.90"), true),
            (double, false, json!("NaN"), true),
            (double, false, json!("12345678901234567.89"), false),
            (integer, false, json!("501"), true),
            (integer, false, json!("00501"), false),
            (
                ColumnType::Timestamp,
                false,
                json!("2026-01-02T03:04:05.123456789Z"),
                true,
            ),
            (
                ColumnType::Timestamp,
                true,
                json!("2026-01-02T03:04:05.123456789Z"),
                false,
            ),
            (ColumnType::Text, true, json!("00501"), true),
        ] {
            let cell = Cell::expected(column_type, &value).unwrap();
            assert_eq!(
                cell.gives_back(column_type, is_key, &value),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn base64_may_be_broken_into_lines() {
        assert_eq!(base64("aGVs\r\n bG8=\n"), Some(b"hello".to_vec()));
    }

    #[test]
    fn json_text_is_what_was_sent() {
        assert_eq!(
            shown(ColumnType::Json, &json!({"b": [1.0, "<"]})),
            r#""{\"b\":[1.0,\"<\"]}""#
        );
        assert_eq!(shown(ColumnType::Json, &json!("a")), r#""\"a\"""#);
        assert_eq!(shown(ColumnType::Cast, &json!("a")), r#""a""#);
    }

    #[test]
    fn zero_has_a_sign_and_nan_is_nan() {
        assert!(!Cell::Double(0.0).accepts(&Cell::Double(-0.0)));
        assert!(Cell::Double(f64::NAN).accepts(&Cell::Double(-f64::NAN)));
    }
}
