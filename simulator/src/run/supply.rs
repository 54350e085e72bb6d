//! The transactions of a run, made of its documents: all of them before the first session, or each
//! as it closes. Every recovery log reads them on its own, as far as it has committed.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::documents::{Documents, LiveDocuments};
use super::error::{Error, Result};
use super::rows::RowMaker;
use crate::runtime::{Feed, Transaction};

/// The transactions of a run. Those that were made are kept: they are sent again after a crash, to
/// every shard, and compared in the end.
pub(super) struct Supply<'a>(Mutex<Source<'a>>);

struct Source<'a> {
    maker: &'a RowMaker<'a>,
    made: Vec<Arc<Transaction>>,
    live: Option<LiveDocuments>,
    failure: Option<Error>,
    /// How many documents have come since the run began.
    live_documents: u64,
}

impl<'a> Supply<'a> {
    /// Makes the transactions whose documents are there already.
    pub(super) fn new(maker: &'a RowMaker<'a>, documents: Documents) -> Result<Self> {
        let numbered = documents.transactions.iter().enumerate();
        let made = numbered
            .map(|(number, documents)| maker.transaction(number, documents).map(Arc::new))
            .collect::<Result<_>>()?;
        Ok(Self(Mutex::new(Source {
            maker,
            made,
            live: documents.live,
            failure: None,
            live_documents: 0,
        })))
    }

    /// A session of `length` transactions, negative for all that are left, after those that are
    /// committed. Beside it how many that is, where it is known.
    pub(super) async fn session(
        &self,
        committed: u64,
        length: i64,
    ) -> (Reader<'_, 'a>, Option<usize>) {
        let source = self.0.lock().await;
        let at = committed as usize;
        let left = source.made.len().saturating_sub(at);
        let length = usize::try_from(length).ok();
        let known = match (&source.live, length) {
            (None, length) => Some(length.unwrap_or(left).min(left)),
            (Some(_), length) => length,
        };
        let reader = Reader {
            supply: self,
            at,
            end: known.map_or(usize::MAX, |known| at.saturating_add(known)),
            last: source.live.is_none().then_some(source.made.len()),
            current: None,
        };
        (reader, known)
    }

    /// Errors where documents that came were wrong.
    pub(super) async fn check(&self) -> Result<()> {
        self.0.lock().await.failure.take().map_or(Ok(()), Err)
    }

    /// Whether documents may still come.
    pub(super) async fn is_live(&self) -> bool {
        self.0.lock().await.live.is_some()
    }

    /// How many documents have come since the run began.
    pub(super) async fn live_documents(&self) -> u64 {
        self.0.lock().await.live_documents
    }

    /// The transactions made so far.
    pub(super) async fn made(&self) -> Vec<Arc<Transaction>> {
        self.0.lock().await.made.clone()
    }
}

impl Source<'_> {
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

    /// The transaction with a number, once it has closed; none where there is none.
    async fn nth(&mut self, number: usize) -> Option<Arc<Transaction>> {
        if number == self.made.len() {
            match self.arrive().await {
                Ok(Some(transaction)) => self.made.push(Arc::new(transaction)),
                Ok(None) => {}
                Err(error) => self.failure = Some(error),
            }
        }
        self.made.get(number).cloned()
    }
}

/// What one recovery log reads in a session.
pub(super) struct Reader<'s, 'a> {
    supply: &'s Supply<'a>,
    /// The transaction that comes next.
    at: usize,
    /// The one that the session ends before.
    end: usize,
    /// How many transactions there are, once no more can come.
    last: Option<usize>,
    current: Option<Arc<Transaction>>,
}

impl Reader<'_, '_> {
    /// Goes back to what comes after the committed ones.
    pub(super) fn rewind(&mut self, committed: u64) {
        self.at = committed as usize;
    }
}

#[async_trait]
impl Feed for Reader<'_, '_> {
    async fn next(&mut self) -> Option<&Transaction> {
        if self.at >= self.end {
            return None;
        }
        let mut source = self.supply.0.lock().await;
        self.current = source.nth(self.at).await;
        self.last = source.live.is_none().then_some(source.made.len());
        self.at += usize::from(self.current.is_some());
        self.current.as_deref()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.end || self.last.is_some_and(|last| self.at >= last)
    }
}
