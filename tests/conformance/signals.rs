//! The real process is asked to stop while it waits for S3.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flow_sim::s3::{self, Attempts, Effect, Fault, FaultPlan, KeyPattern, Operation};
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Value, json};

use crate::process::{config, encode, open, projection};
use crate::servers::{connector, embedded_location};

/// Longer than any test waits.
const NEVER: u64 = 600_000;

/// What a stop may take where ten seconds are left to S3, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server of which one operation never comes to its end.
async fn server(hangs: Operation) -> s3::Server {
    let fault = Fault {
        operation: Some(hangs),
        key: KeyPattern::Any,
        part: None,
        attempts: Attempts::ALL,
        per_mille: 1000,
        effect: Effect::Latency {
            milliseconds: NEVER,
        },
    };
    let options = s3::Options {
        faults: FaultPlan {
            seed: 0,
            faults: vec![fault],
        },
        buckets: vec!["lake".to_owned()],
        ..s3::Options::default()
    };
    s3::Server::start(options).await.unwrap()
}

/// A connector that has come as far as an operation that hangs.
struct Waiting {
    child: Child,
    _input: std::process::ChildStdin,
}

impl Waiting {
    /// Sends `messages`, and waits until the server is asked for `hangs`.
    async fn until(hangs: Operation, server: &s3::Server, messages: &[Value]) -> Self {
        let mut child = Command::new(connector())
            .env("FLOW_RUNTIME_CODEC", Codec::Json.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&encode(Codec::Json, messages)).unwrap();
        let is_asked = || {
            let journal = server.journal();
            journal.iter().any(|entry| entry.target.operation == hangs)
        };
        while !is_asked() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self {
            child,
            _input: input,
        }
    }

    fn signal(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end, and returns the exit status, the answers, and the time that it took.
    #[expect(clippy::disallowed_methods, reason = "a process's time is measured")]
    fn end(mut self) -> (Option<i32>, Vec<String>, Duration) {
        let began = Instant::now();
        let output = BufReader::new(self.child.stdout.take().unwrap());
        let answers = output.lines().map(Result::unwrap).collect();
        let status = self.child.wait().unwrap();
        (status.code(), answers, began.elapsed())
    }
}

/// A session up to the Acknowledge of its first transaction.
fn session(server: &s3::Server, state: &Value) -> Vec<Value> {
    let mut config = config(&embedded_location(server), "lake");
    config["advanced"]["commit"] = json!("multipart");
    let projections = [projection("id", &["integer"])];
    let selection = json!({"keys": ["id"]});
    let mut open = open(&config, "acmeCo/stopped", &projections, &selection);
    open["open"]["state"] = state.clone();
    vec![
        open,
        json!({"acknowledge": {}}),
        json!({"flush": {}}),
        json!({"store": {"key": [1], "values": []}}),
        json!({"startCommit": {"runtimeCheckpoint": {}}}),
        json!({"acknowledge": {}}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mid_completion_a_stop_is_orderly_within_ten_seconds_and_nothing_is_acknowledged() {
    let hangs = Operation::CompleteMultipartUpload;
    let server = server(hangs).await;
    let waiting = Waiting::until(hangs, &server, &session(&server, &json!({}))).await;
    waiting.signal();
    let (status, answers, taken) = waiting.end();
    assert_eq!(status, Some(0));
    assert!(
        answers.last().unwrap().contains("startedCommit"),
        "{answers:?}"
    );
    assert!(taken < PATIENCE, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mid_upload_a_stop_throws_away_what_was_begun() {
    let hangs = Operation::UploadPart;
    let server = server(hangs).await;
    let waiting = Waiting::until(hangs, &server, &session(&server, &json!({}))).await;
    waiting.signal();
    let (status, _, taken) = waiting.end();
    assert_eq!(status, Some(1), "the transaction was not committed");
    assert!(taken < PATIENCE, "{taken:?}");
    let left = server.with_store(|store| store.uploads("lake").unwrap().count());
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clean_up_holds_up_neither_a_session_nor_its_stop() {
    let hangs = Operation::ListMultipartUploads;
    let server = server(hangs).await;
    let state =
        json!({"version": 1, "bindings": {}, "shards": {"00000000": {"writers": ["00000001"]}}});
    let waiting = Waiting::until(hangs, &server, &session(&server, &state)).await;
    let is_visible =
        || server.with_store(|store| store.table_objects("lake").unwrap().count() == 1);
    while !is_visible() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    waiting.signal();
    let (status, _, taken) = waiting.end();
    assert_eq!(status, Some(0));
    assert!(taken < PATIENCE, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    let hangs = Operation::CompleteMultipartUpload;
    let server = server(hangs).await;
    let waiting = Waiting::until(hangs, &server, &session(&server, &json!({}))).await;
    waiting.signal();
    tokio::time::sleep(Duration::from_millis(500)).await;
    waiting.signal();
    let (status, _, taken) = waiting.end();
    assert_eq!(status, Some(128 + 15));
    assert!(taken < Duration::from_secs(8), "{taken:?}");
}
