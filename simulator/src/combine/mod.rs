//! Combining: the documents of one key within a transaction become one, as the collection's
//! `reduce` annotations say.
//!
//! Combining is associative, without the full history of the key: what delta updates see.

mod order;
mod set;

use serde_json::{Map, Number, Value};

use crate::schema::pointer::escape;
use crate::schema::{Evaluation, Reduce, Schema, Strategy, Violation};
use order::{compare, compare_keys};

/// Why two documents could not be combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// The document does not fit the collection's schema.
    #[error("the document does not fit the collection's schema {0}")]
    Violation(#[from] Violation),
    /// A strategy met values it has no meaning for.
    #[error("at `{pointer}`: `reduce: {strategy:?}` cannot combine {left} with {right}")]
    Mismatch {
        /// Where in the documents; `""` is the root.
        pointer: String,
        /// The strategy annotated there.
        strategy: Strategy,
        /// The left value's type.
        left: &'static str,
        /// The right value's type.
        right: &'static str,
    },
    /// A sum that no JSON number holds exactly as an integer of 64 bits.
    #[error("at `{0}`: the sum does not fit an integer of 64 bits")]
    Overflow(String),
}

/// Combines `left` with the `right` that came after it, as `schema` annotates the right one.
/// Without annotations the right document takes the left one's place.
pub fn combine(left: Value, right: Value, schema: &Schema) -> Result<Value, CombineError> {
    if !schema.has_reductions() {
        return Ok(right);
    }
    let evaluation = schema.evaluate(&right)?;
    let mut combiner = Combiner {
        evaluation,
        pointer: String::new(),
    };
    combiner.combine(left, right)
}

/// Whether a combined document is a deletion: its root carries `reduce: {delete: true}`.
pub fn is_deletion(document: &Value, schema: &Schema) -> Result<bool, CombineError> {
    if !schema.marks_deletions() {
        return Ok(false);
    }
    Ok(schema.evaluate(document)?.is_deletion())
}

struct Combiner<'s> {
    evaluation: Evaluation<'s>,
    /// Where we are in the right document.
    pointer: String,
}

type Combined = Result<Value, CombineError>;

impl<'s> Combiner<'s> {
    fn combine(&mut self, left: Value, right: Value) -> Combined {
        let Some(reduce) = self.evaluation.reduction(&self.pointer) else {
            return Ok(right);
        };
        match reduce.strategy {
            Strategy::LastWriteWins => Ok(right),
            Strategy::FirstWriteWins => Ok(left),
            Strategy::Minimize => Ok(pick(left, right, reduce, std::cmp::Ordering::Greater)),
            Strategy::Maximize => Ok(pick(left, right, reduce, std::cmp::Ordering::Less)),
            Strategy::Append => self.append(left, right),
            Strategy::Sum => self.sum(&left, right),
            Strategy::Merge => self.merge(left, right, reduce),
            Strategy::Set => set::combine(left, right, &reduce.key)
                .map_err(|(left, right)| self.mismatch(Strategy::Set, &left, &right)),
        }
    }

    fn mismatch(&self, strategy: Strategy, left: &Value, right: &Value) -> CombineError {
        let (left, right) = (kind(left), kind(right));
        CombineError::Mismatch {
            pointer: self.pointer.clone(),
            strategy,
            left,
            right,
        }
    }

    fn append(&self, left: Value, right: Value) -> Combined {
        match (left, right) {
            (Value::Array(mut items), Value::Array(more)) => {
                items.extend(more);
                Ok(Value::Array(items))
            }
            (Value::Null, other) | (other, Value::Null) => Ok(other),
            (left, right) => Err(self.mismatch(Strategy::Append, &left, &right)),
        }
    }

    fn sum(&self, left: &Value, right: Value) -> Combined {
        match (left, &right) {
            (Value::Number(left), Value::Number(right)) => self.add(left, right).map(Value::Number),
            (Value::Null, _) => Ok(right),
            (_, Value::Null) => Ok(left.clone()),
            _ => Err(self.mismatch(Strategy::Sum, left, &right)),
        }
    }

