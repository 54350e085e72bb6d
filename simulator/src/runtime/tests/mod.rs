//! The runtime against a scripted connector: what is said in which order, and what is an error.

mod scripted;
mod shards;
mod standard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::flow::{MaterializationSpec, materialization_spec};
use materialize_s3_parquet::protocol::materialize::{Request, request};
use serde_json::json;

use super::*;
use scripted::{Flaw, Scripted, Seen};

fn transaction(rows: u32) -> Transaction {
    let row = |index| Row {
        binding: 0,
        key: vec![json!(index)],
        values: vec![json!("x".repeat(40)), json!({"n": index})],
        document: Some(json!({"id": index}).to_string()),
        document_bytes: 10,
        ..Row::default()
    };
    Transaction {
        rows: (0..rows).map(row).collect(),
        read: BTreeMap::from([("c;suffix".to_owned(), i64::from(rows))]),
        ..Transaction::default()
    }
}

/// Hears of every step, and kills at one of them.
#[derive(Default)]
struct Notebook {
    steps: Vec<Step>,
    kill_at: Option<Step>,
}

impl Observer for Notebook {
    fn step(&mut self, step: Step) -> Verdict {
        self.steps.push(step);
        if self.kill_at == Some(step) {
            Verdict::Kill
        } else {
            Verdict::Continue
        }
    }
}

struct Played {
    outcome: Result<()>,
    log: RecoveryLog,
    seen: Vec<Request>,
    steps: Vec<Step>,
}

/// Plays one session.
async fn play(
    runtime: Runtime,
    codec: Codec,
    flaw: Flaw,
    transactions: &[Transaction],
    kill_at: Option<Step>,
) -> Played {
    let shards = vec![Shard::WHOLE];
    play_shards(runtime, codec, flaw, transactions, kill_at, shards).await
}

/// Plays one session of shards that share a recovery log.
async fn play_shards(
    runtime: Runtime,
    codec: Codec,
    flaw: Flaw,
    transactions: &[Transaction],
    kill_at: Option<Step>,
    shards: Vec<Shard>,
) -> Played {
    let seen = Seen::default();
    let launch = Scripted {
        codec,
        flaw,
        seen: Arc::clone(&seen),
    };
    let spec = MaterializationSpec {
        name: "acmeCo/mat".to_owned(),
        ..MaterializationSpec::default()
    };
    let incarnations = Incarnations::new(&launch, Duration::from_secs(2));
    let version = (&spec, "0123456789abcdef");
    let mut task = Task::new(incarnations, runtime, version, shards, &standard::Sums);
    let mut notebook = Notebook {
        kill_at,
        ..Notebook::default()
    };
    let outcome = task.session(transactions, &mut notebook).await;
    let seen = seen.lock().unwrap().clone();
    Played {
        outcome,
        log: task.log,
        seen,
        steps: notebook.steps,
    }
}

fn name(request: &Request) -> &'static str {
    let names = [
        ("spec", request.spec.is_some()),
        ("apply", request.apply.is_some()),
        ("open", request.open.is_some()),
        ("load", request.load.is_some()),
        ("flush", request.flush.is_some()),
        ("store", request.store.is_some()),
        ("startCommit", request.start_commit.is_some()),
        ("acknowledge", request.acknowledge.is_some()),
    ];
    names.iter().find(|(_, is_present)| *is_present).unwrap().0
}

fn names(seen: &[Request]) -> String {
    let names: Vec<&str> = seen.iter().map(name).collect();
    names.join(" ")
}

#[tokio::test]
async fn the_old_runtime_acknowledges_every_transaction() {
    for codec in [Codec::Proto, Codec::Json] {
        let played = play(
            Runtime::V1,
            codec,
            Flaw::None,
            &[transaction(2), transaction(0)],
            None,
        )
        .await;
        played.outcome.unwrap();
        assert_eq!(
            names(&played.seen),
            "spec apply spec open acknowledge flush store store startCommit acknowledge flush \
             startCommit acknowledge"
        );
        assert_eq!(played.log.committed, 2);
        assert_eq!(played.log.checkpoint.sources["c;suffix"].read_through, 2);
        assert_eq!(played.log.state, json!({}));
    }
}

