//! The small catalogs of `tests/catalogs`, one idea each: what is read back is what was sent, by
//! every codec, runtime and server; and what it looks like to DuckDB is pinned.

use std::fmt::Write as _;
use std::fs;

use flow_sim::run::{Bucket, Error, Options, run};
use flow_sim::runtime::Runtime;
use insta::assert_snapshot;
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::runs::{self, DIALECTS, MadeUp, kept_files, play};
use crate::servers::{Server, bucket, files};
use crate::snapshot::{self, Portrait};

/// More rows than any of these catalogs has.
const ALL_ROWS: usize = 10_000;

/// What one run has made.
struct Made {
    bindings: Vec<Portrait>,
    /// The bytes of its files, by their paths in the bucket.
    files: Vec<Vec<u8>>,
}

fn options(idea: &str, task: &str, server: Server, dialect: (Runtime, Codec)) -> Options {
    Options {
        task: Some(task.to_owned()),
        preview_rows: ALL_ROWS,
        ..runs::of_catalog(idea, server, dialect)
    }
}

async fn made(options: Options) -> Made {
    let folder = TempDir::new().unwrap();
    let report = play(&Options {
        output: Some(folder.path().to_owned()),
        ..options
    })
    .await;
    assert!(report.unsupported_requests.is_empty());
    let portrait = |binding| Portrait::of(binding, folder.path());
    Made {
        bindings: report.bindings.iter().map(portrait).collect(),
        files: kept_files(folder.path())
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect(),
    }
}

/// Plays a task in every way, and tells what it looks like. The codec makes no difference to a
/// single byte. The runtime may select fewer fields; what both select is the same.
async fn looks(idea: &str, task: &str, servers: &[Server]) -> String {
    let mut text = format!("task {task}\n");
    for (index, server) in servers.iter().enumerate() {
        let mut all = Vec::new();
        for dialect in DIALECTS {
            all.push(made(options(idea, task, *server, dialect)).await);
        }
        assert!(all[0].files == all[1].files, "{task}: v1 by both codecs");
        assert!(all[2].files == all[3].files, "{task}: v2 by both codecs");
        for (old, new) in all[0].bindings.iter().zip(&all[2].bindings) {
            let note = compare_runtimes(old, new);
            if index == 0 {
                text.push('\n');
                text.push_str(&new.text(&note));
            }
        }
    }
    text
}

/// Sees to it that the columns which both runtimes select hold the same; says which only one of
/// them selects.
fn compare_runtimes(old: &Portrait, new: &Portrait) -> String {
    for column in &new.columns {
        let (name, _) = column;
        if let Some(cells) = old.column(name) {
            assert!(old.columns.contains(column), "{column:?}");
            assert_eq!(Some(cells), new.column(name), "{name}");
        }
    }
    let missing = |one: &Portrait, other: &Portrait, runtime: &str| {
        let names = one.columns.iter().map(|(name, _)| name);
        let missing: Vec<String> = names
            .filter(|name| other.column(name).is_none())
            .map(|name| format!("{name:?}"))
            .collect();
        if missing.is_empty() {
            String::new()
        } else {
            format!("not selected by {runtime}: {}\n", missing.join(", "))
        }
    };
    missing(new, old, "the old runtime") + &missing(old, new, "the new runtime")
}

/// Plays tasks of a catalog and compares what they look like with `snapshots/<idea>.snap`.
async fn pinned(idea: &str, tasks: &[&str], servers: &[Server]) {
    let mut text = String::new();
    for task in tasks {
        writeln!(text, "{}", looks(idea, task, servers).await).unwrap();
    }
    snapshot::settings().bind(|| assert_snapshot!(idea, text));
}

