//! JSON merge patches (RFC 7396): applying one, and finding the one that leads from a document to
//! another.
//!
//! The runtime keeps the driver state by merging our patches into it; this is the same arithmetic
//! on our side.

use serde_json::{Map, Value};

/// Applies `patch` to `target`, as RFC 7396 defines it. Applied to `Value::Null`, it leaves `patch`
/// without its nulls.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}

/// The patch that turns `from` into `to`, or `None` where they are equal. `to` must not hold a null
/// in an object: a patch cannot say it.
pub fn diff(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        _ if from == to => None,
        (Value::Object(from), Value::Object(to)) => Some(Value::Object(diff_objects(from, to))),
        _ => Some(to.clone()),
    }
}

fn diff_objects(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let removed = from
        .keys()
        .filter(|key| !to.contains_key(*key))
        .map(|key| (key.clone(), Value::Null));
    let changed = to.iter().filter_map(|(key, value)| {
        let patch = match from.get(key) {
            Some(old) => diff(old, value),
            None => Some(value.clone()),
        };
        patch.map(|patch| (key.clone(), patch))
    });
    removed.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(target: &Value, patch: &Value) -> Value {
        let mut target = target.clone();
        merge(&mut target, patch);
        target
    }

    #[test]
    fn merge_follows_the_examples_of_the_rfc() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (target, patch, expected) in cases {
            assert_eq!(merged(&target, &patch), expected, "{target} with {patch}");
        }
    }

    #[test]
    fn diff_of_equal_documents_is_nothing() {
        assert_eq!(
            diff(&json!({"a": {"b": [1]}}), &json!({"a": {"b": [1]}})),
            None
        );
    }

    #[test]
    fn diff_names_only_what_changed() {
        let from = json!({"a": {"b": 1, "c": 2}, "d": {"e": 3}});
        let to = json!({"a": {"b": 1, "f": [4]}, "d": {"e": 3}});
        assert_eq!(diff(&from, &to), Some(json!({"a": {"c": null, "f": [4]}})));
    }

    #[test]
    fn diff_then_merge_leads_from_any_document_to_any_other() {
        let mut rng = fastrand::Rng::with_seed(7396);
        for _ in 0..2_000 {
            let (from, to) = (object(&mut rng, 3), object(&mut rng, 3));
            match diff(&from, &to) {
                Some(patch) => assert_eq!(merged(&from, &patch), to, "{from} with {patch}"),
                None => assert_eq!(from, to),
            }
        }
    }

    fn object(rng: &mut fastrand::Rng, depth: usize) -> Value {
        let fields = (0..rng.usize(0..4)).map(|_| (rng.lowercase().to_string(), value(rng, depth)));
        Value::Object(fields.collect())
    }

    fn value(rng: &mut fastrand::Rng, depth: usize) -> Value {
        match rng.u8(0..4) {
            0 => json!(rng.u8(0..3)),
            1 => json!([rng.bool(), null]),
            _ if depth == 0 => json!("leaf"),
            _ => object(rng, depth - 1),
        }
    }
}
