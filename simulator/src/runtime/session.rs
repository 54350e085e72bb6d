//! One session of one shard: Open, and then transactions until the input ends. What the protocol
//! does not allow is an error.
//!
//! ```text
//! in : Open   ( Acknowledge   Load*   Flush   Store*   StartCommit   )*  Acknowledge?  EOF
//! out: Opened ( Acknowledged  Loaded* Flushed          StartedCommit )*  Acknowledged? EOF
//! ```

use bytes::Bytes;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::ConnectorState;
use materialize_s3_parquet::protocol::materialize::{Request, request, response};

use super::connector::Connector;
use super::error::{Error, Result};
use super::row::{Row, Tuples};
use super::step::{Observer, Step};

/// Where a session stands between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Open is sent; Opened is due.
    Opening,
    /// Opened; the first Acknowledge comes next.
    Opened,
    /// Acknowledge is sent; Acknowledged is due.
    Acknowledging,
    /// Acknowledged; Flush or the end comes next.
    Idle,
    /// Flushed; rows are sent.
    Storing,
    /// `StartedCommit` has come; the runtime commits, then sends Acknowledge.
    Committing,
}

/// One session of one shard.
pub struct Session {
    connector: Connector,
    tuples: Tuples,
    phase: Phase,
    /// What was loaded for the transaction that goes on.
    loaded: Vec<response::Loaded>,
}

impl Session {
    /// Opens a session on a connector that has answered its first Spec. Returns what Opened said
    /// besides.
    pub async fn open(
        connector: Connector,
        open: request::Open,
        tuples: Tuples,
        observer: &mut dyn Observer,
    ) -> Result<(Self, response::Opened)> {
        let mut session = Self::begin(connector, open, tuples).await?;
        let opened = session.opened(observer).await?;
        Ok((session, opened))
    }

    /// Sends Open. [`Session::opened`] comes next.
    pub async fn begin(connector: Connector, open: request::Open, tuples: Tuples) -> Result<Self> {
        let mut session = Self {
            connector,
            tuples,
            phase: Phase::Opening,
            loaded: Vec::new(),
        };
        session
            .send(Request {
                open: Some(open),
                ..Request::default()
            })
            .await?;
        Ok(session)
    }

    /// Waits for Opened. Returns what it said.
    pub async fn opened(&mut self, observer: &mut dyn Observer) -> Result<response::Opened> {
        self.reach(Step::OpenSent, observer).await?;
        let opened = self
            .connector
            .expect("Opened", |response| response.opened)
            .await;
        self.connector.tell_logs(observer);
        let opened = opened?;
        self.phase = Phase::Opened;
        self.reach(Step::Opened, observer).await?;
        Ok(opened)
    }

    /// Sends Acknowledge: what is committed shall become visible. `patches` as in `StartCommit`.
    pub async fn acknowledge(&mut self, patches: Bytes, observer: &mut dyn Observer) -> Result<()> {
        self.connector
            .expect_silence("before Acknowledge was sent")?;
        let acknowledge = request::Acknowledge {
            state_patches_json: patches,
        };
        self.send(Request {
            acknowledge: Some(acknowledge),
            ..Request::default()
        })
        .await?;
        self.phase = Phase::Acknowledging;
        self.reach(Step::AcknowledgeSent, observer).await
    }

