//! One session of a group of shards, played by the plan: from Apply to the end of the input, or to
//! whatever ends it earlier.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::flow::{ConnectorState, MaterializationSpec};
use materialize_s3_parquet::protocol::materialize::{Request, request};
use serde_json::Value;
use tokio::time::sleep;

use super::check::{self, StateSample};
use super::commit;
use super::documents::of_transaction;
use super::group::Group;
use super::plan::{self, At, End, Transaction};
use super::script::Script;
use super::servers::BUCKETS;
use super::spec::{Bound, Settings};
use super::staged;
use super::story::Place;
use super::world::{PATIENCE, World};
use crate::runtime::{
    Connector, Error, KeyRange, Launch, Result, Row, Runtime, Session, Step, Verdict, patches_json,
};

/// How long it takes until a connector waits for the end of the upload interval; nothing depends on
/// whether it does by then.
pub(super) const WAIT_BEGINS: Duration = Duration::from_millis(40);

/// How long the last sessions wait for the clean-up that goes on beside them.
const CLEAN_UP: Duration = Duration::from_secs(20);

/// What a session of a group has to know of its task.
#[derive(Clone)]
pub(super) struct Cast {
    pub(super) world: Arc<World>,
    pub(super) spec: Arc<MaterializationSpec>,
    pub(super) bound: Vec<Bound>,
    /// The state keys of the active bindings.
    pub(super) state_keys: Vec<String>,
    pub(super) generation: u32,
    pub(super) settings: Settings,
    pub(super) version: u64,
    /// Whether it ends only once everything is thrown away that was left behind.
    pub(super) cleans_up: bool,
    /// What it plays.
    pub(super) session: plan::Session,
    /// Its place among all sessions.
    pub(super) number: u64,
    /// How many shards the task has.
    pub(super) shards: usize,
}

/// One shard in a session.
pub(super) struct Shard {
    pub(super) range: KeyRange,
    pub(super) session: Session,
    pub(super) script: Script,
    /// The rows of its transaction.
    pub(super) rows: Vec<Row>,
}

/// A session of a group.
pub(super) struct Playing<'a> {
    pub(super) cast: &'a Cast,
    pub(super) group: &'a mut Group,
    /// The place of the group's first shard among all.
    pub(super) first_shard: usize,
    pub(super) shards: Vec<Shard>,
    pub(super) processes: u64,
    pub(super) events: Vec<String>,
    /// The state at the last commit.
    committed: Value,
}

/// What came of a session of a group.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What has happened, in order.
    pub(super) events: Vec<String>,
    /// Whether the connector has said that nobody can tell what has become of files.
    pub(super) reports_lost: bool,
    /// Whether it has come to its end.
    pub(super) ended: bool,
}

impl<'a> Playing<'a> {
    pub(super) fn new(cast: &'a Cast, group: &'a mut Group, first_shard: usize) -> Self {
        Self {
            cast,
            committed: group.log.state.clone(),
            group,
            first_shard,
            shards: Vec::new(),
            processes: 0,
            events: Vec::new(),
        }
    }

    /// Plays it, whatever comes of it.
    pub(super) async fn play(mut self) -> Played {
        let unknown = self.unknown();
        let outcome = self.drive().await;
        for shard in &mut self.shards {
            let events = std::mem::take(&mut shard.script.events);
            let begin = shard.range.begin;
            self.events.extend(
                events
                    .into_iter()
                    .map(|event| format!("shard {begin:08x} {event}")),
            );
        }
        let ended = outcome.is_ok();
        let mut reports_lost = false;
        match outcome {
            Ok(()) => {
                self.events.push("ended".to_owned());
                self.must_not_pass_over(&unknown);
            }
            Err(Error::Left(_)) => self.leave(!unknown.is_empty()).await,
            Err(error) => reports_lost = self.failed(&error, &unknown),
        }
        if self.cast.session.forgets {
            self.group.log.state = self.committed;
        }
        Played {
            events: self.events,
            reports_lost,
            ended,
        }
    }

