//! The driver state: any bytes are read or refused, and two shards that write into one document by
//! merge patches each find in it just what both have said.

use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Arbitrary, Result, Unstructured};
use jiff::Timestamp;
use materialize_s3_parquet::checkpoint::{
    EntryId, Location, Part, Staged, StagedFile, StagedObject, StagedUpload, State,
};
use serde_json::{Map, Value};

/// The begins of the two shards' key ranges.
const SHARDS: [u32; 2] = [0, 0x8000_0000];

/// The state keys of the bindings.
const STATE_KEYS: [&str; 3] = ["orders.v1", "", "a/b~c\"%20"];

/// The most operations in a row.
const MOST_OPERATIONS: usize = 64;

/// Takes `data` for a state, and for what two sessions do with one.
pub fn run(data: &[u8]) {
    what_is_read_can_be_cleared(data);
    // Too few bytes are no operations.
    let _ = sessions_share_a_document(&mut Unstructured::new(data));
}

/// Whatever state there is: what it stages can be cleared, and the next session sees that.
fn what_is_read_can_be_cleared(data: &[u8]) {
    let Ok(mut state) = State::from_json(data) else {
        return;
    };
    assert_eq!(state.take_patch(), None, "nothing has changed");
    let staged: Vec<EntryId> = all_staged(&state);
    let counters: Vec<u64> = staged
        .iter()
        .map(|entry| {
            state
                .next_counter(&entry.state_key, entry.key_begin)
                .saturating_add(1)
        })
        .collect();
    for entry in &staged {
        state.clear(entry);
    }
    let Some(patch) = state.take_patch() else {
        return assert!(staged.is_empty(), "a change that is not told");
    };
    let mut document = serde_json::from_slice(data).unwrap_or_default();
    merge(&mut document, &patch);
    let read = reread(&document);
    assert_eq!(all_staged(&read), []);
    for (entry, counter) in staged.iter().zip(counters) {
        assert!(read.counter(&entry.state_key) >= counter);
    }
}

/// What a session does.
#[derive(Arbitrary, Debug)]
enum Operation {
    /// Takes a number and stages an upload.
    Stage(u8),
    /// Clears an upload that some session may have staged.
    Clear(u8),
    /// Returns a patch to the runtime, which hands it to the other shard.
    Return,
    /// Ends, and begins anew from the document.
    Restart,
}

/// Two sessions, their document, and what it should say: the counter and the tokens of each binding
/// and shard.
struct World {
    document: Value,
    sessions: [State; 2],
    expected: BTreeMap<(usize, usize), (u64, BTreeSet<String>)>,
}

fn sessions_share_a_document(input: &mut Unstructured<'_>) -> Result<()> {
    let mut world = World {
        document: Value::Null,
        sessions: [State::default(), State::default()],
        expected: BTreeMap::new(),
    };
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let shard = usize::from(input.arbitrary::<bool>()?);
        let binding = input.choose_index(STATE_KEYS.len())?;
        world.perform(&input.arbitrary()?, shard, binding);
    }
    for shard in [0, 1] {
        world.hand_on_patch(shard);
    }
    for state in world.sessions.iter().chain([&reread(&world.document)]) {
        world.is_said_by(state);
    }
    Ok(())
}

impl World {
    fn perform(&mut self, operation: &Operation, shard: usize, binding: usize) {
        let (state_key, key_begin) = (STATE_KEYS[binding], SHARDS[shard]);
        let entry = self.expected.entry((binding, shard)).or_default();
        let state = &mut self.sessions[shard];
        match operation {
            Operation::Stage(token) => {
                let counter = state.next_counter(state_key, key_begin);
                assert!(
                    counter >= entry.0,
                    "files of a shard sort by their counters"
                );
                entry.0 = counter + 1;
                entry.1.insert(token_of(*token));
                state.stage(state_key, key_begin, file(*token));
            }
            Operation::Clear(token) => {
                let token = token_of(*token);
                entry.1.remove(&token);
                state.clear(&EntryId {
                    state_key: state_key.to_owned(),
                    key_begin,
                    token,
                });
            }
            Operation::Return => self.hand_on_patch(shard),
            Operation::Restart => {
                self.hand_on_patch(shard);
                self.sessions[shard] = reread(&self.document);
            }
        }
    }

    fn hand_on_patch(&mut self, shard: usize) {
        let Some(patch) = self.sessions[shard].take_patch() else {
            return;
        };
        assert_eq!(self.sessions[shard].take_patch(), None, "told twice");
        names_only(SHARDS[shard], &patch);
        merge(&mut self.document, &patch);
        self.sessions[1 - shard]
            .apply(&patch)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn is_said_by(&self, state: &State) {
        let mut staged = BTreeSet::new();
        for ((binding, shard), (counter, tokens)) in &self.expected {
            let (state_key, key_begin) = (STATE_KEYS[*binding], SHARDS[*shard]);
            assert!(state.counter(state_key) >= *counter);
            staged.extend(tokens.iter().map(|token| EntryId {
                state_key: state_key.to_owned(),
                key_begin,
                token: token.clone(),
            }));
        }
        let found: BTreeSet<EntryId> = all_staged(state).into_iter().collect();
        assert_eq!(found, staged);
    }
}

/// A patch says nothing of another shard.
fn names_only(key_begin: u32, patch: &Value) {
    let bindings = patch["bindings"].as_object().into_iter().flatten();
    for (_, shards) in bindings {
        let shards = shards.as_object().expect("no binding is removed");
        let own = format!("{key_begin:08x}");
        assert!(shards.keys().all(|shard| *shard == own), "{patch}");
    }
}

fn reread(document: &Value) -> State {
    State::from_json(document.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn all_staged(state: &State) -> Vec<EntryId> {
    state.staged_in(0..=u32::MAX).map(|(id, _)| id).collect()
}

fn token_of(number: u8) -> String {
    format!("{number:016x}")
}

/// A file that is staged in either way.
fn file(number: u8) -> StagedFile {
    let staged = if number.is_multiple_of(5) {
        Staged::Copy {
            staged: StagedObject {
                key: format!("orders/_staged/{number}.parquet.staged"),
                etag: "\"etag\"".to_owned(),
                version: (number % 2 == 1).then(|| "version".to_owned()),
            },
        }
    } else {
        Staged::Multipart(StagedUpload {
            upload_id: "upload".to_owned(),
            parts: vec![Part {
                etag: "\"etag\"".to_owned(),
                crc32: number.is_multiple_of(3).then(|| "AAAAAA==".to_owned()),
            }],
        })
    };
    StagedFile {
        location: Location {
            bucket: "lake".to_owned(),
            region: "eu-west-1".to_owned(),
            endpoint: (number % 2 == 1).then(|| "https://s3.example.com".to_owned()),
            path_style: number % 2 == 1,
        },
        key: format!("orders/{number}.parquet"),
        token: token_of(number),
        bytes: u64::from(number),
        rows: u64::MAX,
        staged_at: Timestamp::UNIX_EPOCH,
        receipt: number
            .is_multiple_of(2)
            .then(|| "orders/_staged/00000000-00000000.receipt".to_owned()),
        failing_since: number.is_multiple_of(7).then_some(Timestamp::UNIX_EPOCH),
        staged,
    }
}

/// RFC 7396, word for word: what the runtime does with a patch.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        return *target = patch.clone();
    };
    let mut merged = match target.take() {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            merged.remove(name);
        } else {
            merge(merged.entry(name).or_insert(Value::Null), value);
        }
    }
    *target = Value::Object(merged);
}
