//! Keys and values as JSON arrays: their elements one by one, without a tree.
//!
//! The text is known to be valid JSON, because serde has read it once as a raw value; so finding where an element ends needs
//! no second validation, only care for strings.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::protocol::Value;

/// The elements of a JSON array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
    started: bool,
}

impl<'a> Elements<'a> {
    /// The elements of `text`, the whole of a JSON array.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            started: false,
        }
    }

    /// The next element; none at the end of the array.
    pub(super) fn take(&mut self) -> Result<Option<Value<'a>>> {
        self.skip_whitespace();
        let separator = if self.started { ',' } else { '[' };
        match self.rest.strip_prefix(separator) {
            Some(rest) => self.rest = rest,
            None if self.started && self.rest == "]" => return Ok(None),
            None => return Err(malformed()),
        }
        self.skip_whitespace();
        if !self.started {
            self.started = true;
            if self.rest == "]" {
                return Ok(None);
            }
        }
        let length = element_length(self.rest.as_bytes()).ok_or_else(malformed)?;
        let (element, rest) = self.rest.split_at_checked(length).ok_or_else(malformed)?;
        self.rest = rest;
        parse(element).map(Some)
    }

    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_ascii_start();
        if self.rest.starts_with(']') {
            self.rest = self.rest.trim_ascii_end();
        }
    }
}

fn malformed() -> Error {
    Error::protocol("a key or the values of a Store from the runtime are not a JSON array")
}

/// The bytes of the JSON value at the start of `text`.
fn element_length(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_length(text),
        b'{' | b'[' => container_length(text),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b']') || byte.is_ascii_whitespace();
            text.iter().position(ends).filter(|&length| length > 0)
        }
    }
}

/// The bytes of the string at the start of `text`, with its quotes.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The bytes of the object or array at the start of `text`.
fn container_length(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += string_length(&text[at..])?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

fn parse(element: &str) -> Result<Value<'_>> {
    let first = element.as_bytes().first().copied();
    Ok(match (first, element) {
        (_, "null") => Value::Null,
        (_, "true") => Value::Boolean(true),
        (_, "false") => Value::Boolean(false),
        (Some(b'{' | b'['), _) => Value::Json(Cow::Borrowed(element.as_bytes())),
        (Some(b'"'), quoted) => string(quoted)?,
        (_, number) => self::number(number),
    })
}

/// A string; one with a lone surrogate is no Unicode text and stays the JSON text that it is.
fn string(quoted: &str) -> Result<Value<'_>> {
    let content = quoted.get(1..quoted.len() - 1).ok_or_else(malformed)?;
    if memchr::memchr(b'\\', content.as_bytes()).is_none() {
        return Ok(Value::String(Cow::Borrowed(content)));
    }
    let text = serde_json::from_str(quoted).map(|text: String| Value::String(Cow::Owned(text)));
    Ok(text.unwrap_or(Value::Json(Cow::Borrowed(quoted.as_bytes()))))
}

fn number(text: &str) -> Value<'_> {
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
        let mut elements = Elements::new(text);
        std::iter::from_fn(|| elements.take().unwrap()).collect()
    }

    #[test]
    fn every_kind_of_element_is_taken_in_order() {
        let text = r#" [ null , true,false,-1, 18446744073709551615,1.50,"a","\"\\b\u00e9" , {"k]":["}"]},[1,[2]] ] "#;
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
        for text in ["", "{}", "1", "[1", "[\"a", "[1 2]", "[,]", "[1]]"] {
            let mut elements = Elements::new(text);
            let outcome = loop {
                match elements.take() {
                    Ok(Some(_)) => {}
                    outcome => break outcome,
                }
            };
            assert!(outcome.is_err(), "{text}");
        }
    }
}
