//! A Store by the JSON codec, found in one pass.
//!
//! Takes the lines that runtimes write. What is unusual, in good order or not, is left to the
//! generated messages: they know every form that a message may have, and what to say of one that is
//! none.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::protocol::frame_index::{Parts, StoreParts, TupleParts};
use crate::protocol::json_scanner::{Kind, Scanner};
use crate::protocol::json_tuple;
use crate::protocol::span::Span;

/// Finds a Store in the line that is `frame` of `bytes`, which is UTF-8, and puts what it refers to
/// into `parts`; none where the line holds something else, more, or less.
pub(in crate::protocol) fn read(
    bytes: &[u8],
    frame: Range<usize>,
    parts: &mut Parts,
) -> Option<StoreParts> {
    let mut scanner = Scanner::new(&bytes[..frame.end], frame.start);
    scanner.take(b'{')?;
    if name(&mut scanner)? != b"store" {
        return None;
    }
    let store = Fields::take(&mut scanner, parts)?.into_store();
    scanner.take(b'}')?;
    scanner.is_at_end().then_some(store)
}

/// The fields of a Store that are there.
#[derive(Default)]
struct Fields {
    binding: Option<u32>,
    key: Option<TupleParts>,
    values: Option<TupleParts>,
    doc: Option<Span>,
    exists: Option<bool>,
    delete: Option<bool>,
}

impl Fields {
    /// Takes the object of a Store off `scanner`.
    fn take(scanner: &mut Scanner<'_>, parts: &mut Parts) -> Option<Self> {
        let mut fields = Self::default();
        scanner.take(b'{')?;
        if scanner.take_if(b'}') {
            return Some(fields);
        }
        loop {
            match name(scanner)? {
                b"binding" => once(&mut fields.binding, integer(scanner)?)?,
                b"key" | b"key_json" => once(&mut fields.key, json(scanner, parts)?)?,
                b"keyPacked" | b"key_packed" => once(&mut fields.key, packed(scanner, parts)?)?,
                b"values" | b"values_json" => once(&mut fields.values, json(scanner, parts)?)?,
                b"valuesPacked" | b"values_packed" => {
                    once(&mut fields.values, packed(scanner, parts)?)?;
                }
                b"doc" | b"doc_json" => once(&mut fields.doc, document(scanner)?)?,
                b"exists" => once(&mut fields.exists, boolean(scanner)?)?,
                b"delete" => once(&mut fields.delete, boolean(scanner)?)?,
                // Newer runtimes may have more to say.
                _ => {
                    scanner.value()?;
                }
            }
            if !scanner.take_if(b',') {
                scanner.take(b'}')?;
                return Some(fields);
            }
        }
    }

    fn into_store(self) -> StoreParts {
        StoreParts {
            binding: self.binding.unwrap_or_default(),
            key: self.key.unwrap_or_default(),
            values: self.values.unwrap_or_default(),
            doc: self.doc,
            delete: self.delete.unwrap_or_default(),
        }
    }
}

/// Notes the value of a field that may be there once.
#[inline]
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Takes the name of a member, which no runtime writes with escapes, and its colon.
#[inline]
fn name<'a>(scanner: &mut Scanner<'a>) -> Option<&'a [u8]> {
    let name = plain_string(scanner)?;
    scanner.take(b':')?;
    Some(name)
}

#[inline]
fn plain_string<'a>(scanner: &mut Scanner<'a>) -> Option<&'a [u8]> {
    match scanner.value()? {
        (Kind::PlainString, range) => scanner.text().get(range.start + 1..range.end - 1),
        _ => None,
    }
}

fn integer(scanner: &mut Scanner<'_>) -> Option<u32> {
    match scanner.value()? {
        (Kind::Integer, range) => std::str::from_utf8(&scanner.text()[range])
            .ok()?
            .parse()
            .ok(),
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
fn document(scanner: &mut Scanner<'_>) -> Option<Span> {
    match scanner.value()? {
        (Kind::Null, _) => None,
        (_, range) => Span::new(range),
    }
}

#[inline]
fn json(scanner: &mut Scanner<'_>, parts: &mut Parts) -> Option<TupleParts> {
    let (text, elements) = json_tuple::scan(scanner, &mut parts.elements)?;
    Some(TupleParts::Json { text, elements })
}

fn packed(scanner: &mut Scanner<'_>, parts: &mut Parts) -> Option<TupleParts> {
    let base64 = plain_string(scanner)?;
    let start = parts.decoded.len();
    BASE64_STANDARD
        .decode_vec(base64, &mut parts.decoded)
        .ok()?;
    Span::new(start..parts.decoded.len()).map(TupleParts::Decoded)
}

#[cfg(test)]
mod tests {
    use crate::protocol::frame_index::{Found, FrameIndex};
    use crate::protocol::request::Decoder;
    use crate::protocol::{Codec, JsonTuple, Request, Store, Tuple};

    /// The Store of a line, where the hot path reads it. What it refers to is never given back.
    fn store(line: &str) -> Option<Store<'static>> {
        match found(line) {
            Found::Store(store) => Some(store),
            Found::Other(_) => None,
        }
    }

    fn found(line: &str) -> Found<'static> {
        let bytes = format!("{line}\n").into_bytes().leak();
        let index: &mut FrameIndex = Box::leak(Box::default());
        index.read(Codec::Json, bytes).unwrap();
        index.get(0, bytes).unwrap()
    }

    /// A tuple of JSON, whose positions are never given back.
    fn json(text: &'static str) -> Tuple<'static> {
        Tuple::Json(JsonTuple::new(text, Box::leak(Box::default())).unwrap())
    }

    const TUPLE: Tuple<'_> = Tuple::Packed(&[0x27, 0x26]);

    #[test]
    fn the_lines_of_runtimes_are_read_in_place() {
        let usual = Store {
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
                    ..usual
                },
            ),
            (
                r#"{"store":{"binding":7,"key":[1],"values":["a",{"b":[]}],"exists":false}}"#,
                usual,
            ),
            (
                r#" { "store" : { "values" : ["a",{"b":[]}] , "key" : [1], "binding" : 7 } } "#,
                usual,
            ),
            (
                r#"{"store":{"binding":7,"newer":{"a":1},"key_json":[1],"values_json":["a",{"b":[]}]}}"#,
                usual,
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
            assert_eq!(store(line), Some(expected), "{line}");
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
            assert_eq!(store(line), None, "{line}");
            let mut decoder = Decoder::new(Codec::Json);
            let read = decoder.decode(found(line)).map(|request| request.name());
            assert_eq!(read.ok(), name, "{line}");
        }
    }

    #[test]
    fn base64_with_escapes_is_read_too() {
        let line = r#"{"store":{"keyPacked":"\u004ayY=","valuesPacked":"\/w=="}}"#;
        let mut decoder = Decoder::new(Codec::Json);
        let Request::Store(store) = decoder.decode(found(line)).unwrap() else {
            panic!("it is a Store");
        };
        assert_eq!((store.key, store.values), (TUPLE, Tuple::Packed(&[0xff])));
    }
}
