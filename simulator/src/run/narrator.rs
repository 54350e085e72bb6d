//! What a run says while it goes on.

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::response::Validated;

use crate::catalog::BindingSelection;
use crate::runtime::{Log, Observer, Step, Verdict};
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
    /// The documents were read: before the first session, or as they came until the last one was over.
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
        /// Where it was killed.
        step: Step,
    },
    /// The connector failed, and the session begins anew on what the recovery log holds.
    Failed {
        /// Why, as Flow would show it.
        message: String,
    },
    /// A transaction was committed.
    Committed {
        /// Its number in the run, from 0.
        transaction: u64,
        /// The rows it sent.
        rows: usize,
    },
    /// The connector has logged something.
    Log(Log),
    /// The sessions are over, or one has failed. What the connector asked of the S3 server, if that is the run's own; the
    /// run's few requests to prepare the bucket are among them.
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

    /// The runtime has taken a step; a verdict to kill ends the connector there, and its session begins anew.
    fn step(&mut self, step: Step) -> Verdict {
        let _ = step;
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

/// Turns the runtime's steps into events, and keeps the connector's logs.
pub(super) struct Narrator<'a> {
    pub(super) progress: &'a mut dyn Progress,
    pub(super) logs: Vec<Log>,
    /// The rows of the transaction that is being sent.
    rows: usize,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(progress: &'a mut dyn Progress) -> Self {
        Self {
            progress,
            logs: Vec::new(),
            rows: 0,
        }
    }
}

impl Observer for Narrator<'_> {
    fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::FlushSent => self.rows = 0,
            Step::StoreSent { .. } => self.rows += 1,
            Step::Committed { transaction } => {
                self.progress.event(Event::Committed {
                    transaction,
                    rows: self.rows,
                });
            }
            _ => {}
        }
        self.progress.step(step)
    }

    fn log(&mut self, log: &Log) {
        self.logs.push(log.clone());
        self.progress.event(Event::Log(log.clone()));
    }
}
