//! Standard bindings, by a connector of the tests' own that keeps a table: what is asked for, what
//! is stored, and what is an error.

mod table;

use serde_json::Value;

use super::*;
use table::{Keeps, Slip, Table};

/// Documents `{"id", "n"}` whose `n` are added up.
pub(super) struct Sums;

impl Reducer for Sums {
    fn key(&self, _binding: u32, document: &Value) -> Vec<Value> {
        vec![document["id"].clone()]
    }

    fn reduce(&self, row: &Row, loaded: Value) -> std::result::Result<Row, String> {
        let combined = row.combined.clone().unwrap();
        let sum = loaded["n"].as_i64().zip(combined["n"].as_i64());
        let (before, more) = sum.ok_or("`n` is no integer")?;
        Ok(sum_row(&combined["id"], before + more))
    }
}

fn sum_row(id: &Value, n: i64) -> Row {
    let document = json!({"id": id, "n": n});
    Row {
        binding: 0,
        key: vec![id.clone()],
        values: vec![json!(n)],
        document: Some(document.to_string()),
        combined: Some(document),
        ..Row::default()
    }
}

/// A transaction that adds to the sums of keys.
fn adds(sums: &[(u32, i64)]) -> Transaction {
    let rows = sums.iter().map(|(id, n)| sum_row(&json!(id), *n));
    Transaction {
        rows: rows.collect(),
        read: BTreeMap::from([("c;suffix".to_owned(), sums.len() as i64)]),
        ..Transaction::default()
    }
}

const DIALECTS: [(Runtime, Codec); 4] = [
    (Runtime::V1, Codec::Proto),
    (Runtime::V1, Codec::Json),
    (Runtime::V2, Codec::Proto),
    (Runtime::V2, Codec::Json),
];

fn spec() -> MaterializationSpec {
    let binding = materialization_spec::Binding {
        state_key: "sums".to_owned(),
        ..materialization_spec::Binding::default()
    };
    MaterializationSpec {
        name: "acmeCo/sums".to_owned(),
        bindings: vec![binding],
        ..MaterializationSpec::default()
    }
}

/// Plays sessions of these transactions, the rest of a session again where it was killed at a step.
/// Returns the table's documents by id, and how many were loaded as they were stored.
async fn keep(
    table: &Table,
    runtime: Runtime,
    shards: u32,
    sessions: &[&[Transaction]],
    kill_at: Option<Step>,
) -> Result<(BTreeMap<String, i64>, u64)> {
    let spec = spec();
    let incarnations = Incarnations::new(table, Duration::from_secs(2));
    let mut task = Task::new(
        incarnations,
        runtime,
        (&spec, "0123456789abcdef"),
        Shard::split(shards),
        &Sums,
    );
    let mut notebook = Notebook {
        kill_at,
        ..Notebook::default()
    };
    let mut before = 0;
    for session in sessions {
        loop {
            let done = task.log.committed as usize - before;
            match task.session(&session[done..], &mut notebook).await {
                Err(Error::Killed(_)) => notebook.kill_at = None,
                outcome => break outcome?,
            }
        }
        before += session.len();
    }
    // What the last commit has staged is completed by the next session.
    task.session(&[], &mut notebook).await?;
    assert_eq!(task.log.committed as usize, before);
    let loaded = task.loaded().values().sum();
    Ok((table.sums(), loaded))
}

fn sums(sums: &[(&str, i64)]) -> BTreeMap<String, i64> {
    let sums = sums.iter().map(|(id, n)| ((*id).to_owned(), *n));
    sums.collect()
}

