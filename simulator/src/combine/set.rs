//! `reduce: {strategy: set}`: a location that updates a set, as `{add, remove}` or `{add,
//! intersect}`.
//!
//! Each part is an array of members, sorted by the annotation's key, or an object whose property
//! names are the members.

use serde_json::{Map, Value};

use super::order::{compare, compare_keys};

type Members = Map<String, Value>;

/// The update that does what `left` and then `right` do. The error hands both back: they are not
/// updates of a set.
pub(super) fn combine(left: Value, right: Value, key: &[String]) -> Result<Value, (Value, Value)> {
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => Ok(other),
        (Value::Object(left), Value::Object(right)) if is_update(&left) && is_update(&right) => {
            Ok(Value::Object(update(&left, &right, key)))
        }
        (left, right) => Err((left, right)),
    }
}

fn is_update(update: &Members) -> bool {
    let is_part = |name: &String| matches!(name.as_str(), "add" | "intersect" | "remove");
    update.keys().all(is_part)
        && !(update.contains_key("intersect") && update.contains_key("remove"))
}

fn update(left: &Members, right: &Members, key: &[String]) -> Members {
    let set = |update: &Members, part: &str| update.get(part).cloned();
    let (keep, drop) = (set(right, "intersect"), set(right, "remove"));

    let mut add = set(left, "add");
    add = add.map(|add| retain(add, keep.as_ref(), drop.as_ref(), key));
    add = unite(add, set(right, "add"), key);

    let mut intersect = set(left, "intersect");
    let mut remove = set(left, "remove");
    if let Some(members) = intersect.take() {
        intersect = Some(retain(members, keep.as_ref(), drop.as_ref(), key));
    } else if let Some(keep) = keep {
        intersect = Some(retain(keep, None, remove.take().as_ref(), key));
    } else {
        remove = unite(remove, drop, key);
    }
    let parts = [("add", add), ("intersect", intersect), ("remove", remove)];
    parts
        .into_iter()
        .filter_map(|(name, members)| Some((name.to_owned(), members?)))
        .collect()
}

/// The members that are in `keep` (where given) and not in `drop` (where given).
fn retain(members: Value, keep: Option<&Value>, drop: Option<&Value>, key: &[String]) -> Value {
    let stays = |name: Option<&str>, member: &Value| {
        keep.is_none_or(|keep| contains(keep, name, member, key))
            && !drop.is_some_and(|drop| contains(drop, name, member, key))
    };
    match members {
        Value::Array(items) => items.into_iter().filter(|item| stays(None, item)).collect(),
        Value::Object(members) => {
            let stay = members
                .into_iter()
                .filter(|(name, member)| stays(Some(name), member));
            Value::Object(stay.collect())
        }
        other => other,
    }
}

fn contains(set: &Value, name: Option<&str>, member: &Value, key: &[String]) -> bool {
    match (set, name) {
        (Value::Object(members), Some(name)) => members.contains_key(name),
        (Value::Array(items), None) => items.iter().any(|item| order(item, member, key).is_eq()),
        _ => false,
    }
}

/// The members of both; where both have one, the right one's.
fn unite(left: Option<Value>, right: Option<Value>, key: &[String]) -> Option<Value> {
    match (left, right) {
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            let only_left = retain(
                Value::Array(left),
                None,
                Some(&Value::Array(right.clone())),
                key,
            );
            let mut all = right;
            all.extend(only_left.as_array().cloned().unwrap_or_default());
            all.sort_by(|left, right| order(left, right, key));
            Some(Value::Array(all))
        }
        (Some(Value::Object(mut left)), Some(Value::Object(right))) => {
            left.extend(right);
            Some(Value::Object(left))
        }
        (left, right) => right.or(left),
    }
}

fn order(left: &Value, right: &Value, key: &[String]) -> std::cmp::Ordering {
    if key.is_empty() {
        compare(left, right)
    } else {
        compare_keys(left, right, key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn updates_one_after_the_other() {
        let table = [
            (
                json!({"add": [1, 3]}),
                json!({"add": [2, 3]}),
                json!({"add": [1, 2, 3]}),
            ),
            (
                json!({"add": [1, 2]}),
                json!({"remove": [2, 9]}),
                json!({"add": [1], "remove": [2, 9]}),
            ),
            (
                json!({"remove": [1]}),
                json!({"add": [1], "remove": [2]}),
                json!({"add": [1], "remove": [1, 2]}),
            ),
            (
                json!({"add": [1, 2]}),
                json!({"intersect": [2, 3]}),
                json!({"add": [2], "intersect": [2, 3]}),
            ),
            (
                json!({"remove": [3]}),
                json!({"intersect": [2, 3]}),
                json!({"intersect": [2]}),
            ),
            (
                json!({"intersect": [1, 2]}),
                json!({"remove": [2]}),
                json!({"intersect": [1]}),
            ),
            (
                json!({"add": {"a": 1}}),
                json!({"add": {"a": 2, "b": 1}}),
                json!({"add": {"a": 2, "b": 1}}),
            ),
            (
                json!({"add": {"a": 1, "b": 1}}),
                json!({"remove": {"b": 0}}),
                json!({"add": {"a": 1}, "remove": {"b": 0}}),
            ),
            (json!(null), json!({"add": [1]}), json!({"add": [1]})),
        ];
        for (left, right, expected) in table {
            assert_eq!(
                combine(left.clone(), right.clone(), &[]),
                Ok(expected),
                "{left} then {right}"
            );
        }
    }

    #[test]
    fn members_by_key() {
        let left = json!({"add": [{"k": 1, "v": "l"}, {"k": 2, "v": "l"}]});
        let right = json!({"add": [{"k": 1, "v": "r"}]});
        let expected = json!({"add": [{"k": 1, "v": "r"}, {"k": 2, "v": "l"}]});
        assert_eq!(combine(left, right, &["/k".to_owned()]), Ok(expected));
    }

    #[test]
    fn what_is_no_update_of_a_set() {
        for wrong in [
            json!([1]),
            json!({"added": [1]}),
            json!({"intersect": [], "remove": []}),
        ] {
            assert!(
                combine(json!({"add": []}), wrong.clone(), &[]).is_err(),
                "{wrong}"
            );
        }
    }
}
