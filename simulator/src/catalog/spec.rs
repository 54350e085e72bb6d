//! The parts of built specifications that depend on names and constants only (docs/protocol.md
//! §2.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::SignedDuration;
use materialize_s3_parquet::protocol::{consumer, flow, gazette};
use serde_json::{Value, json};

use super::{Partitions, Shards};
use crate::document_uuid::UUID_POINTER;
use crate::schema::{ExplicitProjection, Shape, project};

const COLLECTION_LABEL: &str = "estuary.dev/collection";

/// What the labels of partitions begin with; the field follows.
const FIELD_LABEL: &str = "estuary.dev/field/";

/// Where a build's ids start in names of shards and journals; nothing else reads it.
const GENERATION: &str = "0000000000000001";

/// The key of a binding within the connector's state: its resource path, percent-encoded, and its
/// backfill counter.
pub fn state_key(resource_path: &[String], backfill: u32) -> String {
    let mut key = String::new();
    for byte in resource_path.join("/").into_bytes() {
        key.push_str(&encoded(byte));
    }
    if backfill != 0 {
        let _ = write!(key, ".v{backfill}");
    }
    key
}

fn encoded(byte: u8) -> String {
    let stays = byte.is_ascii_alphanumeric() || b"-_+.=".contains(&byte);
    if stays {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// What the sources of a binding's checkpoint end in.
pub fn journal_read_suffix(task: &str, state_key: &str) -> String {
    format!("materialize/{task}/{state_key}")
}

pub(super) fn collection(
    name: &str,
    key: Vec<String>,
    explicit: &[ExplicitProjection],
    shape: &Shape,
    write_schema: &Value,
    read_schema: Option<&Value>,
) -> flow::CollectionSpec {
    let acknowledgement =
        json!({"_meta": {"ack": true, "uuid": "DocUUIDPlaceholder-329Bb50aa48EAa9ef"}});
    let partitions = explicit.iter().filter(|projection| projection.partition);
    flow::CollectionSpec {
        name: name.to_owned(),
        projections: project(shape, &key, explicit),
        key,
        uuid_ptr: UUID_POINTER.to_owned(),
        partition_fields: partitions
            .map(|projection| projection.field.clone())
            .collect(),
        ack_template_json: acknowledgement.to_string().into(),
        write_schema_json: write_schema.to_string().into(),
        partition_template: Some(partition_template(name)),
        read_schema_json: read_schema
            .map(|schema| schema.to_string().into())
            .unwrap_or_default(),
        derivation: None,
    }
}

fn partition_template(collection: &str) -> gazette::JournalSpec {
    gazette::JournalSpec {
        name: format!("{collection}/{GENERATION}"),
        replication: 3,
        labels: Some(labels(&[(COLLECTION_LABEL, collection)])),
        fragment: Some(fragment(
            512 << 20,
            gazette::CompressionCodec::Gzip,
            SignedDuration::from_hours(24),
        )),
        flags: 4,
        max_append_rate: 4 << 20,
    }
}

pub(super) fn recovery_log_template(task: &str) -> gazette::JournalSpec {
    gazette::JournalSpec {
        name: format!("recovery/materialize/{task}/{GENERATION}"),
        replication: 3,
        labels: None,
        fragment: Some(fragment(
            256 << 20,
            gazette::CompressionCodec::Snappy,
            SignedDuration::from_hours(48),
        )),
        flags: 4,
        max_append_rate: 4 << 20,
    }
}

fn fragment(
    length: i64,
    codec: gazette::CompressionCodec,
    flush_interval: SignedDuration,
) -> gazette::journal_spec::Fragment {
    gazette::journal_spec::Fragment {
        length,
        compression_codec: codec.into(),
        refresh_interval: Some(duration(SignedDuration::from_mins(5))),
        flush_interval: Some(duration(flush_interval)),
        ..gazette::journal_spec::Fragment::default()
    }
}

pub(super) fn shard_template(task: &str, version: &str, shards: &Shards) -> consumer::ShardSpec {
    consumer::ShardSpec {
        id: format!("materialize/{task}/{GENERATION}"),
        sources: Vec::new(),
        recovery_log_prefix: "recovery".to_owned(),
        hint_prefix: "/estuary/flow/hints".to_owned(),
        hint_backups: 2,
        max_txn_duration: Some(duration(shards.max_txn_duration)),
        min_txn_duration: Some(duration(shards.min_txn_duration)),
        disable: shards.disable,
        hot_standbys: shards.hot_standbys,
        labels: Some(labels(&[
            ("app.gazette.dev/managed-by", "estuary.dev/flow"),
            ("estuary.dev/build", version),
            ("estuary.dev/log-level", &shards.log_level),
            ("estuary.dev/task-name", task),
            ("estuary.dev/task-type", "materialization"),
        ])),
        disable_wait_for_ack: false,
        ring_buffer_size: shards.ring_buffer_size,
        read_channel_size: shards.read_channel_size,
    }
}

/// Selects partitions of a collection.
pub(super) fn partition_selector(
    collection: &str,
    partitions: &Partitions,
) -> gazette::LabelSelector {
    let mut include = labels(&[(COLLECTION_LABEL, collection)]);
    include.labels.extend(field_labels(&partitions.include));
    gazette::LabelSelector {
        include: Some(include),
        exclude: Some(gazette::LabelSet {
            labels: field_labels(&partitions.exclude).collect(),
        }),
    }
}

/// A label for each value, ascending by field and then by value.
fn field_labels(
    fields: &BTreeMap<String, Vec<Value>>,
) -> impl Iterator<Item = gazette::Label> + '_ {
    fields.iter().flat_map(|(field, values)| {
        let mut values: Vec<String> = values.iter().map(partition_value).collect();
        values.sort_unstable();
        values.into_iter().map(move |value| gazette::Label {
            name: format!("{FIELD_LABEL}{field}"),
            value,
            prefix: false,
        })
    })
}

/// The field that a partition's label is of; none for other labels.
pub fn field_of_label(name: &str) -> Option<&str> {
    name.strip_prefix(FIELD_LABEL)
}

/// The value of a field as the label of its partition: text as it is, percent-encoded, and other
/// values apart from it. A connector has no use for it; the simulator reads by it.
pub fn partition_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.bytes().map(encoded).collect(),
        other => format!("%_{other}"),
    }
}

/// Labels, which the caller gives sorted by name.
fn labels(named: &[(&str, &str)]) -> gazette::LabelSet {
    let label = |(name, value): &(&str, &str)| gazette::Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        prefix: false,
    };
    gazette::LabelSet {
        labels: named.iter().map(label).collect(),
    }
}

fn duration(duration: SignedDuration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: duration.as_secs(),
        nanos: duration.subsec_nanos(),
    }
}

pub(super) fn timestamp(time: jiff::Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_keys_are_percent_encoded_paths() {
        let table: [(&[&str], u32, &str); 4] = [
            (&["public", "table"], 1, "public%2Ftable.v1"),
            (&["orders"], 0, "orders"),
            (&["a-b_c+d.e=f"], 12, "a-b_c+d.e=f.v12"),
            (&["ü %Y"], 0, "%C3%BC%20%25Y"),
        ];
        for (path, backfill, expected) in table {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(state_key(&path, backfill), expected);
        }
        assert_eq!(
            journal_read_suffix("acmeCo/mat", "orders"),
            "materialize/acmeCo/mat/orders"
        );
    }
}
