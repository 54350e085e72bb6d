//! A task: sessions one after the other on top of one recovery log, each from Apply to the end of its input.

use bytes::Bytes;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::{ConnectorState, MaterializationSpec};
use materialize_s3_parquet::protocol::materialize::request;
use serde_json::Value;

use super::audience::{Alone, Audience, Seat};
use super::error::{Error, Result};
use super::feed::{Feed, Given};
use super::member::{Member, Members};
use super::range::KeyRange;
use super::recovery::{RecoveryLog, patches_json};
use super::row::{Runtime, Transaction};
use super::session::Session;
use super::step::{Observer, Step};
use super::together::together;
use super::unary::Incarnations;

/// How often Apply may answer with a state before it must be done.
const MOST_APPLIES: usize = 100;

/// A shard of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its place in the order of key ranges, from 0.
    pub number: u32,
    /// The keys that it takes.
    pub range: KeyRange,
}

impl Shard {
    /// The only shard of a task.
    pub const WHOLE: Self = Self {
        number: 0,
        range: KeyRange::WHOLE,
    };

    /// So many shards that share all keys.
    pub fn split(count: u32) -> Vec<Self> {
        let ranges = KeyRange::WHOLE.parts(count).into_iter();
        let shard = |(range, number)| Self { number, range };
        ranges.zip(0..).map(shard).collect()
    }
}

/// Shards that share a recovery log, which is all that they need to go on after a crash: all shards of a task under the new
/// runtime, each one alone under the old.
pub struct Task<'a> {
    /// Starts its connectors.
    pub incarnations: Incarnations<'a>,
    /// The runtime that is played.
    pub runtime: Runtime,
    /// What it runs.
    pub spec: &'a MaterializationSpec,
    /// The id of the build that `spec` comes from.
    pub version: &'a str,
    /// Its shards, in the order of their key ranges. All take part in every transaction.
    pub shards: Vec<Shard>,
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
        let audience = Alone::new(observer);
        self.session_of(&mut Given(transactions), &audience).await
    }

    /// The same with transactions that may still have to come.
    pub async fn session_of(&mut self, feed: &mut dyn Feed, audience: &dyn Audience) -> Result<()> {
        let mut first = Seat::new(self.first_shard(), audience);
        self.apply(&mut first).await?;
        let mut members = Members(Vec::with_capacity(self.shards.len()));
        let played = self.play(feed, &mut members, audience).await;
        if played.is_err() {
            members.kill().await;
        }
        played
    }

    fn first_shard(&self) -> u32 {
        self.shards.first().map_or(0, |shard| shard.number)
    }

    async fn play<'s>(
        &mut self,
        feed: &mut dyn Feed,
        members: &mut Members<'s>,
        audience: &'s dyn Audience,
    ) -> Result<()> {
        self.open(members, audience).await?;
        members.acknowledge(&Bytes::new()).await?;
        while let Some(transaction) = feed.next().await {
            let acknowledged = self.acknowledged(members).await?;
            let committed = self
                .transaction(members, transaction, &acknowledged)
                .await?;
            // The new runtime stops right after a commit; the next session acknowledges it.
            if self.runtime == Runtime::V1 || !feed.is_at_end() {
                members.acknowledge(&self.patches(&committed)).await?;
            }
        }
        if self.runtime == Runtime::V2 && members.is_acknowledging() {
            self.acknowledged(members).await?;
        }
        let states = members.end().await?;
        self.update(&states)?;
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

    /// Starts a process for each shard, one after the other, so that each has the same number in every run, and opens a
    /// session on all of them at once.
    async fn open<'s>(
        &mut self,
        members: &mut Members<'s>,
        audience: &'s dyn Audience,
    ) -> Result<()> {
        let mut started = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let mut seat = Seat::new(shard.number, audience);
            let connector = self.incarnations.start(&mut seat).await?;
            started.push((shard.range, connector, seat));
        }
        let tuples = self.runtime.tuples(self.incarnations.codec());
        let sessions = started.into_iter().map(|(range, connector, mut seat)| {
            let open = self.open_request(range);
            async move {
                let (session, opened) = Session::open(connector, open, tuples, &mut seat).await?;
                if opened.runtime_checkpoint.is_some() {
                    return Err(Error::violation(
                        "Opened holds a runtimeCheckpoint: connectors that keep the checkpoint themselves are not supported yet",
                    ));
                }
                Ok(Member {
                    range,
                    session,
                    seat,
                })
            }
        });
        let sessions = together(sessions).await;
        members.0 = sessions.into_iter().collect::<Result<_>>()?;
        Ok(())
    }

    fn open_request(&self, range: KeyRange) -> request::Open {
        request::Open {
            materialization: Some(self.spec.clone()),
            version: self.version.to_owned(),
            range: Some(range.spec()),
            state_json: self.state_json(),
            sealed_config_json: Bytes::new(),
        }
    }

    /// The state as Open and Apply carry it; an empty object for a new task.
    fn state_json(&self) -> Bytes {
        if self.log.state.is_null() {
            Bytes::from_static(b"{}")
        } else {
            self.log.state.to_string().into()
        }
    }

    async fn acknowledged(&mut self, members: &mut Members<'_>) -> Result<Vec<Value>> {
        let states = members.acknowledged().await?;
        let patches = self.update(&states)?;
        members.reach(Step::AcknowledgedPersisted).await?;
        Ok(patches)
    }

    /// Runs one transaction until it is committed. Returns the patches of its commit.
    async fn transaction(
        &mut self,
        members: &mut Members<'_>,
        transaction: &Transaction,
        acknowledged: &[Value],
    ) -> Result<Vec<Value>> {
        let flushed = members.flush(&self.patches(acknowledged)).await?;
        let flushed = self.update(&flushed)?;
        members.reach(Step::FlushedPersisted).await?;
        let checkpoint = advance(&self.log.checkpoint, transaction);
        let patches = self.patches(&flushed);
        let started = members.store(transaction, &checkpoint, &patches).await?;
        // Here state and checkpoint become durable together.
        let patches = self.update(&started)?;
        self.log.checkpoint = checkpoint;
        let number = self.log.committed;
        self.log.committed += 1;
        members
            .reach(Step::Committed {
                transaction: number,
            })
            .await?;
        Ok(patches)
    }

    /// Takes the states of all shards in, which share one document. Returns the patches of all.
    fn update(&mut self, states: &[Option<ConnectorState>]) -> Result<Vec<Value>> {
        let mut patches = Vec::new();
        for state in states {
            patches.extend(self.log.update(state.as_ref())?);
        }
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
