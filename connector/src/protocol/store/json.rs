//! A Store by the JSON codec, read in one pass.
//!
//! Takes the lines that runtimes write. What is unusual, in good order or not, is left to the generated messages: they know every
//! form that a message may have, and what to say of one that is none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Store;
use crate::protocol::json_scanner::{Kind, Scanner};
use crate::protocol::{JsonTuple, Positions, Tuple};

/// Where the elements of tuples are found, or decoded to; reused from row to row.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Scratch {
    pub(in crate::protocol) key: TupleScratch,
    pub(in crate::protocol) values: TupleScratch,
}

/// That of one tuple: it has one of two forms.
#[derive(Debug, Default)]
pub(in crate::protocol) struct TupleScratch {
    pub(in crate::protocol) positions: Positions,
    packed: Vec<u8>,
}

/// Reads `line` where it holds a Store and nothing else, in a usual form; none otherwise.
pub(in crate::protocol) fn read<'a>(line: &'a [u8], scratch: &'a mut Scratch) -> Option<Store<'a>> {
    // Once and fast for the whole line, whose parts are then text too.
    let line = simdutf8::basic::from_utf8(line).ok()?;
    let mut scanner = Scanner::new(line);
    scanner.take(b'{')?;
    if name(&mut scanner)? != "store" {
        return None;
    }
    let store = Fields::take(&mut scanner, scratch)?.into_store();
    scanner.take(b'}')?;
    scanner.is_at_end().then_some(store)
}

/// The fields of a Store that are there.
#[derive(Default)]
struct Fields<'a> {
    binding: Option<u32>,
    key: Option<Tuple<'a>>,
    values: Option<Tuple<'a>>,
    doc: Option<&'a str>,
    exists: Option<bool>,
    delete: Option<bool>,
}

impl<'a> Fields<'a> {
    /// Takes the object of a Store off `scanner`.
    fn take(scanner: &mut Scanner<'a>, scratch: &'a mut Scratch) -> Option<Self> {
        let Scratch { key, values } = scratch;
        let (mut key, mut values) = (Some(key), Some(values));
        let mut fields = Self::default();
        scanner.take(b'{')?;
        if scanner.take_if(b'}') {
            return Some(fields);
        }
        loop {
            match name(scanner)? {
                "binding" => once(&mut fields.binding, integer(scanner)?)?,
                "key" | "key_json" => once(&mut fields.key, json(scanner, key.take()?)?)?,
                "keyPacked" | "key_packed" => once(&mut fields.key, packed(scanner, key.take()?)?)?,
                "values" | "values_json" => {
                    once(&mut fields.values, json(scanner, values.take()?)?)?
                }
                "valuesPacked" | "values_packed" => {
                    once(&mut fields.values, packed(scanner, values.take()?)?)?
                }
                "doc" | "doc_json" => once(&mut fields.doc, document(scanner)?)?,
                "exists" => once(&mut fields.exists, boolean(scanner)?)?,
                "delete" => once(&mut fields.delete, boolean(scanner)?)?,
                // Newer runtimes may have more to say.
                _ => drop(scanner.value()?),
            }
            if !scanner.take_if(b',') {
                scanner.take(b'}')?;
                return Some(fields);
            }
        }
    }

    fn into_store(self) -> Store<'a> {
        let empty = Tuple::Packed(&[]);
        Store {
            binding: self.binding.unwrap_or_default(),
            key: self.key.unwrap_or(empty),
            values: self.values.unwrap_or(empty),
            doc: self.doc.map(str::as_bytes),
            delete: self.delete.unwrap_or_default(),
        }
    }
}

/// Notes the value of a field that may be there once.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Takes the name of a member, which no runtime writes with escapes, and its colon.
#[inline]
fn name<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    let name = plain_string(scanner)?;
    scanner.take(b':')?;
    Some(name)
}

#[inline]
fn plain_string<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    match scanner.value()? {
        (Kind::PlainString, range) => scanner.text(range.start + 1..range.end - 1),
        _ => None,
    }
}

fn integer(scanner: &mut Scanner<'_>) -> Option<u32> {
    match scanner.value()? {
        (Kind::Integer, range) => scanner.text(range)?.parse().ok(),
        _ => None,
    }
}

fn boolean(scanner: &mut Scanner<'_>) -> Option<bool> {
    match scanner.value()? {
        (Kind::True, _) => Some(true),
        (Kind::False, _) => Some(false),
        _ => None,
    }
}

/// A document is any JSON but null, which stands for none.
fn document<'a>(scanner: &mut Scanner<'a>) -> Option<&'a str> {
    match scanner.value()? {
        (Kind::Null, _) => None,
        (_, range) => scanner.text(range),
    }
}

