//! Memory has a ceiling that does not depend on the data: the image under a limit that the kernel
//! holds to, with what has taken other connectors down. A process that passes the limit is killed,
//! and says nothing.

use std::fs;
use std::io::{BufWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use flow_sim::run::Bucket;
use materialize_s3_parquet::protocol::materialize::{Request, request};
use materialize_s3_parquet::protocol::{Codec, Value, packed};
use serde_json::json;

use crate::docker;
use crate::image::IMAGE;
use crate::process::{config, encode, projection};
use crate::servers::{Server, bucket, connector, minio_from_containers};

/// What the container may take, in Docker's words.
const LIMIT: &str = "512m";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A transaction that takes much memory in some way.
struct Load {
    bindings: u32,
    /// The text columns of each binding.
    columns: usize,
    /// How many rows there are; one binding after the other gets one.
    rows: u32,
    /// The bytes of the text in a column of a row; none for null.
    text: fn(row: u32, column: usize) -> Option<usize>,
}

/// Letters that look random, to take texts from.
fn letters() -> String {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.alphanumeric())
        .take(17 * MIB)
        .collect()
}

impl Load {
    /// Everything that the runtime sends for one transaction.
    fn send(&self, open: &[u8], to: impl Write) -> std::io::Result<()> {
        let mut to = BufWriter::with_capacity(MIB, to);
        let letters = letters();
        let message = |name: &str| encode(Codec::Proto, &[json!({name: {}})]);
        to.write_all(open)?;
        to.write_all(&message("acknowledge"))?;
        to.write_all(&message("flush"))?;
        let mut frame = Vec::new();
        for row in 0..self.rows {
            frame.clear();
            Codec::Proto
                .encode(&self.store(row, &letters), &mut frame)
                .unwrap();
            to.write_all(&frame)?;
        }
        to.write_all(&message("startCommit"))?;
        to.write_all(&message("acknowledge"))?;
        to.flush()
    }

    fn store(&self, row: u32, letters: &str) -> Request {
        let mut key = packed::Writer::new();
        key.push(&Value::Integer(i64::from(row)));
        let mut values = packed::Writer::new();
        for column in 0..self.columns {
            let value = (self.text)(row, column).map_or(Value::Null, |length| {
                let from = (row as usize * 7919 + column * 104_729) % (letters.len() - length);
                Value::String(letters[from..from + length].into())
            });
            values.push(&value);
        }
        let store = request::Store {
            binding: row % self.bindings,
            key_packed: key.into_bytes().into(),
            values_packed: values.into_bytes().into(),
            ..request::Store::default()
        };
        Request {
            store: Some(store),
            ..Request::default()
        }
    }

    /// The Open of its task, with the compression that needs most memory.
    fn open(&self, codec: Codec, config: &serde_json::Value) -> Vec<u8> {
        let names: Vec<String> = (0..self.columns)
            .map(|column| format!("text{column:04}"))
            .collect();
        let projections: Vec<_> = std::iter::once(projection("id", &["integer"]))
            .chain(
                names
                    .iter()
                    .map(|name| projection(name, &["string", "null"])),
            )
            .collect();
        let binding = |index: u32| {
            json!({
                "resourceConfig": {"pathPrefix": format!("load/{index}"), "compressionType": "zstd"},
                "resourcePath": ["load", index.to_string()],
                "collection": {"name": "acmeCo/load", "projections": projections},
                "fieldSelection": {"keys": ["id"], "values": names},
                "deltaUpdates": true,
                "stateKey": format!("load/{index}"),
            })
        };
        let bindings: Vec<_> = (0..self.bindings).map(binding).collect();
        let open = json!({"open": {
            "version": "1",
            "range": {"keyEnd": u32::MAX, "rClockEnd": u32::MAX},
            "materialization": {"name": "acmeCo/lake", "config": config, "bindings": bindings},
        }});
        encode(codec, &[open])
    }
}

