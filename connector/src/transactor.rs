//! One transaction after the other: Stores become staged files, StartedCommit names them, Acknowledge makes them visible.
//!
//! `design.md` §6 is the contract. Until [`Transactor::commit`] returns, nothing names what was staged, and it is thrown away if the
//! session fails; from then on a checkpoint may name it, and it is only ever completed.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::info;

use crate::binding::Binding;
use crate::checkpoint::{EntryId, StagedUpload, State};
use crate::config::{EndpointConfig, PathPrefix, ResourceConfig};
use crate::error::{Context, Error, Result};
use crate::keys::{FileKey, task_hash};
use crate::mapping::BatchBuilder;
use crate::protocol::{Materialization, Store};
use crate::staging::{BatchOf, FilePlan, Shard, Staging, WrittenFile};
use crate::store::{
    self, CompleteOptions, Entry, Haste, ListedUpload, ObjectStore, PartLimits, PartPool,
    PendingUpload,
};

/// The rows that a batch has at most.
const BATCH_ROWS: usize = 8192;
/// The bytes of Stores that a batch has at most, passed by one Store.
const BATCH_BYTES: usize = 2 << 20;
/// The bytes of memory that unfinished batches may take, over all bindings; passed by one Store.
const UNFINISHED_BYTES: usize = 16 << 20;
/// The most by which a store's clock may differ from ours: S3 refuses a client that is off by 15 minutes, and rounds its times.
const CLOCK_SKEW: Duration = Duration::from_mins(16);
/// The batches that a file or a row group of the size limit is made of at least, so that a small limit is kept closely too.
const BATCHES_PER_LIMIT: u64 = 16;

/// Where time and randomness come from.
#[derive(Clone)]
pub struct Environment {
    /// The time now.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where tokens come from.
    pub random: fastrand::Rng,
    /// How much less to wait for the store than in life.
    pub haste: Haste,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Environment")
            .finish_non_exhaustive()
    }
}

/// What a session is opened with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The specification.
    pub materialization: &'a Materialization,
    /// The endpoint of it.
    pub endpoint: &'a EndpointConfig,
    /// The keys that are this shard's.
    pub key_range: RangeInclusive<u32>,
    /// The driver state, as JSON.
    pub state: &'a [u8],
    /// A time at which this process was there and `state` had not been read yet.
    pub began_at: Timestamp,
}

/// A binding's rows on their way into a batch.
#[derive(Debug)]
struct Rows {
    binding: Binding,
    builder: BatchBuilder,
    batch_bytes: usize,
}

/// What a transaction has brought so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Stores, over all bindings.
    pub rows: u64,
    /// Bytes of their keys, values and documents.
    pub bytes: u64,
}

/// The transactions of a session.
#[derive(Debug)]
pub struct Transactor<S> {
    store: S,
    environment: Environment,
    state: State,
    /// Uploads of inactive bindings that could not be completed; the next session tries them again.
    left: HashSet<EntryId>,
    key_range: RangeInclusive<u32>,
    missing: crate::config::MissingUploads,
    bindings: Vec<Rows>,
    /// The bytes of memory that their unfinished batches take.
    unfinished_bytes: usize,
    staging: Staging,
    began_at: Timestamp,
    stored: Stored,
    /// Since when the session decodes, and how long it had waited for requests by then.
    decoding_since: (Instant, Duration),
}

impl<S: ObjectStore> Transactor<S> {
    /// Reads the state and makes the bindings ready, after it has cleaned up what earlier sessions left behind.
    pub async fn open(
        store: S,
        opening: Opening<'_>,
        mut environment: Environment,
    ) -> Result<Self> {
        let Opening {
            materialization,
            endpoint,
            key_range,
            state,
            began_at,
        } = opening;
        let state = State::from_json(state)?;
        let bindings = Binding::all(materialization, endpoint, &key_range)?;
        let shard = Shard {
            task: task_hash(&materialization.name),
            key_begin: *key_range.start(),
        };
        let left_behind = Stale {
            state: &state,
            prefixes: path_prefixes(materialization, &bindings),
            task: shard.task,
            key_range: &key_range,
            before: began_at - environment.haste.shorten(CLOCK_SKEW),
        };
        left_behind.abort(&store).await;

        let file_bytes = endpoint.advanced.file_size_limit;
        let plan = |binding: &Binding| FilePlan {
            prefix: binding.resource.path_prefix.clone(),
            backfill: binding.backfill,
            schema: Arc::clone(&binding.schema),
            options: binding.options.clone(),
            file_bytes,
            counter: state.counter(&binding.state_key, shard.key_begin),
        };
        let plans = bindings.iter().map(plan).collect();
        let pool = PartPool::new(PartLimits::default());
        let random = environment.random.fork();
        Ok(Self {
            staging: Staging::start(store.clone(), pool, plans, shard, random),
            store,
            began_at: (environment.now)(),
            environment,
            state,
            left: HashSet::new(),
            key_range,
            missing: endpoint.advanced.missing_uploads,
            bindings: bindings
                .into_iter()
                .map(|binding| Rows::new(binding, file_bytes))
                .collect(),
            unfinished_bytes: 0,
            stored: Stored::default(),
            decoding_since: (Instant::now(), Duration::ZERO),
        })
    }

