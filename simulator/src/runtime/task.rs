//! A task: sessions one after the other on top of one recovery log, each from Apply to the end of its input.

use bytes::Bytes;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::{ConnectorState, MaterializationSpec};
use materialize_s3_parquet::protocol::materialize::request;
use serde_json::Value;

use super::error::{Error, Result};
use super::feed::{Feed, Given};
use super::range::KeyRange;
use super::recovery::{RecoveryLog, patches_json};
use super::row::{Runtime, Transaction};
use super::session::Session;
use super::step::{Observer, Step};
use super::unary::Incarnations;

/// How often Apply may answer with a state before it must be done.
const MOST_APPLIES: usize = 100;

/// A task of one shard. Its recovery log is all that it needs to go on after a crash.
pub struct Task<'a> {
    /// Starts its connectors.
    pub incarnations: Incarnations<'a>,
    /// The runtime that is played.
    pub runtime: Runtime,
    /// What it runs.
    pub spec: &'a MaterializationSpec,
    /// The id of the build that `spec` comes from.
    pub version: &'a str,
    /// The keys that its shard takes.
    pub range: KeyRange,
    /// What survives its crashes.
    pub log: RecoveryLog,
}

impl Task<'_> {
    /// Plays a session from Apply to the end of the input: first it recovers, then it runs `transactions`, which are those
    /// that follow the last committed one.
    pub async fn session(
        &mut self,
        transactions: &[Transaction],
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.session_of(&mut Given(transactions), observer).await
    }

    /// The same with transactions that may still have to come.
    pub async fn session_of(
        &mut self,
        feed: &mut dyn Feed,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        self.apply(observer).await?;
        let mut session = self.open(observer).await?;
        session.acknowledge(Bytes::new(), observer).await?;
        while let Some(transaction) = feed.next().await {
            let acknowledged = self.acknowledged(&mut session, observer).await?;
            let committed = self
                .transaction(&mut session, transaction, &acknowledged, observer)
                .await?;
            // The new runtime stops right after a commit; the next session acknowledges it.
            if self.runtime == Runtime::V1 || !feed.is_at_end() {
                session
                    .acknowledge(self.patches(&committed), observer)
                    .await?;
            }
        }
        if self.runtime == Runtime::V2 && session.is_acknowledging() {
            self.acknowledged(&mut session, observer).await?;
        }
        let state = session.end(observer).await?;
        self.log.update(state.as_ref())?;
        Ok(())
    }

    /// Applies the specification, whether or not it has changed. The new runtime goes on until no state comes back.
    async fn apply(&mut self, observer: &mut dyn Observer) -> Result<()> {
        for _ in 0..MOST_APPLIES {
            let applied = self
                .incarnations
                .apply(self.apply_request(), observer)
                .await?;
            if self.runtime == Runtime::V1 || !has_update(applied.state.as_ref()) {
                self.log.applied = Some((self.spec.clone(), self.version.to_owned()));
                return Ok(());
            }
            self.log.update(applied.state.as_ref())?;
        }
        Err(Error::violation(format!(
            "Applied came with a state {MOST_APPLIES} times in a row; one without ends the loop"
        )))
    }

    fn apply_request(&self) -> request::Apply {
        let (last_materialization, last_version) = self.log.applied.clone().unzip();
        let state = match self.runtime {
            Runtime::V1 => Bytes::new(),
            Runtime::V2 => self.state_json(),
        };
        request::Apply {
            materialization: Some(self.spec.clone()),
            version: self.version.to_owned(),
            last_materialization,
            last_version: last_version.unwrap_or_default(),
            state_json: state,
        }
    }

    async fn open(&mut self, observer: &mut dyn Observer) -> Result<Session> {
        let connector = self.incarnations.start(observer).await?;
        let open = request::Open {
            materialization: Some(self.spec.clone()),
            version: self.version.to_owned(),
            range: Some(self.range.spec()),
            state_json: self.state_json(),
            sealed_config_json: Bytes::new(),
        };
        let tuples = self.runtime.tuples(self.incarnations.codec());
        let (session, opened) = Session::open(connector, open, tuples, observer).await?;
        if opened.runtime_checkpoint.is_some() {
            return Err(Error::violation(
                "Opened holds a runtimeCheckpoint: connectors that keep the checkpoint themselves are not supported yet",
            ));
        }
        Ok(session)
    }

    /// The state as Open and Apply carry it; an empty object for a new task.
    fn state_json(&self) -> Bytes {
        if self.log.state.is_null() {
            Bytes::from_static(b"{}")
        } else {
            self.log.state.to_string().into()
        }
    }

    async fn acknowledged(
        &mut self,
        session: &mut Session,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Value>> {
        let state = session.acknowledged(observer).await?;
        self.persist(
            state.as_ref(),
            session,
            Step::AcknowledgedPersisted,
            observer,
        )
        .await
    }

    /// Runs one transaction until it is committed. Returns the patches of its commit.
    async fn transaction(
        &mut self,
        session: &mut Session,
        transaction: &Transaction,
        acknowledged: &[Value],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Value>> {
        let flushed = session.flush(self.patches(acknowledged), observer).await?;
        let flushed = self
            .persist(flushed.as_ref(), session, Step::FlushedPersisted, observer)
            .await?;
        session.store(&transaction.rows, observer).await?;
        let checkpoint = advance(&self.log.checkpoint, transaction);
        let started = session
            .start_commit(checkpoint.clone(), self.patches(&flushed), observer)
            .await?;
        // Here state and checkpoint become durable together.
        let patches = self.log.update(started.as_ref())?;
        self.log.checkpoint = checkpoint;
        let number = self.log.committed;
        self.log.committed += 1;
        session
            .reach(
                Step::Committed {
                    transaction: number,
                },
                observer,
            )
            .await?;
        Ok(patches)
    }

    async fn persist(
        &mut self,
        state: Option<&ConnectorState>,
        session: &mut Session,
        step: Step,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Value>> {
        let patches = self.log.update(state)?;
        session.reach(step, observer).await?;
        Ok(patches)
    }

    /// State patches for a request: the old runtime sends none.
    fn patches(&self, patches: &[Value]) -> Bytes {
        match self.runtime {
            Runtime::V1 => Bytes::new(),
            Runtime::V2 => patches_json(patches),
        }
    }
}

fn has_update(state: Option<&ConnectorState>) -> bool {
    state.is_some_and(|state| !matches!(&state.updated_json[..], b"" | b"{}" | b"null"))
}

/// The checkpoint after a transaction: what it has read is counted on top, source by source.
fn advance(checkpoint: &Checkpoint, transaction: &Transaction) -> Checkpoint {
    let mut next = checkpoint.clone();
    for (source, documents) in &transaction.read {
        let entry = next.sources.entry(source.clone()).or_default();
        entry.read_through += documents;
    }
    next
}
