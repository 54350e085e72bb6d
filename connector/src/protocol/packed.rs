//! Packed tuples: keys and values in FoundationDB's tuple encoding, their elements one after the
//! other with no wrapper.
//!
//! Source: the tuple layer's specification, and `docs/protocol.md` §3.3 for what Flow makes of it:
//! objects and arrays are byte strings that hold compact JSON, integers within `i64`/`u64` are
//! integers, all other numbers are doubles.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::protocol::{Elements, Value};

const NULL: u8 = 0x00;
const BYTES: u8 = 0x01;
const STRING: u8 = 0x02;
const BIG_NEGATIVE: u8 = 0x0b;
const ZERO: u8 = 0x14;
const BIG_POSITIVE: u8 = 0x1d;
const FLOAT: u8 = 0x20;
const DOUBLE: u8 = 0x21;
const FALSE: u8 = 0x26;
const TRUE: u8 = 0x27;
/// Follows a zero byte that belongs to a string or byte string and does not end it.
const ESCAPE: u8 = 0xff;

impl<'a> Elements<'a> for &'a [u8] {
    fn take(&mut self) -> Result<Option<Value<'a>>> {
        let Some((&code, rest)) = self.split_first() else {
            return Ok(None);
        };
        *self = rest;
        let value = match code {
            NULL => Value::Null,
            BYTES => Value::Json(take_terminated(self)?),
            STRING => Value::String(utf8(take_terminated(self)?)?),
            ZERO => Value::Integer(0),
            0x15..=0x1c => positive(take_big_endian(self, usize::from(code - ZERO))?),
            0x0c..=0x13 => negative(
                take_big_endian(self, usize::from(ZERO - code))?,
                u32::from(ZERO - code),
            ),
            BIG_POSITIVE | BIG_NEGATIVE => big(self, code == BIG_NEGATIVE)?,
            FLOAT => Value::Double(f64::from(f32::from_bits(unordered32(take(self)?)))),
            DOUBLE => Value::Double(f64::from_bits(unordered64(take(self)?))),
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            other => return Err(malformed(&format!("unknown type code {other:#04x}"))),
        };
        Ok(Some(value))
    }

    #[inline]
    fn take_null(&mut self) -> bool {
        let rest = self.strip_prefix(&[NULL]);
        *self = rest.unwrap_or(self);
        rest.is_some()
    }

    #[inline]
    fn take_boolean(&mut self) -> Option<bool> {
        let code = *self.first()?;
        let boolean = matches!(code, FALSE | TRUE).then_some(code == TRUE)?;
        *self = &self[1..];
        Some(boolean)
    }

    #[inline]
    fn take_integer(&mut self) -> Option<i64> {
        let code = *self.first()?;
        let length = usize::from(code.abs_diff(ZERO));
        if length > 7 {
            return None;
        }
        let (stored, rest) = self[1..].split_at_checked(length)?;
        let magnitude = stored
            .iter()
            .fold(0, |value, &byte| value << 8 | i64::from(byte));
        *self = rest;
        let all_ones = (1 << (8 * length)) - 1;
        Some(if code < ZERO {
            magnitude - all_ones
        } else {
            magnitude
        })
    }

    #[inline]
    fn take_double(&mut self) -> Option<f64> {
        let (bytes, rest) = self.strip_prefix(&[DOUBLE])?.split_first_chunk::<8>()?;
        *self = rest;
        Some(f64::from_bits(unordered64(*bytes)))
    }

    #[inline]
    fn take_plain_string<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Option<T> {
        let text = self.strip_prefix(&[STRING])?;
        let end = memchr::memchr(0, text)?;
        if text.get(end + 1) == Some(&ESCAPE) {
            return None;
        }
        let taken = read(&text[..end])?;
        *self = &text[end + 1..];
        Some(taken)
    }
}

/// The error for a string that is not UTF-8, where that is only found out later.
pub fn not_utf8(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    malformed("a string is not UTF-8").with_source(error)
}

