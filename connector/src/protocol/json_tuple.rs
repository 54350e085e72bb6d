//! Keys and values as JSON arrays: their elements one by one, without a tree.

use std::borrow::Cow;

use super::json_scanner::{Kind, Scanner};
use crate::error::{Error, Result};
use crate::protocol::{Elements, Value};

/// Where the elements of an array are: kept from row to row, so that nothing is allocated for one.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<Element>);

/// One of them: from where to where in the text of its array, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Element {
    kind: Kind,
    start: u32,
    end: u32,
}

/// The text of a JSON array, and where those of its elements are that have not been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonTuple<'a> {
    text: &'a str,
    elements: &'a [Element],
}

impl<'a> JsonTuple<'a> {
    /// Finds the elements of `text`. Errors where it is no JSON array.
    pub fn new(text: &'a str, positions: &'a mut Positions) -> Result<Self> {
        let mut scanner = Scanner::new(text);
        let tuple = Self::scan(&mut scanner, positions);
        tuple.filter(|_| scanner.is_at_end()).ok_or_else(|| {
            Error::protocol("a key or the values of a Store from the runtime are not a JSON array")
        })
    }

    /// Takes an array off `scanner`; none where there is something else.
    pub(super) fn scan(
        scanner: &mut Scanner<'a>,
        Positions(elements): &'a mut Positions,
    ) -> Option<Self> {
        elements.clear();
        scanner.take(b'[')?;
        let start = scanner.position() - 1;
        let offset = |position: usize| u32::try_from(position - start).ok();
        if !scanner.take_if(b']') {
            loop {
                let (kind, range) = scanner.value()?;
                let (start, end) = (offset(range.start)?, offset(range.end)?);
                elements.push(Element { kind, start, end });
                if !scanner.take_if(b',') {
                    break;
                }
            }
            scanner.take(b']')?;
        }
        let text = scanner.text(start..scanner.position())?;
        Some(Self { text, elements })
    }

    /// The length of the whole array as JSON, in bytes.
    pub fn json_bytes(&self) -> usize {
        self.text.len()
    }

    fn text_of(&self, element: Element) -> &'a str {
        &self.text[element.start as usize..element.end as usize]
    }

    /// Takes the next element where it is of one of `kinds` and `read` makes something of its text; takes nothing otherwise.
    #[inline]
    fn take_if<T>(&mut self, kinds: &[Kind], read: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let (element, rest) = self.elements.split_first()?;
        if !kinds.contains(&element.kind) {
            return None;
        }
        let taken = read(self.text_of(*element))?;
        self.elements = rest;
        Some(taken)
    }
}

impl<'a> Elements<'a> for JsonTuple<'a> {
    fn take(&mut self) -> Result<Option<Value<'a>>> {
        let Some((element, rest)) = self.elements.split_first() else {
            return Ok(None);
        };
        self.elements = rest;
        let text = self.text_of(*element);
        Ok(Some(match element.kind {
            Kind::Null => Value::Null,
            Kind::False => Value::Boolean(false),
            Kind::True => Value::Boolean(true),
            Kind::Integer => integer(text),
            Kind::Number => Value::Number(Cow::Borrowed(text)),
            Kind::PlainString => Value::String(Cow::Borrowed(between_quotes(text))),
            Kind::EscapedString => escaped(text),
            Kind::Container => Value::Json(Cow::Borrowed(text.as_bytes())),
        }))
    }

    #[inline]
    fn take_null(&mut self) -> bool {
        self.take_if(&[Kind::Null], Some).is_some()
    }

    #[inline]
    fn take_boolean(&mut self) -> Option<bool> {
        self.take_if(&[Kind::False, Kind::True], |text| Some(text == "true"))
    }

    #[inline]
    fn take_integer(&mut self) -> Option<i64> {
        self.take_if(&[Kind::Integer], |text| text.parse().ok())
    }

    #[inline]
    fn take_double(&mut self) -> Option<f64> {
        self.take_if(&[Kind::Number], |text| {
            text.parse().ok().filter(|double: &f64| double.is_finite())
        })
    }

    #[inline]
    fn take_plain_string<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Option<T> {
        self.take_if(&[Kind::PlainString], |text| {
            read(between_quotes(text).as_bytes())
        })
    }
}

fn between_quotes(quoted: &str) -> &str {
    &quoted[1..quoted.len() - 1]
}

/// A string with escapes; one with a lone surrogate is no Unicode text and stays the JSON text that it is.
fn escaped(quoted: &str) -> Value<'_> {
    let text = serde_json::from_str(quoted).map(|text: String| Value::String(Cow::Owned(text)));
    text.unwrap_or(Value::Json(Cow::Borrowed(quoted.as_bytes())))
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
