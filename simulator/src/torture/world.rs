//! What the sessions of a run share: the S3 servers, the connector's command, and the record of
//! what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bystanders::Bystanders;
use super::check::{Commit, StateSample};
use super::plan::{At, Plan};
use super::servers::{BUCKETS, Heard, Servers, longest_delay};
use super::staged::StagedEntry;
use super::story::{Happening, Place, Told};
use crate::runtime::{Level, LocalCommand};
use crate::s3::{Effect, ServerError, Store};

/// How many times faster than in life a connector retries, and gives a file up.
const HASTE: &str = "200";

/// The environment variable that tells the connector so.
const HASTE_VARIABLE: &str = "FLOW_SIM_HASTE";

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What the sessions of a run share.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) servers: Servers,
    pub(super) command: LocalCommand,
    bystanders: Mutex<Bystanders>,
    record: Mutex<Record>,
    /// When the run began.
    pub(super) began: Instant,
}

/// What happens.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) commits: Vec<Commit>,
    /// Every file that a commit has named.
    pub(super) named: Vec<Named>,
    /// How many transactions had been committed in all when a key was first seen.
    pub(super) seen: BTreeMap<String, u64>,
    pub(super) committed: u64,
    /// Files that nobody has to make visible any more, because their task was deleted.
    pub(super) deleted: BTreeSet<String>,
    pub(super) states: Vec<StateSample>,
    pub(super) surprises: Vec<String>,
    /// Whether access was revoked in this session.
    pub(super) revoked: bool,
    /// The requests that had come before this session.
    pub(super) heard: Heard,
    pub(super) incidents: BTreeMap<(&'static str, At), u64>,
    pub(super) processes: u64,
    pub(super) sessions: u64,
    /// How many sessions did a transaction again.
    pub(super) replays: u64,
    /// How many sessions ended while a connector waited.
    pub(super) waits: u64,
    pub(super) zombies: Vec<JoinHandle<()>>,
    /// Whether there has ever been a zombie.
    pub(super) is_haunted: bool,
    pub(super) told: Vec<Told>,
}

/// A file that a commit has named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) entry: StagedEntry,
    /// Whether the server may lose it, because it was staged for a completion where nothing told
    /// the connector not to.
    pub(super) may_be_lost: bool,
}

impl World {
    /// Starts the servers. `connector` is the program and its arguments.
    pub(super) async fn new(plan: &Plan, connector: &[String]) -> Result<Self, ServerError> {
        let servers = Servers::start(plan).await?;
        let bystanders = servers.with_store(|store| Bystanders::place(plan, store));
        Ok(Self {
            plan: plan.clone(),
            command: command(plan, connector),
            servers,
            bystanders: Mutex::new(bystanders),
            record: Mutex::default(),
            began: Instant::now(),
        })
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }

    pub(super) fn bystanders(&self) -> MutexGuard<'_, Bystanders> {
        self.bystanders.lock()
    }

    /// Notes when something happens, for the story.
    pub(super) fn tell(&self, place: Place, what: Happening) {
        let at = Instant::now();
        self.record().told.push(Told { at, place, what });
    }

    /// Notes something that went wrong without a cause.
    pub(super) fn surprise(&self, what: String) {
        self.record().surprises.push(what);
    }

    /// Forgets the troubles of the last session.
    pub(super) fn begin_session(&self) {
        self.servers.refuse(false);
        let heard = self.servers.heard();
        let mut record = self.record();
        record.revoked = false;
        record.heard = heard;
    }

    /// From now on every request is refused.
    pub(super) fn revoke_access(&self) {
        self.servers.refuse(true);
        self.record().revoked = true;
    }

    /// Whether something has happened in this session that a connector cannot mend.
    pub(super) fn has_cause_to_fail(&self) -> bool {
        let (revoked, heard) = {
            let record = self.record();
            (record.revoked, record.heard)
        };
        let fatal = |fault: &Effect| {
            matches!(
                fault,
                Effect::ExpireUpload | Effect::ExpireSource | Effect::AccessDenied
            )
        };
        revoked
            || self
                .servers
                .since(heard)
                .iter()
                .any(|entry| entry.fault.as_ref().is_some_and(fatal))
    }

    /// Adds a process that does not know of its successor.
    pub(super) fn haunt(&self, zombie: impl Future<Output = ()> + Send + 'static) {
        let zombie = tokio::spawn(zombie);
        let mut record = self.record();
        record.zombies.push(zombie);
        record.is_haunted = true;
    }

    /// Notes which files are visible by now.
    pub(super) fn look(&self) {
        let keys = self.servers.with_store(visible_keys);
        let mut record = self.record();
        let committed = record.committed;
        for key in keys {
            record.seen.entry(key).or_insert(committed);
        }
    }

    /// Waits until the servers have done everything that they were asked for, delayed effects
    /// included.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(longest_delay(&self.plan)).await;
        self.servers.settle(|_| true).await;
    }
}

fn command(plan: &Plan, connector: &[String]) -> LocalCommand {
    LocalCommand {
        command: connector.to_vec(),
        env: BTreeMap::from([(HASTE_VARIABLE.to_owned(), HASTE.to_owned())]),
        codec: plan.codec.into(),
        log_level: Level::Warn,
        seed: plan.seed,
    }
}

/// The keys of all files of the table that are visible, or were until a loader took them.
fn visible_keys(store: &mut Store) -> Vec<String> {
    let mut keys = Vec::new();
    for bucket in BUCKETS {
        let objects = store.table_objects(bucket).expect("the bucket was made");
        keys.extend(objects.map(|(key, _)| key.to_owned()));
        let loaded = store.loaded(bucket).expect("the bucket was made");
        keys.extend(loaded.keys().cloned());
    }
    keys
}