/// Plays `load` in a container with little memory. It must end in good order, with as many rows
/// staged as were sent.
async fn lives(case: &str, load: Load) {
    if !docker::wanted(&format!("memory::{case}")) {
        return;
    }
    let bucket = Bucket::open(&Server::Minio.store(), Some(&bucket(case)), 0)
        .await
        .unwrap();
    let config = config(&minio_from_containers(), &bucket.name);
    let open = load.open(Codec::Proto, &config);
    let rows = u64::from(load.rows);
    let mut child = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--interactive",
            "--memory",
            LIMIT,
            "--memory-swap",
            LIMIT,
        ])
        .args(["--env", "FLOW_RUNTIME_CODEC=proto", IMAGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    let sender = thread::spawn(move || load.send(&open, stdin));
    let output = tokio::task::spawn_blocking(|| child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    let logs = String::from_utf8_lossy(&output.stderr);
    let last = logs.lines().last().unwrap_or("it has said nothing");
    assert_eq!(
        output.status.code(),
        Some(0),
        "137 is a kill for want of memory; the last log: {last}"
    );
    sender.join().unwrap().unwrap();
    let logged: u64 = logs
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|log| log["message"] == "staged a file")
        .filter_map(|log| log["fields"]["rows"].as_u64())
        .sum();
    assert_eq!(logged, rows, "the rows of the files in the logs");
}

/// The setting of the allocator in the image.
fn allocator() -> (&'static str, &'static str) {
    let lines = include_str!("../../Dockerfile").lines();
    let mut settings = lines.filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    settings
        .find(|(name, _)| *name == "_RJEM_MALLOC_CONF")
        .expect("the image sets up its allocator")
}

/// What the kernel says of the memory of a process, in bytes: `VmRSS` is what it has, `VmHWM` the
/// most that it has had.
fn memory(process: &Child, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.unwrap().trim_matches([':', '\t', ' ', 'k', 'B']);
    kibibytes.parse::<usize>().unwrap() * KIB
}

/// Waits for one answer of the connector.
fn take_answer(codec: Codec, stdout: &mut impl Read) {
    let mut answer = Vec::new();
    while codec.split_frame(&answer).unwrap().is_none() {
        let mut byte = [0];
        stdout.read_exact(&mut byte).expect("the connector answers");
        answer.extend(byte);
    }
}

/// The most that a session of 400,000 columns may hold before its first row.
const AT_REST: usize = 160 * MIB;

/// The most that it may hold on the way there, where its specification lies in memory as it was
/// sent, twice by the JSON codec.
const ON_THE_WAY: usize = 192 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_bindings_of_two_hundred_columns_at_rest() {
    let load = Load {
        bindings: 2_000,
        columns: 199,
        rows: 0,
        text: |_, _| None,
    };
    let bucket = Bucket::open(&Server::Embedded.store(), Some(&bucket("at_rest")), 0)
        .await
        .unwrap();
    let config = config(&Server::Embedded.location(), &bucket.name);
    for codec in [Codec::Proto, Codec::Json] {
        let (name, setting) = allocator();
        let mut child = Command::new(connector())
            .env("FLOW_RUNTIME_CODEC", codec.name())
            .env(name, setting)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdin.write_all(&load.open(codec, &config)).unwrap();
        take_answer(codec, &mut stdout);
        let acknowledge = encode(codec, &[json!({"acknowledge": {}})]);
        stdin.write_all(&acknowledge).unwrap();
        take_answer(codec, &mut stdout);
        let (now, most) = (memory(&child, "VmRSS"), memory(&child, "VmHWM"));
        drop(stdin);
        assert!(child.wait().unwrap().success());
        let (now_mib, most_mib) = (now / MIB, most / MIB);
        assert!(
            now < AT_REST && most < ON_THE_WAY,
            "{}: {now_mib} MiB, and {most_mib} MiB on the way there",
            codec.name()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bindings_in_turn() {
    let load = Load {
        bindings: 100,
        columns: 20,
        rows: 60_000,
        text: |_, _| Some(50),
    };
    lives("a_hundred_bindings_in_turn", load).await;
}

/// More rows than a page has by default, so that every column has had work for its compressor.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_columns() {
    let text = |row: u32, column: usize| (column % 25 == row as usize % 25).then_some(40);
    let load = Load {
        bindings: 1,
        columns: 1_000,
        rows: 25_000,
        text,
    };
    lives("a_thousand_columns", load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_16_mib() {
    let load = Load {
        bindings: 1,
        columns: 1,
        rows: 16,
        text: |_, _| Some(16 * MIB),
    };
    lives("documents_of_16_mib", load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_strings_of_181_kb() {
    let load = Load {
        bindings: 1,
        columns: 1,
        rows: 2_000,
        text: |_, _| Some(181 * KIB),
    };
    lives("random_strings_of_181_kb", load).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_together() {
    let text = |row: u32, column: usize| match (row % 40, column) {
        (7, 3) => Some(16 * MIB),
        (_, 5) => Some(181 * KIB),
        _ => (column % 10 == row as usize % 10).then_some(30),
    };
    let load = Load {
        bindings: 100,
        columns: 1_000,
        rows: 500,
        text,
    };
    lives("all_of_it_together", load).await;
}
