//! The least and the greatest value of a column chunk, as text.

use std::fmt::Write as _;

use jiff::civil::{Date, date};
use jiff::{Timestamp, ToSpan};
use parquet::file::statistics::Statistics;

/// Which end of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

/// The value at one end, as text. `kind` is the column's type as
/// [`ColumnFacts`](super::ColumnFacts) has it.
pub(super) fn text(statistics: &Statistics, end: End, kind: &str) -> Option<String> {
    macro_rules! value {
        ($statistics:expr) => {
            match end {
                End::Min => $statistics.min_opt(),
                End::Max => $statistics.max_opt(),
            }
        };
    }
    Some(match statistics {
        Statistics::Boolean(values) => value!(values)?.to_string(),
        Statistics::Int32(values) => integer(i64::from(*value!(values)?), kind),
        Statistics::Int64(values) => integer(*value!(values)?, kind),
        Statistics::Float(values) => value!(values)?.to_string(),
        Statistics::Double(values) => value!(values)?.to_string(),
        // No reader trusts the statistics of these.
        Statistics::Int96(_) => return None,
        Statistics::ByteArray(values) => bytes(value!(values)?.data(), kind),
        Statistics::FixedLenByteArray(values) => bytes(value!(values)?.data(), kind),
    })
}

fn integer(value: i64, kind: &str) -> String {
    let time = if kind.contains("(DATE") {
        day(value)
    } else if kind.contains("TIMESTAMP(MICROS") {
        Timestamp::from_microsecond(value)
            .ok()
            .map(|time| time.to_string())
    } else if kind.contains("TIMESTAMP(MILLIS") {
        Timestamp::from_millisecond(value)
            .ok()
            .map(|time| time.to_string())
    } else if kind.contains("TIMESTAMP(NANOS") {
        Timestamp::from_nanosecond(i128::from(value))
            .ok()
            .map(|time| time.to_string())
    } else {
        None
    };
    time.unwrap_or_else(|| value.to_string())
}

fn day(days: i64) -> Option<String> {
    let days = i32::try_from(days).ok()?;
    let epoch: Date = date(1970, 1, 1);
    let span = 0.days().try_days(days).ok()?;
    Some(epoch.checked_add(span).ok()?.to_string())
}

/// Text as it is, and anything else in hex.
fn bytes(value: &[u8], kind: &str) -> String {
    let is_text = ["STRING", "UTF8", "JSON", "ENUM"]
        .iter()
        .any(|name| kind.contains(name));
    match std::str::from_utf8(value) {
        Ok(text) if is_text => text.to_owned(),
        _ => value.iter().fold("0x".to_owned(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_by_their_logical_type() {
        let table = [
            (20_000, "INT32 (DATE)", "2024-10-04"),
            (-1, "INT32 (DATE)", "1969-12-31"),
            (
                1_500_000,
                "INT64 (TIMESTAMP(MICROS,true))",
                "1970-01-01T00:00:01.5Z",
            ),
            (
                1_500,
                "INT64 (TIMESTAMP(MILLIS,true))",
                "1970-01-01T00:00:01.5Z",
            ),
            (7, "INT64", "7"),
            (
                i64::MAX,
                "INT64 (TIMESTAMP(MICROS,true))",
                "9223372036854775807",
            ),
        ];
        for (value, kind, expected) in table {
            assert_eq!(integer(value, kind), expected, "{kind}");
        }
        assert_eq!(bytes("né".as_bytes(), "BYTE_ARRAY (STRING)"), "né");
        assert_eq!(bytes(b"\x00\xff", "BYTE_ARRAY"), "0x00ff");
        // A truncated text may end within a letter.
        assert_eq!(bytes(b"n\xc3", "BYTE_ARRAY (STRING)"), "0x6ec3");
    }
}
