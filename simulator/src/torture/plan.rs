//! A plan: everything that will happen in a run, as data. The plan decides, the run only executes.

use materialize_s3_parquet::protocol;
use serde::{Deserialize, Serialize};

use crate::runtime::{Runtime, Step};
use crate::s3::{Effect, Fault, Manners};

/// Everything that will happen in a run. What it leaves open (tokens, upload ids, documents)
/// follows from its seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// What everything random derives from that the plan does not say itself.
    pub seed: u64,
    /// The runtime that is played.
    pub runtime: Runtime,
    /// How messages are written.
    pub codec: Codec,
    /// The task's bindings, each of a collection of its own.
    pub bindings: Vec<Binding>,
    /// The bytes after which a file ends. A part of an upload has 8 MiB.
    pub file_size_limit: u64,
    /// How many different keys the documents have.
    pub keys: u32,
    /// How files are made visible, until a change says otherwise.
    #[serde(default)]
    pub commit: Commit,
    /// `advanced.stagingPrefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging_prefix: Option<String>,
    /// How the S3 server behaves.
    pub server: Server,
    /// The sessions, one after the other. After them come clean ones without a fault, which must
    /// bring everything to a good end.
    ///
    /// Under the new runtime, one that follows a crash between Flushed and the commit does exactly
    /// that transaction again and no other.
    pub sessions: Vec<Session>,
}

/// How files are made visible: `advanced.commit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commit {
    /// As the store's answers tell.
    #[default]
    Auto,
    /// A multipart upload under the final key, completed.
    Multipart,
    /// An object under a staging key, copied.
    Copy,
}

impl Commit {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Multipart => "multipart",
            Self::Copy => "copy",
        }
    }
}

/// A codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Codec {
    Proto,
    Json,
}

impl Plan {
    /// Whether the outcome depends on how far a connector had come when something happened to it:
    /// files that a loader takes, that a rule removes or that the server loses are told apart
    /// from others only by that. The verdict never depends on it.
    pub fn leaves_to_chance(&self) -> bool {
        let changes = || self.sessions.iter().flat_map(|session| &session.changes);
        let takes = changes().any(|change| {
            matches!(
                change,
                Change::Expire | Change::LoseReceipts | Change::Loader { runs: true }
            )
        });
        let loses = self.server.manners == Manners::Minio
            && (self.commit != Commit::Copy || changes().any(Change::is_of_commit));
        let expires = self
            .server
            .faults
            .iter()
            .any(|fault| matches!(fault.effect, Effect::ExpireSource | Effect::AccessDenied));
        (takes || loses || expires) && self.sessions.iter().any(Session::is_cut_at_work)
    }
}

impl Session {
    /// Whether something happens to a connector while it makes files visible.
    fn is_cut_at_work(&self) -> bool {
        let is_cut = |incident: &Incident| match incident.what {
            // Whenever it wakes, a successor makes the same files visible.
            What::Freeze { .. } => true,
            What::Kill { .. } | What::Terminate => incident.at == At::AcknowledgeSent,
            What::CloseInput | What::RevokeAccess => false,
        };
        self.incidents.iter().any(is_cut)
    }
}

impl Change {
    fn is_of_commit(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Proxy { .. })
    }
}

impl From<Codec> for protocol::Codec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Proto => Self::Proto,
            Codec::Json => Self::Json,
        }
    }
}

/// A binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// Where its files go.
    pub prefix: String,
    /// How they are compressed.
    pub compression: String,
    /// Whether the root document is a column.
    pub document: bool,
}

/// How the S3 server behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// The real server whose manners it has: what it lists, forgets, refuses and loses.
    pub manners: Manners,
    /// Whether its buckets keep versions.
    #[serde(default)]
    pub versioned: bool,
    /// What goes wrong, until the plan's sessions are over.
    pub faults: Vec<Fault>,
}

/// A session of every shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// What happens to the task before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The transaction that a second stack runs meanwhile: a task of the same name and
    /// specification with a state of its own, which is empty the first time. A preview is one,
    /// and so is a copy of the catalog that somebody tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_stack: Option<Transaction>,
    /// The transactions that it runs, if nothing ends it earlier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transactions: Vec<Transaction>,
    /// What happens in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// `uploadIntervalInSeconds`, which the connector lets go by in haste. [`End::Waiting`] takes
    /// one of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub upload_interval: u32,
    /// How it ends, if nothing ends it earlier.
    #[serde(default)]
    pub end: End,
    /// Whether the runtime drops what was acknowledged after the last commit, as the old one does
    /// when it stops.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgets: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// A transaction takes the next documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transaction {
    /// How many.
    pub documents: u32,
    /// How many bytes each carries that cannot be compressed.
    #[serde(default)]
    pub payload_bytes: u32,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The input ends after `StartedCommit` and the commit, without an Acknowledge: how the new
    /// runtime stops.
    Committed,
    /// The input ends right after Acknowledge.
    AcknowledgeSent,
    /// The upload interval is long, and the input ends while the connector waits for its end: after
    /// the first Acknowledge of a transaction that it waits for.
    Waiting,
    /// The input ends when everything is acknowledged.
    #[default]
    Acknowledged,
}

