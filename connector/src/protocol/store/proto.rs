//! A Store by the proto codec. Field numbers as in `proto/materialize.proto`; the wire format as in protobuf's encoding
//! specification.

use super::Store;
use crate::error::{Error, Result};
use crate::protocol::Tuple;

/// The tag of the `store` field of a Request: field 7, length-delimited.
const STORE_TAG: u8 = 7 << 3 | 2;

/// The greatest number of a field.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// Reads `frame` where it is a proto Request that holds a Store and nothing else, in the usual form; none where it is another
/// one, which is then for prost to read or to refuse.
pub(in crate::protocol) fn read(frame: &[u8]) -> Result<Option<Store<'_>>> {
    let Some((&STORE_TAG, mut rest)) = frame.split_first() else {
        return Ok(None);
    };
    let store = take_bytes(&mut rest)?;
    if !rest.is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::default();
    let mut rest = store;
    while !rest.is_empty() {
        if !fields.take(&mut rest)? {
            return Ok(None);
        }
    }
    Ok(Some(fields.into_store()))
}

/// The fields of a Store as they stand on the wire.
#[derive(Default)]
struct Fields<'a> {
    binding: u32,
    key_packed: &'a [u8],
    values_packed: &'a [u8],
    doc: &'a [u8],
    delete: bool,
}

impl<'a> Fields<'a> {
    /// Takes a field off `rest`; false where it has not the form that it should have.
    fn take(&mut self, rest: &mut &'a [u8]) -> Result<bool> {
        let tag = take_varint(rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => self.binding = take_varint(rest)? as u32,
            (3, 2) => self.key_packed = take_bytes(rest)?,
            (5, 2) => self.values_packed = take_bytes(rest)?,
            (6, 2) => self.doc = take_bytes(rest)?,
            (8, 0) => self.delete = take_varint(rest)? != 0,
            // `exists`, which is always false with delta updates; and fields that newer runtimes may have.
            (7, wire_type @ 0) | (9..=MAX_FIELD, wire_type @ (0 | 1 | 2 | 5)) => {
                skip(rest, wire_type)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn into_store(self) -> Store<'a> {
        Store {
            binding: self.binding,
            key: Tuple::Packed(self.key_packed),
            values: Tuple::Packed(self.values_packed),
            doc: (!self.doc.is_empty()).then_some(self.doc),
            delete: self.delete,
        }
    }
}

fn malformed() -> Error {
    Error::protocol("a Store from the runtime is not protobuf of the materialize protocol")
}

#[inline]
fn take_varint(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for (index, &byte) in input.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // The tenth byte has room for the last of 64 bits.
            if index == 9 && byte > 1 {
                break;
            }
            *input = &input[index + 1..];
            return Ok(value);
        }
    }
    Err(malformed())
}

#[inline]
fn take_bytes<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let length = usize::try_from(take_varint(input)?).map_err(|_| malformed())?;
    let (head, rest) = input.split_at_checked(length).ok_or_else(malformed)?;
    *input = rest;
    Ok(head)
}

/// Passes over the value of a field that is not known, by its wire type.
fn skip(input: &mut &[u8], wire_type: u64) -> Result<()> {
    let length = match wire_type {
        0 => return take_varint(input).map(drop),
        1 => 8,
        2 => return take_bytes(input).map(drop),
        5 => 4,
        _ => return Err(malformed()),
    };
    *input = input.get(length..).ok_or_else(malformed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Codec;
    use crate::protocol::request::Decoder;

    fn name(frame: &[u8]) -> Result<&'static str> {
        let mut decoder = Decoder::new(Codec::Proto);
        decoder.decode(frame).map(|request| request.name())
    }

    #[test]
    fn proto_stores_that_protobuf_forbids_are_refused() {
        for (what, store) in [
            ("field zero", &[0, 0][..]),
            ("a key that is a number", &[3 << 3, 1]),
            ("an `exists` that is a text", &[7 << 3 | 2, 0]),
            ("an end without a beginning", &[9 << 3 | 4]),
            (
                "a number of 70 bits",
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127],
            ),
        ] {
            let frame = [&[STORE_TAG, store.len() as u8], store].concat();
            assert!(name(&frame).is_err(), "{what}");
        }
    }

    #[test]
    fn fields_of_newer_runtimes_are_passed_over() {
        let store = [
            8,
            7,
            9 << 3 | 2,
            1,
            b'a',
            10 << 3 | 5,
            0,
            0,
            0,
            0,
            8 << 3,
            1,
        ];
        let frame = [&[STORE_TAG, store.len() as u8], &store[..]].concat();
        let read = read(&frame).unwrap().unwrap();
        assert_eq!((read.binding, read.delete), (7, true));
    }
}
