//! The document: everything that is told of a run, as plain data. Its JSON form is what `flow-sim
//! run --json` prints, and is stable: members may be added, and whatever else changes advances
//! [`VERSION`].
//!
//! Times are microseconds since the run began, as a monotonic clock has them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::run::{Replaced, Unplayed};
use crate::s3::Effect;
use crate::status::Status;

/// The version of the document's shape.
pub const VERSION: u32 = 1;

/// A run, told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// [`VERSION`].
    pub version: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it failed, or the first difference of each binding that has one.
    pub problems: Vec<String>,
    /// What was run, and how.
    pub run: Run,
    /// What became of each binding, in the specification's order; none where the run failed before
    /// there was one.
    pub bindings: Vec<Binding>,
    /// What happened when.
    pub timeline: Timeline,
    /// Every request of the connector to the embedded S3 server; none for other servers.
    pub requests: Vec<Request>,
    /// The requests among them that the server does not implement.
    pub unsupported_requests: Vec<String>,
    /// What the connector logged.
    pub logs: Vec<LogLine>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// What was read back is what was sent.
    Equal,
    /// Nothing was read back; what standard bindings have loaded is what was stored.
    NotReadBack,
    /// Documents are left over after the last session, which was not said to be fine.
    NotAllPlayed,
    /// Nothing was compared: no document became a row, or no row was read back.
    NothingCompared,
    /// Not every binding was read back, which was asked for (`--strict`).
    NotAllReadBack,
    /// What was read back is what was sent, but not every value is in a column of its own, which
    /// was asked for (`--strict`).
    NotInColumns,
    /// Something that was read back differs from what was sent.
    Different,
    /// It ended before it could be read back.
    Failed,
}

impl Verdict {
    /// The exit status that says so; `allows_empty` where it is fine that nothing was compared.
    pub fn status(self, allows_empty: bool) -> Status {
        match self {
            Self::Equal | Self::NotReadBack => Status::Success,
            Self::NotAllPlayed => Status::NotAllPlayed,
            Self::NothingCompared if allows_empty => Status::Success,
            Self::NothingCompared => Status::NothingCompared,
            Self::NotInColumns | Self::NotAllReadBack => Status::NotInColumns,
            Self::Different | Self::Failed => Status::Failed,
        }
    }
}

/// What was run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The task's name.
    pub task: String,
    /// The catalog's path.
    pub catalog: String,
    /// Where the documents come from.
    pub fixture: String,
    /// How many documents there are.
    pub documents: u64,
    /// How many of them no session has played.
    pub unplayed: Unplayed,
    /// How many of the others no binding reads, by their collection.
    pub without_binding: BTreeMap<String, u64>,
    /// The connector's program and its arguments.
    pub connector: Vec<String>,
    /// `v1` or `v2`.
    pub runtime: String,
    /// `proto` or `json`.
    pub codec: String,
    /// The run's seed.
    pub seed: u64,
    /// The transactions of each session, as they were asked for; none = what the fixture says.
    pub sessions: Option<Vec<i64>>,
    /// How many shards there are.
    pub shards: u32,
    /// The upload interval in seconds, where it was given on the command line.
    pub interval: Option<u32>,
    /// `embedded`, `minio`, `ceph`, `seaweedfs`, `url`, `catalog` or `none`.
    pub store: String,
    /// What is not as the catalog has it.
    pub replaced: Vec<Replaced>,
    /// The bucket.
    pub bucket: String,
    /// The URL of the S3 server.
    pub endpoint: String,
    /// The command that repeats the run.
    pub command: String,
    /// When the run began, in RFC 3339; none in a run that has no calendar.
    pub began: Option<String>,
    /// The simulator's version.
    pub simulator: String,
}

/// What became of one binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The source.
    pub collection: String,
    /// The key prefix of its files; the resource path, where they were not read back.
    pub prefix: String,
    /// Whether it has delta updates; a standard binding loads, reduces and stores whole documents.
    pub is_delta: bool,
    /// Whether its files were read back.
    pub is_read_back: bool,
    /// How many documents a standard binding has loaded, all of them as they were stored.
    pub loaded: u64,
    /// How many documents the source had for it, before they were combined.
    pub documents: u64,
    /// How many rows were sent and committed.
    pub rows: u64,
    /// The bytes of the documents behind those rows, as JSON.
    pub json_bytes: u64,
    /// The bytes of its files.
    pub file_bytes: u64,
    /// How many rows were compared and found equal.
    pub equal_rows: u64,
    /// The first difference, in words.
    pub difference: Option<String>,
    /// How many values did not fit their column and stand in `flow_rescued` instead, by field.
    pub rescued: BTreeMap<String, u64>,
    /// How many values stand in `flow_exact` beside the nearest one in their column, by field.
    pub exact: BTreeMap<String, u64>,
    /// How many rows have a value at each location that is in no column.
    pub missing: BTreeMap<String, u64>,
    /// Its files, in the order in which they were written.
    pub files: Vec<File>,
    /// What became of each field: those that are materialized first, in the order of the columns,
    /// then the others by name.
    pub fields: Vec<Field>,
    /// Columns that no field became: name and SQL type.
    pub other_columns: Vec<(String, String)>,
    /// Its first rows.
    pub preview: Preview,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its key in the bucket.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Its rows; none where a difference came before.
    pub rows: Option<u64>,
    /// The bytes of the documents behind those rows, as JSON; none like the rows.
    pub json_bytes: Option<u64>,
}