/// Runs a task that must fail, by every dialect, with a message that holds all of `says`.
async fn fails(idea: &str, task: &str, says: &[&str]) {
    for dialect in DIALECTS {
        let options = options(idea, task, Server::Embedded, dialect);
        let Err(Error::Runtime(error)) = run(&options, &mut ()).await else {
            panic!("{task} by {dialect:?} has not failed in the connector")
        };
        let message = error.to_string();
        for part in says {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

const EMBEDDED: &[Server] = &[Server::Embedded];

#[tokio::test(flavor = "multi_thread")]
async fn flattening() {
    pinned("flattening", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_strings() {
    pinned("json_strings", &["acmeCo/lake", "acmeCo/logical"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compression() {
    let servers = Server::all("catalogs::compression");
    pinned("compression", &["acmeCo/lake", "acmeCo/levels"], &servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types() {
    pinned("types", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rescued() {
    pinned("rescued", &["acmeCo/lake", "acmeCo/strict"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_to_be_rescued_stops_the_task_and_is_named() {
    let says = [
        "collection `acmeCo/readings`",
        "field `integer`",
        "key [2]",
        "an integer beyond 64 bits",
        "`unconvertible`",
    ];
    fails("rescued", "acmeCo/stopped", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exact() {
    pinned("exact", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calendar() {
    pinned("calendar", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_the_name_of_a_field_is_refused_with_both_cures() {
    let says = [
        "collection `acmeCo/c`",
        "the folder `Date=%Y-%m-%d`",
        "the field `date`",
        "`Date_part=%Y-%m-%d`",
        "`fields.exclude`",
    ];
    fails("folder_columns", "acmeCo/lake", &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions() {
    pinned("deletions", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names() {
    let servers = Server::all("catalogs::hostile_names");
    pinned(
        "hostile_names",
        &["acmeCo/the 'lake' = %C3%A9 😀"],
        &servers,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cast_to_string() {
    pinned("cast_to_string", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing() {
    pinned("nothing", &["acmeCo/lake"], EMBEDDED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backfill() {
    let servers = Server::all("catalogs::backfill");
    pinned("backfill", &["acmeCo/before", "acmeCo/after"], &servers).await;
    for server in servers {
        let both = bucket("backfill");
        for task in ["acmeCo/before", "acmeCo/after"] {
            play(&Options {
                bucket: Some(both.clone()),
                ..options("backfill", task, server, DIALECTS[0])
            })
            .await;
        }
        let bucket = Bucket::open(&server.store(), Some(&both), 0).await.unwrap();
        let files = files(bucket.client(), &bucket.name, "").await;
        let folders: Vec<&str> = files
            .iter()
            .map(|file| file.key().unwrap())
            .map(|key| &key[..key.len() - NAME_BYTES])
            .collect();
        let [before, after] = [
            "backfill/events/v0000000000/",
            "backfill/events/v0000000001/",
        ];
        assert_eq!(folders, [before, before, after, after]);
    }
}

/// The length of a file's name.
const NAME_BYTES: usize = "00000000-000000000000-1c6cf6c9-1195bb129cfc8584.parquet".len();

#[tokio::test(flavor = "multi_thread")]
async fn date_patterns() {
    for server in Server::all("catalogs::date_patterns") {
        for dialect in DIALECTS {
            let began = now();
            let report = play(&options("date_patterns", "acmeCo/lake", server, dialect)).await;
            let folders = |binding: usize| {
                let files = &report.bindings[binding].files;
                assert_eq!(files.len(), 2);
                files
                    .iter()
                    .map(|file| file.key[..file.key.len() - NAME_BYTES].to_owned())
            };
            for (days, seconds) in folders(0).zip(folders(1)) {
                let at = seconds.strip_prefix("v0000000000/dated-").unwrap();
                let at = at.strip_suffix("/100%/").unwrap();
                assert!(began.as_str() <= at && at <= now().as_str(), "{at}");
                let (year, month, day) = (&at[..4], &at[4..6], &at[6..8]);
                let day = format!("dated/v0000000000/year={year}/month={month}/day={day}/");
                assert_eq!(days, day);
            }
        }
    }
}

/// The time as the catalog's second prefix has it.
#[expect(
    clippy::disallowed_methods,
    reason = "the connector's clock is the real one"
)]
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_columns() {
    let types = ["integer", "string", "boolean", "number"];
    let field = |index: usize| format!("field {index}, one of two thousand");
    let properties: Map<String, Value> = (0..2_000)
        .map(|index| (field(index), json!({"type": types[index % types.len()]})))
        .collect();
    let document = |id: usize| {
        let value = |index: usize| match index % types.len() {
            0 => json!(index + id),
            1 => json!(format!("{index} of {id}")),
            2 => json!(index % 3 == id),
            _ => json!(index as f64 / (id + 1) as f64),
        };
        let mut document: Map<String, Value> = (0..2_000)
            .filter(|index| index % (id + 1) == 0)
            .map(|index| (field(index), value(index)))
            .collect();
        document.insert("id".to_owned(), json!(id));
        Value::Object(document)
    };
    let folder = TempDir::new().unwrap();
    let catalog = MadeUp {
        properties: Value::Object(properties),
        advanced: json!({}),
        resources: vec![json!({"pathPrefix": "many"})],
        transactions: vec![(0..4).map(document).collect()],
    }
    .write(folder.path());
    let mut all = Vec::new();
    for (runtime, codec) in DIALECTS {
        let options = Options {
            store: Server::Embedded.store(),
            bucket: Some(bucket("many")),
            codec: Some(codec),
            runtime,
            preview_rows: ALL_ROWS,
            ..runs::of_file(catalog.clone())
        };
        all.push(made(options).await);
    }
    // With the key, what was rescued, and what is kept exactly.
    assert_eq!(all[0].bindings[0].columns.len(), 2_003);
    assert!(all.iter().all(|made| made.files == all[0].files));
}

/// Several bindings of one collection, each with a part of its documents.
#[tokio::test(flavor = "multi_thread")]
async fn a_binding_reads_its_partitions_and_times() {
    let folder = TempDir::new().unwrap();
    let source = |what: Value| {
        let mut source = json!({"name": "acmeCo/madeUp"});
        source
            .as_object_mut()
            .unwrap()
            .extend(what.as_object().unwrap().clone());
        source
    };
    let sources = [
        (json!({}), 6),
        (
            json!({"partitions": {"include": {"area": ["eu", "us"]}}}),
            4,
        ),
        (json!({"partitions": {"exclude": {"area": ["eu"]}}}), 4),
        (json!({"notBefore": "2023-06-01T00:00:00Z"}), 5),
        (
            json!({"notAfter": "2023-06-01T00:00:00Z", "partitions": {"include": {"area": ["eu"]}}}),
            2,
        ),
    ];
    let resource = |index| json!({"pathPrefix": format!("part-{index}")});
    let made_up = MadeUp {
        properties: json!({"region": {"type": "string"}}),
        advanced: json!({}),
        resources: (0..sources.len()).map(resource).collect(),
        transactions: vec![
            // Published in 2023-05-31, and then whenever the run says so.
            vec![
                json!({"id": 1, "region": "eu", "_meta": {"uuid": "00000000-0000-11ee-8400-071353030311"}}),
            ],
            vec![
                json!({"id": 2, "region": "eu"}),
                json!({"id": 3, "region": "us"}),
                json!({"id": 4, "region": "us"}),
            ],
            vec![
                json!({"id": 5, "region": "nowhere"}),
                json!({"id": 6, "region": "nowhere"}),
            ],
        ],
    };
    let path = made_up.write(folder.path());
    let mut catalog: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    catalog["collections"]["acmeCo/madeUp"]["projections"] =
        json!({"area": {"location": "/region", "partition": true}});
    for (index, (what, _)) in sources.iter().enumerate() {
        let bindings = &mut catalog["materializations"]["acmeCo/lake"]["bindings"];
        bindings[index]["source"] = source(what.clone());
    }
    fs::write(&path, catalog.to_string()).unwrap();
    let report = play(&runs::of_file(path)).await;
    for (binding, (what, documents)) in report.bindings.iter().zip(&sources) {
        assert_eq!(
            (binding.documents, binding.equal_rows),
            (*documents, *documents),
            "{what}"
        );
    }
}
