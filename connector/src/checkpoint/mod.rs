//! The driver state: what the next session must know. Pure; the runtime keeps it in the recovery log.
//!
//! ```json
//! {"version": 1, "bindings": {"<state key>": {"<keyBegin>": {"counter": 7, "staged": {"<token>": {…}}}}}}
//! ```
//!
//! All shards of a task share one document, so everything stands below a binding's state key and a shard's keyBegin, and what we
//! return is a merge patch that names nothing but what this session changed: other shards' entries are never touched. Staged
//! uploads are a map by token, so that each can be cleared by itself.

mod merge;
mod staged;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use merge::{diff, merge};
pub use staged::{KeyBegin, Location, Part, StagedUpload};

use crate::error::{Error, Result};

/// The version of the state that this connector writes.
pub const VERSION: u64 = 1;

/// One step of migration for each version before this one: the first leads from version 1 to version 2.
type Migration = fn(Value) -> Value;
const MIGRATIONS: &[Migration] = &[];
const _: () = assert!(MIGRATIONS.len() as u64 + 1 == VERSION);

/// What a shard keeps for a binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shard {
    /// The number of the next file.
    #[serde(default)]
    counter: u64,
    /// What waits to be completed, by token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    staged: BTreeMap<String, StagedUpload>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    bindings: BTreeMap<String, BTreeMap<KeyBegin, Shard>>,
}

impl Document {
    fn to_json(&self) -> Value {
        json!({"version": VERSION, "bindings": self.bindings})
    }
}

/// Names one staged upload in the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The binding's state key.
    pub state_key: String,
    /// The shard that staged it.
    pub key_begin: u32,
    /// The upload's token.
    pub token: String,
}

/// The driver state: as this session has it, and as the runtime has it.
#[derive(Clone, Debug)]
pub struct State {
    current: Document,
    /// The document that the runtime holds once every patch we have returned is applied.
    returned: Value,
}

impl Default for State {
    fn default() -> Self {
        let current = Document::default();
        Self {
            returned: current.to_json(),
            current,
        }
    }
}

impl State {
    /// Reads `Open.state`. Nothing, `null` and `{}` are a new task. Fails where the state is of a version that this connector
    /// does not know, or is not this connector's.
    pub fn from_json(state: &[u8]) -> Result<Self> {
        if state.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value = serde_json::from_slice(state).map_err(|error| unreadable(&error))?;
        Self::from_value(&value)
    }

    fn from_value(state: &Value) -> Result<Self> {
        let mut state = without_nulls(state);
        if state.is_null() || state.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self::default());
        }
        let version = version_of(&state)?;
        let migrated = migrate(state.clone(), version, MIGRATIONS)?;
        let current = Document::deserialize(migrated).map_err(|error| unreadable(&error))?;
        if version == VERSION {
            // What we do not know in it is not ours to remove.
            state = current.to_json();
        }
        Ok(Self {
            current,
            returned: state,
        })
    }

    /// Merges a patch that another shard has returned. Fails where the result is no state.
    pub fn apply(&mut self, patch: &Value) -> Result<()> {
        let mut current = self.current.to_json();
        merge(&mut current, patch);
        self.current = Self::from_value(&current)?.current;
        merge(&mut self.returned, patch);
        Ok(())
    }

    /// The number of this shard's next file of a binding.
    pub fn counter(&self, state_key: &str, key_begin: u32) -> u64 {
        let shards = self.current.bindings.get(state_key);
        shards
            .and_then(|shards| shards.get(&KeyBegin(key_begin)))
            .map_or(0, |shard| shard.counter)
    }

    /// Takes the number of this shard's next file of a binding.
    pub fn next_counter(&mut self, state_key: &str, key_begin: u32) -> u64 {
        let shard = self.shard(state_key, key_begin);
        let counter = shard.counter;
        // Only a state that is not ours comes near the end, and there files merely stop to sort.
        shard.counter = counter.saturating_add(1);
        counter
    }

    /// Adds an upload that waits to be completed.
    pub fn stage(&mut self, state_key: &str, key_begin: u32, upload: StagedUpload) {
        self.shard(state_key, key_begin)
            .staged
            .insert(upload.token.clone(), upload);
    }

    /// Removes an upload that no longer waits. What is not there is left alone.
    pub fn clear(&mut self, entry: &EntryId) {
        let shards = self.current.bindings.get_mut(&entry.state_key);
        if let Some(shard) = shards.and_then(|shards| shards.get_mut(&KeyBegin(entry.key_begin))) {
            shard.staged.remove(&entry.token);
        }
    }

    /// What waits to be completed and was staged by shards whose keyBegin lies in `key_begins`: by state key, keyBegin, token.
    pub fn staged_in(
        &self,
        key_begins: RangeInclusive<u32>,
    ) -> impl Iterator<Item = (EntryId, &StagedUpload)> {
        self.current
            .bindings
            .iter()
            .flat_map(move |(state_key, shards)| {
                let range = KeyBegin(*key_begins.start())..=KeyBegin(*key_begins.end());
                let shards = shards
                    .iter()
                    .filter(move |(key_begin, _)| range.contains(key_begin));
                shards.flat_map(move |(key_begin, shard)| {
                    shard.staged.iter().map(move |(token, upload)| {
                        let id = EntryId {
                            state_key: state_key.clone(),
                            key_begin: key_begin.0,
                            token: token.clone(),
                        };
                        (id, upload)
                    })
                })
            })
    }

    /// The merge patch of everything that changed since the last one, for `StartedCommit.state` or `Acknowledged.state`. `None`
    /// where nothing did: the runtime does not allow an empty update.
    pub fn take_patch(&mut self) -> Option<Value> {
        let current = self.current.to_json();
        let mut patch = diff(&self.returned, &current)?;
        patch["version"] = json!(VERSION);
        self.returned = current;
        Some(patch)
    }

    fn shard(&mut self, state_key: &str, key_begin: u32) -> &mut Shard {
        let shards = self
            .current
            .bindings
            .entry(state_key.to_owned())
            .or_default();
        shards.entry(KeyBegin(key_begin)).or_default()
    }
}

fn without_nulls(value: &Value) -> Value {
    let mut clean = Value::Null;
    merge(&mut clean, value);
    clean
}

fn version_of(state: &Value) -> Result<u64> {
    state.get("version").and_then(Value::as_u64).ok_or_else(|| {
        Error::config(
            "the task's state has no version, so another connector wrote it: make a new task for this connector, under a name of its own",
        )
    })
}

/// Leads a state of `version` through the steps that are still ahead of it.
fn migrate(state: Value, version: u64, migrations: &[Migration]) -> Result<Value> {
    let newest = migrations.len() as u64 + 1;
    match version {
        0 => Err(Error::internal(
            "the task's state has version 0, which this connector has never written: please report this",
        )),
        version if version > newest => Err(Error::config(format!(
            "the task's state has version {version} and this connector knows versions up to {newest}: \
             a newer connector has run this task, so use that one or a newer one"
        ))),
        version => Ok(migrations
            .iter()
            .skip(version as usize - 1)
            .fold(state, |state, step| step(state))),
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal(format!(
        "the task's state cannot be read ({error}), and without it files that wait to be completed would be lost: please report this"
    ))
}