/// What became of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its name.
    pub field: String,
    /// Its location, a JSON pointer; none for a field that the collection does not have.
    pub pointer: Option<String>,
    /// The JSON types that its schema allows.
    pub types: Vec<String>,
    /// `key`, `value`, `document`, or none where it is not materialized.
    pub role: Option<&'static str>,
    /// The connector's constraint, by its name in the protocol; none where the connector says
    /// nothing of it.
    pub constraint: Option<String>,
    /// The connector's reason.
    pub reason: String,
    /// `selected`, `rejected`, `incompatible` or `conflict`.
    pub verdict: &'static str,
    /// Why, as the end of a sentence that begins with the field.
    pub why: String,
    /// The SQL type of its column in the first file, where there is one.
    pub column: Option<String>,
}

impl Field {
    /// Its name as people can see it: in quotes where it is empty, or begins or ends with a space.
    pub fn visible_name(&self) -> String {
        let name = &self.field;
        if name.is_empty() || name.trim() != name {
            format!("{name:?}")
        } else {
            name.clone()
        }
    }
}

/// A few rows as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells; null for null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// What happened when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// How long the run took.
    pub micros: u64,
    /// What came before, the sessions, and what came after, in their order.
    pub lanes: Vec<Lane>,
    /// Every transaction that was begun.
    pub transactions: Vec<Transaction>,
}

impl Lane {
    /// Its name, with the shard where there are several.
    pub fn title(&self) -> String {
        match self.shard {
            None => self.name.clone(),
            Some(shard) => format!("{}, shard {shard}", self.name),
        }
    }
}

/// One after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// What it is: `Session 1`.
    pub name: String,
    /// The shard, counted from 1; none where there is only one, and where no shard has a part.
    pub shard: Option<u32>,
    /// What was done, without overlap.
    pub spans: Vec<Span>,
    /// When transactions were committed, in microseconds.
    pub commits: Vec<u64>,
    /// Where the connector was killed, or failed.
    pub kills: Vec<Kill>,
}

/// A phase from its beginning to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The phase.
    pub phase: Phase,
    /// When it began.
    pub began_micros: u64,
    /// When it ended.
    pub ended_micros: u64,
    /// The transaction that it belongs to, counted from 1.
    pub transaction: Option<u64>,
}

impl Span {
    /// How long it took.
    pub fn micros(&self) -> u64 {
        self.ended_micros.saturating_sub(self.began_micros)
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The catalog is read, the connector asked for Spec and Validate, the documents are combined.
    Prepare,
    /// A process starts, applies and opens.
    Open,
    /// The first Acknowledge of a session: what an earlier one has committed is completed.
    Recover,
    /// From Flush to Flushed.
    Flush,
    /// Rows are sent.
    Store,
    /// From `StartCommit` until the commit: the last parts are staged.
    Stage,
    /// From Acknowledge to Acknowledged: staged files are completed.
    Complete,
    /// Acknowledged is held back though nothing is asked of the store any more.
    Pace,
    /// From the end of the input to the end of the process.
    Stop,
    /// The files are fetched and compared.
    ReadBack,
}

/// Where the connector was killed, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kill {
    /// When.
    pub at_micros: u64,
    /// Where, in words.
    pub step: String,
}

/// A transaction that was begun. One that was interrupted and begun again is one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Its number, from 1.
    pub number: u64,
    /// The shard whose share of it this is, as in [`Lane::shard`].
    pub shard: Option<u32>,
    /// The lane in which it was committed, or else begun last.
    pub lane: String,
    /// How often it was begun.
    pub attempts: u64,
    /// Its rows.
    pub rows: u64,
    /// When it was committed; none where it was not.
    pub committed_micros: Option<u64>,
    /// The microseconds that each of its phases took, over all attempts.
    pub phases: BTreeMap<Phase, u64>,
}

/// A request to the embedded S3 server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its place in the order of arrival, from 0.
    pub number: usize,
    /// The operation, by its name in S3's reference.
    pub operation: String,
    /// The object's key.
    pub key: Option<String>,
    /// The multipart upload.
    pub upload_id: Option<String>,
    /// The part.
    pub part: Option<u32>,
    /// How many requests for the same came before, plus one.
    pub attempt: u32,
    /// The length of its body.
    pub bytes: u64,
    /// The HTTP status; none where the connection was closed without an answer, or it was still
    /// running.
    pub status: Option<u16>,
    /// The code of the error in its answer.
    pub code: Option<String>,
    /// The fault that struck it, as a plan of faults has it.
    pub fault: Option<Effect>,
    /// When it came.
    pub began_micros: u64,
    /// When it was answered; none where it was still running.
    pub ended_micros: Option<u64>,
}

impl Request {
    /// Whether it ended with an error, or without an answer.
    pub fn is_error(&self) -> bool {
        self.code.is_some() || self.status.is_none_or(|status| status >= 400)
    }
}

/// A line that the connector logged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When the simulator heard of it: at the runtime's next step.
    pub at_micros: u64,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// What it says.
    pub message: String,
    /// Everything else that it holds.
    pub fields: Map<String, Value>,
}
