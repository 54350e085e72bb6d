//! JSON values compared by what they are: 1 is 1.0, and integers beyond 2^53 are not rounded.

use std::cmp::Ordering;

use bigdecimal::{BigDecimal, Zero as _};
use serde_json::{Number, Value};

/// The first power of two that no `i128` has.
const BEYOND_INTEGERS: f64 = 1.7e38;

/// Compares two numbers by value.
pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        return left.cmp(&right);
    }
    // One of them has a fraction, and so is below 2^53, or is beyond every integer that JSON text
    // is read as: rounding the other one does not carry it past that.
    let double = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    let order = double(left).partial_cmp(&double(right));
    order.unwrap_or(Ordering::Equal)
}

/// Whether two values are equal as JSON Schema has it.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare(left, right).is_eq(),
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut members = left.iter();
            let same = |value, name: &String| right.get(name).is_some_and(|own| equal(value, own));
            left.len() == right.len() && members.all(|(name, value)| same(value, name))
        }
        _ => left == right,
    }
}

/// Whether `value` is among `all`.
pub(super) fn contains(all: &[Value], value: &Value) -> bool {
    all.iter().any(|one| equal(one, value))
}

/// Whether a number is a whole multiple of `step`: as decimals, since 1.1 is eleven times 0.1, of
/// which the doubles know nothing.
pub(super) fn is_multiple(number: &Number, step: &Number) -> bool {
    if let (Some(number), Some(step)) = (integer(number), integer(step)) {
        return number.checked_rem(step) == Some(0);
    }
    match (decimal(number), decimal(step)) {
        (Some(number), Some(step)) if !step.is_zero() => (number % step).is_zero(),
        _ => false,
    }
}

/// The integer that a number is, however it is written.
fn integer(number: &Number) -> Option<i128> {
    let of_double = || {
        let double = number.as_f64()?;
        let is_integer = double.fract() == 0.0 && double.abs() < BEYOND_INTEGERS;
        is_integer.then_some(double as i128)
    };
    number.as_i128().or_else(of_double)
}

/// The decimal that a number is written as.
fn decimal(number: &Number) -> Option<BigDecimal> {
    number.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Schema;
    use super::*;

    /// Whether a document fits a schema; both are JSON text, whose numbers are as they are written.
    fn fits(schema: &str, document: &str) -> bool {
        let read = |text: &str| -> Value { serde_json::from_str(text).expect("valid JSON") };
        let schema = Schema::parse(&read(schema)).expect("a valid schema");
        schema.evaluate(&read(document)).is_ok()
    }

    /// Each schema with a document that fits and one that does not.
    fn check(table: &[(&str, &str, &str)]) {
        for (schema, good, bad) in table {
            assert!(fits(schema, good), "{schema} refuses {good}");
            assert!(!fits(schema, bad), "{schema} accepts {bad}");
        }
    }

    #[test]
    fn bounds_are_exact_beyond_what_doubles_hold() {
        check(&[
            (
                r#"{"maximum": 9007199254740992}"#,
                "9007199254740992",
                "9007199254740993",
            ),
            (
                r#"{"minimum": 9007199254740993}"#,
                "9007199254740993",
                "9007199254740992",
            ),
            (
                r#"{"exclusiveMaximum": 9007199254740993}"#,
                "9007199254740992",
                "9007199254740993",
            ),
            (
                r#"{"exclusiveMinimum": 9007199254740992}"#,
                "9007199254740993",
                "9007199254740992",
            ),
            (
                r#"{"exclusiveMaximum": 9223372036854775808.0}"#,
                "9223372036854775807",
                "9223372036854775808",
            ),
            (
                r#"{"maximum": 18446744073709551615}"#,
                "18446744073709551615",
                "18446744073709551616",
            ),
            (
                r#"{"minimum": -9223372036854775807}"#,
                "-9223372036854775807",
                "-9223372036854775808",
            ),
            (r#"{"minimum": 0.5}"#, "9007199254740993", "0"),
            (r#"{"maximum": 1e300}"#, "18446744073709551615", "1e301"),
        ]);
    }

    #[test]
    fn multiples_are_those_of_decimals() {
        check(&[
            (
                r#"{"multipleOf": 2}"#,
                "9007199254740994",
                "9007199254740993",
            ),
            (r#"{"multipleOf": 2}"#, "4.0", "4.5"),
            (
                r#"{"multipleOf": 3}"#,
                "18446744073709551615",
                "18446744073709551614",
            ),
            (r#"{"multipleOf": 0.1}"#, "1.1", "1.15"),
            (r#"{"multipleOf": 0.01}"#, "19.99", "19.995"),
            (r#"{"multipleOf": 1e-300}"#, "1e300", "1e-301"),
        ]);
        assert!(!fits(r#"{"multipleOf": 0}"#, "1"));
        assert!(!fits(r#"{"multipleOf": 0}"#, "1.5"));
    }

    #[test]
    fn values_are_equal_by_what_they_are() {
        check(&[
            (
                r#"{"enum": [9007199254740993]}"#,
                "9007199254740993",
                "9007199254740992",
            ),
            (
                r#"{"const": 9007199254740993}"#,
                "9007199254740993",
                "9007199254740992.0",
            ),
            (
                r#"{"const": [{"a": 1}]}"#,
                r#"[{"a": 1.0}]"#,
                r#"[{"a": 1.5}]"#,
            ),
            (r#"{"const": -0.0}"#, "0", "1"),
            (
                r#"{"uniqueItems": true}"#,
                "[9007199254740992, 9007199254740993]",
                "[1, 1.0]",
            ),
            (r#"{"enum": [1, 2], "const": 1.0}"#, "1", "2"),
            (r#"{"allOf": [{"enum": [1, 2]}, {"const": 1.0}]}"#, "1", "2"),
        ]);
        let contradiction = r#"{"enum": [9007199254740992], "const": 9007199254740993}"#;
        for document in ["9007199254740992", "9007199254740993"] {
            assert!(!fits(contradiction, document), "{document}");
        }
    }
}