fn malformed(what: &str) -> Error {
    Error::protocol(format!(
        "a packed tuple from the runtime is malformed: {what}"
    ))
}

fn truncated() -> Error {
    malformed("it ends within an element")
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = input.split_first_chunk::<N>().ok_or_else(truncated)?;
    *input = rest;
    Ok(*head)
}

/// The bytes up to the zero that ends them, without the escapes; borrowed where there is none.
fn take_terminated<'a>(input: &mut &'a [u8]) -> Result<Cow<'a, [u8]>> {
    let mut from = 0;
    let mut escaped = false;
    let end = loop {
        let zero = from + memchr::memchr(0, &input[from..]).ok_or_else(truncated)?;
        if input.get(zero + 1) != Some(&ESCAPE) {
            break zero;
        }
        escaped = true;
        from = zero + 2;
    };
    let content = &input[..end];
    *input = &input[end + 1..];
    Ok(if escaped {
        Cow::Owned(unescape(content))
    } else {
        Cow::Borrowed(content)
    })
}

fn unescape(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(zero) = memchr::memchr(0, rest) {
        plain.extend_from_slice(&rest[..=zero]);
        rest = &rest[zero + 2..];
    }
    plain.extend_from_slice(rest);
    plain
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>> {
    let valid = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| error.utf8_error()),
    };
    valid.map_err(not_utf8)
}

fn take_big_endian(input: &mut &[u8], length: usize) -> Result<u64> {
    let (head, rest) = input.split_at_checked(length).ok_or_else(truncated)?;
    *input = rest;
    Ok(head
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn positive(magnitude: u64) -> Value<'static> {
    i64::try_from(magnitude).map_or(Value::Unsigned(magnitude), Value::Integer)
}

/// A negative integer of `length` bytes is stored as its one's complement.
fn negative(stored: u64, length: u32) -> Value<'static> {
    let all_ones = u64::MAX >> (64 - 8 * length);
    let value = i128::from(stored) - i128::from(all_ones);
    i64::try_from(value).map_or_else(|_| Value::Number(value.to_string().into()), Value::Integer)
}

/// An integer of more than 8 bytes, up to 15; its length comes first, as one's complement where it
/// is negative.
fn big<'a>(input: &mut &[u8], is_negative: bool) -> Result<Value<'a>> {
    let [length] = take::<1>(input)?;
    let length = usize::from(if is_negative { !length } else { length });
    if length > 15 {
        return Err(malformed("an integer is over 15 bytes"));
    }
    let (head, rest) = input.split_at_checked(length).ok_or_else(truncated)?;
    *input = rest;
    let stored = head
        .iter()
        .fold(0, |value, &byte| value << 8 | i128::from(byte));
    let value = if is_negative {
        stored - ((1_i128 << (8 * length)) - 1)
    } else {
        stored
    };
    Ok(Value::Number(value.to_string().into()))
}

/// Undoes the flips that make the bytes of a double sort like its value.
fn unordered64(bytes: [u8; 8]) -> u64 {
    let bits = u64::from_be_bytes(bytes);
    if bits >> 63 == 1 {
        bits ^ (1 << 63)
    } else {
        !bits
    }
}

fn unordered32(bytes: [u8; 4]) -> u32 {
    let bits = u32::from_be_bytes(bytes);
    if bits >> 31 == 1 {
        bits ^ (1 << 31)
    } else {
        !bits
    }
}

