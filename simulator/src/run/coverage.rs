//! Which locations of a document are in no column: no selected field takes them, nor anything above
//! them.

use std::collections::{BTreeMap, HashMap};

use materialize_s3_parquet::protocol::flow::{FieldSelection, Projection};
use serde_json::Value;

use crate::document_uuid::UUID_POINTER;
use crate::schema::pointer::escape;

/// The locations that the fields of a selection take.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    root: Node,
}

/// A location on the way to one that is taken.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Whether it is taken, with all that is below.
    is_taken: bool,
    children: HashMap<String, Node>,
}

impl Coverage {
    /// Of the fields of `selection`, each found among `projections`.
    pub(super) fn new(projections: &[Projection], selection: &FieldSelection) -> Self {
        let document = (!selection.document.is_empty()).then_some(&selection.document);
        let fields = selection.keys.iter().chain(&selection.values);
        let mut coverage = Self::default();
        // The runtime puts it there, so it is nobody's loss.
        coverage.take(UUID_POINTER);
        for field in fields.chain(document) {
            let mut own = projections.iter();
            if let Some(projection) = own.find(|projection| projection.field == *field) {
                coverage.take(&projection.ptr);
            }
        }
        coverage
    }

    fn take(&mut self, pointer: &str) {
        let mut node = &mut self.root;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            node = node.children.entry(token).or_default();
        }
        node.is_taken = true;
    }

    /// Counts the locations of `document` that no field takes. An object or array of which nothing
    /// is taken is one location. A null is none: that is what a column shows in its place.
    pub(super) fn count_missing(&self, document: &Value, missing: &mut BTreeMap<String, u64>) {
        let mut pointer = String::new();
        self.root.visit(document, &mut pointer, &mut |pointer| {
            if let Some(count) = missing.get_mut(pointer) {
                *count += 1;
            } else {
                missing.insert(pointer.to_owned(), 1);
            }
        });
    }
}

impl Node {
    fn visit(&self, value: &Value, pointer: &mut String, missing: &mut impl FnMut(&str)) {
        if self.is_taken || value.is_null() {
            return;
        }
        match value {
            Value::Object(members) if !self.children.is_empty() => {
                for (name, member) in members {
                    let length = pointer.len();
                    pointer.push('/');
                    pointer.push_str(&escape(name));
                    match self.children.get(name) {
                        Some(child) => child.visit(member, pointer, missing),
                        None if member.is_null() => {}
                        None => missing(pointer),
                    }
                    pointer.truncate(length);
                }
            }
            Value::Array(items) if self.takes_all(items) => {}
            _ => missing(pointer),
        }
    }

    /// Whether every item is taken. What is left over of an array is one location with it.
    fn takes_all(&self, items: &[Value]) -> bool {
        !self.children.is_empty()
            && items.iter().enumerate().all(|(index, item)| {
                let child = self.children.get(&index.to_string());
                let mut is_whole = child.is_some() || item.is_null();
                if let Some(child) = child {
                    child.visit(item, &mut String::new(), &mut |_| is_whole = false);
                }
                is_whole
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn missing(taken: &[&str], document: &Value) -> Vec<String> {
        let mut coverage = Coverage::default();
        for pointer in taken {
            coverage.take(pointer);
        }
        let mut missing = BTreeMap::new();
        coverage.count_missing(document, &mut missing);
        missing.into_keys().collect()
    }

    #[test]
    fn what_no_field_takes_is_found_at_its_topmost_location() {
        let document = json!({
            "id": 1,
            "a/b": {"c~d": 1, "e": {"f": [1]}},
            "tags": [{"x": 1}, 2],
            "map": {"k1": 1, "k2": 2},
            "nothing": null,
        });
        let table: [(&[&str], &[&str]); 6] = [
            (&["/id"], &["/a~1b", "/map", "/tags"]),
            (&["/id", "/a~1b/c~0d"], &["/a~1b/e", "/map", "/tags"]),
            (&["/id", "/a~1b", "/map", "/tags"], &[]),
            (&["/id", "/a~1b", "/map", "/tags/0"], &["/tags"]),
            (&["/id", "/a~1b", "/map", "/tags/0/x", "/tags/1"], &[]),
            (&[""], &[]),
        ];
        for (taken, expected) in table {
            assert_eq!(missing(taken, &document), expected, "{taken:?}");
        }
    }

    #[test]
    fn a_scalar_where_only_members_are_taken_is_missing() {
        assert_eq!(missing(&["/a/b"], &json!({"a": 7})), ["/a"]);
        assert!(missing(&["/a/b"], &json!({"a": {}})).is_empty());
    }

    #[test]
    fn the_uuid_that_the_runtime_gives_is_nobodys_loss() {
        let coverage = Coverage::new(&[], &FieldSelection::default());
        let mut missing = BTreeMap::new();
        for _ in 0..2 {
            let document = json!({"_meta": {"uuid": "…", "op": "c"}});
            coverage.count_missing(&document, &mut missing);
        }
        assert_eq!(missing, BTreeMap::from([("/_meta/op".to_owned(), 2)]));
    }
}
