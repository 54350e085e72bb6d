//! Bad input to the real process: each ends with status 1 and one last JSON log that tells the
//! whole story, and nothing visible is left in the bucket.

use std::process::{Command, Stdio};

use flow_sim::run::{Bucket, Location, Store};
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Value, json};

use crate::process::{config, connector_over, encode};
use crate::servers::{Server, bucket, connector};

/// Runs the connector over `input`, which must fail with a last message that holds all of `says`.
fn fails(codec: Codec, input: &[u8], says: &[&str]) {
    let ended = connector_over(codec, input);
    let message = ended.last["message"].as_str().unwrap();
    assert_eq!(ended.status, Some(1), "{message}");
    assert_eq!(ended.last["level"], "error", "{message}");
    for part in says {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert!(!message.contains("flow-sim-secret"), "{message}");
}

fn collection() -> Value {
    json!({
        "name": "acmeCo/orders",
        "projections": [{"ptr": "/id", "field": "id", "isPrimaryKey": true, "inference": {"types": ["integer"]}}],
    })
}

fn open(config: &Value, resource: &Value) -> Value {
    json!({"open": {"version": "1", "range": {"keyEnd": u32::MAX, "rClockEnd": u32::MAX}, "materialization": {
        "name": "acmeCo/lake",
        "config": config,
        "bindings": [{
            "resourceConfig": resource,
            "resourcePath": ["orders"],
            "collection": collection(),
            "fieldSelection": {"keys": ["id"]},
            "deltaUpdates": true,
            "stateKey": "orders",
        }],
    }}})
}

fn validate(config: &Value, resource: &Value) -> Value {
    json!({"validate": {
        "name": "acmeCo/lake",
        "config": config,
        "bindings": [{"resourceConfig": resource, "collection": collection()}],
    }})
}

/// A case against a bucket that is there: what comes after Open and its Acknowledge, and what the
/// failure must say.
async fn session_fails(server: Server, then: &[Value], says: &[&str]) {
    let bucket = Bucket::open(&server.store(), Some(&bucket("bad-input")), 0)
        .await
        .unwrap();
    let config = config(&bucket.location, &bucket.name);
    let opening = [
        open(&config, &json!({"pathPrefix": "orders"})),
        json!({"acknowledge": {}}),
    ];
    for codec in [Codec::Proto, Codec::Json] {
        fails(codec, &encode(codec, &[&opening[..], then].concat()), says);
        bucket.require_empty("").await.unwrap();
        let uploads = bucket
            .client()
            .list_multipart_uploads()
            .bucket(&bucket.name)
            .send()
            .await
            .unwrap();
        assert_eq!(uploads.uploads(), []);
    }
}

#[test]
fn a_truncated_frame() {
    for codec in [Codec::Proto, Codec::Json] {
        let mut bytes = encode(codec, &[json!({"spec": {"config": {}}})]);
        bytes.truncate(bytes.len() - 2);
        fails(
            codec,
            &bytes,
            &["closed its pipe in the middle of a message"],
        );
    }
}

#[test]
fn a_frame_over_its_length() {
    fails(
        Codec::Proto,
        &[0xff, 0xff, 0xff, 0xff, 0x0a],
        &["over the limit", "FLOW_RUNTIME_CODEC"],
    );
    // The message claims more bytes than its frame has.
    fails(Codec::Proto, &[2, 0, 0, 0, 0x0a, 0x7f], &["not protobuf"]);
    fails(Codec::Proto, &[2, 0, 0, 0, 0x3a, 0x7f], &["not protobuf"]);
}

#[test]
fn a_message_of_the_other_codec() {
    let json = encode(Codec::Json, &[json!({"spec": {"config": {}}})]);
    fails(Codec::Proto, &json, &["FLOW_RUNTIME_CODEC"]);
    let proto = encode(Codec::Proto, &[json!({"spec": {"config": {}}})]);
    fails(
        Codec::Json,
        &[&proto[..], b"\n"].concat(),
        &["FLOW_RUNTIME_CODEC"],
    );
}

#[test]
fn an_unknown_message() {
    fails(
        Codec::Json,
        b"{\"rewind\":{}}\n",
        &["unknown message", "spec, validate, apply, open"],
    );
    fails(Codec::Json, b"[]\n", &["unknown message"]);
    fails(Codec::Proto, &[2, 0, 0, 0, 0x7a, 0], &["unknown message"]);
}

#[test]
fn garbage_json() {
    for line in [
        &b"\n"[..],
        b"garbage\n",
        b"{\"open\":\n",
        b"{\"store\":{\"key\":]}}\n",
        b"\xff\n",
    ] {
        fails(Codec::Json, line, &["not JSON"]);
    }
}

#[test]
fn a_store_before_open() {
    for codec in [Codec::Proto, Codec::Json] {
        let store = encode(codec, &[json!({"store": {"key": [1], "values": []}})]);
        fails(
            codec,
            &store,
            &["sent Store where only Spec, Validate, Apply or Open may come"],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load() {
    session_fails(
        Server::Embedded,
        &[json!({"load": {"key": [1]}})],
        &["sent Load", "delta updates only"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_in_mid_transaction() {
    for server in Server::all("bad_input::the_end_of_input_in_mid_transaction") {
        let stores = (0..50_000).map(|id| json!({"store": {"key": [id], "values": []}}));
        let then: Vec<_> = std::iter::once(json!({"flush": {}}))
            .chain(stores)
            .collect();
        session_fails(
            server,
            &then,
            &[
                "in the middle of a transaction",
                "nothing of it was committed",
            ],
        )
        .await;
    }
}

#[test]
fn an_unknown_compression_type_and_an_empty_path_prefix() {
    let config = config(&Server::Embedded.location(), "any");
    for (resource, pointer) in [
        (
            json!({"pathPrefix": "a", "compressionType": "brotli"}),
            "/compressionType",
        ),
        (json!({"pathPrefix": ""}), "/pathPrefix"),
        (json!({}), "/pathPrefix"),
    ] {
        for codec in [Codec::Proto, Codec::Json] {
            for request in [open(&config, &resource), validate(&config, &resource)] {
                fails(
                    codec,
                    &encode(codec, &[request]),
                    &["acmeCo/orders", pointer],
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_and_a_wrong_secret() {
    for server in Server::all("bad_input::a_missing_bucket_and_a_wrong_secret") {
        let there = Bucket::open(&server.store(), Some(&bucket("bad-input")), 0)
            .await
            .unwrap();
        let wrong = Location {
            secret_access_key: "wrong".to_owned(),
            ..there.location.clone()
        };
        let unknown = Location {
            access_key_id: "nobody".to_owned(),
            ..there.location.clone()
        };
        for (config, says) in [
            (
                config(&there.location, "not-there"),
                ["`not-there`", "/bucket"],
            ),
            (
                config(&wrong, &there.name),
                [&*there.name, "/awsSecretAccessKey"],
            ),
            (
                config(&unknown, &there.name),
                [&*there.name, "/awsAccessKeyId"],
            ),
        ] {
            let validate = validate(&config, &json!({"pathPrefix": "orders"}));
            fails(Codec::Proto, &encode(Codec::Proto, &[validate]), &says);
            // And if the configuration goes wrong after it was validated: at the first file, before
            // anything is committed.
            let mut session = vec![open(&config, &json!({"pathPrefix": "orders"}))];
            session.extend(["acknowledge", "flush"].map(|name| json!({name: {}})));
            session.extend([
                json!({"store": {"key": [1], "values": []}}),
                json!({"startCommit": {}}),
            ]);
            fails(Codec::Proto, &encode(Codec::Proto, &session), &says);
        }
        there.require_empty("").await.unwrap();
    }
}

#[test]
fn an_unknown_codec() {
    let mut command = Command::new(connector());
    let output = command
        .env("FLOW_RUNTIME_CODEC", "yaml")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`yaml`"));
}

#[test]
fn nothing_but_protocol_is_on_stdout() {
    let ended = connector_over(Codec::Json, b"{\"spec\":{\"config\":{}}}\ngarbage\n");
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1);
    assert!(stdout.starts_with("{\"spec\":{"), "{stdout}");
}

#[test]
fn a_place_with_nobody_there() {
    let Store::At(mut location) = Server::Embedded.store() else {
        unreachable!("it is a place")
    };
    // Port 1 is reserved, and nothing listens there.
    location.endpoint = "http://127.0.0.1:1".to_owned();
    let validate = validate(&config(&location, "lake"), &json!({"pathPrefix": "orders"}));
    fails(
        Codec::Proto,
        &encode(Codec::Proto, &[validate]),
        &["http://127.0.0.1:1", "/advanced/endpoint"],
    );
}