    /// Begins a transaction. `waited`, here and below, is how long the session has waited for requests so far.
    pub fn begin(&mut self, waited: Duration) {
        self.decoding_since = (Instant::now(), waited);
        self.began_at = (self.environment.now)();
        self.stored = Stored::default();
    }

    /// What the transaction has brought so far.
    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// Takes one row in. Returns the binding that is then to be [flushed](Self::flush): the row's own where its batch is full, the one
    /// with the largest batch where all of them together take too much memory.
    pub fn append(&mut self, store: &Store<'_>) -> Result<Option<usize>> {
        let count = self.bindings.len();
        let rows = self
            .bindings
            .get_mut(store.binding as usize)
            .ok_or_else(|| {
                Error::protocol(format!(
                    "a Store for binding {}, but there are {count} bindings",
                    store.binding
                ))
            })?;
        let before = rows.builder.memory_bytes();
        let bytes = rows
            .builder
            .append(store)
            .context(|| format!("collection `{}`", rows.binding.collection))?;
        self.stored.rows += 1;
        self.stored.bytes += bytes as u64;
        self.unfinished_bytes += rows.builder.memory_bytes() - before;
        if rows.builder.rows() >= BATCH_ROWS || rows.builder.bytes() >= rows.batch_bytes {
            return Ok(Some(store.binding as usize));
        }
        Ok((self.unfinished_bytes >= UNFINISHED_BYTES).then(|| self.largest_batch()))
    }

    fn largest_batch(&self) -> usize {
        let batches = self
            .bindings
            .iter()
            .map(|rows| rows.builder.memory_bytes())
            .enumerate();
        batches
            .max_by_key(|(_, bytes)| *bytes)
            .map_or(0, |(binding, _)| binding)
    }

    /// Hands the rows of a binding to the encoder; waits while it is behind.
    pub async fn flush(&mut self, binding: usize, waited: Duration) -> Result<()> {
        let rows = &mut self.bindings[binding];
        if rows.builder.rows() == 0 {
            return Ok(());
        }
        self.unfinished_bytes -= rows.builder.memory_bytes();
        let batch = rows
            .builder
            .finish()
            .context(|| format!("collection `{}`", rows.binding.collection))?;
        let (since, waited_before) = self.decoding_since;
        let decoding = since
            .elapsed()
            .saturating_sub(waited.saturating_sub(waited_before));
        self.staging
            .write(BatchOf {
                binding,
                batch,
                began_at: self.began_at,
                decoding,
            })
            .await?;
        self.decoding_since = (Instant::now(), waited);
        Ok(())
    }

    /// Ends the files of the transaction, waits until they are staged, and returns the merge patch that names them: none where
    /// nothing was stored. On an error nothing stays behind.
    pub async fn commit(&mut self, waited: Duration) -> Result<Option<serde_json::Value>> {
        for binding in 0..self.bindings.len() {
            self.flush(binding, waited).await?;
        }
        let written = self.staging.finish().await?;
        let key_begin = *self.key_range.start();
        for (binding, staged) in self.finish_uploads(written).await? {
            let state_key = &self.bindings[binding].binding.state_key;
            self.state.next_counter(state_key, key_begin);
            self.state.stage(state_key, key_begin, staged);
        }
        Ok(self.state.take_patch())
    }

