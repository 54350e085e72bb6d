//! One element of a key or of the values of a Store, the same whatever codec it came by.

use std::borrow::Cow;

use crate::error::Result;
use crate::protocol::{json_tuple, packed};

/// A JSON value as a column sees it: scalars by value, objects and arrays as their text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`, or a location that is not there.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer within 64 bits with a sign.
    Integer(i64),
    /// An integer from 2^63 to 2^64 − 1.
    Unsigned(u64),
    /// A number as the double that the runtime made of it.
    Double(f64),
    /// Any other number as its JSON text.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An object or array, as the JSON text that the runtime sent.
    Json(Cow<'a, [u8]>),
}

/// A key, or the values of a Store, in the form that the runtime chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuple<'a> {
    /// A packed tuple.
    Packed(&'a [u8]),
    /// The text of a JSON array.
    Json(&'a str),
}

impl<'a> Tuple<'a> {
    /// Its elements in order.
    pub fn values(self) -> Values<'a> {
        match self {
            Tuple::Packed(bytes) => Values::Packed(bytes),
            Tuple::Json(text) => Values::Json(json_tuple::Elements::new(text)),
        }
    }
}

/// The elements of a [`Tuple`] in order; ends after the first error.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// What is left of a packed tuple.
    Packed(&'a [u8]),
    /// What is left of a JSON array.
    Json(json_tuple::Elements<'a>),
}

impl<'a> Values<'a> {
    /// The next element; none at the end. Errors where the tuple is malformed.
    #[inline]
    pub fn take(&mut self) -> Result<Option<Value<'a>>> {
        match self {
            Values::Packed(rest) => packed::next(rest),
            Values::Json(elements) => elements.take(),
        }
    }
}
