//! The transactions of a run, made of its documents: all of them before the first session, or each as it closes.

use async_trait::async_trait;

use super::documents::{Documents, LiveDocuments};
use super::error::{Error, Result};
use super::rows::RowMaker;
use crate::runtime::{Feed, Transaction};

/// The transactions of a run. Those that were made are kept: they are sent again after a crash, and compared in the end.
pub(super) struct Supply<'a> {
    maker: &'a RowMaker<'a>,
    made: Vec<Transaction>,
    live: Option<LiveDocuments>,
    /// The transaction that comes next.
    at: usize,
    /// The one that the session ends before.
    end: usize,
    failure: Option<Error>,
    /// How many documents have come since the run began.
    live_documents: u64,
}

impl<'a> Supply<'a> {
    /// Makes the transactions whose documents are there already.
    pub(super) fn new(maker: &'a RowMaker<'a>, documents: Documents) -> Result<Self> {
        let numbered = documents.transactions.iter().enumerate();
        let made = numbered
            .map(|(number, documents)| maker.transaction(number, documents))
            .collect::<Result<_>>()?;
        Ok(Self {
            maker,
            made,
            live: documents.live,
            at: 0,
            end: 0,
            failure: None,
            live_documents: 0,
        })
    }

    /// Prepares a session of `length` transactions, negative for all that are left, after those that are committed. Returns
    /// how many that is, where it is known.
    pub(super) fn session(&mut self, committed: u64, length: i64) -> Option<usize> {
        self.at = committed as usize;
        let left = self.made.len().saturating_sub(self.at);
        let length = usize::try_from(length).ok();
        let known = match (&self.live, length) {
            (None, length) => Some(length.unwrap_or(left).min(left)),
            (Some(_), length) => length,
        };
        self.end = known.map_or(usize::MAX, |known| self.at.saturating_add(known));
        known
    }

    /// Goes back to what comes after the committed ones.
    pub(super) fn rewind(&mut self, committed: u64) {
        self.at = committed as usize;
    }

    /// Errors where documents that came were wrong.
    pub(super) fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Whether documents may still come.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// How many documents have come since the run began.
    pub(super) fn live_documents(&self) -> u64 {
        self.live_documents
    }

    /// The transactions made so far.
    pub(super) fn made(&self) -> &[Transaction] {
        &self.made
    }

    /// What becomes of it in the end.
    pub(super) fn into_made(self) -> Vec<Transaction> {
        self.made
    }

    async fn arrive(&mut self) -> Result<Option<Transaction>> {
        let Some(live) = &mut self.live else {
            return Ok(None);
        };
        let Some(documents) = live.next().await? else {
            self.live = None;
            return Ok(None);
        };
        self.live_documents += documents.len() as u64;
        self.maker
            .transaction(self.made.len(), &documents)
            .map(Some)
    }
}

#[async_trait]
impl Feed for Supply<'_> {
    async fn next(&mut self) -> Option<&Transaction> {
        if self.at >= self.end {
            return None;
        }
        if self.at == self.made.len() {
            match self.arrive().await {
                Ok(Some(transaction)) => self.made.push(transaction),
                Ok(None) => return None,
                Err(error) => {
                    self.failure = Some(error);
                    return None;
                }
            }
        }
        self.at += 1;
        self.made.get(self.at - 1)
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.end || (self.live.is_none() && self.at >= self.made.len())
    }
}
