//! A connector that keeps standard bindings in a table in memory: it stages what it is given, and
//! makes it visible when the runtime has committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::ConnectorState;
use materialize_s3_parquet::protocol::materialize::{Request, Response, request, response};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::super::scripted::process;
use crate::runtime::{Launch, Process, Result};

/// Who knows what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// The runtime: what is staged stands in the connector's state until it is acknowledged.
    State,
    /// The connector: rows and checkpoint are committed in its table together.
    Checkpoint,
}

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slip {
    /// Does not answer a Load of what it has.
    Forgets,
    /// Loads another document than it was given.
    Alters,
    /// Answers a Load twice.
    Repeats,
    /// Loads what it was not asked for.
    Invents,
    /// Answers a Load after Flushed.
    Talks,
    /// Says that it has committed what nobody has sent.
    Jumps,
}

/// What all its processes share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The documents, by key in whichever form it comes.
    rows: BTreeMap<Vec<u8>, Value>,
    checkpoint: Checkpoint,
    /// The ids that were asked for, in order.
    asked: Vec<Vec<u8>>,
    /// The documents that were stored as existing.
    existing: Vec<i64>,
}

/// Starts the connectors of a table.
pub(super) struct Table {
    pub(super) codec: Codec,
    pub(super) keeps: Keeps,
    pub(super) slip: Option<Slip>,
    pub(super) loads_all: bool,
    pub(super) shared: Arc<Mutex<Shared>>,
}

impl Table {
    pub(super) fn new(codec: Codec, keeps: Keeps) -> Self {
        Self {
            codec,
            keeps,
            slip: None,
            loads_all: false,
            shared: Arc::default(),
        }
    }

    /// The sums of all documents, by id.
    pub(super) fn sums(&self) -> BTreeMap<String, i64> {
        let shared = self.shared.lock().unwrap();
        let rows = shared.rows.values();
        rows.map(|row| (row["id"].to_string(), row["n"].as_i64().unwrap()))
            .collect()
    }

    /// The ids that were asked for, in order.
    pub(super) fn asked(&self) -> Vec<i64> {
        let shared = self.shared.lock().unwrap();
        let asked = shared.asked.iter();
        asked.map(|key| small_id(key)).collect()
    }

    /// The ids that were stored as existing, in order.
    pub(super) fn stored_as_existing(&self) -> Vec<i64> {
        self.shared.lock().unwrap().existing.clone()
    }
}

/// An id below 256, packed or as a JSON array.
fn small_id(key: &[u8]) -> i64 {
    match key {
        [0x15, id] => i64::from(*id),
        json => serde_json::from_slice::<[i64; 1]>(json).unwrap()[0],
    }
}

impl Launch for Table {
    fn launch(&self, _incarnation: u64) -> Result<Process> {
        let (stdin, their_stdin) = duplex(1 << 12);
        let (their_stdout, stdout) = duplex(1 << 12);
        let (_, stderr) = duplex(1);
        let keeper = Keeper {
            codec: self.codec,
            keeps: self.keeps,
            slip: self.slip,
            loads_all: self.loads_all,
            shared: Arc::clone(&self.shared),
            stdout: their_stdout,
            state: Value::Null,
            asked: Vec::new(),
            staged: Map::new(),
        };
        let run = async move {
            keeper.run(their_stdin).await;
            true
        };
        Ok(process(stdin, stdout, stderr, run))
    }

    fn codec(&self) -> Codec {
        self.codec
    }
}

/// One process.
struct Keeper {
    codec: Codec,
    keeps: Keeps,
    slip: Option<Slip>,
    loads_all: bool,
    shared: Arc<Mutex<Shared>>,
    stdout: DuplexStream,
    /// The rows that wait for an Acknowledge, by the hexadecimal form of their key.
    state: Value,
    /// The keys that were asked for in this transaction.
    asked: Vec<Vec<u8>>,
    /// The rows of this transaction, in the same form.
    staged: Map<String, Value>,
}

impl Keeper {
    async fn run(mut self, mut stdin: DuplexStream) {
        let mut buffer = Vec::new();
        loop {
            while let Some((frame, used)) = self.codec.split_frame(&buffer).unwrap() {
                let request: Request = self.codec.decode(Bytes::copy_from_slice(frame)).unwrap();
                buffer.drain(..used);
                for response in self.answer(request) {
                    let mut out = Vec::new();
                    self.codec.encode(&response, &mut out).unwrap();
                    // The runtime may have turned away already.
                    let _ = self.stdout.write_all(&out).await;
                }
            }
            if stdin.read_buf(&mut buffer).await.unwrap() == 0 {
                return;
            }
        }
    }

