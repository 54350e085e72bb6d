//! One transaction after the other: Stores become staged files, StartedCommit names them,
//! Acknowledge makes them visible.
//!
//! Until [`Transactor::commit`] returns, nothing names what was staged, and it is thrown away if
//! the session fails; from then on a checkpoint may name it, and it is only ever made visible.

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::binding::Binding;
use crate::checkpoint::{EntryId, StagedFile, State};
use crate::config::EndpointConfig;
use crate::error::{Context, Error, Result};
use crate::keys::{Author, StagingPrefix};
use crate::left_behind::{Folders, left_behind};
use crate::mapping::BatchBuilder;
use crate::protocol::{Materialization, Store};
use crate::report::{self, Totals};
use crate::staging::{BatchOf, FilePlan, Session, Staging, WrittenFile};
use crate::stop::{Stop, stopped};
use crate::store::{
    self, Choice, Entry, Haste, ObjectStore, Outcome, PartLimits, PartPool, PublishOptions,
    Published, Way, abort_uploads,
};

/// The rows that a batch has at most.
const BATCH_ROWS: usize = 8192;
/// The bytes of Stores, and of what is kept beside their columns, that a batch has at most; passed
/// by one Store.
const BATCH_BYTES: usize = 2 << 20;
/// The bytes of memory that unfinished batches may take, over all bindings; passed by one Store.
const UNFINISHED_BYTES: usize = 16 << 20;
/// The bytes at which a file that is copied ends at the latest: S3 copies up to 5 GiB at once.
const MOST_COPIED_BYTES: u64 = 4 << 30;
/// The batches that a file or a row group of the size limit is made of at least, so that a small
/// limit is kept closely too.
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
    /// The request to stop.
    pub stop: Stop,
}

/// A binding's rows on their way into a batch.
#[derive(Debug)]
struct Rows {
    binding: Binding,
    builder: BatchBuilder,
    batch_bytes: usize,
    /// The columns of which it has been told that they have values only nearly.
    told: BTreeSet<usize>,
}

/// What a transaction has brought so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Stores, over all bindings.
    pub rows: u64,
    /// Bytes of their keys, values and documents.
    pub bytes: u64,
}

/// The answer to Acknowledge.
#[derive(Clone, Debug, PartialEq)]
pub enum Acknowledged {
    /// All files are visible. The merge patch clears them; none where there is nothing to tell.
    Done(Option<serde_json::Value>),
    /// A stop was asked for before all files were visible.
    Stopped,
}

/// The transactions of a session.
#[derive(Debug)]
pub struct Transactor<S> {
    store: S,
    environment: Environment,
    state: State,
    author: Author,
    stop: Stop,
    staging_prefix: Option<StagingPrefix>,
    /// The tokens of the files of the last transaction, which nobody has asked for yet.
    new: HashSet<String>,
    /// Whether the state of a transaction has been told, which is durable once it is acknowledged.
    told: bool,
    /// Files of inactive bindings that could not be made visible; the next session tries them
    /// again.
    left: HashSet<EntryId>,
    /// The clean-up that runs beside the session.
    clean_up: JoinHandle<()>,
    key_range: RangeInclusive<u32>,
    missing: crate::config::MissingUploads,
    bindings: Vec<Rows>,
    /// The bytes of memory that their unfinished batches take.
    unfinished_bytes: usize,
    staging: Staging,
    way: Way,
    began_at: Timestamp,
    stored: Stored,
    /// The files of the last transaction, which nobody has asked for yet.
    staged: Totals,
    /// Since when the session decodes, and how long it had waited for requests by then.
    decoding_since: (Instant, Duration),
}

