//! One value as what a column holds.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::format;
use super::number::{self, Fit, NotADouble, NotAnInteger};
use super::rescue::Misfit;
use crate::protocol::Value;

/// Base64 with or without its padding: JSON schema's `contentEncoding` does not ask for it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Takes a boolean.
pub(super) fn boolean(value: &Value<'_>) -> Result<bool, Misfit> {
    match value {
        Value::Boolean(boolean) => Ok(*boolean),
        _ => Err(Misfit::UnexpectedType),
    }
}

/// Takes an integer; with `strings`, text of format `integer` as well.
pub(super) fn integer(value: &Value<'_>, strings: bool) -> Result<(i64, Fit), Misfit> {
    let exact = |integer| (integer, Fit::Exact);
    let integer = match value {
        Value::Integer(integer) => return Ok(exact(*integer)),
        Value::Unsigned(_) => Err(NotAnInteger::OutOfRange),
        Value::Double(double) => number::integer_of_double(*double).map(exact),
        Value::Number(text) => number::integer_of_number(text).map(exact),
        Value::String(text) if strings => number::integer_of_string(text),
        _ => return Err(Misfit::UnexpectedType),
    };
    integer.map_err(|reason| match reason {
        NotAnInteger::NotANumber => Misfit::NotANumber,
        NotAnInteger::Fraction => Misfit::Fraction,
        NotAnInteger::OutOfRange => Misfit::IntegerOutOfRange,
    })
}

/// Takes a number; with `strings`, text of format `number` as well.
pub(super) fn number(value: &Value<'_>, strings: bool) -> Result<(f64, Fit), Misfit> {
    match value {
        Value::Integer(integer) => Ok(number::double_of_integer(*integer)),
        Value::Unsigned(integer) => Ok(number::double_of_unsigned(*integer)),
        Value::Double(double) => Ok((*double, Fit::Exact)),
        Value::Number(text) => number::double_of_number(text).ok_or(Misfit::NumberOutOfRange),
        Value::String(text) if strings => {
            number::double_of_string(text).map_err(|reason| match reason {
                NotADouble::NotANumber => Misfit::NotANumber,
                NotADouble::OutOfRange => Misfit::NumberOutOfRange,
            })
        }
        _ => Err(Misfit::UnexpectedType),
    }
}

/// Takes a string.
pub(super) fn string<'a>(value: &'a Value<'_>) -> Result<&'a str, Misfit> {
    match value {
        Value::String(text) => Ok(text),
        // A string of the JSON codec that no Unicode text is equal to.
        Value::Json(json) if json.starts_with(b"\"") => Err(Misfit::NotUnicode),
        _ => Err(Misfit::UnexpectedType),
    }
}

/// Takes a date as the days since 1970-01-01.
pub(super) fn date(value: &Value<'_>) -> Result<i32, Misfit> {
    format::parse_date(string(value)?.as_bytes()).ok_or(Misfit::NotADate)
}

/// Takes a date-time as the microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamp(value: &Value<'_>) -> Result<(i64, Fit), Misfit> {
    format::parse_date_time(string(value)?.as_bytes()).ok_or(Misfit::NotADateTime)
}

/// A decoder of base64, whose memory serves one value after the other.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    decoded: Vec<u8>,
    without_white_space: Vec<u8>,
}

impl Base64 {
    /// Decodes a value. White space does not count, wherever it stands: RFC 2045 breaks lines after
    /// 76 characters.
    pub(super) fn decode(&mut self, text: &str) -> Result<&[u8], Misfit> {
        if !decode(text.as_bytes(), &mut self.decoded) {
            let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
            self.without_white_space.clear();
            self.without_white_space.extend(bytes);
            if !decode(&self.without_white_space, &mut self.decoded) {
                return Err(Misfit::NotBase64);
            }
        }
        Ok(&self.decoded)
    }
}

fn decode(text: &[u8], decoded: &mut Vec<u8>) -> bool {
    decoded.clear();
    BASE64.decode_vec(text, decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        Base64::default().decode(text).ok().map(<[u8]>::to_vec)
    }

    #[test]
    fn white_space_in_base64_does_not_count_wherever_it_stands() {
        let bytes: Vec<u8> = (0..=100).collect();
        for padded in [true, false] {
            let mut whole = BASE64.encode(&bytes);
            if !padded {
                whole = whole.trim_end_matches('=').to_owned();
            }
            for space in ["\n", "\r\n", "\r", " ", "\t", "\u{c}", " \t\r\n"] {
                for at in 0..=whole.len() {
                    let (before, after) = whole.split_at(at);
                    let text = format!("{before}{space}{after}");
                    assert_eq!(decoded(&text).as_ref(), Some(&bytes), "{text:?}");
                }
                let lines: Vec<_> = whole.as_bytes().chunks(76).collect();
                let text = String::from_utf8(lines.join(space.as_bytes())).unwrap();
                assert_eq!(decoded(&text).as_ref(), Some(&bytes), "{text:?}");
            }
        }
        assert_eq!(decoded(" \r\n\t"), Some(Vec::new()));
    }

    #[test]
    fn other_characters_in_base64_do_count() {
        for text in [
            "aGVs\u{a0}bG8=",
            "aGVs-bG8=",
            "aGVs\u{2028}bG8=",
            "aGVs\0bG8=",
            "aGVsbG8= =",
            "a",
        ] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn memory_for_base64_is_made_once() {
        let mut base64 = Base64::default();
        for (text, expected) in [
            ("aGVs\nbG8=", "hello"),
            ("aGk=", "hi"),
            ("=", ""),
            ("aGk=\n", "hi"),
        ] {
            let decoded = base64.decode(text).ok();
            let expected = (!expected.is_empty()).then_some(expected.as_bytes());
            assert_eq!(decoded, expected, "{text:?}");
        }
    }
}
