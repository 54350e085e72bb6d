//! The journal: every request in the order of arrival, what was done to it, and how it ended.

use tokio::time::Instant;

use super::fault::Effect;
use super::request::{Operation, Target};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the journal, from 0. Also its `x-amz-request-id`, in hexadecimal digits.
    pub number: usize,
    /// Method, path and query, as they came.
    pub line: String,
    /// What it was about. The upload id of `CreateMultipartUpload` is the one it returned.
    pub target: Target,
    /// How many requests with the same operation, bucket, key and part came before, plus one.
    pub attempt: u32,
    /// The length of its body in bytes, as it declared it (without the framing of aws-chunked).
    pub bytes: u64,
    /// The fault that struck it, delays left out.
    pub fault: Option<Effect>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Entry {
    /// Whether it asked for something the server does not implement, even if it was refused for
    /// another reason.
    pub fn is_unsupported(&self) -> bool {
        let refused = matches!(self.outcome, Outcome::Answered { status: 501, .. });
        refused || self.target.operation == Operation::Unsupported
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is still running.
    Open,
    /// It was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The error's code, e.g. `NoSuchUpload`; `None` if the answer holds no error.
        code: Option<String>,
    },
    /// The connection was closed without an answer.
    Reset,
    /// Its client went away while it completed an upload, and the upload is
    /// [lost](super::Store::lose_upload).
    Lost,
}

/// When a request came and when it ended. It stands beside the journal, and not in it: the journal
/// is the same for the same seed, and times never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When its first lines were read.
    pub began: Instant,
    /// When its answer was ready, or its connection closed; none while it is still running.
    pub ended: Option<Instant>,
}

/// All requests so far.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Vec<Entry>,
    /// One for each entry.
    timings: Vec<Timing>,
}

impl Journal {
    /// Adds a request and returns its number.
    pub(super) fn open(
        &mut self,
        line: String,
        target: Target,
        attempt: u32,
        bytes: u64,
        fault: Option<Effect>,
    ) -> usize {
        let number = self.entries.len();
        self.timings.push(Timing {
            began: Instant::now(),
            ended: None,
        });
        self.entries.push(Entry {
            number,
            line,
            target,
            attempt,
            bytes,
            fault,
            outcome: Outcome::Open,
        });
        number
    }

    /// Notes how a request ended, and the id of the upload it created, if it did.
    pub(super) fn close(&mut self, number: usize, outcome: Outcome, upload_id: Option<String>) {
        self.timings[number].ended = Some(Instant::now());
        let entry = &mut self.entries[number];
        entry.outcome = outcome;
        if upload_id.is_some() {
            entry.target.upload_id = upload_id;
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// When each of the entries came and ended.
    pub(super) fn timings(&self) -> &[Timing] {
        &self.timings
    }
}
