//! What a run says while it goes on.

use std::collections::BTreeMap;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::response::Validated;
use parking_lot::{Mutex, MutexGuard};

use super::endpoint::Replaced;
use crate::catalog::BindingSelection;
use crate::runtime::{Audience, Log, Seat, Step, Verdict};
use crate::s3;

/// Something worth a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The catalog was read.
    Loaded {
        /// The task.
        task: String,
        /// How many bindings it has.
        bindings: usize,
    },
    /// The documents were read: before the first session, or as they came until the last one was
    /// over.
    Documents {
        /// How many.
        documents: u64,
        /// In how many transactions.
        transactions: usize,
        /// Where they come from.
        source: String,
    },
    /// The bucket is there.
    Bucket {
        /// Its name.
        name: String,
        /// The URL of its server.
        endpoint: String,
    },
    /// What the run has in place of what the catalog says.
    Replaced(Vec<Replaced>),
    /// The connector was asked, and fields were selected.
    Selected {
        /// The binding's source.
        collection: String,
        /// Where its files will be.
        prefix: String,
        /// How many fields are materialized.
        selected: usize,
        /// How many the collection has.
        fields: usize,
    },
    /// The specification was built.
    Built(Box<Published>),
    /// The documents were combined to rows, and are ready to be sent.
    Combined {
        /// The rows of each transaction.
        rows: Vec<u64>,
    },
    /// A session begins.
    Session {
        /// Its number, from 1.
        number: u64,
        /// How many transactions it will have; none where documents still come.
        transactions: Option<usize>,
    },
    /// A session begins for the sole purpose of acknowledging the last commit of the one before.
    Completing,
    /// The connector was killed, and the session begins anew on what the recovery log holds.
    Restarted {
        /// The shard whose session it is, from 0; none where all shards begin anew, or there is
        /// only one.
        shard: Option<u32>,
        /// Where it was killed.
        step: Step,
    },
    /// The connector failed, and the session begins anew on what the recovery log holds.
    Failed {
        /// The shard whose session it is, as in [`Event::Restarted`].
        shard: Option<u32>,
        /// Why, as Flow would show it.
        message: String,
    },
    /// A transaction was committed.
    Committed {
        /// The shard that has, from 0; none where there is only one. Under the new runtime all
        /// shards commit at once.
        shard: Option<u32>,
        /// Its number in the run, from 0.
        transaction: u64,
        /// The rows it sent, or this shard of it.
        rows: usize,
    },
    /// The connector has logged something.
    Log(Log),
    /// The sessions are over, or one has failed. What the connector asked of the S3 server, if that
    /// is the run's own; the run's few requests to prepare the bucket are among them.
    Requests(Vec<(s3::Entry, s3::Timing)>),
    /// The files of a binding were fetched and are compared.
    Comparing {
        /// Where the files are.
        prefix: String,
        /// How many files.
        files: usize,
        /// How many rows they must have.
        rows: usize,
    },
}

/// What was published: the connector's answer, and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The connector's command.
    pub command: Vec<String>,
    /// The codec's name.
    pub codec: &'static str,
    /// The connector's answer to Validate.
    pub validated: Validated,
    /// What was built of it.
    pub built: MaterializationSpec,
    /// Each binding's selection, with its reasons.
    pub selections: Vec<BindingSelection>,
}

/// Hears what a run says.
pub trait Progress: Send {
    /// Something happened.
    fn event(&mut self, event: Event);

    /// The runtime has taken a step with a shard, counted from 0; a verdict to kill ends that
    /// connector there, and its session begins anew.
    fn step(&mut self, shard: u32, step: Step) -> Verdict {
        let _ = (shard, step);
        Verdict::Continue
    }
}

/// Hears nothing.
impl Progress for () {
    fn event(&mut self, _event: Event) {}
}

/// Keeps every event.
impl Progress for Vec<Event> {
    fn event(&mut self, event: Event) {
        self.push(event);
    }
}

/// Turns the runtime's steps into events, and keeps the connector's logs. Shards that run at the
/// same time share it.
pub(super) struct Narrator<'a> {
    /// How many shards there are.
    shards: u32,
    telling: Mutex<Telling<'a>>,
}

struct Telling<'a> {
    progress: &'a mut dyn Progress,
    logs: Vec<Log>,
    /// The rows of the transaction that each shard is sending.
    rows: BTreeMap<u32, usize>,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(progress: &'a mut dyn Progress, shards: u32) -> Self {
        Self {
            shards,
            telling: Mutex::new(Telling {
                progress,
                logs: Vec::new(),
                rows: BTreeMap::new(),
            }),
        }
    }

    /// Tells of an event.
    pub(super) fn event(&self, event: Event) {
        self.telling().progress.event(event);
    }

    /// What is told before there are shards, and after them.
    pub(super) fn first(&self) -> Seat<'_> {
        Seat::new(0, self)
    }

    /// Every log so far.
    pub(super) fn logs(&self) -> Vec<Log> {
        self.telling().logs.clone()
    }

    fn telling(&self) -> MutexGuard<'_, Telling<'a>> {
        self.telling.lock()
    }
}

impl Audience for Narrator<'_> {
    fn hear_step(&self, shard: u32, step: Step) -> Verdict {
        let mut telling = self.telling();
        let rows = telling.rows.entry(shard).or_default();
        match step {
            Step::FlushSent => *rows = 0,
            Step::StoreSent { .. } => *rows += 1,
            Step::Committed { transaction } => {
                let rows = *rows;
                telling.progress.event(Event::Committed {
                    shard: (self.shards > 1).then_some(shard),
                    transaction,
                    rows,
                });
            }
            _ => {}
        }
        telling.progress.step(shard, step)
    }

    fn hear_log(&self, _shard: u32, log: &Log) {
        let mut telling = self.telling();
        telling.logs.push(log.clone());
        telling.progress.event(Event::Log(log.clone()));
    }
}