    async fn drive(&mut self) -> Result<()> {
        self.apply().await?;
        self.open().await?;
        self.acknowledge(&[]).await?;
        let session = &self.cast.session;
        for (index, transaction) in session.transactions.iter().enumerate() {
            let acknowledged = self.acknowledged().await?;
            let committed = self.transaction(*transaction, &acknowledged).await?;
            if session.end != End::Committed || index + 1 < session.transactions.len() {
                self.acknowledge(&committed).await?;
            }
            if session.end == End::Waiting && self.has_rows() {
                self.cast.world.record().waits += 1;
                sleep(WAIT_BEGINS).await;
                break;
            }
        }
        if session.end == End::Acknowledged {
            self.acknowledged().await?;
        }
        self.end().await
    }

    /// Starts the next process of this session.
    async fn start(&mut self, script: &mut Script) -> Result<Connector> {
        let incarnation = self.incarnation();
        let launch: &dyn Launch = &self.cast.world.command;
        let (connector, _) = Connector::start(launch, incarnation, PATIENCE, script).await?;
        Ok(connector)
    }

    /// The number of the next process.
    pub(super) fn incarnation(&mut self) -> u64 {
        let group = u64::from(self.group.lineage);
        let incarnation = (self.cast.number << 32) | (group << 16) | self.processes;
        self.processes += 1;
        incarnation
    }

    /// Applies the specification where it has changed.
    async fn apply(&mut self) -> Result<()> {
        if self.group.applied == self.cast.version {
            return Ok(());
        }
        let (last_materialization, last_version) = self.group.log.applied.clone().unzip();
        let apply = request::Apply {
            materialization: Some(MaterializationSpec::clone(&self.cast.spec)),
            version: self.cast.version.to_string(),
            last_materialization,
            last_version: last_version.unwrap_or_default(),
            state_json: Bytes::new(),
        };
        let mut script = self.script(usize::MAX);
        let mut connector = self.start(&mut script).await?;
        connector
            .send(&Request {
                apply: Some(apply),
                ..Request::default()
            })
            .await?;
        connector.close_input().await;
        connector
            .expect("Applied", |response| response.applied)
            .await?;
        connector.expect_end(&mut script).await?;
        self.group.applied = self.cast.version;
        let applied = (
            MaterializationSpec::clone(&self.cast.spec),
            self.cast.version.to_string(),
        );
        self.group.log.applied = Some(applied);
        Ok(())
    }

    /// The script of the group's shard at `index`; of none, for what is no shard's.
    fn script(&self, index: usize) -> Script {
        let place = self.first_shard.saturating_add(index);
        let incidents = self.cast.session.incidents.iter();
        let incidents = incidents
            .filter(|incident| incident.shard % self.cast.shards == place)
            .copied()
            .collect();
        let sleepers = self.group.sleepers.clone();
        Script::new(&self.cast.world, self.place(index), incidents, sleepers)
    }

    /// Where the group's shard at `index` is told of; what is no shard's is told of the first.
    pub(super) fn place(&self, index: usize) -> Place {
        let shards = &self.group.shards;
        let shard = shards.get(index).or(shards.first());
        Place {
            session: self.cast.number,
            lineage: self.group.lineage,
            begin: shard.map_or(0, |shard| shard.begin),
        }
    }

