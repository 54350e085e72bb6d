//! A task: sessions one after the other on top of one recovery log, each from Apply to the end of
//! its input.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::{ConnectorState, MaterializationSpec};
use materialize_s3_parquet::protocol::materialize::{request, response};
use serde_json::Value;

use super::audience::{Alone, Audience, Seat};
use super::error::{Error, Result};
use super::feed::{Feed, Given};
use super::member::{Member, Members};
use super::range::KeyRange;
use super::recovery::{RecoveryLog, patches_json};
use super::row::{Runtime, Transaction};
use super::session::Session;
use super::standard::{Committing, Memory, Reducer, Share};
use super::step::{Observer, Step};
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

/// Shards that share a recovery log, which is all that they need to go on after a crash: all shards
/// of a task under the new runtime, each one alone under the old.
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
    /// Keeps its standard bindings.
    reducer: &'a dyn Reducer,
    memory: Memory,
    /// The transaction that is being committed, for connectors that keep the checkpoint
    /// themselves: they may have committed it when the runtime does not know.
    pending: Option<(Checkpoint, Committing)>,
    /// Whether the connector wants to be asked for every key.
    loads_all: bool,
}

impl<'a> Task<'a> {
    /// A task that begins, of a specification and its version.
    pub fn new(
        incarnations: Incarnations<'a>,
        runtime: Runtime,
        (spec, version): (&'a MaterializationSpec, &'a str),
        shards: Vec<Shard>,
        reducer: &'a dyn Reducer,
    ) -> Self {
        Self {
            incarnations,
            runtime,
            spec,
            version,
            shards,
            log: RecoveryLog::default(),
            reducer,
            memory: Memory::default(),
            pending: None,
            loads_all: false,
        }
    }

    /// How many documents each standard binding has loaded as they were stored.
    pub fn loaded(&self) -> &BTreeMap<u32, u64> {
        &self.memory.loaded
    }

    /// Plays a session from Apply to the end of the input: first it recovers, then it runs
    /// `transactions`, which are those that follow the last committed one.
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
        if self.open(members, audience).await? {
            feed.next().await;
            let transaction = self.log.committed - 1;
            members.reach(Step::Committed { transaction }).await?;
        }
        members.acknowledge(&Bytes::new()).await?;
        while let Some(transaction) = feed.next().await {
            let shares = self.shares(transaction);
            members.load(&shares).await?;
            let acknowledged = self.acknowledged(members).await?;
            let checkpoint = advance(&self.log.checkpoint, transaction);
            let committed = self
                .transaction(members, shares, checkpoint, &acknowledged)
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

    /// Applies the specification, whether or not it has changed. The new runtime goes on until no
    /// state comes back.
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

    /// Reads the state; then starts a process for each shard, one after the other, so that each has
    /// the same number in every run, and opens a session on all of them at once. Whether the
    /// connector had committed a transaction that the runtime did not know of.
    async fn open<'s>(
        &mut self,
        members: &mut Members<'s>,
        audience: &'s dyn Audience,
    ) -> Result<bool> {
        // What the state is by the time a process has started, no real runtime asks.
        let ranges = self.shards.iter().map(|shard| shard.range);
        let opens: Vec<request::Open> = ranges.map(|range| self.open_request(range)).collect();
        let mut started = Vec::with_capacity(self.shards.len());
        for (shard, open) in self.shards.iter().zip(opens) {
            let mut seat = Seat::new(shard.number, audience);
            let connector = self.incarnations.start(&mut seat).await?;
            started.push((open, connector, seat));
        }
        let tuples = self.runtime.tuples(self.incarnations.codec());
        let sessions = started
            .into_iter()
            .map(|(open, connector, mut seat)| async move {
                let (session, opened) = Session::open(connector, open, tuples, &mut seat).await?;
                Ok((Member { session, seat }, opened))
            });
        let sessions = join_all(sessions).await.into_iter();
        let sessions: Vec<(Member<'s>, response::Opened)> = sessions.collect::<Result<_>>()?;
        let mut opened = Vec::with_capacity(sessions.len());
        for (member, said) in sessions {
            members.0.push(member);
            opened.push(said);
        }
        self.loads_all = opened.iter().any(|opened| opened.disable_load_optimization);
        self.adopt(opened)
    }

    /// Takes in where a connector stands that keeps the checkpoint itself. Whether it had committed
    /// the pending transaction.
    fn adopt(&mut self, opened: Vec<response::Opened>) -> Result<bool> {
        let mut checkpoints = opened.into_iter().map(|opened| opened.runtime_checkpoint);
        let first = checkpoints.next().flatten();
        if checkpoints.any(|checkpoint| checkpoint.is_some()) {
            return Err(Error::violation(
                "Opened of a shard other than the first holds a runtimeCheckpoint; only the first \
                 may say where the task stands",
            ));
        }
        let pending = self.pending.take();
        let Some(checkpoint) = first.filter(|first| *first != self.log.checkpoint) else {
            return Ok(false);
        };
        let Some((_, rows)) = pending.filter(|(pending, _)| *pending == checkpoint) else {
            return Err(Error::violation(format!(
                "Opened holds the runtimeCheckpoint {}, which is neither the last one that was \
                 committed nor that of the transaction that was interrupted",
                serde_json::json!(checkpoint)
            )));
        };
        self.log.checkpoint = checkpoint;
        self.log.committed += 1;
        self.memory.remember(rows);
        Ok(true)
    }

    /// What each shard has to do with a transaction.
    fn shares<'t>(&self, transaction: &'t Transaction) -> Vec<Share<'t>> {
        let bindings = &self.spec.bindings;
        let may_exist = |binding: u32, key: &[u8]| {
            let state_key = bindings
                .get(binding as usize)
                .map_or("", |binding| &binding.state_key);
            self.loads_all || self.log.may_exist(state_key, key)
        };
        let shards = self.shards.iter();
        shards
            .map(|shard| Share::of(transaction, shard.range, may_exist))
            .collect()
    }

    /// Takes in what was loaded, and notes the keys that will be stored, before they are.
    fn reduce(&mut self, members: &mut Members<'_>, shares: &mut [Share<'_>]) -> Result<()> {
        for (member, share) in members.0.iter_mut().zip(&mut *shares) {
            let loaded = member.session.take_loaded();
            share.reduce(loaded, self.reducer, &mut self.memory)?;
        }
        let standard = self.spec.bindings.iter().zip(0..);
        for (binding, index) in standard.filter(|(binding, _)| !binding.delta_updates) {
            let keys = shares.iter().flat_map(Share::places);
            let highest = keys.filter(|(binding, _)| *binding == index).max();
            let highest = highest.map(|(_, key)| key);
            self.log.raise_max_key(&binding.state_key, highest);
        }
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
        mut shares: Vec<Share<'_>>,
        checkpoint: Checkpoint,
        acknowledged: &[Value],
    ) -> Result<Vec<Value>> {
        let flushed = members.flush(&self.patches(acknowledged)).await?;
        self.reduce(members, &mut shares)?;
        let flushed = self.update(&flushed)?;
        members.reach(Step::FlushedPersisted).await?;
        let patches = self.patches(&flushed);
        self.pending = Some((checkpoint.clone(), Committing::of(&shares)));
        let started = members.store(&shares, &checkpoint, &patches).await?;
        if let Some((_, rows)) = self.pending.take() {
            self.memory.remember(rows);
        }
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
