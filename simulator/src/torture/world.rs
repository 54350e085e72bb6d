//! What the sessions of a run share: the S3 server, the connector's command, and the record of what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::check::{Commit, StateSample};
use super::plan::{At, Codec, Plan};
use super::spec::Endpoint;
use super::staged::StagedEntry;
use super::story::{Happening, Place, Told};
use crate::runtime::{Level, LocalCommand};
use crate::s3::{
    Attributes, Effect, FaultPlan, Options, Outcome, Recompletion, Rules, Server, ServerError,
    Store, UploadListing, UploadRef,
};

/// The only bucket.
pub(super) const BUCKET: &str = "torture";

/// How many times faster than in life a connector retries, and gives a completion up.
const HASTE: &str = "200";

/// How slow the server's clock is: nearly as slow as a connector must stand (16 minutes, in haste). A tenth of a second remains in which
/// what was left behind is taken for what a successor has begun.
const SLOW: Duration = Duration::from_millis(16 * 60 * 1000 / 200 - 100);

/// How long to wait until what was left behind can be told from what is new.
const TENTH: Duration = Duration::from_millis(120);

/// The environment variable that tells the connector so.
const HASTE_VARIABLE: &str = "FLOW_SIM_HASTE";

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Uploads that are none of our task's: of another one, of nobody, and one that only looks like ours.
const BYSTANDERS: [&str; 3] = [
    "v0000000000/00000000-000000000000-00000000-0123456789abcdef.parquet",
    "notes.txt",
    "v0000000000/00000000-000000000000-%-0123456789abcdef.parquet.bak",
];

/// What the sessions of a run share.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) server: Server,
    pub(super) command: LocalCommand,
    pub(super) endpoint: Endpoint,
    bystanders: Vec<(String, String)>,
    record: Mutex<Record>,
    /// When the run began.
    pub(super) began: Instant,
}

/// What happens.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) commits: Vec<Commit>,
    /// How many transactions had been committed in all when a key was first seen.
    pub(super) seen: BTreeMap<String, u64>,
    pub(super) committed: u64,
    pub(super) may_be_missing: BTreeSet<String>,
    pub(super) states: Vec<StateSample>,
    pub(super) surprises: Vec<String>,
    /// Whether access was revoked in this session.
    pub(super) revoked: bool,
    /// How many requests had come before this session.
    pub(super) requests: usize,
    pub(super) incidents: BTreeMap<(&'static str, At), u64>,
    pub(super) processes: u64,
    pub(super) sessions: u64,
    /// How many sessions did a transaction again.
    pub(super) replays: u64,
    /// How many sessions ended while a connector waited.
    pub(super) waits: u64,
    pub(super) zombies: Vec<JoinHandle<()>>,
    pub(super) told: Vec<Told>,
}

impl World {
    /// Starts the server. `connector` is the program and its arguments.
    pub(super) async fn new(plan: &Plan, connector: &[String]) -> Result<Self, ServerError> {
        let options = Options {
            buckets: vec![BUCKET.to_owned()],
            rules: rules(plan),
            faults: FaultPlan {
                seed: plan.seed,
                faults: plan.server.faults.clone(),
            },
            seed: plan.seed,
            clock: Arc::new(slow_clock),
            ..Options::default()
        };
        let (access_key_id, secret_access_key) = (
            options.access_key_id.clone(),
            options.secret_access_key.clone(),
        );
        let now = (options.clock)();
        let server = Server::start(options).await?;
        let bystanders = server.with_store(|store| place_bystanders(plan, store, now));
        let endpoint = Endpoint {
            url: server.endpoint(),
            bucket: BUCKET.to_owned(),
            access_key_id,
            secret_access_key,
        };
        Ok(Self {
            plan: plan.clone(),
            command: command(plan, connector),
            endpoint,
            server,
            bystanders,
            record: Mutex::default(),
            began: Instant::now(),
        })
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.server.restore_access();
        let requests = self.server.journal().len();
        let mut record = self.record();
        record.revoked = false;
        record.requests = requests;
    }

    /// From now on every request is refused.
    pub(super) fn revoke_access(&self) {
        self.server.revoke_access();
        self.record().revoked = true;
    }

    /// Whether something has happened in this session that a connector cannot mend.
    pub(super) fn has_cause_to_fail(&self) -> bool {
        let (revoked, requests) = {
            let record = self.record();
            (record.revoked, record.requests)
        };
        let fatal = |fault: &Effect| matches!(fault, Effect::ExpireUpload | Effect::AccessDenied);
        revoked
            || self.server.journal()[requests..]
                .iter()
                .any(|entry| entry.fault.as_ref().is_some_and(fatal))
    }

    /// Notes which files are visible by now.
    pub(super) fn look(&self) {
        let keys = self.server.with_store(visible_keys);
        let mut record = self.record();
        let committed = record.committed;
        for key in keys {
            record.seen.entry(key).or_insert(committed);
        }
    }

