//! The Store request, read in place: it is on the hot path, so nothing is copied or allocated per row.
//!
//! Field numbers as in `proto/materialize.proto`; the wire format as in protobuf's encoding specification.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
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

/// The greatest number of a field.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// Where the packed tuples of a JSON message are decoded to; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    key: Vec<u8>,
    values: Vec<u8>,
}

/// Reads `frame` where it is a proto Request that holds a Store and nothing else, in the usual form; none where it is another
/// one, which is then for prost to read or to refuse.
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

/// A line of the JSON codec as far as a Store needs it, and whether there is another request in it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Line<'a> {
    #[serde(borrow)]
    store: Option<StoreLine<'a>>,
    spec: Option<IgnoredAny>,
    validate: Option<IgnoredAny>,
    apply: Option<IgnoredAny>,
    open: Option<IgnoredAny>,
    load: Option<IgnoredAny>,
    flush: Option<IgnoredAny>,
    #[serde(alias = "start_commit")]
    start_commit: Option<IgnoredAny>,
    acknowledge: Option<IgnoredAny>,
}

impl<'a> Line<'a> {
    /// The Store, where there is nothing but it.
    fn only_store(self) -> Option<StoreLine<'a>> {
        let others = [
            self.spec,
            self.validate,
            self.apply,
            self.open,
            self.load,
            self.flush,
            self.start_commit,
            self.acknowledge,
        ];
        self.store.filter(|_| others.iter().all(Option::is_none))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StoreLine<'a> {
    binding: Option<u32>,
    #[serde(borrow, alias = "key_json")]
    key: Option<&'a RawValue>,
    #[serde(borrow, alias = "key_packed")]
    key_packed: Option<&'a RawValue>,
    #[serde(borrow, alias = "values_json")]
    values: Option<&'a RawValue>,
    #[serde(borrow, alias = "values_packed")]
    values_packed: Option<&'a RawValue>,
    #[serde(borrow, alias = "doc_json")]
    doc: Option<&'a RawValue>,
    delete: Option<bool>,
}

/// Reads `frame` where it is a line of the JSON codec that begins with a Store and holds nothing else; none where it is another
/// one, which is then for the generated messages to read or to refuse.
pub(super) fn from_json<'a>(
    frame: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Option<Store<'a>>> {
    if !frame.starts_with(b"{\"store\":{") {
        return Ok(None);
    }
    // Once and fast for the whole line; serde would look at each of its values by itself.
    let line = simdutf8::basic::from_utf8(frame).map_err(not_json)?;
    let line: Line<'a> = serde_json::from_str(line).map_err(not_json)?;
    line.only_store()
        .filter(StoreLine::has_one_form)
        .map(|store| store.into_store(scratch))
        .transpose()
}

fn not_json(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::protocol("a Store from the runtime is not JSON of the materialize protocol")
        .with_source(error)
}

impl<'a> StoreLine<'a> {
    /// Whether no tuple is there twice.
    fn has_one_form(&self) -> bool {
        let twice = |json: Option<_>, packed: Option<_>| json.is_some() && packed.is_some();
        !twice(self.key, self.key_packed) && !twice(self.values, self.values_packed)
    }

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
        (Some(json), _) => Ok(Tuple::Json(json.get())),
        (None, None) => Ok(Tuple::Packed(scratch)),
        (None, Some(packed)) => {
            let text = string(packed)?;
            BASE64_STANDARD
                .decode_vec(&*text, scratch)
                .map_err(|error| not_base64().with_source(error))?;
            Ok(Tuple::Packed(scratch))
        }
    }
}

/// The content of a JSON string; base64 has no need of escapes, so that it is nearly always borrowed.
fn string(json: &RawValue) -> Result<Cow<'_, str>> {
    let quoted = json.get();
    let content = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or_else(not_base64)?;
    if content.contains('\\') {
        let text = serde_json::from_str(quoted).map_err(|error| not_base64().with_source(error))?;
        return Ok(Cow::Owned(text));
    }
    Ok(Cow::Borrowed(content))
}

fn not_base64() -> Error {
    Error::protocol("a packed tuple from the runtime is not base64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::Decoder;
    use crate::protocol::{Codec, Request};

    fn name(codec: Codec, frame: &[u8]) -> Result<&'static str> {
        let mut decoder = Decoder::new(codec);
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
            assert!(name(Codec::Proto, &frame).is_err(), "{what}");
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
        let read = from_proto(&frame).unwrap().unwrap();
        assert_eq!((read.binding, read.delete), (7, true));
    }

    #[test]
    fn json_stores_are_read_by_protobufs_own_names_too() {
        let frame = br#"{"store":{"key_json":["a"],"values_packed":"JyY=","doc_json":{}}}"#;
        let mut decoder = Decoder::new(Codec::Json);
        let Request::Store(store) = decoder.decode(frame).unwrap() else {
            panic!("it is a Store");
        };
        assert_eq!(store.key, Tuple::Json(r#"["a"]"#));
        assert_eq!(store.values, Tuple::Packed(&[0x27, 0x26]));
        assert_eq!(store.doc, Some(&b"{}"[..]));
    }

    #[test]
    fn base64_may_be_escaped_but_must_be_a_string() {
        let escaped = br#"{"store":{"keyPacked":"\u004ayY=","valuesPacked":"\/w=="}}"#;
        let mut scratch = Scratch::default();
        let store = from_json(escaped, &mut scratch).unwrap().unwrap();
        assert_eq!(store.key, Tuple::Packed(&[0x27, 0x26]));
        assert_eq!(store.values, Tuple::Packed(&[0xff]));
        assert!(name(Codec::Json, br#"{"store":{"keyPacked":1234}}"#).is_err());
    }

    #[test]
    fn a_json_store_beside_another_request_is_refused() {
        for frame in [
            r#"{"store":{},"flush":{}}"#,
            r#"{"store":{},"startCommit":{}}"#,
            r#"{"store":{"key":[],"keyPacked":"?"}}"#,
        ] {
            assert!(name(Codec::Json, frame.as_bytes()).is_err(), "{frame}");
        }
    }
}
