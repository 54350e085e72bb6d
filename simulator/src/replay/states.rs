//! The state that a connector is handed: rebuilt from what this run's connectors returned, because
//! the recording's names uploads that were never made here.
//!
//! Which updates the runtime had kept when it handed a state over, the recording tells: they are
//! those that lead to the very state it has. An update of a process that was killed before its
//! commit is not among them, here as there.

use materialize_s3_parquet::protocol::flow::{ConnectorState, RangeSpec};
use serde_json::Value;

use crate::runtime::merge;

/// One update of the state, in the recording's terms and in ours.
struct Update {
    recorded: Vec<Value>,
    ours: Vec<Value>,
    /// What is written into the recording when it is brought up to date: ours in the recording's
    /// terms.
    translated: Vec<Value>,
    /// The keys of the shard that returned it.
    range: Option<RangeSpec>,
    /// Whether it was lost with its process.
    is_lost: bool,
}

/// A state of this run, as it is and in the recording's terms.
#[derive(Debug, PartialEq)]
pub(super) struct Rebuilt<T> {
    pub(super) ours: T,
    pub(super) translated: T,
}

/// Every update so far.
#[derive(Default)]
pub(super) struct States {
    updates: Vec<Update>,
}

impl States {
    /// Notes an update that the recording has, that this run's connector returned, or both.
    pub(super) fn note(
        &mut self,
        recorded: Option<&ConnectorState>,
        ours: Option<&ConnectorState>,
        translated: Option<&ConnectorState>,
        range: Option<RangeSpec>,
    ) {
        if recorded.is_some() || ours.is_some() {
            self.updates.push(Update {
                recorded: patches(recorded),
                ours: patches(ours),
                translated: patches(translated),
                range,
                is_lost: false,
            });
        }
    }

    /// Our state where the recording has `recorded`, for a shard of `range`. None where no updates
    /// of the recording lead to it.
    pub(super) fn document(
        &mut self,
        recorded: &Value,
        range: Option<&RangeSpec>,
    ) -> Option<Rebuilt<Value>> {
        let wanted = without_nulls(recorded);
        let count = (0..=self.updates.len())
            .rev()
            .find(|count| self.reduce(*count, |update| &update.recorded) == wanted)?;
        let rebuilt = Rebuilt {
            ours: self.reduce(count, |update| &update.ours),
            translated: self.reduce(count, |update| &update.translated),
        };
        // What this shard returned after that was never kept.
        for update in &mut self.updates[count..] {
            update.is_lost |= overlap(update.range.as_ref(), range);
        }
        Some(rebuilt)
    }

    /// Our patches where the recording has `recorded`: each is the last update that holds the same
    /// one. None where there is no such update.
    pub(super) fn patches(&self, recorded: &[Value]) -> Option<Rebuilt<Vec<Value>>> {
        let mut rebuilt = Rebuilt {
            ours: Vec::new(),
            translated: Vec::new(),
        };
        let mut rest = recorded;
        while !rest.is_empty() {
            let mut newest_first = self.updates.iter().rev();
            let update = newest_first
                .find(|update| !update.recorded.is_empty() && rest.starts_with(&update.recorded))?;
            rebuilt.ours.extend_from_slice(&update.ours);
            rebuilt.translated.extend_from_slice(&update.translated);
            rest = &rest[update.recorded.len()..];
        }
        Some(rebuilt)
    }

    fn reduce(&self, count: usize, side: impl Fn(&Update) -> &Vec<Value>) -> Value {
        let mut state = Value::Object(serde_json::Map::new());
        let kept = self.updates[..count]
            .iter()
            .filter(|update| !update.is_lost);
        for patch in kept.flat_map(side) {
            merge(&mut state, patch);
        }
        if state.is_null() {
            without_nulls(&state)
        } else {
            state
        }
    }
}

/// An update as merge patches: a replacement is two.
fn patches(state: Option<&ConnectorState>) -> Vec<Value> {
    let Some(state) = state else {
        return Vec::new();
    };
    let updated = serde_json::from_slice(&state.updated_json).unwrap_or(Value::Null);
    if state.merge_patch {
        vec![updated]
    } else {
        vec![Value::Null, updated]
    }
}

/// A state as reducing makes it; nothing at all is the same as an empty object.
fn without_nulls(state: &Value) -> Value {
    let mut clean = Value::Object(serde_json::Map::new());
    if state.is_object() {
        merge(&mut clean, state);
    }
    clean
}