    /// Whether a staged upload is neither pending nor visible, nor will be.
    pub(super) fn is_lost(&self, entry: &StagedEntry) -> bool {
        self.server.with_store(|store| {
            let upload = UploadRef {
                bucket: BUCKET,
                key: &entry.key,
                upload_id: &entry.upload_id,
            };
            let written = store
                .writes(BUCKET)
                .is_ok_and(|writes| writes.contains_key(&entry.key));
            let loaded = store
                .loaded(BUCKET)
                .is_ok_and(|loaded| loaded.contains_key(&entry.key));
            // What a loader has taken is told from what was never completed only where a second completion is accepted.
            let is_gone = loaded && !self.plan.server.recompletes;
            store.upload(upload).is_err() && (!written || is_gone)
        })
    }

    /// What a rule of the bucket does while the task is paused: removes every upload of the task.
    pub(super) fn expire_uploads(&self) {
        let pending = self.pending();
        self.server.with_store(|store| {
            for (key, upload_id) in &pending {
                // It was there a moment ago; a connector may have been quicker.
                let _ = store.abort_upload(UploadRef {
                    bucket: BUCKET,
                    key,
                    upload_id,
                });
            }
        });
    }

    /// Every pending upload but the bystanders, as key and upload id.
    pub(super) fn pending(&self) -> Vec<(String, String)> {
        let mut pending = self.server.with_store(pending_uploads);
        pending.retain(|upload| !self.bystanders.contains(upload));
        pending
    }

    /// The bystanders that are no longer there.
    pub(super) fn aborted_bystanders(&self) -> Vec<String> {
        let pending = self.server.with_store(pending_uploads);
        let gone = self
            .bystanders
            .iter()
            .filter(|upload| !pending.contains(upload));
        gone.map(|(key, _)| key.clone()).collect()
    }

    /// Waits until the server has done everything that it was asked for, delayed effects included, and until nothing of it is new.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(longest_delay(&self.plan)).await;
        while self
            .server
            .journal()
            .iter()
            .any(|entry| entry.outcome == Outcome::Open)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(TENTH).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the server gets its time, and connectors theirs"
)]
fn slow_clock() -> jiff::Timestamp {
    jiff::Timestamp::now() - SLOW
}

fn rules(plan: &Plan) -> Rules {
    Rules {
        recompletion: if plan.server.recompletes {
            Recompletion::Accepted
        } else {
            Recompletion::NoSuchUpload
        },
        upload_listing: if plan.server.lists_by_key {
            UploadListing::ExactKey
        } else {
            UploadListing::Prefix
        },
        equal_parts: true,
        ..Rules::default()
    }
}

fn command(plan: &Plan, connector: &[String]) -> LocalCommand {
    LocalCommand {
        command: connector.to_vec(),
        env: BTreeMap::from([(HASTE_VARIABLE.to_owned(), HASTE.to_owned())]),
        codec: match plan.codec {
            Codec::Proto => materialize_s3_parquet::protocol::Codec::Proto,
            Codec::Json => materialize_s3_parquet::protocol::Codec::Json,
        },
        log_level: Level::Warn,
        seed: plan.seed,
    }
}

fn place_bystanders(plan: &Plan, store: &mut Store, now: jiff::Timestamp) -> Vec<(String, String)> {
    let keys = plan
        .bindings
        .iter()
        .flat_map(|binding| BYSTANDERS.map(|name| format!("{}/{name}", binding.prefix)));
    let placed = keys.map(|key| {
        let upload_id = store.create_upload(BUCKET, &key, Attributes::default(), None, now);
        (key, upload_id.expect("the bucket was made"))
    });
    placed.collect()
}

fn pending_uploads(store: &mut Store) -> Vec<(String, String)> {
    let uploads = store.uploads(BUCKET).expect("the bucket was made");
    uploads
        .map(|(key, upload_id, _)| (key.to_owned(), upload_id.to_owned()))
        .collect()
}

/// The keys of all files that are visible, or were until a loader took them.
fn visible_keys(store: &mut Store) -> Vec<String> {
    let objects = store
        .objects(BUCKET)
        .expect("the bucket was made")
        .map(|(key, _)| key.to_owned());
    let loaded = store
        .loaded(BUCKET)
        .expect("the bucket was made")
        .keys()
        .cloned();
    objects.chain(loaded).collect()
}

fn longest_delay(plan: &Plan) -> Duration {
    let delays = plan.server.faults.iter().map(|fault| match fault.effect {
        Effect::ResetThenDone { milliseconds } | Effect::ResetThenVisible { milliseconds } => {
            milliseconds + 5
        }
        _ => 0,
    });
    Duration::from_millis(delays.max().unwrap_or(0))
}