    /// Asks for the keys of rows. They may be asked for before Acknowledged has come.
    pub async fn load<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r Row> + Send,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        for (row, count) in rows.zip(1..) {
            self.connector.feed(&row.load(self.tuples)).await?;
            self.reach(Step::LoadSent { count }, observer).await?;
        }
        self.connector.flush().await;
        Ok(())
    }

    /// What was loaded since the last time.
    pub fn take_loaded(&mut self) -> Vec<response::Loaded> {
        std::mem::take(&mut self.loaded)
    }

    /// Whether Acknowledged is still due.
    pub fn is_acknowledging(&self) -> bool {
        self.phase == Phase::Acknowledging
    }

    /// Waits for Acknowledged. Returns its state, which is for the caller to persist.
    pub async fn acknowledged(
        &mut self,
        observer: &mut dyn Observer,
    ) -> Result<Option<ConnectorState>> {
        let acknowledged = self
            .connector
            .expect_after_loaded("Acknowledged", &mut self.loaded, |response| {
                response.acknowledged
            })
            .await;
        self.connector.tell_logs(observer);
        let acknowledged = acknowledged?;
        self.phase = Phase::Idle;
        self.reach(Step::Acknowledged, observer).await?;
        Ok(acknowledged.state)
    }

    /// Sends Flush and waits for Flushed. Returns its state.
    pub async fn flush(
        &mut self,
        patches: Bytes,
        observer: &mut dyn Observer,
    ) -> Result<Option<ConnectorState>> {
        self.connector
            .expect_only_loaded("before Flush was sent", &mut self.loaded)?;
        let flush = request::Flush {
            state_patches_json: patches,
            ..request::Flush::default()
        };
        self.send(Request {
            flush: Some(flush),
            ..Request::default()
        })
        .await?;
        self.reach(Step::FlushSent, observer).await?;
        let flushed = self
            .connector
            .expect_after_loaded("Flushed", &mut self.loaded, |response| response.flushed)
            .await;
        self.connector.tell_logs(observer);
        let flushed = flushed?;
        self.phase = Phase::Storing;
        self.reach(Step::Flushed, observer).await?;
        Ok(flushed.state)
    }

    /// Sends rows.
    pub async fn store<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r Row> + Send,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        for (row, count) in rows.zip(1..) {
            self.connector.feed(&row.request(self.tuples)).await?;
            self.reach(Step::StoreSent { count }, observer).await?;
        }
        Ok(())
    }

    /// Sends `StartCommit` and waits for `StartedCommit`. Returns its state, which commits with the
    /// checkpoint.
    pub async fn start_commit(
        &mut self,
        checkpoint: Checkpoint,
        patches: Bytes,
        observer: &mut dyn Observer,
    ) -> Result<Option<ConnectorState>> {
        self.connector.expect_silence("while rows were stored")?;
        let start = request::StartCommit {
            runtime_checkpoint: Some(checkpoint),
            state_patches_json: patches,
        };
        self.send(Request {
            start_commit: Some(start),
            ..Request::default()
        })
        .await?;
        self.reach(Step::StartCommitSent, observer).await?;
        let started = self
            .connector
            .expect("StartedCommit", |response| response.started_commit)
            .await;
        self.connector.tell_logs(observer);
        let started = started?;
        self.phase = Phase::Committing;
        self.reach(Step::StartedCommit, observer).await?;
        Ok(started.state)
    }

    /// Ends the session in good order: closes the input and requires the end of the output and exit
    /// status 0. Where Acknowledged is still due, the connector may send it first, and its
    /// state is returned.
    pub async fn end(mut self, observer: &mut dyn Observer) -> Result<Option<ConnectorState>> {
        if !self.loaded.is_empty() {
            return Err(Error::violation(
                "it sent Loaded where nothing was asked for",
            ));
        }
        self.connector.close_input().await;
        self.reach(Step::InputClosed, observer).await?;
        let mut state = None;
        if self.is_acknowledging()
            && let Some(response) = self
                .connector
                .receive("Acknowledged, or the end of its output")
                .await?
        {
            let Some(acknowledged) = response.acknowledged else {
                return Err(Error::violation(
                    "it answered the end of its input with something other than Acknowledged",
                ));
            };
            self.reach(Step::Acknowledged, observer).await?;
            state = acknowledged.state;
        }
        self.connector.expect_end(observer).await?;
        self.reach(Step::Ended, observer).await?;
        Ok(state)
    }

    /// The id of the connector's process, where it is one.
    pub fn pid(&self) -> Option<u32> {
        self.connector.pid()
    }

    /// The connector alone, for what no orderly session says.
    pub fn into_connector(self) -> Connector {
        self.connector
    }

    /// Tells the observer of a step that the caller has taken for this session.
    pub async fn reach(&mut self, step: Step, observer: &mut dyn Observer) -> Result<()> {
        self.connector.reach(step, observer).await
    }

    async fn send(&mut self, request: Request) -> Result<()> {
        self.connector.send(&request).await
    }
}
