//! One element of a key or of the values of a Store, the same whatever codec it came by.

use std::borrow::Cow;

use crate::error::Result;
use crate::protocol::JsonTuple;

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
    /// A JSON array.
    Json(JsonTuple<'a>),
}

impl<'a> Tuple<'a> {
    /// Its bytes as the runtime sent them.
    pub fn bytes(&self) -> usize {
        match self {
            Tuple::Packed(bytes) => bytes.len(),
            Tuple::Json(json) => json.json_bytes(),
        }
    }

    /// The next element; none at the end. Errors where the tuple is malformed.
    pub fn take(&mut self) -> Result<Option<Value<'a>>> {
        match self {
            Tuple::Packed(bytes) => bytes.take(),
            Tuple::Json(json) => json.take(),
        }
    }
}

/// The elements of a tuple, in order. Each method takes the next one off it: where it is what the
/// method is for, and else nothing, so that a column first asks for what it is made for, without a
/// detour over [`Value`].
pub trait Elements<'a> {
    /// Whatever comes next; none at the end. Errors where the tuple is malformed.
    fn take(&mut self) -> Result<Option<Value<'a>>>;

    /// A null.
    fn take_null(&mut self) -> bool;

    /// A boolean.
    fn take_boolean(&mut self) -> Option<bool>;

    /// An integer of up to 56 bits; others where they are as easily told.
    fn take_integer(&mut self) -> Option<i64>;

    /// A number that is no integer, or written as if it were none; of text, only where it says no
    /// more than its double does.
    fn take_double(&mut self) -> Option<f64>;

    /// A string that is encoded as what it is, with no escapes, and that `read` makes something of.
    /// Whether it is UTF-8 may be left to be seen.
    fn take_plain_string<T>(&mut self, read: impl FnOnce(&'a [u8]) -> Option<T>) -> Option<T>;
}