/// Appends elements to a packed tuple.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty tuple.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one element.
    pub fn push(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.bytes.push(NULL),
            Value::Boolean(false) => self.bytes.push(FALSE),
            Value::Boolean(true) => self.bytes.push(TRUE),
            Value::Integer(integer) => self.push_integer(*integer < 0, integer.unsigned_abs()),
            Value::Unsigned(integer) => self.push_integer(false, *integer),
            Value::Double(double) => self.push_double(*double),
            // Flow keeps a number beyond 64 bits as the double nearest to it.
            Value::Number(text) => self.push_double(text.parse().unwrap_or(f64::NAN)),
            Value::String(text) => self.push_terminated(STRING, text.as_bytes()),
            Value::Json(json) => self.push_terminated(BYTES, json),
        }
    }

    /// The tuple's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn push_integer(&mut self, is_negative: bool, magnitude: u64) {
        let length = 8 - magnitude.leading_zeros() as usize / 8;
        let code = if is_negative {
            ZERO - length as u8
        } else {
            ZERO + length as u8
        };
        let stored = if is_negative { !magnitude } else { magnitude };
        self.bytes.push(code);
        self.bytes
            .extend_from_slice(&stored.to_be_bytes()[8 - length..]);
    }

    fn push_double(&mut self, double: f64) {
        let bits = double.to_bits();
        let ordered = if bits >> 63 == 1 {
            !bits
        } else {
            bits ^ (1 << 63)
        };
        self.bytes.push(DOUBLE);
        self.bytes.extend_from_slice(&ordered.to_be_bytes());
    }

    fn push_terminated(&mut self, code: u8, content: &[u8]) {
        self.bytes.push(code);
        for &byte in content {
            self.bytes.push(byte);
            if byte == 0 {
                self.bytes.push(ESCAPE);
            }
        }
        self.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(value: &Value<'_>) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.push(value);
        writer.into_bytes()
    }

    #[test]
    fn every_value_is_read_as_it_was_written() {
        let integers = [
            0,
            1,
            -1,
            255,
            256,
            -255,
            -256,
            i64::MAX,
            i64::MIN + 1,
            i64::MIN,
        ]
        .map(Value::Integer);
        let doubles = [
            0.0,
            -0.0,
            1.3,
            -2.5,
            f64::MAX,
            f64::MIN_POSITIVE,
            f64::INFINITY,
        ]
        .map(Value::Double);
        let strings =
            ["", "hi", "a\0b", "\0", "\0\0ÿ", "😀"].map(|text| Value::String(text.into()));
        let others = [
            Value::Null,
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Unsigned(u64::MAX),
            Value::Unsigned(1 << 63),
            Value::Json(b"{\"a\":[1]}".into()),
        ];
        for value in integers
            .into_iter()
            .chain(doubles)
            .chain(strings)
            .chain(others)
        {
            let bytes = pack(&value);
            let mut rest = &bytes[..];
            assert_eq!(rest.take().unwrap(), Some(value));
            assert_eq!(rest.take().unwrap(), None);
        }
    }

    #[test]
    fn packed_keys_sort_like_their_values() {
        let numbers = [i64::MIN, -256, -255, -1, 0, 1, 255, 256, i64::MAX];
        let packed = numbers.map(|number| pack(&Value::Integer(number)));
        assert!(packed.is_sorted());
        let doubles = [f64::MIN, -1.5, -0.0, 0.0, 1e-9, 1.5, f64::MAX];
        assert!(
            doubles
                .map(|double| pack(&Value::Double(double)))
                .is_sorted()
        );
    }

    #[test]
    fn integers_beyond_64_bits_are_read_to_the_last_digit() {
        for (bytes, expected) in [
            (
                vec![0x1d, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                "18446744073709551616",
            ),
            (
                vec![0x0b, 0xff ^ 9, 0xfe, 255, 255, 255, 255, 255, 255, 255, 255],
                "-18446744073709551616",
            ),
            (vec![0x0c, 0, 0, 0, 0, 0, 0, 0, 0], "-18446744073709551615"),
        ] {
            let value = (&mut &bytes[..]).take().unwrap();
            assert_eq!(value, Some(Value::Number(expected.into())));
        }
    }

    #[test]
    fn malformed_tuples_are_errors() {
        for bytes in [
            &b"\x02hi"[..],
            b"\x02\xc3\x28\x00",
            b"\x01a\x00\xff",
            b"\x16\x01",
            b"\x21\x00",
            b"\x05",
            b"\xff",
            b"\x1d",
            b"\x1d\x10",
            b"\x1d\x03\x00",
        ] {
            let mut rest = bytes;
            assert!(rest.take().is_err(), "{bytes:02x?}");
        }
    }
}