    fn answer(&mut self, request: Request) -> Vec<Response> {
        let mut response = Response::default();
        if request.spec.is_some() {
            response.spec = Some(response::Spec::default());
        } else if request.apply.is_some() {
            response.applied = Some(response::Applied::default());
        } else if let Some(open) = request.open {
            response.opened = Some(self.open(&open));
        } else if request.acknowledge.is_some() {
            response.acknowledged = Some(self.acknowledge());
        } else if let Some(load) = request.load {
            let key = [&load.key_packed[..], &load.key_json[..]].concat();
            self.shared.lock().unwrap().asked.push(key.clone());
            self.asked.push(key);
            return Vec::new();
        } else if request.flush.is_some() {
            return self.flush();
        } else if let Some(store) = request.store {
            self.store(&store);
            return Vec::new();
        } else if let Some(start) = request.start_commit {
            response.started_commit = Some(self.commit(start));
        }
        vec![response]
    }

    fn open(&mut self, open: &request::Open) -> response::Opened {
        let state: Value = serde_json::from_slice(&open.state_json).unwrap();
        self.state = state["staged"].clone();
        let is_first = open
            .range
            .as_ref()
            .is_some_and(|range| range.key_begin == 0);
        let mut checkpoint = self.shared.lock().unwrap().checkpoint.clone();
        if self.slip == Some(Slip::Jumps) && !checkpoint.sources.is_empty() {
            checkpoint.sources.clear();
            let source = checkpoint.sources.entry("other".to_owned());
            source.or_default().read_through = 1;
        }
        response::Opened {
            runtime_checkpoint: (self.keeps == Keeps::Checkpoint && is_first).then_some(checkpoint),
            disable_load_optimization: self.loads_all,
        }
    }

    /// What is committed becomes visible.
    fn acknowledge(&mut self) -> response::Acknowledged {
        if let Value::Object(rows) = self.state.take() {
            let mut shared = self.shared.lock().unwrap();
            shared
                .rows
                .extend(rows.into_iter().map(|(key, row)| (key.into_bytes(), row)));
        }
        let mine = std::mem::take(&mut self.staged);
        let cleared: Map<String, Value> =
            mine.keys().map(|key| (key.clone(), Value::Null)).collect();
        self.shared
            .lock()
            .unwrap()
            .rows
            .extend(mine.into_iter().map(|(key, row)| (key.into_bytes(), row)));
        let patch = if cleared.is_empty() {
            json!({"staged": null})
        } else {
            json!({"staged": cleared})
        };
        response::Acknowledged {
            state: Some(merge_patch(&patch)),
        }
    }

    fn flush(&mut self) -> Vec<Response> {
        let shared = self.shared.lock().unwrap();
        let mut found: Vec<Value> = Vec::new();
        for key in std::mem::take(&mut self.asked) {
            let row = shared.rows.get(name(&key).as_bytes());
            found.extend(row.cloned());
        }
        match (self.slip, found.first().cloned()) {
            (Some(Slip::Forgets), Some(_)) => drop(found.remove(0)),
            (Some(Slip::Alters), Some(_)) => found[0]["n"] = json!(999),
            (Some(Slip::Repeats), Some(first)) => found.push(first),
            (Some(Slip::Invents), _) => found.push(json!({"id": 77, "n": 0})),
            _ => {}
        }
        let late = (self.slip == Some(Slip::Talks)).then(|| json!({"id": 1, "n": 1}));
        let flushed = Response {
            flushed: Some(response::Flushed::default()),
            ..Response::default()
        };
        let responses = found.iter().map(loaded).chain([flushed]);
        responses.chain(late.as_ref().map(loaded)).collect()
    }

    fn store(&mut self, store: &request::Store) {
        let row: Value = serde_json::from_slice(&store.doc_json).unwrap();
        if store.exists {
            let id = row["id"].as_i64().unwrap();
            self.shared.lock().unwrap().existing.push(id);
        }
        let key = [&store.key_packed[..], &store.key_json[..]].concat();
        self.staged.insert(name(&key), row);
    }

    fn commit(&mut self, start: request::StartCommit) -> response::StartedCommit {
        let mut state = None;
        match self.keeps {
            Keeps::State => state = Some(merge_patch(&json!({"staged": self.staged}))),
            Keeps::Checkpoint => {
                let mut shared = self.shared.lock().unwrap();
                let staged = std::mem::take(&mut self.staged).into_iter();
                shared
                    .rows
                    .extend(staged.map(|(key, row)| (key.into_bytes(), row)));
                shared.checkpoint = start.runtime_checkpoint.unwrap_or_default();
            }
        }
        response::StartedCommit { state }
    }
}

/// A key as a name in the state.
fn name(key: &[u8]) -> String {
    let digits = key.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn loaded(row: &Value) -> Response {
    let loaded = response::Loaded {
        binding: 0,
        doc_json: row.to_string().into(),
    };
    Response {
        loaded: Some(loaded),
        ..Response::default()
    }
}

fn merge_patch(patch: &Value) -> ConnectorState {
    ConnectorState {
        updated_json: patch.to_string().into(),
        merge_patch: true,
    }
}