    fn add(&self, left: &Number, right: &Number) -> Result<Number, CombineError> {
        if let Some((left, right)) = left.as_i128().zip(right.as_i128()) {
            return Number::from_i128(left + right)
                .ok_or_else(|| CombineError::Overflow(self.pointer.clone()));
        }
        let sum = left.as_f64().unwrap_or(f64::NAN) + right.as_f64().unwrap_or(f64::NAN);
        Number::from_f64(sum).ok_or_else(|| CombineError::Overflow(self.pointer.clone()))
    }

    fn merge(&mut self, left: Value, right: Value, reduce: &'s Reduce) -> Combined {
        match (left, right) {
            (Value::Object(left), Value::Object(right)) => self.merge_objects(left, right),
            (Value::Array(left), Value::Array(right)) if reduce.key.is_empty() => {
                self.merge_by_index(left, right)
            }
            (Value::Array(left), Value::Array(right)) => {
                self.merge_by_key(left, right, &reduce.key)
            }
            (Value::Null, other) | (other, Value::Null) => Ok(other),
            (left, right) => Err(self.mismatch(Strategy::Merge, &left, &right)),
        }
    }

    fn merge_objects(
        &mut self,
        mut left: Map<String, Value>,
        right: Map<String, Value>,
    ) -> Combined {
        for (name, value) in right {
            let value = match left.remove(&name) {
                Some(before) => {
                    self.within(&escape(&name), |combiner| combiner.combine(before, value))?
                }
                None => value,
            };
            left.insert(name, value);
        }
        Ok(Value::Object(left))
    }

    fn merge_by_index(&mut self, left: Vec<Value>, right: Vec<Value>) -> Combined {
        let mut merged = Vec::with_capacity(left.len().max(right.len()));
        let mut left = left.into_iter();
        for (index, value) in right.into_iter().enumerate() {
            merged.push(match left.next() {
                Some(before) => self.within(&index.to_string(), |combiner| {
                    combiner.combine(before, value)
                })?,
                None => value,
            });
        }
        merged.extend(left);
        Ok(Value::Array(merged))
    }

    /// Merges two arrays that are sorted by `key` into one.
    fn merge_by_key(&mut self, left: Vec<Value>, right: Vec<Value>, key: &[String]) -> Combined {
        let mut merged = Vec::with_capacity(left.len() + right.len());
        let mut left = left.into_iter().peekable();
        for (index, value) in right.into_iter().enumerate() {
            while let Some(before) =
                left.next_if(|before| compare_keys(before, &value, key).is_lt())
            {
                merged.push(before);
            }
            merged.push(
                match left.next_if(|before| compare_keys(before, &value, key).is_eq()) {
                    Some(before) => self.within(&index.to_string(), |combiner| {
                        combiner.combine(before, value)
                    })?,
                    None => value,
                },
            );
        }
        merged.extend(left);
        Ok(Value::Array(merged))
    }

    fn within(&mut self, token: &str, combine: impl FnOnce(&mut Self) -> Combined) -> Combined {
        let place = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(token);
        let combined = combine(self);
        self.pointer.truncate(place);
        combined
    }
}

