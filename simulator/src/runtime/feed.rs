//! Where the transactions of a session come from: all there from the start, or one by one as their
//! documents come.

use async_trait::async_trait;

use super::row::Transaction;

/// Where the transactions of a session come from.
#[async_trait]
pub trait Feed: Send {
    /// The next transaction, once it has closed; none where the session ends.
    async fn next(&mut self) -> Option<&Transaction>;

    /// Whether it is known that none follows.
    fn is_at_end(&self) -> bool;
}

/// Transactions that are all there.
pub(super) struct Given<'a>(pub(super) &'a [Transaction]);

#[async_trait]
impl Feed for Given<'_> {
    async fn next(&mut self) -> Option<&Transaction> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}