#[tokio::test]
async fn what_is_stored_is_loaded_and_reduced_under_every_runtime_and_codec() {
    let first = [adds(&[(2, 20), (5, 50)]), adds(&[(1, 1), (2, 2), (7, 70)])];
    let second = [adds(&[]), adds(&[(2, 200), (5, 5), (9, 90)])];
    let expected = sums(&[("1", 1), ("2", 222), ("5", 55), ("7", 70), ("9", 90)]);
    for (runtime, codec) in DIALECTS {
        for keeps in [Keeps::State, Keeps::Checkpoint] {
            let table = Table::new(codec, keeps);
            let kept = keep(&table, runtime, 1, &[&first, &second], None).await;
            let (found, loaded) = kept.unwrap();
            assert_eq!(found, expected, "{runtime:?} {codec:?} {keeps:?}");
            // 2 in the second transaction, 2 and 5 in the last: the others were higher than any key
            // before, or new.
            assert_eq!(loaded, 3);
            let asked: Vec<i64> = table.asked();
            assert_eq!(asked, [1, 2, 2, 5]);
            let exists = table.stored_as_existing();
            assert_eq!(exists, [2, 2, 5], "{runtime:?} {codec:?}");
        }
    }
}

#[tokio::test]
async fn a_connector_may_want_to_be_asked_for_everything() {
    let table = Table {
        loads_all: true,
        ..Table::new(Codec::Proto, Keeps::State)
    };
    let session = [adds(&[(1, 1)]), adds(&[(2, 2)])];
    keep(&table, Runtime::V1, 1, &[&session], None)
        .await
        .unwrap();
    assert_eq!(table.asked(), [1, 2]);
}

#[tokio::test]
async fn shards_ask_for_their_own_keys_only() {
    let session = [
        adds(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]),
        adds(&[(1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (6, 60)]),
    ];
    let table = Table::new(Codec::Json, Keeps::State);
    let kept = keep(&table, Runtime::V2, 3, &[&session], None).await;
    let (found, loaded) = kept.unwrap();
    assert_eq!(loaded, 6);
    assert_eq!(found["6"], 66);
    let mut asked = table.asked();
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn nothing_is_counted_twice_whenever_the_connector_is_killed() {
    let session = [adds(&[(1, 1), (2, 2)]), adds(&[(1, 10), (2, 20)])];
    let steps = [
        Step::OpenSent,
        Step::AcknowledgeSent,
        Step::LoadSent { count: 2 },
        Step::FlushSent,
        Step::FlushedPersisted,
        Step::StoreSent { count: 2 },
        Step::StartCommitSent,
        Step::StartedCommit,
        Step::Committed { transaction: 0 },
        Step::Committed { transaction: 1 },
    ];
    for runtime in [Runtime::V1, Runtime::V2] {
        for keeps in [Keeps::State, Keeps::Checkpoint] {
            for step in steps {
                let table = Table::new(Codec::Proto, keeps);
                let kept = keep(&table, runtime, 1, &[&session], Some(step)).await;
                let (found, _) = kept.unwrap_or_else(|error| panic!("{keeps:?} {step:?}: {error}"));
                assert_eq!(
                    found,
                    sums(&[("1", 11), ("2", 22)]),
                    "{runtime:?} {keeps:?} {step:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_a_connector_loads_must_be_what_it_was_given() {
    let session = [adds(&[(1, 1), (2, 2)]), adds(&[(1, 10), (2, 20)])];
    let table = [
        (Slip::Forgets, "it was not loaded when it was asked for"),
        (
            Slip::Alters,
            "but what was stored last is {\"id\":1,\"n\":1}",
        ),
        (Slip::Repeats, "was loaded twice"),
        (Slip::Invents, "but it was not asked for"),
        (Slip::Talks, "it sent Loaded w"),
        (Slip::Jumps, "neither the last one that was committed"),
    ];
    for (slip, expected) in table {
        let keeps = match slip {
            Slip::Jumps => Keeps::Checkpoint,
            _ => Keeps::State,
        };
        let table = Table {
            slip: Some(slip),
            ..Table::new(Codec::Json, keeps)
        };
        let outcome = keep(
            &table,
            Runtime::V1,
            1,
            &[&session[..1], &session[1..]],
            None,
        )
        .await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(expected), "{slip:?}: {error}");
    }
}
