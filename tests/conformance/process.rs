//! The connector's process, fed with bytes of a test's own: for what the simulator would never
//! send.

use std::io::Write as _;
use std::process::{Command, Stdio};

use flow_sim::run::Location;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::Request;
use serde_json::{Value, json};

use crate::servers::connector;

/// What the process left behind.
pub(crate) struct Ended {
    /// Its exit status.
    pub(crate) status: Option<i32>,
    /// All of stdout.
    pub(crate) stdout: Vec<u8>,
    /// The last line of stderr.
    pub(crate) last: Value,
    /// All lines of stderr.
    pub(crate) logs: Vec<Value>,
}

/// Runs the connector over `input`, with its end after it.
pub(crate) fn connector_over(codec: Codec, input: &[u8]) -> Ended {
    let mut child = Command::new(connector())
        .env("FLOW_RUNTIME_CODEC", codec.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that fails early does not read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let line = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let logs: Vec<Value> = stderr.lines().map(line).collect();
    let last = logs.last().unwrap_or_else(|| panic!("no log")).clone();
    Ended {
        status: output.status.code(),
        stdout: output.stdout,
        last,
        logs,
    }
}

/// Messages as the runtime would send them.
pub(crate) fn encode(codec: Codec, messages: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let request: Request = serde_json::from_value(message.clone()).unwrap();
        codec.encode(&request, &mut bytes).unwrap();
    }
    bytes
}

/// An endpoint configuration that is right.
pub(crate) fn config(location: &Location, bucket: &str) -> Value {
    json!({
        "awsAccessKeyId": location.access_key_id,
        "awsSecretAccessKey": location.secret_access_key,
        "bucket": bucket,
        "region": location.region,
        "uploadIntervalInSeconds": 0,
        "advanced": {"endpoint": location.endpoint},
    })
}

/// A projection of a field at the root; `id` is the key.
pub(crate) fn projection(field: &str, types: &[&str]) -> Value {
    json!({"ptr": format!("/{field}"), "field": field, "isPrimaryKey": field == "id", "inference": {"types": types}})
}

/// The Open of a task with one binding, of `acmeCo/orders` into `orders`.
pub(crate) fn open(config: &Value, task: &str, projections: &[Value], selection: &Value) -> Value {
    json!({"open": {"version": "1", "range": {"keyEnd": u32::MAX, "rClockEnd": u32::MAX}, "materialization": {
        "name": task,
        "config": config,
        "bindings": [{
            "resourceConfig": {"pathPrefix": "orders"},
            "resourcePath": ["orders"],
            "collection": {"name": "acmeCo/orders", "projections": projections},
            "fieldSelection": selection,
            "deltaUpdates": true,
            "stateKey": "orders",
        }],
    }}})
}