fn json<'a>(scanner: &mut Scanner<'a>, scratch: &'a mut TupleScratch) -> Option<Tuple<'a>> {
    JsonTuple::scan(scanner, &mut scratch.positions).map(Tuple::Json)
}

fn packed<'a>(scanner: &mut Scanner<'a>, scratch: &'a mut TupleScratch) -> Option<Tuple<'a>> {
    let base64 = plain_string(scanner)?;
    scratch.packed.clear();
    BASE64_STANDARD
        .decode_vec(base64, &mut scratch.packed)
        .ok()?;
    Some(Tuple::Packed(&scratch.packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::Decoder;
    use crate::protocol::{Codec, Request};

    /// A tuple of JSON, whose positions are never given back.
    fn json(text: &'static str) -> Tuple<'static> {
        Tuple::Json(JsonTuple::new(text, Box::leak(Box::default())).unwrap())
    }

    const TUPLE: Tuple<'_> = Tuple::Packed(&[0x27, 0x26]);

    #[test]
    fn the_lines_of_runtimes_are_read_in_place() {
        let store = Store {
            binding: 7,
            key: json("[1]"),
            values: json(r#"["a",{"b":[]}]"#),
            doc: None,
            delete: false,
        };
        for (line, expected) in [
            (
                r#"{"store":{}}"#,
                Store {
                    binding: 0,
                    key: Tuple::Packed(&[]),
                    values: Tuple::Packed(&[]),
                    ..store
                },
            ),
            (
                r#"{"store":{"binding":7,"key":[1],"values":["a",{"b":[]}],"exists":false}}"#,
                store,
            ),
            (
                r#" { "store" : { "values" : ["a",{"b":[]}] , "key" : [1], "binding" : 7 } } "#,
                store,
            ),
            (
                r#"{"store":{"binding":7,"newer":{"a":1},"key_json":[1],"values_json":["a",{"b":[]}]}}"#,
                store,
            ),
            (
                r#"{"store":{"keyPacked":"JyY=","valuesPacked":"JyY=","doc":{"a": 1},"delete":true}}"#,
                Store {
                    binding: 0,
                    key: TUPLE,
                    values: TUPLE,
                    doc: Some(br#"{"a": 1}"#),
                    delete: true,
                },
            ),
            (
                r#"{"store":{"key_packed":"JyY=","values_packed":"JyY=","doc_json":[]}}"#,
                Store {
                    binding: 0,
                    key: TUPLE,
                    values: TUPLE,
                    doc: Some(b"[]"),
                    delete: false,
                },
            ),
        ] {
            let mut scratch = Scratch::default();
            assert_eq!(
                read(line.as_bytes(), &mut scratch),
                Some(expected),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_generated_messages() {
        for (line, name) in [
            (r#"{"store":{"doc":null}}"#, Some("Store")),
            (r#"{"store":{"key":null}}"#, Some("Store")),
            (r#"{"store":{"keyPacked":"\u004ayY="}}"#, Some("Store")),
            (r#"{"store":{"\u006bey":[1]}}"#, Some("Store")),
            (r#"{"newer":1,"store":{}}"#, Some("Store")),
            (r#"{"flush":{}}"#, Some("Flush")),
            (r#"{"store":{},"flush":{}}"#, None),
            (r#"{"store":{},"startCommit":{}}"#, None),
            (r#"{"store":{"key":[],"keyPacked":"?"}}"#, None),
            (r#"{"store":{"key":[],"key":[]}}"#, None),
            (r#"{"store":{"delete":false,"delete":false}}"#, None),
            (r#"{"store":{"keyPacked":1234}}"#, None),
            (r#"{"store":{"keyPacked":"?"}}"#, None),
            (r#"{"store":{"binding":-1}}"#, None),
            (r#"{"store":{"newer":01}}"#, None),
            (r#"{"store":{}}}"#, None),
            (r#"{"store":{}"#, None),
            ("", None),
        ] {
            assert_eq!(
                read(line.as_bytes(), &mut Scratch::default()),
                None,
                "{line}"
            );
            let mut decoder = Decoder::new(Codec::Json);
            let read = decoder
                .decode(line.as_bytes())
                .map(|request| request.name());
            assert_eq!(read.ok(), name, "{line}");
        }
    }

    #[test]
    fn base64_with_escapes_is_read_too() {
        let line = br#"{"store":{"keyPacked":"\u004ayY=","valuesPacked":"\/w=="}}"#;
        let mut decoder = Decoder::new(Codec::Json);
        let Request::Store(store) = decoder.decode(line).unwrap() else {
            panic!("it is a Store");
        };
        assert_eq!((store.key, store.values), (TUPLE, Tuple::Packed(&[0xff])));
    }
}
