//! The driver state: what the next session must know. Pure; the runtime keeps it in the recovery
//! log.
//!
//! ```json
//! {"version": 1,
//!  "shards": {"<keyBegin>": {"writers": ["<writer>"], "copiesAt": "<endpoint>"}},
//!  "bindings": {"<state key>": {"<keyBegin>": {"counter": 7, "mapping": 2, "forms": "<columns>", "staged": {"<token>": {…}}}}}}
//! ```
//!
//! All shards of a task share one document, so everything stands below a shard's keyBegin, and a
//! session returns merge patches that name nothing but its own changes: other shards' entries are
//! never touched. Staged files are a map by token, so that each can be cleared by itself.
//!
//! Version 1 knows files that are staged as uploads. A state that names an object that is staged
//! for a copy has version 2, which older connectors refuse, and goes back to version 1 afterwards.

mod merge;
mod staged;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use merge::{diff, merge};
pub use staged::{HexNumber, Location, Part, Staged, StagedFile, StagedObject, StagedUpload};

use crate::error::{Error, Result};
use crate::mapping::MAPPING_VERSION;

/// The newest version of the state that this connector knows.
pub const NEWEST_VERSION: u64 = 2;

/// The version of a state that names no object staged for a copy.
const UPLOADS_ONLY: u64 = 1;

/// The writers of a keyBegin that the state keeps.
pub const WRITERS: usize = 64;

/// The notes of a shard's sessions that concern no single binding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shard {
    /// The writers of its latest sessions, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    writers: Vec<HexNumber>,
    /// The endpoint that was found to need copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copies_at: Option<String>,
}

/// The files of a binding that a shard has written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Files {
    /// The number of the next file.
    #[serde(default)]
    counter: u64,
    /// The version of the mapping that the first file of this backfill had; absent is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mapping: Option<u32>,
    /// What stands in the columns of its last file, as [`crate::mapping::Schema::forms`] notes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forms: Option<String>,
    /// The files that wait to be made visible, by token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    staged: BTreeMap<String, StagedFile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shards: BTreeMap<HexNumber, Shard>,
    #[serde(default)]
    bindings: BTreeMap<String, BTreeMap<HexNumber, Files>>,
}

impl Document {
    /// The document without its version.
    fn to_json(&self) -> Value {
        let mut json = json!({"bindings": self.bindings});
        if !self.shards.is_empty() {
            json["shards"] = json!(self.shards);
        }
        json
    }

    /// The least version that says all of it.
    fn version(&self) -> u64 {
        let files = self.bindings.values().flat_map(BTreeMap::values);
        let mut staged = files.flat_map(|files| files.staged.values());
        if staged.any(|file| matches!(file.staged, Staged::Copy { .. })) {
            NEWEST_VERSION
        } else {
            UPLOADS_ONLY
        }
    }
}

/// Names one staged file in the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The binding's state key.
    pub state_key: String,
    /// The shard that staged it.
    pub key_begin: u32,
    /// The file's token.
    pub token: String,
}

/// The driver state: as this session has it, and as the runtime has it.
#[derive(Clone, Debug)]
pub struct State {
    current: Document,
    /// The document that the runtime holds once every patch we have returned is applied.
    returned: Value,
    /// The version of the document, as far as it is known; `None` of a new one.
    version: Option<u64>,
    /// Whether other shards write into the same document.
    is_shared: bool,
    /// The shard whose writers every patch repeats until one of them is known to be durable.
    announcing: Option<HexNumber>,
}

impl Default for State {
    fn default() -> Self {
        Self::of(Document::default(), None)
    }
}

impl State {
    fn of(current: Document, version: Option<u64>) -> Self {
        Self {
            // Fields that we do not know are not ours to remove, and so they are not in here.
            returned: current.to_json(),
            current,
            version,
            is_shared: false,
            announcing: None,
        }
    }

    /// Reads `Open.state`. Nothing, `null` and `{}` are a new task. Fails where the state is of a
    /// version that this connector does not know, or is not this connector's.
    pub fn from_json(state: &[u8]) -> Result<Self> {
        if state.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value = serde_json::from_slice(state).map_err(|error| unreadable(&error))?;
        Self::from_value(&value)
    }

