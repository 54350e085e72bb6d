//! A catalog file as it is written: every key Flow has, those the simulator has no use for
//! included. Whatever else stands there is an error.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::selection::Recommended;

/// Keys of Flow's that say nothing to a simulated materialization.
type Ignored = Option<IgnoredAny>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct File {
    #[serde(rename = "$schema")]
    _schema: Ignored,
    #[serde(default)]
    pub(super) import: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) collections: BTreeMap<String, Spanned<Collection>>,
    #[serde(default)]
    pub(super) materializations: BTreeMap<String, Spanned<Materialization>>,
    #[serde(rename = "captures")]
    _captures: Ignored,
    #[serde(rename = "tests")]
    _tests: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Collection {
    pub(super) schema: Option<Spanned<Value>>,
    pub(super) write_schema: Option<Spanned<Value>>,
    pub(super) read_schema: Option<Spanned<Value>>,
    pub(super) key: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) projections: BTreeMap<String, Spanned<Projection>>,
    #[serde(rename = "journals")]
    _journals: Ignored,
    #[serde(rename = "derive")]
    _derive: Ignored,
    #[serde(rename = "expectPubId")]
    _expect_pub_id: Ignored,
    #[serde(rename = "delete")]
    _delete: Ignored,
    #[serde(rename = "reset")]
    _reset: Ignored,
}

/// A pointer, or a pointer and whether the collection is partitioned by it.
pub(super) struct Projection {
    pub(super) location: String,
    pub(super) partition: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Materialization {
    pub(super) endpoint: Spanned<Endpoint>,
    #[serde(default)]
    pub(super) bindings: Vec<Spanned<Binding>>,
    #[serde(default)]
    pub(super) shards: Shards,
    #[serde(default)]
    pub(super) on_incompatible_schema_change: Option<OnIncompatibleSchemaChange>,
    pub(super) sync_schedule: Option<Value>,
    pub(super) triggers: Option<Value>,
    #[serde(rename = "source", alias = "sourceCapture")]
    _source: Ignored,
    #[serde(rename = "expectPubId")]
    _expect_pub_id: Ignored,
    #[serde(rename = "delete")]
    _delete: Ignored,
    #[serde(rename = "reset")]
    _reset: Ignored,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Endpoint {
    Local(Local),
    Connector(Connector),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Local {
    pub(super) command: Spanned<Vec<String>>,
    pub(super) config: Spanned<Value>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) protobuf: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Connector {
    pub(super) image: String,
    pub(super) config: Spanned<Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Shards {
    #[serde(default)]
    pub(super) disable: bool,
    pub(super) min_txn_duration: Option<Spanned<String>>,
    pub(super) max_txn_duration: Option<Spanned<String>>,
    pub(super) log_level: Option<String>,
    #[serde(default)]
    pub(super) hot_standbys: u32,
    pub(super) ring_buffer_size: Option<u32>,
    pub(super) read_channel_size: Option<u32>,
    #[serde(rename = "flags")]
    _flags: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Binding {
    pub(super) source: Spanned<Source>,
    pub(super) resource: Spanned<Value>,
    pub(super) fields: Option<Fields>,
    #[serde(default)]
    pub(super) backfill: u32,
    #[serde(default)]
    pub(super) disable: bool,
    #[serde(default)]
    pub(super) priority: u32,
    pub(super) on_incompatible_schema_change: Option<OnIncompatibleSchemaChange>,
}

/// A collection's name, or a name and what of it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", remote = "Self")]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) not_before: Option<Spanned<String>>,
    pub(super) not_after: Option<Spanned<String>>,
    pub(super) partitions: Option<Spanned<Partitions>>,
}

/// Which partitions are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Partitions {
    #[serde(default)]
    pub(super) include: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    pub(super) exclude: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Fields {
    #[serde(default)]
    pub(super) group_by: Vec<Spanned<String>>,
    #[serde(default, alias = "include")]
    pub(super) require: BTreeMap<String, Spanned<Value>>,
    #[serde(default)]
    pub(super) exclude: Vec<Spanned<String>>,
    #[serde(deserialize_with = "recommended")]
    pub(super) recommended: Recommended,
}

/// What happens when a field cannot be materialized as it is any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnIncompatibleSchemaChange {
    /// The binding starts again, with its backfill counter advanced.
    #[default]
    Backfill,
    /// The build fails.
    Abort,
    /// The binding is disabled.
    DisableBinding,
    /// The whole task is disabled.
    DisableTask,
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;
        impl<'de> Visitor<'de> for NameOrMap {
            type Value = Source;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a collection's name, or `{name: …, notBefore: …}`")
            }

            fn visit_str<E>(self, name: &str) -> Result<Source, E> {
                let name = name.to_owned();
                Ok(Source {
                    name,
                    not_before: None,
                    not_after: None,
                    partitions: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                Source::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(NameOrMap)
    }
}

impl<'de> Deserialize<'de> for Projection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            location: String,
            #[serde(default)]
            partition: bool,
        }
        struct PointerOrMap;
        impl<'de> Visitor<'de> for PointerOrMap {
            type Value = Projection;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON pointer, or `{location: …, partition: …}`")
            }

            fn visit_str<E>(self, location: &str) -> Result<Projection, E> {
                Ok(Projection {
                    location: location.to_owned(),
                    partition: false,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Projection, A::Error> {
                let Map {
                    location,
                    partition,
                } = Map::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Projection {
                    location,
                    partition,
                })
            }
        }
        deserializer.deserialize_any(PointerOrMap)
    }
}

fn recommended<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Recommended, D::Error> {
    let wrong = |value: &Value| {
        D::Error::custom(format!(
            "`recommended` is true, false or a depth, but is {value}"
        ))
    };
    match Value::deserialize(deserializer)? {
        Value::Bool(true) => Ok(Recommended::All),
        Value::Bool(false) => Ok(Recommended::None),
        value => match value.as_u64() {
            Some(0) => Ok(Recommended::None),
            Some(depth) => Ok(Recommended::Depth(depth as usize)),
            None => Err(wrong(&value)),
        },
    }
}
