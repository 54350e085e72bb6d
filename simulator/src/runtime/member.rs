//! The shards of a task in a session: each phase is played by all of them at the same time.

use bytes::Bytes;
use futures_util::future::join_all;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::ConnectorState;

use super::audience::Seat;
use super::error::Result;
use super::session::Session;
use super::standard::Share;
use super::step::Step;

/// The states of all shards, in their order.
type States = Vec<Option<ConnectorState>>;

/// A shard in a session.
pub(super) struct Member<'a> {
    pub(super) session: Session,
    pub(super) seat: Seat<'a>,
}

impl Member<'_> {
    async fn store(
        &mut self,
        share: &Share<'_>,
        checkpoint: Checkpoint,
        patches: Bytes,
    ) -> Result<Option<ConnectorState>> {
        let rows = share.rows.iter().map(AsRef::as_ref);
        self.session.store(rows, &mut self.seat).await?;
        self.session
            .start_commit(checkpoint, patches, &mut self.seat)
            .await
    }
}

/// All shards of a session, in the order of their key ranges.
pub(super) struct Members<'a>(pub(super) Vec<Member<'a>>);

impl Members<'_> {
    pub(super) async fn acknowledge(&mut self, patches: &Bytes) -> Result<()> {
        let all = self.0.iter_mut();
        let all = all.map(|member| {
            member
                .session
                .acknowledge(patches.clone(), &mut member.seat)
        });
        join_all(all).await.into_iter().collect()
    }

    /// Whether an Acknowledged is still due.
    pub(super) fn is_acknowledging(&self) -> bool {
        self.0
            .iter()
            .any(|member| member.session.is_acknowledging())
    }

    pub(super) async fn acknowledged(&mut self) -> Result<States> {
        let all = self.0.iter_mut();
        let all = all.map(|member| member.session.acknowledged(&mut member.seat));
        join_all(all).await.into_iter().collect()
    }

    pub(super) async fn flush(&mut self, patches: &Bytes) -> Result<States> {
        let all = self.0.iter_mut();
        let all = all.map(|member| member.session.flush(patches.clone(), &mut member.seat));
        join_all(all).await.into_iter().collect()
    }

    /// Has each shard asked for what its share of a transaction needs.
    pub(super) async fn load(&mut self, shares: &[Share<'_>]) -> Result<()> {
        let all = self.0.iter_mut().zip(shares);
        let all = all.map(|(member, share)| member.session.load(share.asked(), &mut member.seat));
        join_all(all).await.into_iter().collect()
    }

    /// Sends each shard its rows, and waits until all have started to commit.
    pub(super) async fn store(
        &mut self,
        shares: &[Share<'_>],
        checkpoint: &Checkpoint,
        patches: &Bytes,
    ) -> Result<States> {
        let all = self.0.iter_mut().zip(shares);
        let all =
            all.map(|(member, share)| member.store(share, checkpoint.clone(), patches.clone()));
        join_all(all).await.into_iter().collect()
    }

    /// Tells of a step that the runtime has taken for all.
    pub(super) async fn reach(&mut self, step: Step) -> Result<()> {
        for member in &mut self.0 {
            member.session.reach(step, &mut member.seat).await?;
        }
        Ok(())
    }

    pub(super) async fn end(&mut self) -> Result<States> {
        let all = self.0.drain(..).map(|member| async move {
            let Member {
                session, mut seat, ..
            } = member;
            session.end(&mut seat).await
        });
        join_all(all).await.into_iter().collect()
    }

    /// Kills what still runs, and waits until it is gone: where one shard fails, the session is
    /// over for all.
    pub(super) async fn kill(self) {
        for member in self.0 {
            // Whatever goes wrong here, what led here is to be told.
            let _ = member.session.into_connector().kill().await;
        }
    }
}
