//! Keys and values as JSON arrays: their elements one by one, without a tree.

use std::borrow::Cow;

use super::json_scanner::{Kind, Scanner};
use super::span::Span;
use crate::error::{Error, Result};
use crate::protocol::{Elements, Value};

/// Where the elements of an array are: kept from one to the next, so that nothing is allocated for
/// it.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<Element>);

/// An element of an array, and where it is in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    kind: Kind,
    span: Span,
}

/// The text of a JSON array, and where those of its elements are that have not been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonTuple<'a> {
    text: &'a [u8],
    elements: &'a [Element],
}

impl<'a> JsonTuple<'a> {
    /// Finds the elements of `text`. Errors where it is no JSON array.
    pub fn new(text: &'a str, Positions(elements): &'a mut Positions) -> Result<Self> {
        let mut scanner = Scanner::new(text.as_bytes(), 0);
        elements.clear();
        let array = scan(&mut scanner, elements).filter(|_| scanner.is_at_end());
        let (text, _) = array.ok_or_else(|| {
            Error::protocol("a key or the values of a Store from the runtime are not a JSON array")
        })?;
        Ok(Self::of_parts(text.of(scanner.text()), elements))
    }

    /// An array that [`scan`] has found.
    #[inline]
    pub(super) fn of_parts(text: &'a [u8], elements: &'a [Element]) -> Self {
        Self { text, elements }
    }

    /// The length of the whole array as JSON, in bytes.
    pub fn json_bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes the next element where it is of one of `kinds` and `read` makes something of its text;
    /// takes nothing otherwise.
    #[inline]
    fn take_if<T>(
        &mut self,
        kinds: &[Kind],
        read: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Option<T> {
        let (element, rest) = self.elements.split_first()?;
        if !kinds.contains(&element.kind) {
            return None;
        }
        let taken = read(element.span.of(self.text))?;
        self.elements = rest;
        Some(taken)
    }
}

/// Takes an array off `scanner`, and appends its elements: where its text is, and where they are;
/// none where there is something else.
pub(super) fn scan(scanner: &mut Scanner<'_>, elements: &mut Vec<Element>) -> Option<(Span, Span)> {
    let first = elements.len();
    scanner.take(b'[')?;
    let start = scanner.position() - 1;
    if !scanner.take_if(b']') {
        loop {
            let (kind, range) = scanner.value()?;
            let span = Span::new(range.start - start..range.end - start)?;
            elements.push(Element { kind, span });
            if !scanner.take_if(b',') {
                break;
            }
        }
        scanner.take(b']')?;
    }
    let text = Span::new(start..scanner.position())?;
    Some((text, Span::new(first..elements.len())?))
}

impl<'a> Elements<'a> for JsonTuple<'a> {
    fn take(&mut self) -> Result<Option<Value<'a>>> {
        let Some((element, rest)) = self.elements.split_first() else {
            return Ok(None);
        };
        self.elements = rest;
        let text = element.span.of(self.text);
        Ok(Some(match element.kind {
            Kind::Null => Value::Null,
            Kind::False => Value::Boolean(false),
            Kind::True => Value::Boolean(true),
            Kind::Integer => integer(utf8(text)?),
            Kind::Number => Value::Number(Cow::Borrowed(utf8(text)?)),
            Kind::PlainString => Value::String(Cow::Borrowed(utf8(between_quotes(text))?)),
            Kind::EscapedString => escaped(text),
            Kind::Container => Value::Json(Cow::Borrowed(text)),
        }))
    }

    #[inline]
    fn take_null(&mut self) -> bool {
        self.take_if(&[Kind::Null], Some).is_some()
    }

    #[inline]
    fn take_boolean(&mut self) -> Option<bool> {
        self.take_if(&[Kind::False, Kind::True], |text| Some(text == b"true"))
    }

    #[inline]
    fn take_integer(&mut self) -> Option<i64> {
        self.take_if(&[Kind::Integer], |text| {
            std::str::from_utf8(text).ok()?.parse().ok()
        })
    }

    #[inline]
    fn take_double(&mut self) -> Option<f64> {
        self.take_if(&[Kind::Number], |text| {
            let double = std::str::from_utf8(text).ok()?.parse().ok()?;
            gives_back(double, text).then_some(double)
        })
    }

    #[inline]
    fn take_plain_string<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Option<T> {
        self.take_if(&[Kind::PlainString], |text| read(between_quotes(text)))
    }
}

/// Whether a double is surely given back by its own text, which is usual. Of more digits than any
/// double tells from its neighbours, or of a text that is written in another way, a closer look has
/// to decide.
#[inline]
fn gives_back(double: f64, text: &[u8]) -> bool {
    /// As many digits every double gives back, but for the smallest.
    const DIGITS: usize = 15;
    (text.len() <= DIGITS && double.is_normal()) || is_shortest_text(double, text)
}

