//! What a run came to.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::Instant;

use super::check::{Evidence, Finding};
use super::files::of_table;
use super::plan::At;
use super::story::Story;
use super::world::World;
use crate::s3::{Effect, Outcome};

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What has happened, in order; the same for the same plan.
    pub events: Vec<String>,
    /// The files in the end with their bytes; the same for the same plan.
    pub files: BTreeMap<String, u64>,
    /// Promises that were broken.
    pub findings: Vec<Finding>,
    /// Numbers.
    pub tally: Tally,
    /// What happened when; never the same twice.
    pub story: Story,
}

/// Numbers of one run or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Sessions, of each recovery log on its own.
    pub sessions: u64,
    /// Processes of the connector.
    pub processes: u64,
    /// Transactions that were committed.
    pub transactions: u64,
    /// Sessions that did exactly the transaction again that a crash had interrupted, as the new
    /// runtime does.
    pub replays: u64,
    /// Sessions that ended while the connector waited for the end of the upload interval.
    pub waits: u64,
    /// Completions that the server lost, because their client went away.
    pub lost: u64,
    /// Rows that were committed.
    pub rows: u64,
    /// Files that became visible.
    pub files: u64,
    /// Requests to the S3 server.
    pub requests: u64,
    /// Incidents by kind, and by the step they came after.
    pub incidents: BTreeMap<(&'static str, At), u64>,
    /// Faults of the S3 server that struck, by effect and operation.
    pub faults: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Adds the numbers of further runs.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.sessions += other.sessions;
        self.processes += other.processes;
        self.transactions += other.transactions;
        self.replays += other.replays;
        self.waits += other.waits;
        self.lost += other.lost;
        self.rows += other.rows;
        self.files += other.files;
        self.requests += other.requests;
        for (incident, count) in &other.incidents {
            *self.incidents.entry(*incident).or_default() += count;
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
    }
}

pub(super) fn report(
    world: &World,
    events: Vec<String>,
    evidence: &Evidence,
    findings: Vec<Finding>,
) -> Report {
    let journal = world.servers.journal();
    let mut faults: BTreeMap<(String, String), u64> = BTreeMap::new();
    for entry in &journal {
        if let Some(effect) = &entry.fault {
            *faults
                .entry((name(effect), entry.target.operation.to_string()))
                .or_default() += 1;
        }
    }
    let lost = journal.iter();
    let lost = lost.filter(|entry| entry.outcome == Outcome::Lost).count();
    let record = world.record();
    let tally = Tally {
        runs: 1,
        sessions: record.sessions,
        processes: record.processes,
        transactions: record.committed,
        replays: record.replays,
        waits: record.waits,
        lost: lost as u64,
        rows: evidence
            .commits
            .iter()
            .map(|commit| commit.rows.len() as u64)
            .sum(),
        files: evidence.files.len() as u64,
        requests: journal.len() as u64,
        incidents: record.incidents.clone(),
        faults,
    };
    let story = Story {
        began: world.began,
        ended: Instant::now(),
        told: record.told.clone(),
        requests: world.servers.timed_journal(),
    };
    drop(record);
    Report {
        story,
        events,
        files: sizes(world),
        findings,
        tally,
    }
}

/// An effect's name, as plans write it.
fn name(effect: &Effect) -> String {
    match serde_json::to_value(effect) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(members)) => members.keys().next().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn sizes(world: &World) -> BTreeMap<String, u64> {
    world.servers.with_store(|store| {
        let files = of_table(store).into_iter();
        files
            .map(|(key, object)| (key, object.payload.length()))
            .collect()
    })
}
