//! The Store request, read in place: it is on the hot path, so nothing is copied or allocated per row.
//!
//! Field numbers as in `proto/materialize.proto`; the wire format as in protobuf's encoding specification.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::protocol::Tuple;

/// One row: a delta update of one key of one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The index of its binding in Open's specification.
    pub binding: u32,
    /// The components of its key.
    pub key: Tuple<'a>,
    /// The values of the selected fields that are not keys.
    pub values: Tuple<'a>,
    /// The root document as JSON text, where it was selected.
    pub doc: Option<&'a [u8]>,
    /// Whether the reduced document is a deletion.
    pub delete: bool,
}

/// The tag of the `store` field of a Request: field 7, length-delimited.
const STORE_TAG: u8 = 7 << 3 | 2;

/// Where the packed tuples of a JSON message are decoded to; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    key: Vec<u8>,
    values: Vec<u8>,
}

/// Reads `frame` where it is a proto Request that holds a Store and nothing else; none where it is another one.
pub(super) fn from_proto(frame: &[u8]) -> Result<Option<Store<'_>>> {
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
        fields.take(&mut rest)?;
    }
    Ok(Some(fields.into_store()))
}

/// The fields of a Store as they stand on the wire.
#[derive(Default)]
struct Fields<'a> {
    binding: u32,
    key_json: &'a [u8],
    key_packed: &'a [u8],
    values_json: &'a [u8],
    values_packed: &'a [u8],
    doc: &'a [u8],
    delete: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, rest: &mut &'a [u8]) -> Result<()> {
        let tag = take_varint(rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => self.binding = take_varint(rest)? as u32,
            (2, 2) => self.key_json = take_bytes(rest)?,
            (3, 2) => self.key_packed = take_bytes(rest)?,
            (4, 2) => self.values_json = take_bytes(rest)?,
            (5, 2) => self.values_packed = take_bytes(rest)?,
            (6, 2) => self.doc = take_bytes(rest)?,
            (8, 0) => self.delete = take_varint(rest)? != 0,
            (_, wire_type) => skip(rest, wire_type)?,
        }
        Ok(())
    }

    fn into_store(self) -> Store<'a> {
        Store {
            binding: self.binding,
            key: tuple(self.key_json, self.key_packed),
            values: tuple(self.values_json, self.values_packed),
            doc: (!self.doc.is_empty()).then_some(self.doc),
            delete: self.delete,
        }
    }
}

/// The runtime fills one of the two; neither means a tuple without elements.
fn tuple<'a>(json: &'a [u8], packed: &'a [u8]) -> Tuple<'a> {
    if json.is_empty() {
        Tuple::Packed(packed)
    } else {
        Tuple::Json(json)
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

/// A line of the JSON codec as far as a Store needs it; every other request leaves `store` empty.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    store: Option<StoreLine<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoreLine<'a> {
    #[serde(default)]
    binding: Option<u32>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "key_packed")]
    key_packed: Option<&'a RawValue>,
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "values_packed")]
    values_packed: Option<&'a RawValue>,
    #[serde(borrow, default)]
    doc: Option<&'a RawValue>,
    #[serde(default)]
    delete: Option<bool>,
}

/// Reads `frame` where it is a line of the JSON codec that begins with a Store; none where it is another one.
pub(super) fn from_json<'a>(
    frame: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Option<Store<'a>>> {
    if !frame.starts_with(b"{\"store\":{") {
        return Ok(None);
    }
    let line: Line<'a> = serde_json::from_slice(frame).map_err(|error| {
        Error::protocol("a Store from the runtime is not JSON of the materialize protocol")
            .with_source(error)
    })?;
    line.store
        .map(|store| store.into_store(scratch))
        .transpose()
}

impl<'a> StoreLine<'a> {
    fn into_store(self, scratch: &'a mut Scratch) -> Result<Store<'a>> {
        Ok(Store {
            binding: self.binding.unwrap_or_default(),
            key: json_or_packed(self.key, self.key_packed, &mut scratch.key)?,
            values: json_or_packed(self.values, self.values_packed, &mut scratch.values)?,
            doc: self.doc.map(|doc| doc.get().as_bytes()),
            delete: self.delete.unwrap_or_default(),
        })
    }
}

fn json_or_packed<'a>(
    json: Option<&'a RawValue>,
    packed: Option<&'a RawValue>,
    scratch: &'a mut Vec<u8>,
) -> Result<Tuple<'a>> {
    scratch.clear();
    match (json, packed) {
        (Some(json), _) => Ok(Tuple::Json(json.get().as_bytes())),
        (None, None) => Ok(Tuple::Packed(scratch)),
        (None, Some(packed)) => {
            // Base64 needs no escapes in JSON, so that the text between the quotes is all there is.
            let text = packed.get().trim_matches('"');
            BASE64_STANDARD.decode_vec(text, scratch).map_err(|error| {
                Error::protocol("a packed tuple from the runtime is not base64").with_source(error)
            })?;
            Ok(Tuple::Packed(scratch))
        }
    }
}