/// The right value, unless the left one's order by the strategy's key says that it stays.
fn pick(left: Value, right: Value, reduce: &Reduce, right_when: std::cmp::Ordering) -> Value {
    let order = if reduce.key.is_empty() {
        compare(&left, &right)
    } else {
        compare_keys(&left, &right, &reduce.key)
    };
    if order == right_when { right } else { left }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn combined(schema: &Value, left: Value, right: Value) -> Result<Value, String> {
        let schema = Schema::parse(schema).expect("a valid schema");
        combine(left, right, &schema).map_err(|error| error.to_string())
    }

    fn strategy(name: &str) -> Value {
        json!({"reduce": {"strategy": name}})
    }

    #[test]
    fn each_strategy() {
        let table = [
            (json!({}), json!(1), json!(2), json!(2)),
            (strategy("lastWriteWins"), json!(1), json!(2), json!(2)),
            (strategy("firstWriteWins"), json!(1), json!(2), json!(1)),
            (strategy("minimize"), json!(1), json!(2), json!(1)),
            (strategy("minimize"), json!("b"), json!("a"), json!("a")),
            (strategy("maximize"), json!(1.5), json!(1), json!(1.5)),
            (
                strategy("maximize"),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(u64::MAX),
            ),
            (strategy("sum"), json!(1), json!(2), json!(3)),
            (
                strategy("sum"),
                json!(i64::MAX),
                json!(1),
                json!(9_223_372_036_854_775_808_u64),
            ),
            (strategy("sum"), json!(0.5), json!(1), json!(1.5)),
            (
                strategy("append"),
                json!([1]),
                json!([1, 2]),
                json!([1, 1, 2]),
            ),
            (strategy("append"), json!(null), json!([1]), json!([1])),
            (
                strategy("merge"),
                json!({"a": 1, "b": 1}),
                json!({"b": 2, "c": 2}),
                json!({"a": 1, "b": 2, "c": 2}),
            ),
            (strategy("merge"), json!([1, 2]), json!([3]), json!([3, 2])),
            (
                strategy("merge"),
                json!(null),
                json!({"a": 1}),
                json!({"a": 1}),
            ),
        ];
        for (schema, left, right, expected) in table {
            assert_eq!(
                combined(&schema, left.clone(), right.clone()),
                Ok(expected),
                "{schema} {left} {right}"
            );
        }
    }

    #[test]
    fn annotations_apply_where_they_stand() {
        let schema = json!({
            "reduce": {"strategy": "merge"},
            "properties": {
                "count": strategy("sum"),
                "first": strategy("firstWriteWins"),
                "deep": {"reduce": {"strategy": "merge"}, "additionalProperties": strategy("sum")},
                "shallow": {"properties": {"x": strategy("sum")}},
                "a/b": strategy("sum"),
            },
        });
        let left = json!({"count": 1, "first": "l", "deep": {"x": 1, "y": 1}, "shallow": {"x": 1}, "a/b": 1, "l": 1});
        let right = json!({"count": 2, "first": "r", "deep": {"x": 2}, "shallow": {"x": 2}, "a/b": 2, "r": 1});
        let expected = json!({
            "count": 3, "first": "l", "deep": {"x": 3, "y": 1}, "shallow": {"x": 2}, "a/b": 3, "l": 1, "r": 1
        });
        assert_eq!(combined(&schema, left, right), Ok(expected));
    }

    #[test]
    fn keyed_arrays_merge_in_order() {
        let schema = json!({
            "reduce": {"strategy": "merge", "key": ["/k"]},
            "items": {"reduce": {"strategy": "merge"}, "properties": {"n": strategy("sum")}},
        });
        let left = json!([{"k": 1, "n": 1}, {"k": 3, "n": 1}, {"k": 9, "n": 1}]);
        let right = json!([{"k": 2, "n": 5}, {"k": 3, "n": 5}]);
        let expected =
            json!([{"k": 1, "n": 1}, {"k": 2, "n": 5}, {"k": 3, "n": 6}, {"k": 9, "n": 1}]);
        assert_eq!(combined(&schema, left, right), Ok(expected));
    }

    #[test]
    fn extremes_by_a_key() {
        let schema = json!({"reduce": {"strategy": "maximize", "key": ["/at"]}});
        let (left, right) = (json!({"at": 2, "v": "l"}), json!({"at": 1, "v": "r"}));
        assert_eq!(combined(&schema, left.clone(), right), Ok(left));
    }

    #[test]
    fn values_a_strategy_has_no_meaning_for() {
        let schema = json!({"reduce": {"strategy": "merge"}, "properties": {"n": strategy("sum")}});
        let error = combined(&schema, json!({"n": 1}), json!({"n": "x"})).expect_err("a mismatch");
        assert_eq!(
            error,
            "at `/n`: `reduce: Sum` cannot combine a number with a string"
        );
        let overflow =
            combined(&strategy("sum"), json!(u64::MAX), json!(1)).expect_err("too large");
        assert!(overflow.contains("64 bits"), "{overflow}");
        let invalid = combined(
            &json!({"type": "object", "reduce": {"strategy": "merge"}}),
            json!({}),
            json!(1),
        );
        assert!(
            invalid
                .expect_err("does not fit")
                .contains("expected object")
        );
    }

    #[test]
    fn deletions_are_known_by_annotation() {
        let schema = Schema::parse(&json!({
            "reduce": {"strategy": "merge"},
            "if": {"required": ["gone"]},
            "then": {"reduce": {"strategy": "merge", "delete": true}},
        }))
        .expect("a valid schema");
        assert_eq!(is_deletion(&json!({"gone": true}), &schema), Ok(true));
        assert_eq!(is_deletion(&json!({}), &schema), Ok(false));
    }
}