    /// Reads the state, then starts the processes: whatever happens in between, they will not know
    /// of.
    async fn open(&mut self) -> Result<()> {
        self.group.opened_with = self.group.log.state.clone();
        for (index, range) in self.group.shards.clone().into_iter().enumerate() {
            let mut script = self.script(index);
            let open = self.open_request(range);
            if script.reach(At::StateRead) == Verdict::Leave {
                self.delay(script, open);
                let incarnation = self.processes;
                return Err(Error::Left(Step::Started { incarnation }));
            }
            let connector = self.start(&mut script).await?;
            let runtime = self.cast.world.plan.runtime;
            let tuples = runtime.tuples(self.cast.world.command.codec());
            let session = Session::begin(connector, open, tuples).await?;
            self.shards.push(Shard {
                range,
                session,
                script,
                rows: Vec::new(),
            });
            let Some(Shard {
                session, script, ..
            }) = self.shards.last_mut()
            else {
                continue;
            };
            session.opened(script).await?;
        }
        Ok(())
    }

    fn open_request(&self, range: KeyRange) -> request::Open {
        let state = match &self.group.opened_with {
            Value::Null => Bytes::from_static(b"{}"),
            state => state.to_string().into(),
        };
        request::Open {
            materialization: Some(MaterializationSpec::clone(&self.cast.spec)),
            version: self.cast.version.to_string(),
            range: Some(range.spec()),
            state_json: state,
            sealed_config_json: Bytes::new(),
        }
    }

    async fn acknowledge(&mut self, committed: &[Value]) -> Result<()> {
        let patches = self.patches(committed);
        for Shard {
            session, script, ..
        } in &mut self.shards
        {
            session.acknowledge(patches.clone(), script).await?;
        }
        Ok(())
    }

    /// Waits until every shard has acknowledged, and persists what they say.
    async fn acknowledged(&mut self) -> Result<Vec<Value>> {
        let mut states = Vec::new();
        for Shard {
            session, script, ..
        } in &mut self.shards
        {
            states.push(session.acknowledged(script).await?);
        }
        self.must_have_told();
        let patches = self.persist(&states)?;
        let world = &self.cast.world;
        world
            .servers
            .with_store(|store| world.bystanders().imitate(&self.group.log.state, store));
        self.sample();
        self.reach(Step::AcknowledgedPersisted).await?;
        Ok(patches)
    }

    /// Runs a transaction until it is committed. Returns the patches of its commit.
    async fn transaction(
        &mut self,
        transaction: Transaction,
        acknowledged: &[Value],
    ) -> Result<Vec<Value>> {
        self.take_documents(transaction);
        let patches = self.patches(acknowledged);
        let mut states = Vec::new();
        for Shard {
            session, script, ..
        } in &mut self.shards
        {
            states.push(session.flush(patches.clone(), script).await?);
        }
        let flushed = self.persist(&states)?;
        if self.cast.world.plan.runtime == Runtime::V2 {
            self.group.hinted = Some(transaction);
        }
        self.reach(Step::FlushedPersisted).await?;
        let patches = self.patches(&flushed);
        let position = self.group.position + u64::from(transaction.documents);
        let checkpoint = checkpoint(position);
        let mut states = Vec::new();
        for Shard {
            session,
            script,
            rows,
            ..
        } in &mut self.shards
        {
            session.store(rows.iter(), script).await?;
            states.push(
                session
                    .start_commit(checkpoint.clone(), patches.clone(), script)
                    .await?,
            );
        }
        let number = self.commit(position, checkpoint, &states)?;
        self.reach(Step::Committed {
            transaction: number.0,
        })
        .await?;
        Ok(number.1)
    }

    /// Here state and checkpoint become durable together. Returns the transaction's number and the
    /// patches.
    fn commit(
        &mut self,
        position: u64,
        checkpoint: Checkpoint,
        states: &[Option<ConnectorState>],
    ) -> Result<(u64, Vec<Value>)> {
        let world = &self.cast.world;
        // What is visible now must not be this transaction's.
        world.look();
        let patches = self.persist(states)?;
        self.committed.clone_from(&self.group.log.state);
        self.group.log.checkpoint = checkpoint;
        self.group.position = position;
        self.group.hinted = None;
        self.group.log.committed += 1;
        let commits = commit::commits(self, &patches);
        let rows: usize = commits.iter().map(|commit| commit.rows.len()).sum();
        self.events.push(format!("committed {rows} rows"));
        let named = commit::named(self, &patches);
        self.must_know_writers(&named);
        let mut record = self.cast.world.record();
        record.named.extend(named);
        let number = record.committed;
        record.committed += 1;
        record.commits.extend(
            commits
                .into_iter()
                .map(|commit| check::Commit { number, ..commit }),
        );
        Ok((number, patches))
    }

