//! JSON pointers (RFC 6901): how Flow names a location. Field names keep a pointer's escapes.

use serde_json::Value;

/// Writes a property name as it stands in a pointer: `~` becomes `~0`, `/` becomes `~1`.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Reads a pointer's token as a property name, the inverse of [`escape`].
pub fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The tokens of a pointer, unescaped, outermost first; none for the root `""`.
pub fn tokens(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(unescape)
}

/// Puts `value` at `pointer`, making the objects on the way. Returns `false`, with the document
/// left as it was, where something that is not an object stands in the way.
pub fn insert(document: &mut Value, pointer: &str, value: Value) -> bool {
    let mut place = document;
    for token in tokens(pointer) {
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Value::Object(members) = place else {
            return false;
        };
        place = members.entry(token).or_insert(Value::Null);
    }
    *place = value;
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn escapes_round_trip() {
        for name in ["", "a/b", "a~b", "~1", "~0/", "plain", "ü/~"] {
            assert_eq!(unescape(&escape(name)), name);
        }
    }

    #[test]
    fn insert_makes_the_way() {
        let mut document = json!({"a": 1});
        assert!(insert(&mut document, "/_meta/uuid", json!("x")));
        assert_eq!(document, json!({"a": 1, "_meta": {"uuid": "x"}}));
        assert!(!insert(&mut document, "/a/b", json!(2)));
        assert_eq!(document["a"], 1);
    }
}
