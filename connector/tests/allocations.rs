//! The hot path, Stores by either codec, allocates nothing per row, which a counting allocator
//! shows: frames are read, and their values appended, in memory that is there already. And an idle
//! binding holds the names and types of its columns.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use allocation_counter::measure;
use materialize_s3_parquet::binding::Binding;
use materialize_s3_parquet::config::{EndpointConfig, JsonColumns};
use materialize_s3_parquet::mapping::{BatchBuilder, Schema};
use materialize_s3_parquet::protocol::materialize::{self, request};
use materialize_s3_parquet::protocol::request::Decoder;
use materialize_s3_parquet::protocol::{
    Codec, FrameIndex, Materialization, Request, Value, flow, packed,
};

/// The rows of a batch, in which a few allocations do not show.
const ROWS: u64 = 4000;

fn projection(field: &str, types: &[&str], format: &str) -> flow::Projection {
    let string = flow::inference::String {
        format: format.to_owned(),
        ..Default::default()
    };
    let inference = flow::Inference {
        types: types.iter().map(|&name| name.to_owned()).collect(),
        string: Some(string),
        ..Default::default()
    };
    flow::Projection {
        ptr: format!("/{field}"),
        field: field.to_owned(),
        is_primary_key: ["id", "seen"].contains(&field),
        inference: Some(inference),
        ..Default::default()
    }
}

/// The bindings of a session, and the columns of each.
const BINDINGS: usize = 40;
const COLUMNS: usize = 200;

/// A task with files by Zstandard, whose compressors are measured.
fn task() -> Materialization {
    let names: Vec<_> = (0..COLUMNS)
        .map(|index| format!("text{index:04}"))
        .collect();
    let projections = names
        .iter()
        .map(|name| projection(name, &["string", "null"], "date-time"));
    let collection = flow::CollectionSpec {
        name: "acmeCo/wide".to_owned(),
        projections: projections.collect(),
        ..Default::default()
    };
    let selection = flow::FieldSelection {
        values: names,
        ..Default::default()
    };
    let binding = |index: usize| flow::materialization_spec::Binding {
        resource_config_json: format!(
            r#"{{"pathPrefix":"wide/{index}","compressionType":"zstd"}}"#
        )
        .into(),
        collection: Some(collection.clone()),
        field_selection: Some(selection.clone()),
        state_key: format!("wide/{index}"),
        ..Default::default()
    };
    let specification = flow::MaterializationSpec {
        name: "acmeCo/lake".to_owned(),
        bindings: (0..BINDINGS).map(binding).collect(),
        ..Default::default()
    };
    Materialization::try_from(&specification).unwrap()
}

fn endpoint() -> EndpointConfig {
    let config = br#"{"awsAccessKeyId":"id","awsSecretAccessKey":"secret","bucket":"lake","region":"nowhere-1",
        "uploadIntervalInSeconds":0}"#;
    EndpointConfig::from_json(config).unwrap().config
}

#[test]
fn an_idle_column_takes_less_than_100_bytes_and_a_session_never_more_than_one_decoded_binding_besides()
 {
    let (task, endpoint) = (task(), endpoint());
    let mut idle: Vec<(BatchBuilder, Binding)> = Vec::new();
    let opened = measure(|| {
        let bindings = Binding::all(&task, &endpoint, &(0..=u32::MAX)).unwrap();
        let rows = |binding: Binding| (BatchBuilder::new(Arc::clone(&binding.schema)), binding);
        idle.extend(bindings.into_iter().map(rows));
    });
    let columns = (BINDINGS * COLUMNS) as i64;
    let held = opened.bytes_current;
    assert!(held < 100 * columns, "{} bytes for each", held / columns);
    let most = opened.bytes_max as i64;
    // The compressor's page, and what it makes of it, are a megabyte each.
    let decoded = 2_000 * COLUMNS as i64 + (3 << 20);
    assert!(most < held + decoded, "{most} bytes, {held} of them stay");
}

#[test]
fn a_session_measures_the_compressor_of_its_bindings_once() {
    let (task, endpoint) = (task(), endpoint());
    let opened = measure(|| {
        Binding::all(&task, &endpoint, &(0..=u32::MAX)).unwrap();
    });
    // Each time takes two megabytes.
    let specification = 4_000 * BINDINGS * COLUMNS;
    let total = opened.bytes_total as usize;
    assert!(total < specification + (4 << 20), "{total} bytes in all");
}

