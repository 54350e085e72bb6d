//! Another connector, given as a command: it keeps standard bindings, and knows nothing of S3.
//! `standard_connector.py` is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flow_sim::report::{Context, Document, Recorder, Verdict as Outcome};
use flow_sim::run::{Options, Store, run};
use flow_sim::runtime::{Runtime, Step};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::runs::Killer;
use crate::servers::{connector, tests_folder};

/// The documents of each transaction: keys come again within one, and in later ones.
fn transactions() -> Vec<Vec<Value>> {
    let document =
        |id: i64, n: i64| json!({"id": id, "n": n, "seen": [n], "last": n, "nothing": null});
    let transaction = |number: i64| (0..40).map(move |n| document(n * 7 % (10 + number), n));
    let mut all: Vec<Vec<Value>> = (0..4).map(|number| transaction(number).collect()).collect();
    all.insert(2, Vec::new());
    all
}

/// What must be kept in the end: `n` added up, all that was seen, and what came last.
fn expected() -> BTreeMap<i64, (i64, Vec<i64>, i64)> {
    let mut kept: BTreeMap<i64, (i64, Vec<i64>, i64)> = BTreeMap::new();
    for document in transactions().into_iter().flatten() {
        let n = document["n"].as_i64().unwrap();
        let entry = kept.entry(document["id"].as_i64().unwrap()).or_default();
        entry.0 += n;
        entry.1.push(n);
        entry.2 = n;
    }
    kept
}

/// What the connector's shards have kept.
fn kept(folder: &Path) -> BTreeMap<i64, (i64, Vec<i64>, i64)> {
    let mut kept = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("table.")
        {
            continue;
        }
        let rows: BTreeMap<String, Value> =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for row in rows.into_values() {
            let seen = row["seen"].as_array().unwrap().iter();
            let seen = seen.map(|n| n.as_i64().unwrap()).collect();
            let numbers = (
                row["n"].as_i64().unwrap(),
                seen,
                row["last"].as_i64().unwrap(),
            );
            let before = kept.insert(row["id"].as_i64().unwrap(), numbers);
            assert!(before.is_none(), "two shards have {row}");
        }
    }
    kept
}

/// Writes the catalog and its documents into a folder.
fn write(folder: &Path, forgets: bool) -> PathBuf {
    let mut config = json!({"table": folder.join("table")});
    if forgets {
        config["forgets"] = json!(true);
    }
    let properties = json!({
        "id": {"type": "integer"},
        "n": {"type": "integer", "reduce": {"strategy": "sum"}},
        "seen": {"type": "array", "items": {"type": "integer"}, "reduce": {"strategy": "append"}},
        "last": {"type": "integer"},
    });
    let catalog = json!({
        "collections": {"acmeCo/sums": {
            "key": ["/id"],
            "schema": {"type": "object", "required": ["id"], "properties": properties, "reduce": {"strategy": "merge"}},
        }},
        "materializations": {"acmeCo/table": {
            "endpoint": {"local": {
                "command": ["python3", tests_folder("conformance/standard_connector.py")],
                "config": config,
                "protobuf": false,
            }},
            "bindings": [{"source": "acmeCo/sums", "resource": {"table": "sums"}}],
        }},
    });
    let path = folder.join("flow.yaml");
    std::fs::write(&path, catalog.to_string()).unwrap();
    let line = |document| json!(["acmeCo/sums", document]).to_string() + "\n";
    let transaction = |documents: Vec<Value>| documents.into_iter().map(line).collect::<String>();
    let all: Vec<String> = transactions().into_iter().map(transaction).collect();
    let fixture = all.join("{\"commit\": true}\n");
    std::fs::write(folder.join("fixture.jsonl"), fixture).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_of_standard_bindings_keeps_what_the_runtime_reduces() {
    for runtime in [Runtime::V1, Runtime::V2] {
        for shards in [1, 2] {
            let folder = TempDir::new().unwrap();
            let options = Options {
                store: Store::None,
                runtime,
                shards,
                sessions: Some(vec![2, -1]),
                ..Options::new(write(folder.path(), false))
            };
            let mut killer = Killer::new(shards - 1, Step::StartedCommit);
            let mut recorder = Recorder::new(&mut killer);
            let outcome = run(&options, &mut recorder).await;
            let recording = recorder.finish();
            let context = Context {
                options: &options,
                command: "",
                began: None,
            };
            let document = Document::of(&context, &recording, outcome.as_ref());
            assert_eq!(
                document.problems,
                Vec::<String>::new(),
                "{runtime:?} {shards}"
            );
            assert_eq!(document.verdict, Outcome::NotReadBack);
            assert!(killer.seen > 2, "nothing was killed");
            assert_eq!(kept(folder.path()), expected(), "{runtime:?} {shards}");
            // The 12 keys of the first two transactions, or those of them that came again; and the
            // rest later.
            let binding = &document.bindings[0];
            assert!(binding.loaded > 25, "{}", binding.loaded);
            assert!(!binding.is_delta && !binding.is_read_back);
            assert!(document.page().contains("loaded as stored"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_does_not_load_what_it_was_given_is_found_out() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        store: Store::None,
        ..Options::new(write(folder.path(), true))
    };
    let error = run(&options, &mut ()).await.unwrap_err().to_string();
    assert!(
        error.contains("was stored and committed, but it was not loaded"),
        "{error}"
    );
}

#[test]
fn the_command_line_says_what_was_compared_and_what_was_not() {
    let folder = TempDir::new().unwrap();
    let catalog = write(folder.path(), false);
    let output = Command::new(connector().with_file_name("flow-sim"))
        .args(["run", catalog.to_str().unwrap(), "--s3", "none", "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"], "notReadBack");
    assert_eq!(document["run"]["store"], "none");
    let binding = &document["bindings"][0];
    let verdict = format!(
        "{} rows stored and not read back, {} documents loaded as they had been stored",
        binding["rows"], binding["loaded"]
    );
    assert!(said.contains(&verdict), "`{verdict}` is not in: {said}");
    assert!(said.contains("  resource   sums\n"), "{said}");
}
