//! Everything that is told of a torture, as plain data. Its JSON form is what `flow-sim torture
//! --json` prints, and is stable: members may be added, and whatever else changes advances
//! [`CAMPAIGN_VERSION`].

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::document::{Request, Timeline};
use crate::torture::check::Finding;
use crate::torture::{At, Plan};

/// The version of the document's shape.
pub const CAMPAIGN_VERSION: u32 = 1;

/// A torture, told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Campaign {
    /// [`CAMPAIGN_VERSION`].
    pub version: u32,
    /// How it ended.
    pub verdict: Promises,
    /// The command that repeats it.
    pub command: String,
    /// The connector's program and its arguments.
    pub connector: Vec<String>,
    /// When it began, in RFC 3339; none where the document must be the same every time.
    pub began: Option<String>,
    /// The simulator's version.
    pub simulator: String,
    /// How long it took.
    pub micros: u64,
    /// The numbers of all runs.
    pub totals: Totals,
    /// Every run, by its seed.
    pub runs: Vec<Run>,
    /// Runs in all detail: those that failed, and what the first of them were shrunk to; or else
    /// the slowest and the last.
    pub stories: Vec<Story>,
}

/// Whether the promises were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Promises {
    /// All of them.
    Kept,
    /// Some run has broken one.
    Broken,
}

/// The numbers of one run or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbers {
    /// Sessions, of each recovery log on its own.
    pub sessions: u64,
    /// Processes of the connector.
    pub processes: u64,
    /// Transactions that were committed.
    pub transactions: u64,
    /// Rows that were committed.
    pub rows: u64,
    /// Files that became visible.
    pub files: u64,
    /// Requests to the S3 server.
    pub requests: u64,
    /// Incidents that happened.
    pub incidents: u64,
    /// Faults of the S3 server that struck.
    pub faults: u64,
}

/// The numbers of all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// How many runs there were.
    pub runs: u64,
    /// How many of them have broken a promise.
    pub failed: u64,
    /// Their numbers.
    pub numbers: Numbers,
    /// Incidents by kind, and by the step they came after.
    pub incidents_by_step: Vec<IncidentCount>,
    /// Faults by effect and operation.
    pub faults_by_operation: Vec<FaultCount>,
}

/// How often an incident happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentCount {
    /// What it is: `killed`.
    pub kind: &'static str,
    /// The step it came after.
    pub after: At,
    /// How often.
    pub count: u64,
}

/// How often a fault struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultCount {
    /// What it does: `slowDown`.
    pub effect: String,
    /// The operation, by its name in S3's reference.
    pub operation: String,
    /// How often.
    pub count: u64,
}

/// One run in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// How long it took.
    pub micros: u64,
    /// Its numbers.
    pub numbers: Numbers,
    /// The promises that it has broken.
    pub findings: Vec<Finding>,
}

/// One run in all detail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Story {
    /// Its seed.
    pub seed: u64,
    /// Whether its plan is what a seed's was shrunk to.
    pub is_shrunk: bool,
    /// Its plan.
    pub plan: Plan,
    /// The promises that it has broken.
    pub findings: Vec<Finding>,
    /// What has happened, in order; the same for the same plan.
    pub events: Vec<String>,
    /// The files in the end with their bytes; the same for the same plan.
    pub files: BTreeMap<String, u64>,
    /// Its numbers.
    pub numbers: Numbers,
    /// What happened when: a lane for each shard's session.
    pub timeline: Timeline,
    /// Every request to the S3 server.
    pub requests: Vec<Request>,
}
