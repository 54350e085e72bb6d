//! The recovery log: what survives every crash. In memory; a clone is a snapshot, and to restore is
//! to put it back.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::{ConnectorState, MaterializationSpec};
use serde_json::Value;

use super::error::{Error, Result};

/// What survives every crash of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryLog {
    /// The connector's state, reduced. Null for a new task.
    pub state: Value,
    /// How far the task has read; the connector only carries it.
    pub checkpoint: Checkpoint,
    /// How many transactions are committed.
    pub committed: u64,
    /// The highest packed key that a standard binding may have stored, by its state key: what is
    /// higher need not be loaded.
    pub max_keys: BTreeMap<String, Vec<u8>>,
    /// The specification that was applied last, with its version.
    pub applied: Option<(MaterializationSpec, String)>,
}

impl RecoveryLog {
    /// Whether a key of a standard binding may have been stored before.
    pub fn may_exist(&self, state_key: &str, key: &[u8]) -> bool {
        match self.max_keys.get(state_key) {
            Some(max) => key <= max.as_slice(),
            // A binding that was there before it became a standard one.
            None => self.committed > 0,
        }
    }

    /// Notes that a key of a standard binding will be stored; none only notes the binding.
    pub fn raise_max_key(&mut self, state_key: &str, key: Option<Vec<u8>>) {
        let max = self.max_keys.entry(state_key.to_owned()).or_default();
        if let Some(key) = key.filter(|key| key > max) {
            *max = key;
        }
    }

    /// Takes a connector's update in. Returns the merge patches that the new runtime passes on:
    /// none where there is no update, and two for a replacement.
    pub fn update(&mut self, update: Option<&ConnectorState>) -> Result<Vec<Value>> {
        let Some(update) = update else {
            return Ok(Vec::new());
        };
        let updated: Value = serde_json::from_slice(&update.updated_json).map_err(|error| {
            Error::violation(format!(
                "a state update is not JSON ({error}); leave `state` out where nothing changed"
            ))
        })?;
        let patches = if update.merge_patch {
            vec![updated]
        } else {
            vec![Value::Null, updated]
        };
        for patch in &patches {
            merge(&mut self.state, patch);
        }
        Ok(patches)
    }
}

/// Applies a JSON merge patch (RFC 7396) to `target`.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Merge patches as the new runtime sends them: a JSON array with a tab after each element, because
/// a newline would end the message. Empty for none.
pub fn patches_json(patches: &[Value]) -> bytes::Bytes {
    if patches.is_empty() {
        return bytes::Bytes::new();
    }
    let elements: Vec<String> = patches.iter().map(|patch| format!("{patch}\t")).collect();
    format!("[{}]", elements.join(",")).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(updated: &Value, merge_patch: bool) -> ConnectorState {
        ConnectorState {
            updated_json: updated.to_string().into(),
            merge_patch,
        }
    }

    #[test]
    fn the_examples_of_rfc_7396_hold() {
        let table = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a"]), json!({"a": 1}), json!({"a": 1})),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (mut target, patch, expected) in table {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }

    #[test]
    fn a_replacement_is_two_patches() {
        let mut log = RecoveryLog {
            state: json!({"old": 1}),
            ..RecoveryLog::default()
        };
        let patches = log
            .update(Some(&update(&json!({"new": 2}), false)))
            .unwrap();
        assert_eq!(patches, [Value::Null, json!({"new": 2})]);
        assert_eq!(log.state, json!({"new": 2}));
        assert_eq!(patches_json(&patches), "[null\t,{\"new\":2}\t]");
    }

    #[test]
    fn an_empty_update_is_a_violation() {
        let error = RecoveryLog::default()
            .update(Some(&ConnectorState::default()))
            .unwrap_err();
        assert!(error.to_string().contains("leave `state` out"), "{error}");
    }
}
