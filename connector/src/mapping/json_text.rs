//! JSON text of values, canonical for scalars and unaltered for objects and arrays.

use serde::Serialize;

use super::number::{self, Fit};
use crate::protocol::Value;

/// Appends the JSON text of `value`. That of objects and arrays is the runtime's own; that of
/// scalars is the same whatever codec they came by, so a number that is no 64-bit integer is
/// written as the double nearest to it, where that gives it back.
pub(super) fn write(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(boolean) => scalar(out, boolean),
        Value::Integer(integer) => scalar(out, integer),
        Value::Unsigned(integer) => scalar(out, integer),
        Value::Double(double) => scalar(out, double),
        Value::Number(text) => match number::double_of_number(text) {
            Some((double, Fit::Exact)) => scalar(out, &double),
            _ => out.extend_from_slice(text.as_bytes()),
        },
        Value::String(text) => scalar(out, text),
        Value::Json(json) => out.extend_from_slice(json),
    }
}

/// Appends the JSON text of `value` as it came: a number beyond 64 bits keeps every digit.
pub(super) fn write_exact(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Number(text) => out.extend_from_slice(text.as_bytes()),
        other => write(out, other),
    }
}

fn scalar(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("a scalar has JSON text, and a Vec takes all of it");
}

/// Appends `text` as a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    scalar(out, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scalars_are_canonical_under_both_codecs() {
        for (json, packed) in [
            ("1e2", 100.0),
            ("10.50", 10.5),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
        ] {
            assert_eq!(
                text(&Value::Number(json.into())),
                text(&Value::Double(packed))
            );
        }
        assert_eq!(
            text(&Value::String("<a>\u{0}\"é".into())),
            r#""<a>\u0000\"é""#
        );
        assert_eq!(text(&Value::Boolean(true)), "true");
        assert_eq!(text(&Value::Unsigned(u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn digits_that_no_double_gives_back_stay() {
        for json in ["18446744073709551617", "12345678901234567.89", "1e400"] {
            assert_eq!(text(&Value::Number(json.into())), json);
        }
    }

    #[test]
    fn objects_and_arrays_are_unaltered() {
        let json = br#"{"b": 1.0, "a":"<\u003c" }"#;
        assert_eq!(text(&Value::Json(json.into())).as_bytes(), json);
    }
}
