//! The steps of a session, in the order in which the runtime takes them, and the observer that
//! hears of each.
//!
//! A crash can only fall between two of them, so a test that kills at every step has met every
//! crash there is.

use super::log::Log;

/// What the runtime has just done, or just learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A process was started; its number counts from 0 over the whole run.
    Started {
        /// The number of this process.
        incarnation: u64,
    },
    /// Apply was answered.
    Applied,
    /// Open was sent. The connector cleans up.
    OpenSent,
    /// Opened was received.
    Opened,
    /// Acknowledge was sent. The connector makes what is committed visible.
    AcknowledgeSent,
    /// Acknowledged was received; its state is not persisted yet.
    Acknowledged,
    /// The state of Acknowledged is in the recovery log.
    AcknowledgedPersisted,
    /// A Load was handed to the pipe.
    LoadSent {
        /// How many of this transaction have been, this one included.
        count: u64,
    },
    /// Flush was sent.
    FlushSent,
    /// Flushed was received; its state is not persisted yet.
    Flushed,
    /// The state of Flushed is in the recovery log.
    FlushedPersisted,
    /// A Store was handed to the pipe.
    StoreSent {
        /// How many of this transaction have been, this one included.
        count: u64,
    },
    /// `StartCommit` was sent.
    StartCommitSent,
    /// `StartedCommit` was received; nothing is committed yet.
    StartedCommit,
    /// Checkpoint and state are in the recovery log: the transaction counts.
    Committed {
        /// The transaction's number in the run, from 0.
        transaction: u64,
    },
    /// Standard input was closed.
    InputClosed,
    /// The process ended as it should.
    Ended,
}

/// What to do after a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    #[default]
    Continue,
    /// Kill the connector now, with nothing to say about it: SIGKILL.
    Kill,
    /// Turn away from the connector, which goes on running: what becomes of it is for the caller to
    /// decide.
    Leave,
}

/// Hears of every step as it happens, and of every line the connector logs.
pub trait Observer: Send {
    /// A step was taken.
    fn step(&mut self, step: Step) -> Verdict {
        let _ = step;
        Verdict::Continue
    }

    /// The connector has logged `log`; told between steps, in order.
    fn log(&mut self, log: &Log) {
        let _ = log;
    }
}

/// Sees nothing and stops nothing.
impl Observer for () {}