impl<S: ObjectStore> Transactor<S> {
    /// Reads the state, chooses how to commit, and makes the bindings ready. Beside the session, it
    /// throws away what earlier sessions left behind.
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
            stop,
        } = opening;
        let mut state = State::from_json(state)?;
        if key_range != (0..=u32::MAX) {
            state.share();
        }
        let bindings = Binding::all(materialization, endpoint, &key_range)?;
        let author = new_author(&state, *key_range.start(), &mut environment.random);
        let folders = Folders::of(materialization, &bindings, endpoint);
        let unused_key = folders.unused_key(author);
        let left_behind = left_behind(&state, &key_range);
        let way = choose_way(&store, endpoint, &mut state, author, &unused_key).await?;
        let clean_up = store::clean_up(store.clone(), left_behind, folders.prefixes(), unused_key);
        state.add_writer(author.key_begin, author.writer);
        let file_bytes = most_file_bytes(endpoint, way);
        let plans = plans(&bindings, endpoint, &state, file_bytes);
        let session = Session { author, way };
        let pool = PartPool::new(PartLimits::default());
        warn_of_changes(&bindings, &state, *key_range.start());
        let random = environment.random.fork();
        Ok(Self {
            staging: Staging::start(store.clone(), pool, plans, session, random),
            clean_up: tokio::spawn(clean_up),
            store,
            began_at: (environment.now)(),
            environment,
            state,
            author,
            stop,
            staging_prefix: endpoint.advanced.staging_prefix.clone(),
            new: HashSet::new(),
            told: false,
            left: HashSet::new(),
            key_range,
            missing: endpoint.advanced.missing_uploads,
            bindings: bindings
                .into_iter()
                .map(|binding| Rows::new(binding, file_bytes))
                .collect(),
            unfinished_bytes: 0,
            way,
            stored: Stored::default(),
            staged: Totals::default(),
            decoding_since: (Instant::now(), Duration::ZERO),
        })
    }

    /// How files of this session are made visible.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Begins a transaction. `waited`, here and below, is how long the session has waited for
    /// requests so far.
    pub fn begin(&mut self, waited: Duration) {
        self.decoding_since = (Instant::now(), waited);
        self.began_at = (self.environment.now)();
        self.stored = Stored::default();
    }

    /// What the transaction has brought so far.
    pub fn stored(&self) -> Stored {
        self.stored
    }

    /// The files that the transaction was committed with.
    pub fn staged(&self) -> &Totals {
        &self.staged
    }

    /// Takes one row in. Returns the binding that is then to be [flushed](Self::flush): the row's
    /// own where its batch is full, the one with the largest batch where all of them together
    /// take too much memory.
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

    /// Ends the files of the transaction, waits until they are staged, and returns the merge patch
    /// that names them: none where there is nothing to tell. On an error, and where a stop is asked
    /// for, nothing stays behind.
    pub async fn commit(&mut self, waited: Duration) -> Result<Option<serde_json::Value>> {
        let stop = self.stop.clone();
        let written = tokio::select! {
            () = stop.requested() => return Err(stopped()),
            written = self.end_files(waited) => written?,
        };
        let staged = self.finish_uploads(written).await?;
        let receipt = staged
            .first()
            .map(|(binding, _)| self.receipt_key(*binding));
        let key_begin = self.author.key_begin;
        for (binding, mut file) in staged {
            let binding = &self.bindings[binding].binding;
            if binding.backfill > 0 && !self.state.knows(&binding.state_key) {
                report::log_new_version(binding);
            }
            let Binding {
                state_key, schema, ..
            } = binding;
            file.receipt.clone_from(&receipt);
            self.new.insert(file.token.clone());
            self.state.next_counter(state_key, key_begin);
            self.state.note_forms(state_key, key_begin, schema.forms());
            self.state.stage(state_key, key_begin, file);
        }
        let patch = self.state.take_patch();
        self.told |= patch.is_some();
        Ok(patch)
    }

    async fn end_files(&mut self, waited: Duration) -> Result<Vec<WrittenFile>> {
        for binding in 0..self.bindings.len() {
            self.flush(binding, waited).await?;
        }
        self.staging.finish().await
    }

    fn receipt_key(&self, binding: usize) -> String {
        let prefix = &self.bindings[binding].binding.resource.path_prefix;
        let place = prefix.staging_place(self.staging_prefix.as_ref());
        self.author.receipt_key(place)
    }

    /// Waits for the uploads of all files; where one fails, the others are thrown away.
    async fn finish_uploads(
        &mut self,
        written: Vec<WrittenFile>,
    ) -> Result<Vec<(usize, StagedFile)>> {
        let mut staged = Vec::new();
        let mut totals = Totals::default();
        let mut written = written.into_iter();
        let mut failure = None;
        for WrittenFile {
            binding,
            upload,
            report,
        } in written.by_ref()
        {
            let now = (self.environment.now)();
            let finished = upload.finish(report.summary.rows, now, &self.stop).await;
            match finished {
                Ok(finished) => {
                    let rows = &mut self.bindings[binding];
                    report.log(&rows.binding, &finished, &mut rows.told);
                    totals.add_staged(&report, finished.staged.bytes);
                    staged.push((binding, finished.staged));
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let Some(error) = failure else {
            self.staged = totals;
            return Ok(staged);
        };
        abort_uploads(written.map(|file| file.upload)).await;
        let files = staged.into_iter().map(|(_, file)| file);
        store::discard_all(&self.store, files).await;
        Err(error)
    }

    /// Makes every staged file of this shard's key range visible. May be repeated after a crash.
    pub async fn acknowledge(&mut self) -> Result<Acknowledged> {
        let (ids, entries): (Vec<EntryId>, Vec<Entry>) = self.entries().into_iter().unzip();
        let sizes: Vec<_> = entries
            .iter()
            .map(|entry| (entry.file.rows, entry.file.bytes))
            .collect();
        let of_this_session = !std::mem::take(&mut self.new).is_empty();
        if self.told {
            self.state.confirm_writer();
        }
        let now = (self.environment.now)();
        let options = PublishOptions {
            now,
            missing: self.missing,
            haste: self.environment.haste,
            stop: self.stop.clone(),
        };
        let outcomes = match store::publish(&self.store, entries, options).await? {
            Published::Done(outcomes) => outcomes,
            Published::Stopped => return Ok(Acknowledged::Stopped),
        };
        let mut visible = Totals::default();
        for ((id, (rows, bytes)), outcome) in ids.into_iter().zip(sizes).zip(outcomes) {
            if outcome == Outcome::Visible {
                visible.add(rows, bytes);
            }
            if outcome == Outcome::Waits {
                let failing = |file: &mut StagedFile| {
                    file.failing_since.get_or_insert(now);
                };
                self.state.update(&id, failing);
                self.left.insert(id);
            } else {
                self.state.clear(&id);
            }
        }
        self.log_visible(visible, of_this_session);
        self.forget_inactive_forms();
        Ok(Acknowledged::Done(self.state.take_patch()))
    }

    /// Logs what has become visible, if anything has. Of files that an earlier session staged less
    /// is known.
    fn log_visible(&self, mut visible: Totals, of_this_session: bool) {
        if visible.files == 0 {
            return;
        }
        let since_flush = of_this_session.then(|| {
            visible.published = self.staged.published;
            let now = (self.environment.now)();
            now.duration_since(self.began_at).unsigned_abs()
        });
        report::log_visible(&visible, since_flush);
    }

    /// The files that wait to be made visible by this shard.
    fn entries(&self) -> Vec<(EntryId, Entry)> {
        let active = active(&self.bindings);
        let staged = self.state.staged_in(self.key_range.clone());
        let waiting = staged.filter(|(id, _)| !self.left.contains(id));
        waiting
            .map(|(id, file)| {
                let entry = Entry {
                    file: file.clone(),
                    active: active.contains(id.state_key.as_str()),
                    is_new: self.new.contains(&id.token),
                };
                (id, entry)
            })
            .collect()
    }

    /// Removes from the state what was noted of the columns of bindings that are no longer active.
    fn forget_inactive_forms(&mut self) {
        let active = active(&self.bindings);
        let is_active = |state_key: &str| active.contains(state_key);
        self.state.forget_forms(self.key_range.clone(), is_active);
    }

    /// Throws away what no checkpoint can name.
    pub async fn abort(self) {
        self.clean_up.abort();
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
            told: BTreeSet::new(),
        }
    }
}

/// The state keys of the bindings that are active.
fn active(bindings: &[Rows]) -> HashSet<&str> {
    let state_keys = bindings.iter().map(|rows| rows.binding.state_key.as_str());
    state_keys.collect()
}

/// Warns of every field in whose column something else will stand than in the last file of its
/// backfill.
fn warn_of_changes(bindings: &[Binding], state: &State, key_begin: u32) {
    for binding in bindings {
        let Some(forms) = state.forms(&binding.state_key, key_begin) else {
            continue;
        };
        for (field, change) in binding.schema.changes_since(forms) {
            warn!(
                collection = binding.collection,
                field,
                "the column of a field changes {change} with the next file. {}",
                change.consequence()
            );
        }
    }
}

/// Draws a writer that no earlier session of the shard has had.
fn new_author(state: &State, key_begin: u32, random: &mut fastrand::Rng) -> Author {
    loop {
        let writer = random.u32(..);
        if state.writers(key_begin).all(|earlier| earlier != writer) {
            return Author { key_begin, writer };
        }
    }
}

/// Chooses how to commit, and notes it where later sessions need not ask.
async fn choose_way<S: ObjectStore>(
    store: &S,
    endpoint: &EndpointConfig,
    state: &mut State,
    author: Author,
    unused_key: &str,
) -> Result<Way> {
    let place = store.location().endpoint.as_deref().unwrap_or_default();
    let was_found = state.copies_at(author.key_begin, place);
    let mode = endpoint.advanced.commit;
    let Choice {
        way,
        reason,
        is_found,
    } = store::choose(store, mode, unused_key, was_found).await?;
    info!(way = way.as_str(), reason, "chose how files are committed");
    if is_found {
        state.note_copies_at(author.key_begin, place);
    }
    Ok(way)
}

fn most_file_bytes(endpoint: &EndpointConfig, way: Way) -> u64 {
    let limit = endpoint.advanced.file_size_limit;
    match way {
        Way::Multipart => limit,
        Way::Copy => limit.min(MOST_COPIED_BYTES),
    }
}

fn plans(
    bindings: &[Binding],
    endpoint: &EndpointConfig,
    state: &State,
    file_bytes: u64,
) -> Vec<FilePlan> {
    let staging_prefix = endpoint.advanced.staging_prefix.as_ref();
    let plan = |binding: &Binding| {
        let prefix = &binding.resource.path_prefix;
        FilePlan {
            staging_place: prefix.staging_place(staging_prefix).to_owned(),
            prefix: prefix.clone(),
            backfill: binding.backfill,
            schema: Arc::clone(&binding.schema),
            options: binding.options.clone(),
            file_bytes,
            counter: state.counter(&binding.state_key),
        }
    };
    bindings.iter().map(plan).collect()
}
