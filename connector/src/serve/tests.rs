//! Whole sessions through the library, against a store in memory.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;

use super::*;
use crate::protocol::materialize::{self, Response};
use crate::protocol::{Codec, JsonTuple, Materialization, Positions, Tuple};
use crate::requests::Terminator;
use crate::store::fake::{Fake, Operation};

mod changes;

/// What the connector has written, while it still writes.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn responses(&self, codec: Codec) -> Vec<Response> {
        let bytes = self.0.lock().unwrap().clone();
        let mut rest = &bytes[..];
        std::iter::from_fn(|| {
            let (frame, length) = codec.split_frame(rest).unwrap()?;
            rest = &rest[length..];
            Some(codec.decode(Bytes::copy_from_slice(frame)).unwrap())
        })
        .collect()
    }
}

fn environment() -> Environment {
    Environment {
        now: Arc::new(|| "2026-11-23T01:02:03Z".parse().unwrap()),
        random: fastrand::Rng::with_seed(7),
        haste: crate::store::Haste::NONE,
    }
}

/// Sends all of `bytes`, then the end of input.
async fn play_bytes(store: &Fake, codec: Codec, bytes: Vec<u8>) -> (Vec<Response>, Result<()>) {
    let output = Output::default();
    let (requests, _) = Requests::read(codec, Cursor::new(bytes));
    let store = store.clone();
    let connect = move |_: &EndpointConfig, _| store.clone();
    let result = serve(
        requests,
        Responses::new(codec, output.clone()),
        connect,
        environment(),
    )
    .await;
    (output.responses(codec), result)
}

async fn play(store: &Fake, requests: &[materialize::Request]) -> (Vec<Response>, Result<()>) {
    let mut bytes = Vec::new();
    for request in requests {
        Codec::Proto.encode(request, &mut bytes).unwrap();
    }
    play_bytes(store, Codec::Proto, bytes).await
}

fn message(json: serde_json::Value) -> materialize::Request {
    serde_json::from_value(json).unwrap()
}

fn projection(field: &str, kind: &str, key: bool) -> serde_json::Value {
    json!({"ptr": format!("/{field}"), "field": field, "isPrimaryKey": key, "inference": {"types": [kind]}})
}

fn binding(path: &str) -> serde_json::Value {
    json!({
        "resourceConfig": {"pathPrefix": path},
        "resourcePath": [path],
        "collection": {
            "name": "acmeCo/orders",
            "projections": [projection("id", "integer", true), projection("name", "string", false)],
        },
        "fieldSelection": {"keys": ["id"], "values": ["name"]},
        "deltaUpdates": true,
        "stateKey": path,
    })
}

fn materialization(interval: u32, paths: &[&str]) -> serde_json::Value {
    let config = json!({
        "awsAccessKeyId": "id", "awsSecretAccessKey": "secret", "bucket": "lake", "region": "nowhere-1",
        "uploadIntervalInSeconds": interval,
    });
    let bindings: Vec<_> = paths.iter().map(|path| binding(path)).collect();
    json!({"name": "acmeCo/lake", "config": config, "bindings": bindings})
}

fn open_with(interval: u32, paths: &[&str], state: &serde_json::Value) -> materialize::Request {
    let range = json!({"keyEnd": u32::MAX, "rClockEnd": u32::MAX});
    message(json!({"open": {
        "materialization": materialization(interval, paths), "version": "1", "range": range, "state": state,
    }}))
}

fn open() -> materialize::Request {
    open_with(0, &["orders"], &json!({}))
}

fn store(id: i64) -> materialize::Request {
    message(json!({"store": {"key": [id], "values": [format!("name {id}")]}}))
}

fn flush() -> materialize::Request {
    message(json!({"flush": {}}))
}

fn start_commit() -> materialize::Request {
    message(json!({"startCommit": {"runtimeCheckpoint": {}}}))
}

fn acknowledge() -> materialize::Request {
    message(json!({"acknowledge": {}}))
}

