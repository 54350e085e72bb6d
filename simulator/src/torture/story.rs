//! What happened when in a run, for people who look at it: nothing is judged by it, because times
//! are never the same twice.

use tokio::time::Instant;

use crate::runtime::Step;
use crate::s3;

/// The session of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The session's number, from 0.
    pub session: u64,
    /// The recovery log.
    pub lineage: u32,
    /// Where the shard's key range begins.
    pub begin: u32,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The runtime took a step.
    Step(Step),
    /// A transaction was committed.
    Committed {
        /// The rows that this shard has sent.
        rows: u64,
    },
    /// An incident of the plan: what it is, and after which step.
    Incident(String),
    /// The session failed.
    Failed(String),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Where.
    pub place: Place,
    /// What.
    pub what: Happening,
}

/// What happened when in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What happened, in order.
    pub told: Vec<Told>,
    /// Every request to the S3 server.
    pub requests: Vec<(s3::Entry, s3::Timing)>,
}

impl Default for Story {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            ended: now,
            told: Vec::new(),
            requests: Vec::new(),
        }
    }
}
