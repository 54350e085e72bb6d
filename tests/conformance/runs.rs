//! How the suite plays a catalog: with the connector that was built for it, in a bucket of its own,
//! and without a difference.

use std::path::{Path, PathBuf};

use flow_sim::run::{Event, Options, Progress, Report, run};
use flow_sim::runtime::{Runtime, Step, Verdict};
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Value, json};

use crate::servers::{Server, bucket, connector, tests_folder};

/// Every way in which the runtime and the connector may speak with one another.
pub(crate) const DIALECTS: [(Runtime, Codec); 4] = [
    (Runtime::V1, Codec::Proto),
    (Runtime::V1, Codec::Json),
    (Runtime::V2, Codec::Proto),
    (Runtime::V2, Codec::Json),
];

/// The catalogs with documents that do not fit their schemas, and that Flow would not send: they
/// show what the connector makes of them all the same.
const BEYOND_THEIR_SCHEMAS: [&str; 5] = [
    "cast_to_string",
    "hostile_names",
    "json_strings",
    "rescued",
    "types",
];

/// A run of the catalog `tests/catalogs/<name>/flow.yaml`.
pub(crate) fn of_catalog(
    name: &str,
    server: Server,
    (runtime, codec): (Runtime, Codec),
) -> Options {
    Options {
        store: server.store(),
        bucket: Some(bucket(name)),
        codec: Some(codec),
        runtime,
        checks_documents: !BEYOND_THEIR_SCHEMAS.contains(&name),
        ..of_file(tests_folder(&format!("catalogs/{name}/flow.yaml")))
    }
}

/// A run of any catalog.
pub(crate) fn of_file(catalog: PathBuf) -> Options {
    Options {
        connector: Some(vec![connector().display().to_string()]),
        make_bucket: true,
        ..Options::new(catalog)
    }
}

/// Plays, and sees to it that what is read back is what was sent.
pub(crate) async fn play(options: &Options) -> Report {
    let report = run(options, &mut ())
        .await
        .unwrap_or_else(|error| panic!("{options:?}: {error}"));
    let difference = report.differences().next();
    assert!(difference.is_none(), "{options:?}: {difference:?}");
    report
}

/// The files of the folder that a run was told to keep them in, by name: their shard and counter
/// come first, so that within a binding they are in the order in which they were written.
pub(crate) fn kept_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A catalog that a test makes up: one collection with the key `/id`, materialized by one task.
#[derive(Debug)]
pub(crate) struct MadeUp {
    /// The schemas of its properties beside `id`.
    pub(crate) properties: Value,
    /// The endpoint's `/advanced`.
    pub(crate) advanced: Value,
    /// The resource configuration of each binding.
    pub(crate) resources: Vec<Value>,
    /// The documents of each transaction.
    pub(crate) transactions: Vec<Vec<Value>>,
}

impl MadeUp {
    /// Writes it into a folder, and returns the path of its `flow.yaml`.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let mut properties = self.properties.clone();
        properties["id"] = json!({"type": "integer"});
        let binding = |resource: &Value| {
            let fields = json!({"recommended": true, "exclude": ["flow_published_at"]});
            json!({"source": "acmeCo/madeUp", "resource": resource, "fields": fields})
        };
        let catalog = json!({
            "collections": {"acmeCo/madeUp": {
                "key": ["/id"],
                "schema": {"type": "object", "required": ["id"], "properties": properties},
            }},
            "materializations": {"acmeCo/lake": {
                "endpoint": {"local": {
                    "command": ["materialize-s3-parquet"],
                    "config": {"uploadIntervalInSeconds": 0, "advanced": self.advanced},
                }},
                "bindings": self.resources.iter().map(binding).collect::<Vec<_>>(),
            }},
        });
        let path = folder.join("flow.yaml");
        std::fs::write(&path, catalog.to_string()).unwrap();
        let transactions = self.transactions.iter().map(|documents| {
            let lines = documents
                .iter()
                .map(|document| json!(["acmeCo/madeUp", document]).to_string());
            lines.collect::<Vec<_>>().join("\n")
        });
        let commit = "\n{\"commit\": true}\n";
        let fixture = transactions.collect::<Vec<_>>().join(commit);
        std::fs::write(folder.join("fixture.jsonl"), fixture).unwrap();
        path
    }
}

/// Kills the connector of a shard once: the second time that it comes to this step.
pub(crate) struct Killer {
    shard: u32,
    step: Step,
    /// How often it has come to it.
    pub(crate) seen: u32,
}

impl Killer {
    pub(crate) fn new(shard: u32, step: Step) -> Self {
        Self {
            shard,
            step,
            seen: 0,
        }
    }
}

impl Progress for Killer {
    fn event(&mut self, _event: Event) {}

    fn step(&mut self, shard: u32, step: Step) -> Verdict {
        if (shard, step) != (self.shard, self.step) {
            return Verdict::Continue;
        }
        self.seen += 1;
        if self.seen == 2 {
            Verdict::Kill
        } else {
            Verdict::Continue
        }
    }
}