fn transaction(ids: std::ops::Range<i64>) -> Vec<materialize::Request> {
    let stores = ids.map(store);
    std::iter::once(flush())
        .chain(stores)
        .chain([start_commit(), acknowledge()])
        .collect()
}

fn session(transactions: &[std::ops::Range<i64>]) -> Vec<materialize::Request> {
    let transactions = transactions.iter().cloned().flat_map(transaction);
    [open(), acknowledge()]
        .into_iter()
        .chain(transactions)
        .collect()
}

fn ids(file: Vec<u8>) -> Vec<i64> {
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| parquet::record::RowAccessor::get_long(&row.unwrap(), 0).unwrap())
        .collect()
}

fn patch(response: &Response) -> serde_json::Value {
    let started = response
        .started_commit
        .as_ref()
        .and_then(|response| response.state.as_ref());
    let acknowledged = response
        .acknowledged
        .as_ref()
        .and_then(|response| response.state.as_ref());
    let state = started.or(acknowledged).unwrap();
    assert!(state.merge_patch);
    serde_json::from_slice(&state.updated_json).unwrap()
}

#[tokio::test]
async fn two_transactions_become_two_files_with_their_rows_in_order() {
    let bucket = Fake::new();
    let (responses, result) = play(&bucket, &session(&[0..3, 3..5])).await;
    result.unwrap();
    assert_eq!(responses.len(), 2 + 2 * 3);
    let keys = bucket.keys();
    assert_eq!(keys.len(), 2);
    assert!(
        keys[0].starts_with("orders/v0000000000/00000000-000000000000-"),
        "{}",
        keys[0]
    );
    assert!(
        keys[1].starts_with("orders/v0000000000/00000000-000000000001-"),
        "{}",
        keys[1]
    );
    assert_eq!(ids(bucket.object(&keys[0])), [0, 1, 2]);
    assert_eq!(ids(bucket.object(&keys[1])), [3, 4]);
    assert_eq!(bucket.pending(), [""; 0]);
}

