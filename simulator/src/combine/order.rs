//! The order of JSON values: null, booleans, numbers, strings, arrays, objects; within each by
//! value.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Compares two values.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            compare_all(left.iter(), right.iter(), compare)
        }
        (Value::Object(left), Value::Object(right)) => {
            compare_all(left.iter(), right.iter(), |left, right| {
                left.0.cmp(right.0).then_with(|| compare(left.1, right.1))
            })
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Compares two values by what stands at each of `key`'s pointers; what is missing is null.
pub(super) fn compare_keys(left: &Value, right: &Value, key: &[String]) -> Ordering {
    let at = |value: &Value, pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    let orders = key
        .iter()
        .map(|pointer| compare(&at(left, pointer), &at(right, pointer)));
    orders.fold(Ordering::Equal, Ordering::then)
}

fn compare_all<T>(
    mut left: impl Iterator<Item = T>,
    mut right: impl Iterator<Item = T>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => compare(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    if let Some((left, right)) = left.as_i128().zip(right.as_i128()) {
        return left.cmp(&right);
    }
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    float(left).total_cmp(&float(right))
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_in_this_order() {
        let ascending = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1.5),
            json!(0),
            json!(0.5),
            json!(u64::MAX),
            json!(""),
            json!("a"),
            json!([]),
            json!([1]),
            json!([1, 0]),
            json!([2]),
            json!({}),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"b": 0}),
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} and {right}");
            }
        }
    }
}
