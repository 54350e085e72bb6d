//! What a driver state says of staged uploads. The simulator reads it only to know which files a session must complete, and to let
//! time pass.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::runtime::KeyRange;

/// A staged upload in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StagedEntry {
    /// The binding's state key.
    pub(super) state_key: String,
    /// The shard that staged it.
    pub(super) key_begin: u32,
    /// The file's key.
    pub(super) key: String,
    /// The upload's id.
    pub(super) upload_id: String,
    /// The file's rows.
    pub(super) rows: usize,
    /// When it was staged.
    pub(super) staged_at: Timestamp,
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

/// Every staged upload in a state or in a patch of one, sorted by key.
pub(super) fn staged(state: &Value) -> Vec<StagedEntry> {
    let mut entries: Vec<StagedEntry> = places(state)
        .flat_map(|(state_key, key_begin, shard)| {
            let uploads = shard
                .get("staged")
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            uploads.filter_map(move |(_, upload)| entry(state_key, key_begin, upload))
        })
        .collect();
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    entries
}

fn entry(state_key: &str, key_begin: u32, upload: &Value) -> Option<StagedEntry> {
    let text = |name: &str| upload.get(name).and_then(Value::as_str);
    Some(StagedEntry {
        state_key: state_key.to_owned(),
        key_begin,
        key: text("key")?.to_owned(),
        upload_id: text("uploadId")?.to_owned(),
        rows: upload.get("rows").and_then(Value::as_u64)? as usize,
        staged_at: text("stagedAt")?.parse().ok()?,
    })
}

/// The pairs of state key and keyBegin that a state speaks of.
pub(super) fn names(state: &Value) -> BTreeSet<(String, u32)> {
    places(state)
        .map(|(state_key, key_begin, _)| (state_key.clone(), key_begin))
        .collect()
}

/// Makes everything in a state staged longer ago.
pub(super) fn age(state: &mut Value, by: SignedDuration) {
    each_shard(state, |_, shard| {
        let uploads = shard.get_mut("staged").and_then(Value::as_object_mut);
        for upload in uploads.into_iter().flat_map(serde_json::Map::values_mut) {
            let staged_at = upload
                .get("stagedAt")
                .and_then(Value::as_str)
                .and_then(|text| text.parse::<Timestamp>().ok());
            if let Some(staged_at) = staged_at {
                upload["stagedAt"] = Value::String((staged_at - by).to_string());
            }
        }
    });
}

/// A state without the uploads that other shards than those of `range` have staged.
pub(super) fn without_others(state: &Value, range: KeyRange) -> Value {
    let mut state = state.clone();
    each_shard(&mut state, |key_begin, shard| {
        if !(range.begin..=range.end).contains(&key_begin)
            && let Value::Object(shard) = shard
        {
            shard.remove("staged");
        }
    });
    state
}

fn each_shard(state: &mut Value, mut change: impl FnMut(u32, &mut Value)) {
    let bindings = state.get_mut("bindings").and_then(Value::as_object_mut);
    for shards in bindings.into_iter().flat_map(serde_json::Map::values_mut) {
        for (key_begin, shard) in shards.as_object_mut().into_iter().flatten() {
            if let Ok(key_begin) = u32::from_str_radix(key_begin, 16) {
                change(key_begin, shard);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> Value {
        let upload = |key: &str| json!({"key": key, "uploadId": "U", "rows": 3, "stagedAt": "2026-03-03T00:00:00Z"});
        json!({"version": 1, "bindings": {"a": {
            "00000000": {"counter": 2, "staged": {"t2": upload("k2"), "t1": upload("k1")}},
            "80000000": {"counter": 1, "staged": {"t3": upload("k3")}},
        }}})
    }

    #[test]
    fn staged_uploads_are_found_in_the_order_of_their_keys() {
        let found: Vec<(String, u32)> = staged(&state())
            .into_iter()
            .map(|entry| (entry.key, entry.key_begin))
            .collect();
        assert_eq!(
            found,
            [
                ("k1".to_owned(), 0),
                ("k2".to_owned(), 0),
                ("k3".to_owned(), 0x8000_0000)
            ]
        );
        assert_eq!(names(&state()).len(), 2);
        assert_eq!(staged(&Value::Null), []);
    }

    #[test]
    fn time_passes_for_everything_staged() {
        let mut state = state();
        age(&mut state, SignedDuration::from_hours(48));
        assert!(
            staged(&state)
                .iter()
                .all(|entry| entry.staged_at.to_string() == "2026-03-01T00:00:00Z")
        );
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