#[tokio::test]
async fn the_state_names_what_is_staged_until_it_is_complete() {
    let (responses, _) = play(&Fake::new(), &session(&[0..3])).await;
    let staged = patch(&responses[3]);
    let shard = &staged["bindings"]["orders"]["00000000"];
    assert_eq!(shard["counter"], 1);
    let (token, upload) = shard["staged"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(upload["rows"], 3);
    assert_eq!(upload["bucket"], "lake");
    assert!(upload["key"].as_str().unwrap().contains(token));
    let cleared = patch(&responses[4]);
    assert_eq!(
        cleared["bindings"]["orders"]["00000000"]["staged"][token],
        json!(null)
    );
}

#[tokio::test]
async fn both_codecs_and_both_forms_of_tuples_give_the_same_file() {
    let mut files = Vec::new();
    for codec in [Codec::Proto, Codec::Json] {
        let packed = message(json!({"store": {"keyPacked": "FQE=", "valuesPacked": "AmhpAA=="}}));
        let arrays = message(json!({"store": {"key": [1], "values": ["hi"]}}));
        for store in [packed, arrays] {
            let bucket = Fake::new();
            let mut bytes = Vec::new();
            for request in [
                open(),
                acknowledge(),
                flush(),
                store,
                start_commit(),
                acknowledge(),
            ] {
                codec.encode(&request, &mut bytes).unwrap();
            }
            let (_, result) = play_bytes(&bucket, codec, bytes).await;
            result.unwrap();
            files.push(bucket.object(&bucket.keys()[0]));
        }
    }
    files.dedup();
    assert_eq!(files.len(), 1);
}

#[tokio::test]
async fn transactions_without_stores_leave_no_files_and_tell_nothing_but_the_writer() {
    let bucket = Fake::new();
    let (responses, result) = play(&bucket, &session(&[0..0, 0..0])).await;
    result.unwrap();
    assert_eq!((bucket.keys(), bucket.staged_keys()), (vec![], vec![]));
    let state = merged(json!({}), &responses);
    assert_eq!(state["bindings"], json!(null));
    let told = merged(json!({}), &responses[4..]);
    assert_eq!(told, json!({}), "nothing once the writer is durable");
}

#[tokio::test]
async fn the_end_of_input_after_started_commit_aborts_nothing_and_the_next_session_completes() {
    let bucket = Fake::new();
    let mut requests = session(&[0..3]);
    requests.pop();
    let (responses, result) = play(&bucket, &requests).await;
    result.unwrap();
    assert_eq!((bucket.keys().len(), bucket.pending().len()), (0, 1));

    let state = merged(json!({}), &responses);
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    for _ in 0..2 {
        let (responses, result) = play(&bucket, &recovery).await;
        result.unwrap();
        assert!(patch(&responses[1]).is_object());
        assert_eq!((bucket.keys().len(), bucket.pending().len()), (1, 0));
    }
    assert_eq!(ids(bucket.object(&bucket.keys()[0])), [0, 1, 2]);
}

#[tokio::test]
async fn files_go_on_counting_where_the_last_session_ended() {
    let bucket = Fake::new();
    let (responses, _) = play(&bucket, &session(&[0..1])).await;
    let mut state = patch(&responses[3]);
    crate::checkpoint::merge(&mut state, &patch(&responses[4]));
    let open = open_with(0, &["orders"], &state);
    let requests: Vec<_> = [open, acknowledge()]
        .into_iter()
        .chain(transaction(1..2))
        .collect();
    play(&bucket, &requests).await.1.unwrap();
    assert!(
        bucket.keys()[1].contains("-000000000001-"),
        "{:?}",
        bucket.keys()
    );
}

#[tokio::test]
async fn stores_of_several_bindings_may_interleave() {
    let bucket = Fake::new();
    let store = |binding: u32, id: i64| {
        message(json!({"store": {"binding": binding, "key": [id], "values": [null]}}))
    };
    let requests = [
        open_with(0, &["a", "b"], &json!(null)),
        acknowledge(),
        flush(),
        store(1, 1),
        store(0, 2),
        store(1, 3),
        start_commit(),
        acknowledge(),
    ];
    play(&bucket, &requests).await.1.unwrap();
    let files: Vec<_> = bucket
        .keys()
        .iter()
        .map(|key| ids(bucket.object(key)))
        .collect();
    assert_eq!(files, [vec![2], vec![1, 3]]);
}

/// Plays `requests`, which must fail with `expected`, and leave nothing behind.
async fn fails(requests: &[materialize::Request], expected: &str) {
    let bucket = Fake::new();
    let error = play(&bucket, requests).await.1.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(
        (bucket.keys(), bucket.pending()),
        (vec![], vec![]),
        "{error}"
    );
}

#[tokio::test]
async fn requests_out_of_place_are_errors_that_say_what_may_come() {
    fails(
        &[store(1)],
        "sent Store where only Spec, Validate, Apply or Open may come",
    )
    .await;
    fails(
        &[open(), flush()],
        "sent Flush where only Acknowledge may come",
    )
    .await;
    fails(
        &[open(), acknowledge(), store(1)],
        "sent Store where only Flush may come",
    )
    .await;
    let load = message(json!({"load": {"key": [1]}}));
    fails(&[open(), acknowledge(), load], "delta updates only").await;
    fails(
        &[open(), acknowledge(), flush(), store(1), flush()],
        "only Store or StartCommit may come",
    )
    .await;
    fails(&[materialize::Request::default()], "unknown message").await;
    let both = materialize::Request {
        flush: flush().flush,
        ..acknowledge()
    };
    fails(&[both], "more than one request").await;
}

#[tokio::test]
async fn the_end_of_input_within_a_transaction_is_an_error_and_leaves_nothing() {
    fails(
        &[open(), acknowledge(), flush()],
        "in the middle of a transaction",
    )
    .await;
    let stores: Vec<_> = (0..20_000).map(store).collect();
    let begun: Vec<_> = [open(), acknowledge(), flush()]
        .into_iter()
        .chain(stores)
        .collect();
    fails(&begun, "in the middle of a transaction").await;
}

#[tokio::test]
async fn a_store_for_a_binding_that_is_not_there_is_an_error() {
    let store = message(json!({"store": {"binding": 1, "key": [1], "values": [null]}}));
    fails(
        &[open(), acknowledge(), flush(), store],
        "binding 1, but there are 1 bindings",
    )
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_ends_the_session_with_its_story_and_leaves_nothing() {
    for operation in [Operation::Create, Operation::Part] {
        let bucket = Fake::new();
        bucket.fail(operation, || {
            Error::new(ErrorKind::Auth, "s3:PutObject is denied")
        });
        let (responses, result) = play(&bucket, &session(&[0..3])).await;
        assert_eq!(result.unwrap_err().to_string(), "s3:PutObject is denied");
        assert_eq!(responses.len(), 3, "no StartedCommit");
        assert_eq!((bucket.keys(), bucket.pending()), (vec![], vec![]));
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_an_error_at_every_request_that_carries_it() {
    let mut wrong = materialization(0, &["orders"]);
    wrong["bindings"][0]["resourceConfig"]["compressionType"] = json!("brotli");
    let open = json!({"open": {"materialization": wrong, "version": "1"}});
    let apply = json!({"apply": {"materialization": wrong, "version": "1"}});
    let validate = json!({"validate": {
        "name": "acmeCo/lake",
        "config": wrong["config"],
        "bindings": [{"resourceConfig": {"pathPrefix": ""}, "collection": {"name": "acmeCo/orders"}}],
    }});
    fails(&[message(open)], "/compressionType").await;
    fails(&[message(apply)], "/compressionType").await;
    fails(&[message(validate)], "/pathPrefix").await;
}

#[tokio::test]
async fn spec_with_an_empty_configuration_describes_the_connector() {
    let (responses, result) = play(&Fake::new(), &[message(json!({"spec": {"config": {}}}))]).await;
    result.unwrap();
    let spec = responses[0].spec.as_ref().unwrap();
    assert_eq!(spec.protocol, PROTOCOL_VERSION);
    assert!(!spec.documentation_url.is_empty());
}

#[tokio::test]
async fn two_bindings_with_the_same_normalised_prefix_are_refused() {
    let binding = |path: &str, name: &str| json!({"resourceConfig": {"pathPrefix": path}, "collection": {"name": name}});
    let validate = json!({"validate": {
        "name": "acmeCo/lake",
        "config": materialization(0, &[])["config"],
        "bindings": [binding("/a", "one"), binding("a/", "two")],
    }});
    fails(
        &[message(validate)],
        "`one` and `two` have the same `/pathPrefix`, `a`",
    )
    .await;
}

#[tokio::test]
async fn validate_and_apply_check_the_bucket_and_say_what_is_denied() {
    let validate = json!({"validate": {
        "name": "acmeCo/lake",
        "config": materialization(0, &[])["config"],
        "bindings": [{"resourceConfig": {"pathPrefix": "a"}, "collection": {"name": "acmeCo/orders"}}],
    }});
    let apply = json!({"apply": {"materialization": materialization(0, &["a"]), "version": "1"}});
    for request in [validate, apply] {
        let bucket = Fake::new();
        bucket.fail(Operation::Create, || {
            Error::new(ErrorKind::Auth, "s3:PutObject is denied")
        });
        let error = play(&bucket, &[message(request.clone())])
            .await
            .1
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);

        let bucket = Fake::new();
        play(&bucket, &[message(request)]).await.1.unwrap();
        assert_eq!((bucket.keys(), bucket.pending()), (vec![], vec![]));
        let trial = [
            Operation::Probe,
            Operation::Create,
            Operation::Part,
            Operation::Head,
            Operation::Abort,
        ];
        assert_eq!(bucket.operations(), trial);
    }
}

#[tokio::test]
async fn apply_describes_what_is_new_and_nothing_when_nothing_is() {
    let (new, old) = (materialization(0, &["a", "b"]), materialization(0, &["a"]));
    for (last, expected) in [
        (
            json!(null),
            "write files to s3://lake/a/v0000000000/\nwrite files to s3://lake/b/v0000000000/",
        ),
        (old, "write files to s3://lake/b/v0000000000/"),
        (new.clone(), ""),
    ] {
        let apply =
            json!({"apply": {"materialization": new, "version": "2", "lastMaterialization": last}});
        let (responses, result) = play(&Fake::new(), &[message(apply)]).await;
        result.unwrap();
        assert_eq!(
            responses[0].applied.as_ref().unwrap().action_description,
            expected
        );
    }
}

#[tokio::test]
async fn apply_checks_only_where_the_last_specification_has_not() {
    let (new, old) = (materialization(0, &["a", "b"]), materialization(0, &["a"]));
    for (last, trials) in [(json!(null), 2), (old, 1), (new.clone(), 0)] {
        let apply =
            json!({"apply": {"materialization": new, "version": "2", "lastMaterialization": last}});
        let bucket = Fake::new();
        play(&bucket, &[message(apply)]).await.1.unwrap();
        let asked = bucket.operations();
        let created = asked.iter().filter(|asked| **asked == Operation::Create);
        assert_eq!(created.count(), trials, "{asked:?}");
    }
}

/// The virtual time that a session with an interval of 300 s takes.
async fn paced(transactions: &[std::ops::Range<i64>]) -> Duration {
    let mut requests = session(transactions);
    requests[0] = open_with(300, &["orders"], &json!({}));
    let began = Instant::now();
    play(&Fake::new(), &requests).await.1.unwrap();
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn rounds_that_write_wait_for_the_interval_and_others_do_not() {
    assert_eq!(paced(&[]).await.as_secs(), 0);
    assert_eq!(paced(&[0..0, 0..0]).await.as_secs(), 0);
    // The first round waits while the second one is already there; the last one ends with the
    // input.
    assert!((300..=301).contains(&paced(&[0..1, 0..0]).await.as_secs()));
}

#[tokio::test]
async fn the_end_of_input_ends_the_wait_and_the_files_are_visible() {
    let bucket = Fake::new();
    let mut requests = session(&[0..1]);
    requests[0] = open_with(3600, &["orders"], &json!({}));
    let (responses, result) = play(&bucket, &requests).await;
    result.unwrap();
    assert!(responses.last().unwrap().acknowledged.is_some());
    assert_eq!(bucket.keys().len(), 1);
}

#[tokio::test]
async fn a_request_to_stop_ends_the_wait_and_is_an_error_only_within_a_transaction() {
    for (after, fails) in [(2, false), (3, true), (6, false)] {
        let mut sent = session(&[0..1]);
        sent[0] = open_with(3600, &["orders"], &json!({}));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (requests, terminator) = Requests::read(Codec::Proto, reader);
        let bucket = Fake::new();
        let connected = bucket.clone();
        let connect = move |_: &EndpointConfig, _| connected.clone();
        let output = Output::default();
        let responses = Responses::new(Codec::Proto, output.clone());
        let served = tokio::spawn(serve(requests, responses, connect, environment()));
        let mut bytes = Vec::new();
        for request in &sent[..after] {
            Codec::Proto.encode(request, &mut bytes).unwrap();
        }
        writer.write_all(&bytes).unwrap();
        // All that can be answered has been, before the process is asked to stop.
        let answered = [0, 1, 2, 3, 3, 4, 4][after];
        while output.responses(Codec::Proto).len() < answered {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        terminator.terminate().await;
        assert_eq!(
            served.await.unwrap().is_err(),
            fails,
            "after {after} requests"
        );
        assert_eq!(bucket.pending(), [""; 0]);
        drop(writer);
    }
}

/// A session whose input stays open, so that what runs beside it comes to its end.
struct Live {
    output: Output,
    writer: std::io::PipeWriter,
    terminator: Terminator,
    served: tokio::task::JoinHandle<Result<()>>,
}

impl Live {
    fn start(store: &Fake, random: u64) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let (requests, terminator) = Requests::read(Codec::Proto, reader);
        let store = store.clone();
        let connect = move |_: &EndpointConfig, _| store.clone();
        let output = Output::default();
        let responses = Responses::new(Codec::Proto, output.clone());
        let environment = Environment {
            random: fastrand::Rng::with_seed(random),
            ..environment()
        };
        let served = tokio::spawn(serve(requests, responses, connect, environment));
        Self {
            output,
            writer,
            terminator,
            served,
        }
    }

    /// Sends requests, and waits until so many answers are there in all.
    async fn send(&mut self, requests: &[materialize::Request], answers: usize) -> Vec<Response> {
        let mut bytes = Vec::new();
        for request in requests {
            Codec::Proto.encode(request, &mut bytes).unwrap();
        }
        self.writer.write_all(&bytes).unwrap();
        while self.output.responses(Codec::Proto).len() < answers {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.output.responses(Codec::Proto)
    }

    /// Closes the input, and waits for the end.
    async fn end(self) -> Result<()> {
        drop(self.writer);
        self.served.await.unwrap()
    }
}

async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it comes true");
}

/// All patches of a session, as the runtime merges them.
fn merged(mut state: serde_json::Value, responses: &[Response]) -> serde_json::Value {
    for response in responses {
        let started = response.started_commit.as_ref();
        let acknowledged = response.acknowledged.as_ref();
        let update = started
            .and_then(|response| response.state.as_ref())
            .or(acknowledged.and_then(|response| response.state.as_ref()));
        if let Some(update) = update {
            let patch = serde_json::from_slice(&update.updated_json).unwrap();
            crate::checkpoint::merge(&mut state, &patch);
        }
    }
    state
}

/// Leaves an upload behind, as a process does that is killed in the middle of a transaction.
/// Returns the state that the runtime has then.
async fn leave_behind(bucket: &Fake, state: &serde_json::Value, random: u64) -> serde_json::Value {
    let mut live = Live::start(bucket, random);
    let opened = [open_with(0, &["orders"], state), acknowledge()];
    let responses = live.send(&opened, 2).await;
    let before = bucket.pending().len();
    // It never comes back from its upload, so nothing is thrown away.
    bucket.hang(Operation::Complete);
    bucket.hang(Operation::Abort);
    live.send(&[flush(), store(1), start_commit()], 4).await;
    assert_eq!(bucket.pending().len(), before + 1);
    live.served.abort();
    bucket.go_on(Operation::Complete);
    bucket.go_on(Operation::Abort);
    merged(state.clone(), &responses)
}

#[tokio::test]
async fn what_an_earlier_session_has_left_behind_is_aborted_beside_the_session() {
    let bucket = Fake::new();
    let state = Box::pin(leave_behind(&bucket, &json!({}), 1)).await;
    let mut next = Live::start(&bucket, 2);
    next.send(&[open_with(0, &["orders"], &state)], 1).await;
    until(|| bucket.pending().is_empty()).await;
    next.end().await.unwrap();
}

#[tokio::test]
async fn what_was_left_behind_for_a_binding_that_is_no_longer_active_is_aborted_too() {
    let bucket = Fake::new();
    let state = Box::pin(leave_behind(&bucket, &json!({}), 1)).await;
    let mut task = materialization(0, &["new"]);
    // A configuration that cannot be read any more is no reason to fail.
    task["inactiveBindings"] = json!([binding("orders"), {"resourceConfig": {"table": "x"}}]);
    let range = json!({"keyEnd": u32::MAX, "rClockEnd": u32::MAX});
    let open = message(json!({"open": {
        "materialization": task, "version": "1", "range": range, "state": state,
    }}));
    let mut next = Live::start(&bucket, 2);
    next.send(&[open], 1).await;
    until(|| bucket.pending().is_empty()).await;
    next.end().await.unwrap();
}

/// A preview, a second stack, or a task that was made again under its name.
#[tokio::test]
async fn a_session_that_knows_nothing_leaves_alone_what_another_has_staged_and_committed() {
    let bucket = Fake::new();
    let mut requests = session(&[0..3]);
    requests.pop();
    let (responses, result) = play(&bucket, &requests).await;
    result.unwrap();
    let state = merged(json!({}), &responses);
    let mut preview = Live::start(&bucket, 2);
    preview.send(&session(&[5..6]), 5).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    preview.end().await.unwrap();
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    play(&bucket, &recovery).await.1.unwrap();
    let mut rows: Vec<_> = bucket
        .keys()
        .iter()
        .flat_map(|key| ids(bucket.object(key)))
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, [0, 1, 2, 5]);
}

/// Its runtime has read the state, and then it is slow to start, until it has a successor.
#[tokio::test]
async fn a_session_that_is_late_leaves_alone_what_its_successor_has_begun() {
    let bucket = Fake::new();
    let read = Box::pin(leave_behind(&bucket, &json!({}), 1)).await;
    let mut successor = session(&[0..3]);
    successor.pop();
    successor[0] = open_with(0, &["orders"], &read);
    let (responses, result) = {
        let mut live = Live::start(&bucket, 2);
        let responses = live.send(&successor, 4).await;
        (responses, live.end().await)
    };
    result.unwrap();
    let mut late = Live::start(&bucket, 3);
    late.send(&[open_with(0, &["orders"], &read)], 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    late.end().await.unwrap();
    let state = merged(read, &responses);
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    play(&bucket, &recovery).await.1.unwrap();
    assert_eq!(ids(bucket.object(&bucket.keys()[0])), [0, 1, 2]);
}

#[tokio::test]
async fn a_writer_is_drawn_by_each_session_and_told_until_it_is_durable() {
    let bucket = Fake::new();
    let mut live = Live::start(&bucket, 1);
    let responses = live.send(&session(&[0..1, 1..2]), 8).await;
    live.end().await.unwrap();
    let writers = |index: usize| {
        let state = merged(json!({}), &responses[index..=index]);
        state["shards"]["00000000"]["writers"].clone()
    };
    let ours = writers(1);
    assert_eq!(ours.as_array().unwrap().len(), 1);
    assert_eq!(writers(3), ours, "with StartedCommit again");
    assert_eq!(
        writers(4),
        json!(null),
        "which is durable once it is acknowledged"
    );
    assert_eq!(writers(6), json!(null));
    let writer = ours[0].as_str().unwrap();
    assert!(bucket.keys().iter().all(|key| key.contains(writer)));
    let state = merged(json!({}), &responses);
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    let mut next = Live::start(&bucket, 2);
    let responses = next.send(&recovery, 2).await;
    let both = merged(state, &responses)["shards"]["00000000"]["writers"].clone();
    assert_eq!(both.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn on_minio_files_are_copied_and_the_next_session_need_not_ask() {
    let bucket = Fake::new();
    bucket.be_minio();
    let (responses, result) = play(&bucket, &session(&[0..3])).await;
    result.unwrap();
    let committed = merged(json!({}), &responses[..4]);
    assert_eq!(committed["version"], 2);
    let state = merged(json!({}), &responses);
    assert_eq!(state["version"], 1, "nothing waits to be copied");
    assert_eq!(ids(bucket.object(&bucket.keys()[0])), [0, 1, 2]);
    assert!(!bucket.operations().contains(&Operation::Create));
    let asked = bucket.operations().len();
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    play(&bucket, &recovery).await.1.unwrap();
    // The clean-up may ask, beside the session.
    let own = &bucket.operations()[asked..];
    assert_ne!(own.first(), Some(&Operation::Copy), "{own:?}");
}

#[tokio::test]
async fn what_one_way_has_staged_the_other_makes_visible() {
    for (was_minio, is_minio) in [(true, false), (false, true)] {
        let bucket = Fake::new();
        if was_minio {
            bucket.be_minio();
        }
        let mut requests = session(&[0..3]);
        requests.pop();
        let (responses, result) = play(&bucket, &requests).await;
        result.unwrap();
        if is_minio {
            bucket.be_minio();
        }
        let state = merged(json!({}), &responses);
        let recovery = [open_with(0, &["orders"], &state), acknowledge()];
        play(&bucket, &recovery).await.1.unwrap();
        assert_eq!(ids(bucket.object(&bucket.keys()[0])), [0, 1, 2]);
        assert_eq!(bucket.pending(), [""; 0]);
    }
}

#[tokio::test]
async fn a_request_to_stop_is_heard_while_files_are_made_visible_and_nothing_is_lost() {
    let bucket = Fake::new();
    bucket.hang(Operation::Complete);
    let mut live = Live::start(&bucket, 1);
    let responses = live.send(&session(&[0..3]), 4).await;
    bucket.until(Operation::Complete).await;
    tokio::time::pause();
    live.terminator.terminate().await;
    let began = Instant::now();
    live.end().await.unwrap();
    assert!(
        began.elapsed() <= Duration::from_secs(11),
        "{:?}",
        began.elapsed()
    );
    tokio::time::resume();
    bucket.go_on(Operation::Complete);
    let state = merged(json!({}), &responses);
    let recovery = [open_with(0, &["orders"], &state), acknowledge()];
    play(&bucket, &recovery).await.1.unwrap();
    assert_eq!(ids(bucket.object(&bucket.keys()[0])), [0, 1, 2]);
}

#[tokio::test]
async fn a_request_to_stop_is_heard_while_files_are_uploaded() {
    let bucket = Fake::new();
    bucket.hang(Operation::Part);
    let mut live = Live::start(&bucket, 1);
    let mut sent = session(&[0..3]);
    sent.pop();
    live.send(&sent, 3).await;
    bucket.until(Operation::Part).await;
    live.terminator.terminate().await;
    let error = live.end().await.unwrap_err();
    assert!(error.to_string().contains("asked to stop"), "{error}");
    assert_eq!(bucket.pending(), [""; 0]);
}

#[tokio::test]
async fn unfinished_batches_of_many_bindings_together_stay_within_their_memory() {
    let paths: Vec<_> = (0..60).map(|index| format!("b{index}")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let specification = serde_json::from_value(materialization(0, &paths)).unwrap();
    let opening = Opening {
        materialization: &Materialization::try_from(&specification).unwrap(),
        endpoint: &EndpointConfig::from_json(
            materialization(0, &[])["config"].to_string().as_bytes(),
        )
        .unwrap()
        .config,
        key_range: 0..=u32::MAX,
        state: b"",
        stop: crate::stop::stop().1,
    };
    let mut transactor = Transactor::open(Fake::new(), opening, environment())
        .await
        .unwrap();
    transactor.begin(Duration::ZERO);
    let values = format!("[\"{}\"]", "x".repeat(1_000_000));
    let mut flushed = Vec::new();
    let (mut key_positions, mut value_positions) = (Positions::default(), Positions::default());
    for binding in 0..60 {
        let store = crate::protocol::Store {
            binding,
            key: Tuple::Json(JsonTuple::new("[1]", &mut key_positions).unwrap()),
            values: Tuple::Json(JsonTuple::new(&values, &mut value_positions).unwrap()),
            doc: None,
            delete: false,
        };
        if let Some(full) = transactor.append(&store).unwrap() {
            transactor.flush(full, Duration::ZERO).await.unwrap();
            flushed.push(full);
        }
    }
    // 16 batches of a megabyte are what all of them may take.
    assert_eq!(flushed.len(), 60 - 16, "{flushed:?}");
    transactor.abort().await;
}