    /// Whether the transaction has any rows: then a connector waits for the end of its upload
    /// interval.
    fn has_rows(&self) -> bool {
        self.shards.iter().any(|shard| !shard.rows.is_empty())
    }

    /// Every shard's rows of a transaction: ascending by binding, then by key.
    fn take_documents(&mut self, transaction: Transaction) {
        let cast = self.cast;
        let documents = of_transaction(&cast.world.plan, self.group.position, transaction);
        for shard in &mut self.shards {
            shard.rows.clear();
            for (index, bound) in cast.bound.iter().filter(|bound| bound.active).enumerate() {
                let binding = &cast.world.plan.bindings[bound.index];
                let own = documents.iter().filter(|document| {
                    document.binding == bound.index && document.is_in(shard.range)
                });
                shard
                    .rows
                    .extend(own.map(|document| document.row(index, binding, cast.generation)));
            }
        }
    }

    async fn end(&mut self) -> Result<()> {
        if self.cast.cleans_up {
            self.cleaned_up().await;
        }
        let mut states = Vec::new();
        for shard in self.shards.drain(..) {
            let Shard {
                session,
                mut script,
                ..
            } = shard;
            states.push(session.end(&mut script).await?);
        }
        self.persist(&states)?;
        Ok(())
    }

    /// Waits until nothing is left behind any more, or long enough.
    async fn cleaned_up(&self) {
        let bucket = BUCKETS[usize::from(self.cast.settings.is_second_bucket)];
        let is_clean = async {
            while !self.cast.world.leftovers(self.group, bucket).is_empty() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // What remains is found in the end.
        let _ = tokio::time::timeout(CLEAN_UP, is_clean).await;
    }

    fn persist(&mut self, states: &[Option<ConnectorState>]) -> Result<Vec<Value>> {
        let mut patches = Vec::new();
        for state in states {
            patches.extend(self.group.log.update(state.as_ref())?);
        }
        Ok(patches)
    }

    async fn reach(&mut self, step: Step) -> Result<()> {
        for Shard {
            session, script, ..
        } in &mut self.shards
        {
            session.reach(step, script).await?;
        }
        Ok(())
    }

    /// State patches for a request: the old runtime sends none.
    fn patches(&self, patches: &[Value]) -> Bytes {
        match self.cast.world.plan.runtime {
            Runtime::V1 => Bytes::new(),
            Runtime::V2 => patches_json(patches),
        }
    }

    /// Keeps what the state is like after an Acknowledge, unless something kept the connector from
    /// making files visible.
    fn sample(&mut self) {
        let waiting = self.group.staged();
        let is_active = |key: &String| self.cast.state_keys.contains(key);
        // What of inactive bindings cannot be made visible stays for some days.
        let stays = waiting.iter().any(|entry| !is_active(&entry.state_key));
        if self.cast.world.has_cause_to_fail() || stays {
            return;
        }
        let state = staged::without_others(&self.group.log.state, self.group.range());
        let writers = staged::writers(&state);
        let sample = StateSample {
            at: format!("session {}", self.cast.number),
            staged: waiting.len(),
            bytes: state.to_string().len(),
            places: staged::names(&state).len(),
            writers: writers.values().map(Vec::len).collect(),
        };
        self.cast.world.record().states.push(sample);
    }
}

/// A checkpoint that has read so far. The connector only carries it.
fn checkpoint(position: u64) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint
        .sources
        .entry("torture;suffix".to_owned())
        .or_default()
        .read_through = position as i64;
    checkpoint
}