/// What happens to a task between two sessions. What does not apply (there is no such shard) does
/// not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A shard's key range is split in the middle. Under the old runtime the new shard begins with
    /// a copy of its parent's recovery log; under the new one both share one.
    Split {
        /// The shard's place in the order of key ranges.
        shard: usize,
    },
    /// A shard takes its right neighbour's key range over. Under the old runtime the neighbour's
    /// recovery log is lost with it, so it must have nothing left to do.
    Merge {
        /// The shard's place.
        shard: usize,
    },
    /// A binding is removed.
    Remove {
        /// The binding.
        binding: usize,
    },
    /// A removed binding is there again.
    Restore {
        /// The binding.
        binding: usize,
    },
    /// A binding is backfilled: its backfill counter goes up, and its driver state begins anew.
    Backfill {
        /// The binding.
        binding: usize,
    },
    /// The task is deleted, and made again under the same prefixes with a fresh state.
    Remake {
        /// Whether it gets its old name.
        same_name: bool,
    },
    /// A rule of the bucket removes every incomplete upload and every staged object of the task,
    /// however young.
    Expire,
    /// Every receipt is gone.
    LoseReceipts,
    /// `advanced.commit` is changed.
    Commit {
        /// To this.
        commit: Commit,
    },
    /// The store is reached by another address, where other keys are valid, and which does not tell
    /// whose server it is; or by its own again.
    Proxy {
        /// Whether it is the other one.
        runs: bool,
    },
    /// The task goes on in the other bucket.
    Bucket {
        /// Whether it is the second one.
        second: bool,
    },
    /// A loader takes files away as soon as they are visible and nothing staged is left of them; or
    /// no longer.
    Loader {
        /// Whether it does.
        runs: bool,
    },
}

/// Something that happens in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incident {
    /// The shard's place in the order of key ranges, modulo their number.
    pub shard: usize,
    /// After which step.
    pub at: At,
    /// After how many of those steps in this session.
    #[serde(default)]
    pub nth: u32,
    /// What happens.
    pub what: What,
}

/// A step of the runtime. See [`Step`]; the first one stands before all of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the steps")]
pub enum At {
    /// The state was read that Open will carry, and no process has been started for it.
    StateRead,
    OpenSent,
    Opened,
    AcknowledgeSent,
    Acknowledged,
    AcknowledgedPersisted,
    FlushSent,
    Flushed,
    FlushedPersisted,
    StoreSent,
    StartCommitSent,
    StartedCommit,
    Committed,
}

impl At {
    /// Every step, in the order of a session.
    pub const ALL: [Self; 13] = [
        Self::StateRead,
        Self::OpenSent,
        Self::Opened,
        Self::AcknowledgeSent,
        Self::Acknowledged,
        Self::AcknowledgedPersisted,
        Self::FlushSent,
        Self::Flushed,
        Self::FlushedPersisted,
        Self::StoreSent,
        Self::StartCommitSent,
        Self::StartedCommit,
        Self::Committed,
    ];

    /// The step by which incidents go; none for those at which nothing can happen.
    pub(super) fn of(step: Step) -> Option<Self> {
        Some(match step {
            Step::OpenSent => Self::OpenSent,
            Step::Opened => Self::Opened,
            Step::AcknowledgeSent => Self::AcknowledgeSent,
            Step::Acknowledged => Self::Acknowledged,
            Step::AcknowledgedPersisted => Self::AcknowledgedPersisted,
            Step::FlushSent => Self::FlushSent,
            Step::Flushed => Self::Flushed,
            Step::FlushedPersisted => Self::FlushedPersisted,
            Step::StoreSent { .. } => Self::StoreSent,
            Step::StartCommitSent => Self::StartCommitSent,
            Step::StartedCommit => Self::StartedCommit,
            Step::Committed { .. } => Self::Committed,
            _ => return None,
        })
    }

    /// Whether a transaction is open after this step: the end of input is an error there. (After
    /// `StartCommitSent` it is none, because the connector has everything it needs.)
    pub(super) fn is_within_transaction(self) -> bool {
        matches!(
            self,
            Self::FlushSent | Self::Flushed | Self::FlushedPersisted | Self::StoreSent
        )
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The connector is killed: SIGKILL.
    Kill {
        /// After so long, in which it goes on and nobody listens.
        after_milliseconds: u64,
    },
    /// The connector is stopped (SIGSTOP), another session begins, and then it goes on (SIGCONT)
    /// with a runtime that knows no better. After [`At::StateRead`] there is no connector yet,
    /// and it is started only then.
    Freeze {
        /// After so long, in which it goes on and nobody listens.
        after_milliseconds: u64,
        /// It goes on when a later session takes this step.
        until: At,
    },
    /// The input ends here.
    CloseInput,
    /// The process is asked to stop (SIGTERM), and its input stays open.
    Terminate,
    /// From here on the credentials are of no use, until the next session.
    RevokeAccess,
}

impl What {
    /// What it is called in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill { .. } => "killed",
            Self::Freeze { .. } => "frozen",
            Self::CloseInput => "input closed",
            Self::Terminate => "terminated",
            Self::RevokeAccess => "access revoked",
        }
    }
}
