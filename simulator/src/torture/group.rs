//! The shards that share a recovery log: all shards of a task under the new runtime, each one alone
//! under the old.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::oneshot;

use super::plan::{At, Transaction};
use super::staged;
use crate::runtime::{KeyRange, RecoveryLog};

/// One that is stopped: until when, and what wakes it when dropped.
type Sleeper = (At, oneshot::Sender<()>);

/// Connectors that are stopped until somebody wakes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sleepers(Arc<Mutex<Vec<Sleeper>>>);

impl Sleepers {
    /// Adds one that is to be woken at a step. What is returned hears of it.
    pub(super) fn add(&self, until: At) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        self.0.lock().push((until, wake));
        woken
    }

    /// Wakes those that wait for a step.
    pub(super) fn wake(&self, at: At) {
        // To be dropped is to be woken.
        self.0.lock().retain(|(until, _)| *until != at);
    }

    /// Wakes all.
    pub(super) fn wake_all(&self) {
        self.0.lock().clear();
    }
}

/// The shards that share a recovery log.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Names the recovery log.
    pub(super) lineage: u32,
    pub(super) shards: Vec<KeyRange>,
    pub(super) log: RecoveryLog,
    /// The state that the last processes were opened with.
    pub(super) opened_with: Value,
    /// The number of the next document to read.
    pub(super) position: u64,
    /// The specification that was applied last.
    pub(super) applied: u64,
    pub(super) sleepers: Sleepers,
    /// The transaction that the new runtime has begun, from Flushed until the commit: after a
    /// crash it does exactly that again.
    pub(super) hinted: Option<Transaction>,
}

impl Group {
    /// One shard that has everything before it.
    pub(super) fn new(lineage: u32) -> Self {
        Self {
            lineage,
            shards: vec![KeyRange::WHOLE],
            log: RecoveryLog::default(),
            opened_with: Value::Null,
            position: 0,
            applied: 0,
            sleepers: Sleepers::default(),
            hinted: None,
        }
    }

    /// A shard that begins with a copy of this one's recovery log.
    pub(super) fn child(&self, range: KeyRange, lineage: u32) -> Self {
        Self {
            lineage,
            shards: vec![range],
            sleepers: Sleepers::default(),
            ..self.clone()
        }
    }

    /// The keys of all its shards: they lie side by side.
    pub(super) fn range(&self) -> KeyRange {
        let begin = self.shards.first().map_or(0, |shard| shard.begin);
        KeyRange {
            begin,
            end: self.shards.last().map_or(u32::MAX, |shard| shard.end),
        }
    }

    /// What its sessions have to complete.
    pub(super) fn staged(&self) -> Vec<staged::StagedEntry> {
        let range = self.range();
        let mut staged = staged::staged(&self.log.state);
        staged.retain(|entry| range.contains(entry.key_begin));
        staged
    }

    /// Whether it has read as far as `other`, and everything is acknowledged.
    pub(super) fn has_nothing_left_to_do(&self, other: &Self) -> bool {
        self.position == other.position && self.staged().is_empty()
    }
}
