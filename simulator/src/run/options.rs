//! What a run is of, and how it is played.

use std::path::PathBuf;
use std::time::Duration;

use materialize_s3_parquet::protocol::Codec;

use super::bucket::Location;
use crate::fixture::ClosePolicy;
use crate::runtime::{Level, Runtime};
use crate::s3::Manners;

/// What a run is of, and how it is played.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, and any may go with any other"
)]
pub struct Options {
    /// The catalog: a `flow.yaml`.
    pub catalog: PathBuf,
    /// The materialization to play; none = the only one of the catalog.
    pub task: Option<String>,
    /// The documents: a file in a format of `flowctl preview`, `-` for standard input, or a recipe
    /// (`.yaml`); none = the `fixture.jsonl` or `fixture.yaml` beside the catalog. Those of
    /// standard input and of a FIFO are sent as they come.
    pub fixture: Option<PathBuf>,
    /// What closes a transaction besides a commit.
    pub close: ClosePolicy,
    /// Where files go.
    pub store: Store,
    /// Whose manners the server inside this process has.
    pub manners: Manners,
    /// The bucket; none = `flow-sim`, or the catalog's where the store is.
    pub bucket: Option<String>,
    /// Whether the bucket is made where it is not there, on a server that is not the run's own.
    pub make_bucket: bool,
    /// What stands before the `pathPrefix` of every binding, so that runs in one bucket are kept
    /// apart.
    pub prefix: Option<String>,
    /// The codec; none = what the catalog says.
    pub codec: Option<Codec>,
    /// The runtime.
    pub runtime: Runtime,
    /// The transactions of each session, negative for all that are left; none = what the recipe
    /// says, or else one session. Between sessions the connector is started anew.
    pub sessions: Option<Vec<i64>>,
    /// How many shards the task has, each with a connector process of its own and a part of the
    /// keys.
    pub shards: u32,
    /// Everything random derives from it. It is added to a recipe's own.
    pub seed: u64,
    /// The connector's program and arguments; none = what the catalog says, and for an image the
    /// one beside this program.
    pub connector: Option<Vec<String>>,
    /// The upload interval in seconds; none = what the catalog says.
    pub interval: Option<u32>,
    /// A folder that keeps the files; none = they are fetched into a temporary one.
    pub output: Option<PathBuf>,
    /// The least important logs that the connector writes.
    pub log_level: Level,
    /// How long the connector may take to answer, on top of the upload interval.
    pub patience: Duration,
    /// How often, in the whole run and for each recovery log, a session whose connector failed is
    /// played anew on what is committed, as Flow does.
    pub restarts: u32,
    /// How many rows of each binding the report shows.
    pub preview_rows: usize,
    /// Whether documents are held against their collections' schemas, as Flow does. Without it a
    /// connector can be given what Flow would never send.
    pub checks_documents: bool,
    /// Whether it is fine that nothing was compared.
    pub allow_empty: bool,
    /// Whether it is fine that documents are left over after the last session.
    pub allow_unplayed: bool,
    /// Whether every value must be in a column of its own: none rescued, none beside its column as
    /// exact text, none in no column at all; and every binding be read back.
    pub strict: bool,
}

impl Options {
    /// The options for a catalog with nothing else said.
    pub fn new(catalog: impl Into<PathBuf>) -> Self {
        Self {
            catalog: catalog.into(),
            task: None,
            fixture: None,
            close: ClosePolicy::default(),
            store: Store::Embedded,
            manners: Manners::default(),
            bucket: None,
            make_bucket: false,
            prefix: None,
            codec: None,
            runtime: Runtime::V1,
            sessions: None,
            shards: 1,
            seed: 0,
            connector: None,
            interval: None,
            output: None,
            log_level: Level::Info,
            patience: Duration::from_mins(1),
            restarts: 0,
            preview_rows: 5,
            checks_documents: true,
            allow_empty: false,
            allow_unplayed: false,
            strict: false,
        }
    }
}

/// Where files go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// An S3 server inside this process, which ends with the run.
    #[default]
    Embedded,
    /// A MinIO in a container, which ends with the run.
    Minio,
    /// A Ceph in a container, which ends with the run.
    Ceph,
    /// A SeaweedFS in a container, which ends with the run.
    SeaweedFs,
    /// A server that is there already.
    At(Location),
    /// Where the catalog says, with the credentials that it has.
    Catalog,
    /// Wherever the connector writes: its configuration stays as the catalog has it, and no files
    /// are read back.
    None,
}
