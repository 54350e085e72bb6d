//! What must be true of a run, whatever happened in it: one checker for each promise.
//!
//! A checker sees nothing but the [`Evidence`], so each is tested with evidence of its own that it
//! must object to.

mod early;
mod left_behind;
mod once;
mod order;
mod overwrite;
mod sessions;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use early::NothingEarly;
pub use left_behind::NothingLeftBehind;
pub use once::ExactlyOnce;
pub use order::InOrder;
pub use overwrite::NeverOverwritten;
pub use sessions::NoFailureWithoutCause;
pub use state::StateBounded;

/// Judges one promise.
pub trait Checker {
    /// The promise, in a few words.
    fn promise(&self) -> &'static str;

    /// What speaks against it.
    fn check(&self, evidence: &Evidence) -> Vec<String>;
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The promise, in a few words.
    pub promise: &'static str,
    /// What speaks against it.
    pub evidence: String,
}

/// Every promise.
pub fn all() -> Vec<Box<dyn Checker + Send + Sync>> {
    vec![
        Box::new(ExactlyOnce),
        Box::new(NothingEarly),
        Box::new(NeverOverwritten),
        Box::new(InOrder),
        Box::new(StateBounded),
        Box::new(NothingLeftBehind),
        Box::new(NoFailureWithoutCause),
    ]
}

/// What every checker finds.
pub fn judge(evidence: &Evidence) -> Vec<Finding> {
    let findings = all().into_iter().flat_map(|checker| {
        let promise = checker.promise();
        let objections = checker.check(evidence).into_iter();
        objections.map(move |evidence| Finding { promise, evidence })
    });
    findings.collect()
}

/// What is known of a run once it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What the recovery logs have committed, in order.
    pub commits: Vec<Commit>,
    /// The files that became visible, those that a loader has taken away included.
    pub files: Vec<File>,
    /// Whether one recovery log knows what all shards have written.
    pub shards_share_a_log: bool,
    /// How often each file of the table was written.
    pub writes: BTreeMap<String, u64>,
    /// Files that may have been written again as they were, because it was recorded what did so.
    pub may_be_repeated: BTreeSet<String>,
    /// Files that may be missing, because it was recorded what took them: a rule of the bucket, a
    /// server that loses completions, or whoever deleted their task.
    pub may_be_missing: BTreeSet<String>,
    /// Uploads, staged objects and receipts that the last session had to throw away.
    pub left_behind: Vec<String>,
    /// Uploads and objects of others that are no longer there.
    pub bystanders_gone: Vec<String>,
    /// The states after an Acknowledge.
    pub states: Vec<StateSample>,
    /// What went wrong without a cause.
    pub surprises: Vec<String>,
}

/// What tells one row from every other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// How often the task had been made again.
    pub generation: u32,
    /// The document's number.
    pub number: u64,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which one.
    pub id: RowId,
    /// Its key.
    pub key: u32,
    /// A digest of what else it holds.
    pub digest: u64,
}

/// Where rows come from in order: the same shard's same binding, as long as its state lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The recovery log.
    pub lineage: u32,
    /// The shard.
    pub key_begin: u32,
    /// The binding.
    pub binding: usize,
    /// Its backfill.
    pub backfill: u32,
}

/// The rows of one binding of one shard that one transaction has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The place of its transaction among all.
    pub number: u64,
    /// Where they come from.
    pub stream: Stream,
    /// The rows as they were sent.
    pub rows: Vec<Row>,
    /// The files that the state names for them, with their numbers of rows, in order.
    pub staged: Vec<(String, usize)>,
}

/// A file that became visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its key.
    pub key: String,
    /// Its rows, in order; or why it cannot be read.
    pub rows: Result<Vec<Row>, String>,
    /// How many transactions were committed when it was first seen.
    pub seen_at: u64,
}

/// A state after an Acknowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSample {
    /// When that was.
    pub at: String,
    /// The staged files in it that the session was to make visible.
    pub staged: usize,
    /// Its bytes as JSON, without what a parent shard has left in it.
    pub bytes: usize,
    /// How many pairs of state key and shard it may speak of.
    pub places: usize,
    /// How many writers it knows of each shard.
    pub writers: Vec<usize>,
}

impl Evidence {
    /// The rows whose files may be missing.
    pub(super) fn excused(&self) -> BTreeSet<RowId> {
        self.commits
            .iter()
            .flat_map(|commit| self.excused_of(commit))
            .collect()
    }

    fn excused_of(&self, commit: &Commit) -> Vec<RowId> {
        let mut excused = Vec::new();
        let mut at = 0;
        for (key, rows) in &commit.staged {
            let end = (at + rows).min(commit.rows.len());
            if self.may_be_missing.contains(key) {
                excused.extend(commit.rows[at..end].iter().map(|row| row.id));
            }
            at = end;
        }
        excused
    }
}

/// The first few of many, as text.
fn first_few<T: ToString>(items: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    match items.len() {
        0..=SHOWN => shown.join(", "),
        count => format!("{} and {} more", shown.join(", "), count - SHOWN),
    }
}