/// A column of every kind.
fn schema() -> Arc<Schema> {
    let collection = flow::CollectionSpec {
        projections: vec![
            projection("at", &["string"], "date-time"),
            projection("code", &["string"], "integer"),
            projection("day", &["string"], "date"),
            projection("flag", &["boolean"], ""),
            projection("id", &["integer"], ""),
            projection("json", &["object"], ""),
            projection("number", &["number", "null"], ""),
            projection("price", &["string"], "number"),
            projection("seen", &["string"], "date-time"),
            projection("text", &["string"], ""),
        ],
        ..Default::default()
    };
    let values = [
        "at", "code", "day", "flag", "json", "number", "price", "text",
    ];
    let selection = flow::FieldSelection {
        keys: ["id", "seen"].map(str::to_owned).to_vec(),
        values: values.map(str::to_owned).to_vec(),
        ..Default::default()
    };
    Arc::new(Schema::new(&collection, &selection, JsonColumns::String, true).unwrap())
}

fn packed_store(row: u64) -> request::Store {
    let pack = |values: &[Value<'_>]| {
        let mut writer = packed::Writer::new();
        for value in values {
            writer.push(value);
        }
        writer.into_bytes().into()
    };
    request::Store {
        key_packed: pack(&[
            Value::Integer(row as i64),
            Value::String("2026-11-23T05:00:00.123456Z".into()),
        ]),
        values_packed: pack(&[
            Value::String("2026-11-23T05:00:00.123456789Z".into()),
            Value::String(row.to_string().into()),
            Value::String("2026-11-23".into()),
            Value::Boolean(row.is_multiple_of(2)),
            Value::Json(br#"{"a":[1,2]}"#.into()),
            Value::Double(row as f64 / 3.0),
            Value::String(format!("{row}.90").into()),
            Value::String(format!("text {row}").into()),
        ]),
        ..Default::default()
    }
}

fn json_store(row: u64) -> request::Store {
    // Every digit that a double has.
    let number = 0.1 + row as f64 / 3.0;
    let values = format!(
        r#"["2026-11-23T05:00:00.25Z","{row}","2026-11-23",true,{{"a":[1,2]}},{number},"{row}.90","text {row}"]"#
    );
    request::Store {
        key_json: format!(r#"[{row},"2026-11-23T05:00:00.123456Z"]"#).into(),
        values_json: values.into(),
        ..Default::default()
    }
}

/// The frames of a batch, one after the other.
fn frames(codec: Codec, store: fn(u64) -> request::Store) -> Vec<u8> {
    let mut frames = Vec::new();
    for row in 0..ROWS {
        let message = materialize::Request {
            store: Some(store(row)),
            ..Default::default()
        };
        codec.encode(&message, &mut frames).unwrap();
    }
    frames
}

fn append_all(codec: Codec, index: &mut FrameIndex, builder: &mut BatchBuilder, frames: &[u8]) {
    let mut decoder = Decoder::new(codec);
    index.read(codec, frames).unwrap();
    for at in 0..index.len() {
        let found = index.get(at, frames).unwrap();
        let Request::Store(store) = decoder.decode(found).unwrap() else {
            panic!("only Stores were made");
        };
        builder.append(&store).unwrap();
    }
}

#[test]
fn a_row_costs_no_allocation() {
    let packed: fn(u64) -> request::Store = packed_store;
    for (codec, store) in [
        (Codec::Proto, packed),
        (Codec::Json, packed_store),
        (Codec::Json, json_store),
    ] {
        let frames = frames(codec, store);
        let mut index = FrameIndex::default();
        let mut builder = BatchBuilder::new(schema());
        // The first batch shows how much room the next ones need.
        append_all(codec, &mut index, &mut builder, &frames);
        builder.finish().unwrap();
        let allocations =
            measure(|| append_all(codec, &mut index, &mut builder, &frames)).count_total;
        assert!(
            allocations < ROWS / 40,
            "{codec:?}: {allocations} allocations for {ROWS} rows"
        );
        let batch = builder.finish().unwrap();
        assert_eq!(batch.records.num_rows() as u64, ROWS);
        assert!(batch.rescued.is_empty() && batch.inexact.is_empty());
    }
}
