//! The catalog: Flow's `flow.yaml` as people write it, read into collections and materializations,
//! and built into the specifications that a connector is given.
//!
//! `raw` is what is written, `load` makes the model of it and checks that it holds together,
//! `build` asks the connector's questions and puts its answers in.

mod answer;
mod bindings;
mod build;
mod error;
mod files;
mod load;
mod raw;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use materialize_s3_parquet::protocol::flow;
use serde_json::Value;

use crate::schema::Schema;
use crate::selection::Fields;
pub use build::{BindingSelection, BuildError, Built, Change, Publication, build, validate};
pub use error::{CatalogError, Place};
pub(crate) use files::read as read_file;
pub use raw::OnIncompatibleSchemaChange;
pub use spec::{field_of_label, journal_read_suffix, partition_value, state_key};

/// Everything a catalog and the files it imports define.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By name.
    pub collections: BTreeMap<String, Collection>,
    /// By name.
    pub materializations: BTreeMap<String, Materialization>,
}

/// A collection, built.
#[derive(Clone, Debug)]
pub struct Collection {
    /// What connectors are told of it.
    pub spec: flow::CollectionSpec,
    /// The schema that its documents are read by.
    pub schema: Schema,
    /// Where it is defined.
    pub place: Place,
}

/// A task that materializes collections.
#[derive(Clone, Debug)]
pub struct Materialization {
    /// What it materializes into.
    pub endpoint: Endpoint,
    /// What it materializes.
    pub bindings: Vec<Binding>,
    /// How it runs.
    pub shards: Shards,
    /// What happens when a field cannot be materialized as it is any more, unless the binding says
    /// otherwise.
    pub on_incompatible_schema_change: OnIncompatibleSchemaChange,
    /// `syncSchedule`.
    pub sync_schedule: Option<Value>,
    /// `triggers`.
    pub triggers: Option<Value>,
    /// Where it is defined.
    pub place: Place,
}

/// A connector and its configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// A program.
    Local {
        /// The program and its arguments.
        command: Vec<String>,
        /// The connector's configuration.
        config: Value,
        /// Environment variables.
        env: BTreeMap<String, String>,
        /// Whether it speaks the proto codec; otherwise JSON.
        protobuf: bool,
    },
    /// A container image.
    Connector {
        /// The image, with its tag.
        image: String,
        /// The connector's configuration.
        config: Value,
    },
}

impl Endpoint {
    /// The connector's configuration.
    pub fn config(&self) -> &Value {
        match self {
            Self::Local { config, .. } | Self::Connector { config, .. } => config,
        }
    }

    /// The connector's configuration, for what the simulator fills in.
    pub fn config_mut(&mut self) -> &mut Value {
        match self {
            Self::Local { config, .. } | Self::Connector { config, .. } => config,
        }
    }
}

/// A collection that is materialized into a resource.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The collection's name.
    pub source: String,
    /// Documents published before are not read.
    pub not_before: Option<Timestamp>,
    /// Documents published after are not read.
    pub not_after: Option<Timestamp>,
    /// Which partitions are read.
    pub partitions: Partitions,
    /// The connector's configuration of the resource.
    pub resource: Value,
    /// Which fields.
    pub fields: Fields,
    /// How many times the binding was started again.
    pub backfill: u32,
    /// Whether it is left out.
    pub disable: bool,
    /// Bindings of a higher priority are read first.
    pub priority: u32,
    /// What happens when a field cannot be materialized as it is any more; `None` = what the task
    /// says.
    pub on_incompatible_schema_change: Option<OnIncompatibleSchemaChange>,
    /// Where it is defined.
    pub place: Place,
}

/// Which partitions of a collection are read: those with one of the values of every field that is
/// included, and none of those that are excluded. By default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions {
    /// The values that are read, by field.
    pub include: BTreeMap<String, Vec<Value>>,
    /// The values that are not, by field.
    pub exclude: BTreeMap<String, Vec<Value>>,
}

/// How a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Whether it is disabled.
    pub disable: bool,
    /// No transaction is shorter.
    pub min_txn_duration: SignedDuration,
    /// No transaction is longer.
    pub max_txn_duration: SignedDuration,
    /// What `LOG_LEVEL` the connector is given.
    pub log_level: String,
    /// How many replicas of each shard stand by.
    pub hot_standbys: u32,
    /// How many entries the runtime reads ahead.
    pub ring_buffer_size: u32,
    /// How many reads the runtime has in flight.
    pub read_channel_size: u32,
}

impl Catalog {
    /// Reads the catalog at `file`, and all that it imports.
    pub fn load(file: &Path) -> Result<Self, CatalogError> {
        load::load(file)
    }
}