    fn from_value(state: &Value) -> Result<Self> {
        let state = without_nulls(state);
        if state.is_null() || state.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self::default());
        }
        let version = version_of(&state)?;
        let current = Document::deserialize(state).map_err(|error| unreadable(&error))?;
        Ok(Self::of(current, Some(version)))
    }

    /// Says that shards with other keys write into the same document: then its version never goes
    /// down, because this session does not see what they add.
    pub fn share(&mut self) {
        self.is_shared = true;
    }

    /// The writers of a shard's latest sessions, the newest last.
    pub fn writers(&self, key_begin: u32) -> impl Iterator<Item = u32> {
        let shard = self.current.shards.get(&HexNumber(key_begin));
        shard
            .into_iter()
            .flat_map(|shard| shard.writers.iter().map(|writer| writer.0))
    }

    /// Every keyBegin that has writers.
    pub fn key_begins(&self) -> impl Iterator<Item = u32> {
        self.current.shards.keys().map(|key_begin| key_begin.0)
    }

    /// Adds a session's writer. Every patch says so until [`Self::confirm_writer`].
    pub fn add_writer(&mut self, key_begin: u32, writer: u32) {
        let key_begin = HexNumber(key_begin);
        let writers = &mut self.current.shards.entry(key_begin).or_default().writers;
        writers.push(HexNumber(writer));
        writers.drain(..writers.len().saturating_sub(WRITERS));
        self.announcing = Some(key_begin);
    }

    /// Says that a patch with this session's writer is durable.
    pub fn confirm_writer(&mut self) {
        self.announcing = None;
    }

    /// Whether an earlier session has found that files at `endpoint` must be made visible by
    /// copies.
    pub fn copies_at(&self, key_begin: u32, endpoint: &str) -> bool {
        let shard = self.current.shards.get(&HexNumber(key_begin));
        shard.and_then(|shard| shard.copies_at.as_deref()) == Some(endpoint)
    }

    /// Notes that files at `endpoint` must be made visible by copies.
    pub fn note_copies_at(&mut self, key_begin: u32, endpoint: &str) {
        let shard = self.current.shards.entry(HexNumber(key_begin)).or_default();
        shard.copies_at = Some(endpoint.to_owned());
    }

    /// Merges a patch that another shard has returned. Fails where the result is no state.
    pub fn apply(&mut self, patch: &Value) -> Result<()> {
        let mut current = self.current.to_json();
        current["version"] = json!(self.version.unwrap_or(UPLOADS_ONLY));
        merge(&mut current, patch);
        let merged = Self::from_value(&current)?;
        (self.current, self.version) = (merged.current, merged.version);
        merge(&mut self.returned, patch);
        self.returned = without_version(&self.returned);
        Ok(())
    }

    /// Whether any session has had files of a binding.
    pub fn knows(&self, state_key: &str) -> bool {
        self.current.bindings.contains_key(state_key)
    }

    /// The number of a binding's next file. It is above those of all keyBegins, so that names order
    /// a key's rows over splits and merges too; gaps do no harm.
    pub fn counter(&self, state_key: &str) -> u64 {
        let shards = self.current.bindings.get(state_key);
        let counters = shards
            .into_iter()
            .flat_map(|shards| shards.values().map(|files| files.counter));
        counters.max().unwrap_or(0)
    }

    /// Takes the number of a shard's next file of a binding.
    pub fn next_counter(&mut self, state_key: &str, key_begin: u32) -> u64 {
        let counter = self.counter(state_key);
        // Only a state that is not ours comes near the end, and there files merely stop to sort.
        self.files(state_key, key_begin).counter = counter.saturating_add(1);
        counter
    }

    /// What stood in the columns of a shard's last file of a binding; where it has none, of another
    /// shard's.
    pub fn forms(&self, state_key: &str, key_begin: u32) -> Option<&str> {
        let shards = self.current.bindings.get(state_key)?;
        let own = shards.get(&HexNumber(key_begin));
        own.into_iter()
            .chain(shards.values())
            .find_map(|files| files.forms.as_deref())
    }

    /// Notes what stands in the columns of a shard's next files of a binding.
    pub fn note_forms(&mut self, state_key: &str, key_begin: u32, forms: String) {
        self.files(state_key, key_begin).forms = Some(forms);
    }

    /// Removes what was noted of the columns of bindings that are not active, of the shards whose
    /// keyBegin lies in `key_begins`; not yet where files of theirs wait. Every backfill has a
    /// state key of its own, so that the state would grow with each of them.
    pub fn forget_forms(
        &mut self,
        key_begins: RangeInclusive<u32>,
        is_active: impl Fn(&str) -> bool,
    ) {
        let bindings = self.current.bindings.iter_mut();
        let inactive = bindings.filter(|(state_key, _)| !is_active(state_key));
        for (key_begin, files) in inactive.flat_map(|(_, shards)| shards) {
            if key_begins.contains(&key_begin.0) && files.staged.is_empty() {
                files.forms = None;
            }
        }
    }

    /// Adds a file that waits to be made visible.
    pub fn stage(&mut self, state_key: &str, key_begin: u32, file: StagedFile) {
        self.files(state_key, key_begin)
            .staged
            .insert(file.token.clone(), file);
    }

    /// Changes an entry, where it is there.
    pub fn update(&mut self, entry: &EntryId, change: impl FnOnce(&mut StagedFile)) {
        let shards = self.current.bindings.get_mut(&entry.state_key);
        let files = shards.and_then(|shards| shards.get_mut(&HexNumber(entry.key_begin)));
        if let Some(file) = files.and_then(|files| files.staged.get_mut(&entry.token)) {
            change(file);
        }
    }

    /// Removes an entry that no longer waits; without it, nothing happens.
    pub fn clear(&mut self, entry: &EntryId) {
        let shards = self.current.bindings.get_mut(&entry.state_key);
        if let Some(files) = shards.and_then(|shards| shards.get_mut(&HexNumber(entry.key_begin))) {
            files.staged.remove(&entry.token);
        }
    }

    /// The files that wait and were staged by shards whose keyBegin lies in `key_begins`, in the
    /// order of state key, keyBegin and token.
    pub fn staged_in(
        &self,
        key_begins: RangeInclusive<u32>,
    ) -> impl Iterator<Item = (EntryId, &StagedFile)> {
        self.current
            .bindings
            .iter()
            .flat_map(move |(state_key, shards)| {
                let range = HexNumber(*key_begins.start())..=HexNumber(*key_begins.end());
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

    /// Returns the merge patch of everything that changed since the last one, for
    /// `StartedCommit.state` or `Acknowledged.state`; `None` where nothing did, because the runtime
    /// does not allow an empty update.
    pub fn take_patch(&mut self) -> Option<Value> {
        let current = self.current.to_json();
        let mut patch = diff(&self.returned, &current).unwrap_or(Value::Null);
        if let Some(key_begin) = self.announcing {
            let writers = &self.current.shards[&key_begin].writers;
            let announced = json!({"shards": {key_begin.to_string(): {"writers": writers}}});
            merge(&mut patch, &announced);
        }
        self.returned = current;
        if patch.is_null() {
            return None;
        }
        if let Some(version) = self.version_to_tell() {
            patch["version"] = json!(version);
        }
        Some(patch)
    }

    /// The version for a patch. Where other shards write into the same document, it is only raised:
    /// this session does not see what they add.
    fn version_to_tell(&mut self) -> Option<u64> {
        let needed = self.current.version();
        if self.is_shared && self.version.is_some_and(|version| version >= needed) {
            return None;
        }
        self.version = Some(needed);
        self.version
    }

    fn files(&mut self, state_key: &str, key_begin: u32) -> &mut Files {
        let shards = self
            .current
            .bindings
            .entry(state_key.to_owned())
            .or_default();
        // The first shard of a backfill decides, and those that are split from it follow.
        let mapping = match shards.values().next() {
            Some(first) => first.mapping,
            None => Some(MAPPING_VERSION),
        };
        shards.entry(HexNumber(key_begin)).or_insert_with(|| Files {
            mapping,
            ..Files::default()
        })
    }
}

fn without_nulls(value: &Value) -> Value {
    let mut clean = Value::Null;
    merge(&mut clean, value);
    clean
}

fn without_version(state: &Value) -> Value {
    let mut state = state.clone();
    merge(&mut state, &json!({"version": null}));
    state
}

fn version_of(state: &Value) -> Result<u64> {
    let version = state
        .get("version")
        .and_then(Value::as_u64)
        .ok_or_else(|| {
            Error::config(
                "the task's state has no version, so another connector wrote it: make a new task \
                 for this connector, under a name of its own",
            )
        })?;
    match version {
        0 => Err(Error::internal(
            "the task's state has version 0, which this connector has never written: please \
             report this",
        )),
        UPLOADS_ONLY..=NEWEST_VERSION => Ok(version),
        _ => Err(Error::config(format!(
            "the task's state has version {version} and this connector knows versions up to \
             {NEWEST_VERSION}: a newer connector has run this task, so use that one or a newer one"
        ))),
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::internal(format!(
        "the task's state cannot be read ({error}), and without it files that wait to be \
         completed would be lost: please report this"
    ))
}