#[tokio::test]
async fn the_new_runtime_stops_after_its_last_commit() {
    let played = play(
        Runtime::V2,
        Codec::Json,
        Flaw::None,
        &[transaction(1), transaction(3)],
        None,
    )
    .await;
    played.outcome.unwrap();
    assert!(names(&played.seen).ends_with("acknowledge flush store store store startCommit"));
    assert_eq!(played.log.state, json!({"staged": 4}));
    assert_eq!(played.steps.last(), Some(&Step::Ended));
    let patches: Vec<Bytes> = played
        .seen
        .iter()
        .filter_map(|request| Some(request.acknowledge.as_ref()?.state_patches_json.clone()))
        .collect();
    assert_eq!(
        patches,
        [Bytes::new(), Bytes::from_static(b"[{\"staged\":1}\t]")]
    );
    let flushed: Vec<Bytes> = played
        .seen
        .iter()
        .filter_map(|request| Some(request.flush.as_ref()?.state_patches_json.clone()))
        .collect();
    assert_eq!(flushed, [&b"[{\"staged\":null}\t]"[..]; 2]);
}

#[tokio::test]
async fn a_session_without_transactions_recovers_and_ends() {
    for runtime in [Runtime::V1, Runtime::V2] {
        let played = play(runtime, Codec::Proto, Flaw::None, &[], None).await;
        played.outcome.unwrap();
        assert_eq!(names(&played.seen), "spec apply spec open acknowledge");
    }
}

#[tokio::test]
async fn each_runtime_sends_tuples_in_its_own_form() {
    let store = |played: &Played| {
        played
            .seen
            .iter()
            .find_map(|request| request.store.clone())
            .unwrap()
    };
    let one = [transaction(1)];
    for (runtime, codec) in [
        (Runtime::V1, Codec::Proto),
        (Runtime::V1, Codec::Json),
        (Runtime::V2, Codec::Proto),
    ] {
        let request::Store {
            key_packed,
            key_json,
            ..
        } = store(&play(runtime, codec, Flaw::None, &one, None).await);
        assert_eq!(
            (&key_packed[..], &key_json[..]),
            (&[0x14][..], &b""[..]),
            "{runtime:?} {codec:?}"
        );
    }
    let json = store(&play(Runtime::V2, Codec::Json, Flaw::None, &one, None).await);
    assert_eq!(
        (&json.key_json[..], &json.key_packed[..]),
        (&b"[0]"[..], &b""[..])
    );
    assert!(json.values_json.ends_with(b",{\"n\":0}]"));
}

#[tokio::test]
async fn full_pipes_do_not_stop_a_session() {
    let played = play(
        Runtime::V1,
        Codec::Json,
        Flaw::None,
        &[transaction(5_000)],
        None,
    )
    .await;
    played.outcome.unwrap();
    assert_eq!(
        played.log.checkpoint.sources["c;suffix"].read_through,
        5_000
    );
}

#[tokio::test]
async fn what_the_protocol_does_not_allow_is_an_error() {
    let table = [
        (Flaw::FlushedTwice, "it sent Flushed"),
        (Flaw::StrayPrint, "not a message of the protocol"),
        (
            Flaw::TalksAfterApplied,
            "it sent Applied where its output should end",
        ),
        (Flaw::FailsAtStartCommit, "no such bucket: make it"),
        (
            Flaw::LeavesAtStartCommit,
            "waited for StartedCommit (exit status: 0): connector exited with no log output",
        ),
        (Flaw::Truncates, "ends within a message"),
        (Flaw::Silent, "did not send Flushed within 2 s"),
    ];
    for (flaw, expected) in table {
        let played = play(Runtime::V1, Codec::Proto, flaw, &[transaction(1)], None).await;
        let error = played.outcome.unwrap_err().to_string();
        assert!(error.contains(expected), "{flaw:?}: {error}");
        assert_eq!(played.log.committed, 0, "{flaw:?}");
    }
}

#[tokio::test]
async fn an_observer_can_kill_between_any_two_steps() {
    let steps = play(
        Runtime::V1,
        Codec::Proto,
        Flaw::None,
        &[transaction(2)],
        None,
    )
    .await
    .steps;
    assert!(steps.contains(&Step::StoreSent { count: 2 }));
    let committed = steps
        .iter()
        .position(|step| matches!(step, Step::Committed { .. }))
        .unwrap();
    for step in steps {
        let played = play(
            Runtime::V1,
            Codec::Proto,
            Flaw::None,
            &[transaction(2)],
            Some(step),
        )
        .await;
        assert!(
            matches!(played.outcome, Err(Error::Killed(at)) if at == step),
            "{step:?}"
        );
        // A step may occur more than once, and the first time is what counts.
        let first = played.steps.len() - 1;
        assert_eq!(
            played.log.committed,
            u64::from(first >= committed),
            "{step:?}"
        );
    }
}