fn is_shortest_text(double: f64, text: &[u8]) -> bool {
    /// As many bytes as `-1.7976931348623157e+308` has, and some.
    const LONGEST: usize = 32;
    let mut buffer = [0; LONGEST];
    let mut rest = &mut buffer[..];
    // What is not finite is written as `null`, which is no number's text.
    let is_written = serde_json::to_writer(&mut rest, &double).is_ok();
    let length = LONGEST - rest.len();
    is_written && buffer[..length] == *text
}

/// The text was UTF-8 as a whole, and its parts begin and end with ASCII.
fn utf8(text: &[u8]) -> Result<&str> {
    std::str::from_utf8(text).map_err(|error| {
        Error::internal("a part of a text is not UTF-8, and the whole was").with_source(error)
    })
}

fn between_quotes(quoted: &[u8]) -> &[u8] {
    &quoted[1..quoted.len() - 1]
}

/// A string with escapes; one with a lone surrogate is no Unicode text and stays the JSON text that
/// it is.
fn escaped(quoted: &[u8]) -> Value<'_> {
    let text = serde_json::from_slice(quoted).map(|text: String| Value::String(Cow::Owned(text)));
    text.unwrap_or(Value::Json(Cow::Borrowed(quoted)))
}

fn integer(text: &str) -> Value<'_> {
    if let Ok(integer) = text.parse() {
        return Value::Integer(integer);
    }
    if let Ok(integer) = text.parse() {
        return Value::Unsigned(integer);
    }
    Value::Number(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<Value<'_>> {
        let elements = Box::leak(Box::default());
        let mut tuple = JsonTuple::new(text, elements).unwrap();
        std::iter::from_fn(|| tuple.take().unwrap()).collect()
    }

    #[test]
    fn every_kind_of_element_is_taken_in_order() {
        let text = r#" [ null , true,false,-1, 18446744073709551615,1.50,"a","\"\\b\u00e9" , {"k]":["}"]},[1,[2]],36893488147419103232 ] "#;
        assert_eq!(
            elements(text),
            [
                Value::Null,
                Value::Boolean(true),
                Value::Boolean(false),
                Value::Integer(-1),
                Value::Unsigned(u64::MAX),
                Value::Number("1.50".into()),
                Value::String("a".into()),
                Value::String("\"\\b\u{e9}".into()),
                Value::Json(br#"{"k]":["}"]}"#.into()),
                Value::Json(b"[1,[2]]".into()),
                Value::Number("36893488147419103232".into()),
            ]
        );
    }

    #[test]
    fn a_string_with_a_lone_surrogate_stays_json_text() {
        assert_eq!(
            elements(r#"["\ud800"]"#),
            [Value::Json(br#""\ud800""#.into())]
        );
    }

    #[test]
    fn empty_arrays_have_no_elements() {
        assert_eq!(elements("[]"), []);
        assert_eq!(elements(" [ ] "), []);
    }

    #[test]
    fn what_is_not_an_array_is_an_error() {
        for text in ["", "{}", "1", "[1", "[\"a", "[1 2]", "[,]", "[1,]", "[1]]"] {
            assert!(
                JsonTuple::new(text, &mut Positions::default()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_double_is_taken_only_where_it_gives_its_text_back() {
        for (text, taken) in [
            ("1.5", true),
            ("0.0", true),
            ("-0.0", true),
            ("0.30000000000000004", true),
            ("1.7976931348623157e+308", true),
            ("5e-324", true),
            ("4.9e-324", false),
            ("1e-400", false),
            ("1e400", false),
            ("12345678901234567.89", false),
            ("0.10000000000000000555", false),
        ] {
            let (array, mut positions) = (format!("[{text}]"), Positions::default());
            let mut tuple = JsonTuple::new(&array, &mut positions).unwrap();
            assert_eq!(tuple.take_double().is_some(), taken, "{text}");
        }
    }

    #[test]
    fn elements_are_taken_as_a_column_wants_them_or_stay() {
        let mut positions = Positions::default();
        let mut tuple = JsonTuple::new(
            r#"[ null,true,7,1.5,"é",1e400,"\n",99999999999999999999]"#,
            &mut positions,
        )
        .unwrap();
        assert_eq!((tuple.take_boolean(), tuple.take_null()), (None, true));
        assert_eq!(
            (tuple.take_null(), tuple.take_boolean()),
            (false, Some(true))
        );
        assert_eq!((tuple.take_double(), tuple.take_integer()), (None, Some(7)));
        assert_eq!(
            (tuple.take_integer(), tuple.take_double()),
            (None, Some(1.5))
        );
        assert_eq!(
            (tuple.take_integer(), tuple.take_plain_string(Some)),
            (None, Some("é".as_bytes()))
        );
        assert_eq!(
            (tuple.take_double(), tuple.take().unwrap()),
            (None, Some(Value::Number("1e400".into())))
        );
        assert_eq!(
            (tuple.take_plain_string(Some), tuple.take().unwrap()),
            (None, Some(Value::String("\n".into())))
        );
        assert_eq!(
            (tuple.take_integer(), tuple.take().unwrap()),
            (None, Some(Value::Number("99999999999999999999".into())))
        );
        assert_eq!((tuple.take_null(), tuple.take().unwrap()), (false, None));
    }
}
