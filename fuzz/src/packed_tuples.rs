//! Packed tuples: any bytes are read or refused, what is written is read back, and tuples sort like
//! their values.

use std::borrow::Cow;

use arbitrary::{Arbitrary, Unstructured};
use materialize_s3_parquet::protocol::{Elements, Value, packed};

/// Reads `data` as a tuple, and makes tuples of it.
pub fn run(data: &[u8]) {
    reading_ends(data);
    let mut input = Unstructured::new(data);
    if let Ok(values) = Vec::<Element>::arbitrary(&mut input) {
        what_is_written_is_read(&values);
    }
    let mut input = Unstructured::new(data);
    if let Ok((left, right)) = <(Vec<Sortable>, Vec<Sortable>)>::arbitrary(&mut input) {
        tuples_sort_like_their_values(&left, &right);
    }
}

fn reading_ends(data: &[u8]) {
    let mut rest = data;
    loop {
        let before = rest.len();
        match rest.take() {
            Ok(Some(_)) => assert!(rest.len() < before, "an element of no bytes"),
            Ok(None) => return assert!(rest.is_empty(), "an end before the end"),
            Err(_) => return,
        }
    }
}

/// A value that a tuple can say.
#[derive(Arbitrary, Debug)]
enum Element<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Double(f64),
    String(&'a str),
    Json(&'a [u8]),
}

impl<'a> Element<'a> {
    fn value(&self) -> Value<'a> {
        match *self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => Value::Boolean(boolean),
            Self::Integer(integer) => Value::Integer(integer),
            Self::Unsigned(integer) => {
                i64::try_from(integer).map_or(Value::Unsigned(integer), Value::Integer)
            }
            Self::Double(double) => Value::Double(double),
            Self::String(text) => Value::String(Cow::Borrowed(text)),
            Self::Json(json) => Value::Json(Cow::Borrowed(json)),
        }
    }
}

fn what_is_written_is_read(elements: &[Element<'_>]) {
    let bytes = pack(elements.iter().map(Element::value));
    let mut rest = &bytes[..];
    for element in elements {
        let read = rest
            .take()
            .expect("what is written can be read")
            .expect("as many elements as were written");
        let written = element.value();
        assert!(is_same(&read, &written), "{written:?} is read as {read:?}");
    }
    assert!(rest.is_empty());
}

/// As `==`, but a NaN is itself and the two zeros are two.
fn is_same(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}

/// What Flow orders keys by; strings come before integers in a tuple.
#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sortable {
    String(String),
    Integer(i64),
}

fn tuples_sort_like_their_values(left: &[Sortable], right: &[Sortable]) {
    let packed = |tuple: &[Sortable]| {
        pack(tuple.iter().map(|element| match element {
            Sortable::String(text) => Value::String(Cow::Borrowed(text)),
            Sortable::Integer(integer) => Value::Integer(*integer),
        }))
    };
    assert_eq!(
        packed(left).cmp(&packed(right)),
        left.cmp(right),
        "{left:?} and {right:?}"
    );
}

fn pack<'a>(values: impl Iterator<Item = Value<'a>>) -> Vec<u8> {
    let mut writer = packed::Writer::new();
    for value in values {
        writer.push(&value);
    }
    writer.into_bytes()
}