    /// Waits for the uploads of all files; where one fails, the others are aborted.
    async fn finish_uploads(
        &self,
        written: Vec<WrittenFile>,
    ) -> Result<Vec<(usize, StagedUpload)>> {
        let mut staged = Vec::new();
        let mut failure = None;
        for WrittenFile {
            binding,
            upload,
            report,
        } in written
        {
            if failure.is_some() {
                upload.abort().await;
                continue;
            }
            match upload
                .finish(report.summary.rows, (self.environment.now)())
                .await
            {
                Ok(finished) => {
                    report.log(&self.bindings[binding].binding, &finished);
                    staged.push((binding, finished.staged));
                }
                Err(error) => failure = Some(error),
            }
        }
        let Some(error) = failure else {
            return Ok(staged);
        };
        let pending = staged.iter().map(|(_, staged)| PendingUpload::from(staged));
        store::abort_all(&self.store, pending.collect::<Vec<_>>()).await;
        Err(error)
    }

    /// Completes every staged upload of this shard's key range, and returns the merge patch that clears them: none where there
    /// was none. May be repeated after a crash.
    pub async fn acknowledge(&mut self) -> Result<Option<serde_json::Value>> {
        let active: HashSet<_> = self
            .bindings
            .iter()
            .map(|rows| &rows.binding.state_key)
            .collect();
        let (ids, entries): (Vec<EntryId>, Vec<Entry>) = self
            .state
            .staged_in(self.key_range.clone())
            .filter(|(id, _)| !self.left.contains(id))
            .map(|(id, upload)| {
                let active = active.contains(&id.state_key);
                (
                    id,
                    Entry {
                        upload: upload.clone(),
                        active,
                    },
                )
            })
            .unzip();
        let options = CompleteOptions {
            now: (self.environment.now)(),
            missing: self.missing,
            haste: self.environment.haste,
        };
        let outcomes = store::complete_all(&self.store, entries, options).await?;
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            if outcome.is_settled() {
                self.state.clear(&id);
            } else {
                self.left.insert(id);
            }
        }
        Ok(self.state.take_patch())
    }

    /// Throws away what no checkpoint can name.
    pub async fn abort(self) {
        self.staging.abort().await;
    }
}

impl Rows {
    fn new(binding: Binding, file_bytes: u64) -> Self {
        let limit = file_bytes.min(binding.options.row_group_bytes);
        Self {
            builder: BatchBuilder::new(Arc::clone(&binding.schema)),
            batch_bytes: BATCH_BYTES.min((limit / BATCHES_PER_LIMIT) as usize),
            binding,
        }
    }
}

/// Where this task has files: the prefixes of its bindings, and of those that are no longer active. What of the latter cannot be read
/// any more is left to a lifecycle rule.
fn path_prefixes(materialization: &Materialization, bindings: &[Binding]) -> Vec<PathPrefix> {
    let active = bindings
        .iter()
        .map(|binding| binding.resource.path_prefix.clone());
    let inactive = materialization.inactive_bindings.iter();
    let inactive = inactive
        .filter_map(|binding| ResourceConfig::from_json(&binding.ok()?.resource_config_json).ok())
        .map(|resource| resource.path_prefix);
    active.chain(inactive).collect()
}

/// What earlier sessions of this task and shard have left behind, and nobody can ever commit.
///
/// The state was read after those sessions were fenced off, so what it does not name they cannot commit. But a process may be
/// delayed between that and its clean-up, and then the pending uploads are those of its successors, which have fenced it off in
/// turn. They began after it did: so only what was created before it began is stale.
struct Stale<'a> {
    state: &'a State,
    prefixes: Vec<PathPrefix>,
    task: u32,
    key_range: &'a RangeInclusive<u32>,
    before: Timestamp,
}

impl Stale<'_> {
    async fn abort<S: ObjectStore>(&self, store: &S) {
        let named: HashSet<&str> = self
            .state
            .staged_in(0..=u32::MAX)
            .map(|(_, upload)| upload.upload_id.as_str())
            .collect();
        let prefixes = self.prefixes.iter();
        let literal: Vec<_> = prefixes.map(|prefix| prefix.literal().to_owned()).collect();
        let is_stale = |listed: &ListedUpload| {
            let ListedUpload { upload, initiated } = listed;
            initiated.is_some_and(|initiated| initiated < self.before)
                && self.is_ours(&upload.key)
                && !named.contains(upload.upload_id.as_str())
        };
        let aborted = store::abort_stale(store, &literal, is_stale).await;
        if aborted > 0 {
            info!(
                uploads = aborted,
                "aborted the uploads that an earlier session had left behind"
            );
        }
    }

    fn is_ours(&self, key: &str) -> bool {
        let prefixes = self.prefixes.iter();
        let mut keys = prefixes.filter_map(|prefix| FileKey::parse(prefix, key));
        keys.any(|key| key.task == self.task && self.key_range.contains(&key.key_begin))
    }
}
