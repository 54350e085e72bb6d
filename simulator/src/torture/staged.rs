//! What a driver state says of staged files and of writers. The simulator reads it only to know
//! which files a session must make visible, and what nobody has a use for any more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::runtime::KeyRange;

/// Where a file waits to be made visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In a multipart upload under its final key, by its id.
    Upload(String),
    /// In an object under this key.
    Object {
        /// The key.
        key: String,
        /// Its version, where the bucket keeps versions.
        version: Option<String>,
    },
}

/// A staged file in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StagedEntry {
    /// The binding's state key.
    pub(super) state_key: String,
    /// The shard that staged it.
    pub(super) key_begin: u32,
    /// What makes its name new.
    pub(super) token: String,
    /// The bucket.
    pub(super) bucket: String,
    /// The file's key.
    pub(super) key: String,
    /// Where it waits.
    pub(super) way: Way,
    /// The file's rows.
    pub(super) rows: usize,
    /// The key of the receipt that will tell of it.
    pub(super) receipt: Option<String>,
}

/// The shards of every binding in a state: state key, keyBegin, and what stands there.
fn places(state: &Value) -> impl Iterator<Item = (&String, u32, &Value)> {
    let bindings = state.get("bindings").and_then(Value::as_object);
    bindings
        .into_iter()
        .flatten()
        .flat_map(|(state_key, shards)| {
            let shards = shards.as_object().into_iter().flatten();
            shards.filter_map(move |(key_begin, shard)| {
                Some((state_key, u32::from_str_radix(key_begin, 16).ok()?, shard))
            })
        })
}

/// Every staged file in a state or in a patch of one, sorted by key.
pub(super) fn staged(state: &Value) -> Vec<StagedEntry> {
    let mut entries: Vec<StagedEntry> = places(state)
        .flat_map(|(state_key, key_begin, shard)| {
            let staged = shard.get("staged").and_then(Value::as_object);
            let staged = staged.into_iter().flatten();
            staged.filter_map(move |(token, file)| entry(state_key, key_begin, token, file))
        })
        .collect();
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    entries
}

fn entry(state_key: &str, key_begin: u32, token: &str, file: &Value) -> Option<StagedEntry> {
    let text = |pointer: &str| file.pointer(pointer)?.as_str().map(str::to_owned);
    let object = text("/staged/key").map(|key| Way::Object {
        key,
        version: text("/staged/version"),
    });
    Some(StagedEntry {
        state_key: state_key.to_owned(),
        key_begin,
        token: token.to_owned(),
        bucket: text("/bucket")?,
        key: text("/key")?,
        way: object.or_else(|| text("/uploadId").map(Way::Upload))?,
        rows: file.get("rows").and_then(Value::as_u64)? as usize,
        receipt: text("/receipt"),
    })
}

/// The pairs of state key and keyBegin that a state speaks of.
pub(super) fn names(state: &Value) -> BTreeSet<(String, u32)> {
    places(state)
        .map(|(state_key, key_begin, _)| (state_key.clone(), key_begin))
        .collect()
}

/// The writers that a state knows, by keyBegin, the newest last.
pub(super) fn writers(state: &Value) -> BTreeMap<u32, Vec<String>> {
    let shards = state.get("shards").and_then(Value::as_object);
    let shards = shards.into_iter().flatten();
    let writers = shards.filter_map(|(key_begin, shard)| {
        let names = shard.get("writers").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        let names = names.map(str::to_owned).collect();
        Some((u32::from_str_radix(key_begin, 16).ok()?, names))
    });
    writers.collect()
}

/// A state without what other shards than those of `range` have staged.
pub(super) fn without_others(state: &Value, range: KeyRange) -> Value {
    let mut state = state.clone();
    let bindings = state.get_mut("bindings").and_then(Value::as_object_mut);
    for shards in bindings.into_iter().flat_map(serde_json::Map::values_mut) {
        for (key_begin, shard) in shards.as_object_mut().into_iter().flatten() {
            let key_begin = u32::from_str_radix(key_begin, 16);
            let is_other = key_begin.is_ok_and(|begin| !(range.begin..=range.end).contains(&begin));
            if let (true, Value::Object(shard)) = (is_other, shard) {
                shard.remove("staged");
            }
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> Value {
        let upload = |key: &str| json!({"bucket": "b", "key": key, "uploadId": "U", "rows": 3});
        let object = |key: &str| json!({"bucket": "b", "key": key, "staged": {"key": "s", "etag": "e"}, "rows": 1, "receipt": "r"});
        json!({
            "version": 2,
            "shards": {"00000000": {"writers": ["00000001", "00000002"], "copiesAt": "http://a"}, "80000000": {}},
            "bindings": {"a": {
                "00000000": {"counter": 2, "staged": {"t2": upload("k2"), "t1": object("k1")}},
                "80000000": {"counter": 1, "staged": {"t3": upload("k3")}},
            }},
        })
    }

    #[test]
    fn staged_files_are_found_in_the_order_of_their_keys() {
        let found = staged(&state());
        let keys: Vec<(&str, u32)> = found
            .iter()
            .map(|entry| (&*entry.key, entry.key_begin))
            .collect();
        assert_eq!(keys, [("k1", 0), ("k2", 0), ("k3", 0x8000_0000)]);
        let object = Way::Object {
            key: "s".to_owned(),
            version: None,
        };
        assert_eq!(found[0].way, object);
        assert_eq!(found[0].receipt.as_deref(), Some("r"));
        assert_eq!(found[1].way, Way::Upload("U".to_owned()));
        assert_eq!(names(&state()).len(), 2);
        assert_eq!(staged(&Value::Null), []);
    }

    #[test]
    fn writers_are_found_by_shard() {
        let found = writers(&state());
        assert_eq!(found[&0], ["00000001", "00000002"]);
        assert_eq!(found[&0x8000_0000], Vec::<String>::new());
    }

    #[test]
    fn what_other_shards_have_staged_can_be_left_out() {
        let right = without_others(
            &state(),
            KeyRange {
                begin: 0x8000_0000,
                end: u32::MAX,
            },
        );
        assert_eq!(staged(&right).len(), 1);
        assert_eq!(names(&right).len(), 2);
    }
}
