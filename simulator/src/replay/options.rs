//! How a recording is replayed.

use std::time::Duration;

use materialize_s3_parquet::protocol::Codec;
use serde_json::Value;

use super::rules::Rules;
use crate::run::Store;
use crate::runtime::Level;

/// How a recording is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The connector's program and arguments.
    pub connector: Vec<String>,
    /// The codec; none = the one that was recorded, or else proto.
    pub codec: Option<Codec>,
    /// Where files go; its place and credentials are filled into every endpoint's configuration.
    /// None = configurations stay as they were recorded.
    pub store: Option<Store>,
    /// The bucket; none = `flow-sim`.
    pub bucket: Option<String>,
    /// Whether the bucket is made where it is not there, on a server that is not the replay's own.
    pub make_bucket: bool,
    /// A merge patch over every endpoint's configuration, such as the secrets that a recording
    /// does not hold.
    pub config: Value,
    /// What may differ from the recording.
    pub rules: Rules,
    /// Everything random derives from it.
    pub seed: u64,
    /// The least important logs that the connector writes.
    pub log_level: Level,
    /// How long an answer may take.
    pub patience: Duration,
}

impl Options {
    /// The options for a connector with nothing else said: an S3 server inside this process, and
    /// the rules that are built in.
    pub fn new(connector: Vec<String>) -> Self {
        Self {
            connector,
            codec: None,
            store: Some(Store::Embedded),
            bucket: None,
            make_bucket: false,
            config: Value::Null,
            rules: Rules::default(),
            seed: 0,
            log_level: Level::Info,
            patience: Duration::from_mins(1),
        }
    }
}