fn overlap(one: Option<&RangeSpec>, other: Option<&RangeSpec>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.key_begin <= other.key_end && other.key_begin <= one.key_end
        }
        // Apply speaks for no shard; what it returned belongs to all.
        (_, None) => false,
        (None, Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update(updated: &Value) -> ConnectorState {
        ConnectorState {
            updated_json: updated.to_string().into(),
            merge_patch: true,
        }
    }

    fn range(begin: u32, end: u32) -> RangeSpec {
        RangeSpec {
            key_begin: begin,
            key_end: end,
            ..RangeSpec::default()
        }
    }

    /// In the recording names are small letters, in this run capitals.
    fn note(states: &mut States, recorded: &Value, range: RangeSpec) {
        let ours: Value =
            serde_json::from_str(&recorded.to_string().to_uppercase().replace("NULL", "null"))
                .unwrap();
        let (recorded, ours) = (update(recorded), update(&ours));
        states.note(Some(&recorded), Some(&ours), Some(&recorded), Some(range));
    }

    const ALL: RangeSpec = RangeSpec {
        key_begin: 0,
        key_end: u32::MAX,
        r_clock_begin: 0,
        r_clock_end: 0,
    };

    #[test]
    fn a_state_is_what_this_run_returned() {
        let mut states = States::default();
        assert_eq!(
            states.document(&Value::Null, Some(&ALL)).unwrap().ours,
            json!({})
        );
        note(&mut states, &json!({"a": {"x": 1}}), ALL);
        note(&mut states, &json!({"b": {"y": 2}}), ALL);
        let rebuilt = states
            .document(&json!({"a": {"x": 1}, "b": {"y": 2}}), Some(&ALL))
            .unwrap();
        assert_eq!(rebuilt.ours, json!({"A": {"X": 1}, "B": {"Y": 2}}));
        note(&mut states, &json!({"a": {"x": null}}), ALL);
        let rebuilt = states
            .document(&json!({"a": {}, "b": {"y": 2}}), Some(&ALL))
            .unwrap();
        assert_eq!(rebuilt.ours, json!({"A": {}, "B": {"Y": 2}}));
        assert_eq!(states.document(&json!({"unheard": 1}), Some(&ALL)), None);
    }

    #[test]
    fn what_was_lost_with_its_process_never_comes_back() {
        let mut states = States::default();
        note(&mut states, &json!({"a": 1}), ALL);
        note(&mut states, &json!({"lost": 1}), ALL);
        assert_eq!(
            states.document(&json!({"a": 1}), Some(&ALL)).unwrap().ours,
            json!({"A": 1})
        );
        note(&mut states, &json!({"b": 1}), ALL);
        let rebuilt = states
            .document(&json!({"a": 1, "b": 1}), Some(&ALL))
            .unwrap();
        assert_eq!(rebuilt.ours, json!({"A": 1, "B": 1}));
    }

    #[test]
    fn shards_do_not_lose_one_anothers_updates() {
        let (low, high) = (range(0, 9), range(10, 19));
        let mut states = States::default();
        note(&mut states, &json!({"a": 1}), ALL);
        note(&mut states, &json!({"low": 1}), low);
        // The other shard began on the state before the split.
        assert_eq!(
            states.document(&json!({"a": 1}), Some(&high)).unwrap().ours,
            json!({"A": 1})
        );
        note(&mut states, &json!({"high": 1}), high);
        let merged = states
            .document(&json!({"a": 1, "low": 1, "high": 1}), Some(&ALL))
            .unwrap();
        assert_eq!(merged.ours, json!({"A": 1, "LOW": 1, "HIGH": 1}));
    }

    #[test]
    fn patches_are_those_of_the_last_update_alike() {
        let mut states = States::default();
        note(&mut states, &json!({"a": 1}), ALL);
        note(&mut states, &json!({"b": 1}), ALL);
        let rebuilt = states.patches(&[json!({"b": 1}), json!({"a": 1})]).unwrap();
        assert_eq!(rebuilt.ours, [json!({"B": 1}), json!({"A": 1})]);
        assert_eq!(states.patches(&[]).unwrap().ours, Vec::<Value>::new());
        assert_eq!(states.patches(&[json!({"c": 1})]), None);
    }
}
