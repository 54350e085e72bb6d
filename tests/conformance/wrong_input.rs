//! Every command of `flow-sim` with wrong input: each ends with status 2, unless another is said,
//! and a sentence that says what was wrong and what to write instead.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::servers::{connector, tests_folder};

/// Files that are wrong, each in its own way.
const FILES: [(&str, &[u8]); 10] = [
    ("rule", b"[{}]"),
    ("garbage", b"garbage"),
    ("empty", b""),
    ("marked", b"\xEF\xBB\xBF[\"acmeCo/events\", {\"id\": 1}]"),
    ("latin", b"[\"acmeCo/events\", {\"id\": 1}]\n[\"caf\xE9\"]"),
    ("utf16", b"\xFF\xFE[\0"),
    ("bare", b"\n{\"id\": 1}"),
    ("pretty", b"[\n  \"acmeCo/events\",\n  {\"id\": 1}\n]"),
    ("number", b"5"),
    (
        "asked.jsonl",
        br#"{"dir": ">", "msg": {"spec": {"connectorType": 8, "config": {}}}}"#,
    ),
];

struct Wrong(TempDir);

impl Wrong {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in FILES {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(connector().with_file_name("flow-sim"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("AWS_ACCESS_KEY_ID")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Each list of words after `verb` ends with a status, and says something.
    fn each(&self, verb: &[&str], table: &[(&[&str], i32, &str)]) {
        for (words, status, says) in table {
            let output = self.run(&[verb, words].concat());
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(*status), "{words:?}: {told}");
            assert!(told.contains(says), "{words:?}: `{says}` is not in: {told}");
            for theirs in ["untagged enum", "panicked", "RUST_BACKTRACE", "a bug of"] {
                assert!(!told.contains(theirs), "{words:?}: {told}");
            }
        }
    }
}

fn catalog() -> String {
    tests_folder("catalogs/backfill/flow.yaml")
        .display()
        .to_string()
}

fn session() -> String {
    tests_folder("sessions/backfill.jsonl")
        .display()
        .to_string()
}

#[test]
fn a_run_with_a_wrong_catalog() {
    Wrong::new().each(
        &["run"],
        &[
            (&[], 2, "<CATALOG>"),
            (&["none.yaml"], 2, "none.yaml: cannot be read: No such file"),
            (&["folder"], 2, "folder: cannot be read: Is a directory"),
            (&["garbage"], 2, "garbage:1: here belong keys with values"),
            (&["latin"], 2, "latin: cannot be read: line 2 is not UTF-8"),
            (&["utf16"], 2, "utf16: cannot be read: line 1 is UTF-16"),
            (&["empty"], 2, "the catalog has no materialization to play"),
        ],
    );
}

#[test]
fn a_run_with_a_wrong_fixture() {
    let catalog = catalog();
    let form = "write `[\"acmeCo/orders\", {…}]` or `{\"commit\": true}`";
    Wrong::new().each(
        &["run", &catalog, "--name", "acmeCo/before", "--fixture"],
        &[
            (&["none"], 2, "none: No such file"),
            (&["folder"], 2, "Is a directory"),
            (
                &["garbage"],
                2,
                "line 1 is not JSON: expected value at column 1, `garbage`",
            ),
            (&["garbage"], 2, form),
            (&["bare"], 2, "line 2 is a document without its collection"),
            (&["bare"], 2, form),
            (
                &["pretty"],
                2,
                "or write each document on a line of its own",
            ),
            (&["number"], 2, "line 1 is `5`"),
            (
                &["marked"],
                2,
                "line 1 begins with a byte order mark; save the file as UTF-8",
            ),
            (
                &["latin"],
                2,
                "line 2 is not UTF-8: its byte 6 is 0xE9; save the file as UTF-8",
            ),
            (&["utf16"], 2, "line 1 is UTF-16; save the file as UTF-8"),
            (
                &["asked.jsonl"],
                2,
                "line 1 is a document without its collection",
            ),
            (&["empty"], 5, ""),
        ],
    );
}

#[test]
fn a_run_with_a_wrong_store() {
    let catalog = catalog();
    Wrong::new().each(
        &["run", &catalog, "--name", "acmeCo/before"],
        &[
            (
                &["--s3", "what"],
                2,
                "write embedded, minio, ceph, seaweedfs, catalog, none, or a URL",
            ),
            (&["--s3", "http://"], 2, "is no URL of a server"),
            (&["--s3", "ftp://x"], 2, "is no URL of a server"),
            (
                &["--s3", "http://127.0.0.1:9"],
                2,
                "needs the environment variable AWS_ACCESS_KEY_ID",
            ),
            (
                &["--s3", "none", "--bucket", "abc"],
                2,
                "--bucket does not go with --s3 none",
            ),
            (
                &["--s3", "none", "--prefix", "a"],
                2,
                "--prefix does not go with --s3 none",
            ),
            (
                &["--s3", "none", "--make-bucket"],
                2,
                "--make-bucket does not go with --s3 none",
            ),
            (
                &["--s3", "minio", "--manners", "gcs"],
                2,
                "--manners is for the server inside this process",
            ),
            (
                &["--bucket", "Bad Name"],
                2,
                "write 3 to 63 lower-case letters",
            ),
            (&["--prefix", "a//b"], 2, "name a folder of the bucket"),
            (&["--prefix", ""], 2, "--prefix is ``; name a folder"),
        ],
    );
}

#[test]
fn a_run_with_a_wrong_place_or_number() {
    let catalog = catalog();
    Wrong::new().each(
        &["run", &catalog, "--name", "acmeCo/before"],
        &[
            (
                &["--output", "latin"],
                2,
                "--output latin is a file; name a new folder",
            ),
            (&["--output", "."], 2, "is not empty; name a new one"),
            (
                &["--output", "/proc/none"],
                6,
                "the folder /proc/none for the files",
            ),
            (&["--report", "folder"], 2, "folder/report.html"),
            (
                &["--report", "none/page.html"],
                2,
                "there is no folder none; make it first",
            ),
            (
                &["--connector", " "],
                2,
                "write a program and its arguments",
            ),
            (
                &["--connector", "no-such-program"],
                1,
                "name the right program with --connector",
            ),
            (&["--max-docs", "0"], 2, "0 is not in 1.."),
            (&["--max-time", "0"], 2, "a number of seconds above 0"),
            (&["--shards", "257"], 2, "257 is not in 1..=256"),
            (&["--sessions", "x"], 2, "invalid value 'x'"),
        ],
    );
}

#[test]
fn a_torture_with_wrong_input() {
    let plan = "a plan is what `flow-sim torture --seed 42` prints first";
    Wrong::new().each(
        &["torture"],
        &[
            (&["--plan", "none"], 2, "the plan none: No such file"),
            (&["--plan", "folder"], 2, "the plan folder: Is a directory"),
            (&["--plan", "garbage"], 2, plan),
            (&["--plan", "number"], 2, plan),
            (
                &["--plan", "marked"],
                2,
                "line 1 begins with a byte order mark",
            ),
            (&["--plan", "latin"], 2, "line 2 is not UTF-8"),
            (&["--seeds", "0"], 2, "0 is not in 1.."),
            (&["--minutes", "0"], 2, "0 is not in 1.."),
            (&["--jobs", "0"], 2, "0 is not in 1.."),
            (&["--connector", ""], 2, "write a program and its arguments"),
            (&["--report", "folder"], 2, "folder/report.html"),
        ],
    );
}

#[test]
fn a_bench_with_wrong_input() {
    Wrong::new().each(
        &["bench"],
        &[
            (&["--scale", "0"], 2, "a number above 0"),
            (&["--scale", "nan"], 2, "a number above 0"),
            (&["--rounds", "0"], 2, "0 is not in 1.."),
            (&["--docs", "x"], 2, "wiki, tiny, big"),
            (
                &["--connector", " "],
                2,
                "write a program and its arguments",
            ),
        ],
    );
}

#[test]
fn a_replay_with_wrong_input() {
    let (session, wrong) = (session(), Wrong::new());
    wrong.each(
        &["replay"],
        &[
            (&[], 2, "<SESSION>"),
            (&["none"], 2, "the recording none: No such file"),
            (&["folder"], 2, "the recording folder has no message"),
            (&["empty"], 2, "the recording empty has no message"),
            (&["garbage"], 2, "write {\"dir\": \">\", \"msg\": {…}}"),
            (&["marked"], 2, "line 1 begins with a byte order mark"),
            (&["latin"], 2, "line 2 is not UTF-8"),
        ],
    );
    wrong.each(
        &["replay", &session],
        &[
            (&["--config", "none"], 2, "none: No such file"),
            (&["--config", "garbage"], 2, "write a JSON merge patch"),
            (
                &["--config", "number"],
                2,
                "is no JSON object; write a JSON merge patch",
            ),
            (&["--rules", "garbage"], 2, "write [{\"at\":"),
            (
                &["--rules", "rule"],
                2,
                "a rule has either `at` and `is`, or",
            ),
            (
                &["--rules", "marked"],
                2,
                "line 1 begins with a byte order mark",
            ),
            (&["--ignore", "x"], 2, "`x` is no JSON pointer"),
            (
                &["--connector", " "],
                2,
                "write a program and its arguments",
            ),
            (&["--s3", "what"], 2, "write embedded"),
            (&["--s3", "catalog"], 2, "--s3 catalog is for `run`"),
            (&["--bucket", "B"], 2, "write 3 to 63 lower-case letters"),
        ],
    );
    let output = wrong.run(&["replay", "asked.jsonl"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(
        told.contains("NOTHING COMPARED: the recordings have no answer"),
        "{told}"
    );
}

#[test]
fn a_recording_with_wrong_input() {
    Wrong::new().each(
        &["record"],
        &[
            (&[], 2, "<CONNECTOR>"),
            (
                &["--", "no-such-program"],
                2,
                "cannot start the connector `no-such-program`",
            ),
            (
                &["--to", "/proc/none", "--", "true"],
                2,
                "the recording /proc/none: ",
            ),
            (
                &["--redact", "x", "--", "true"],
                2,
                "`x` is no JSON pointer",
            ),
            (&["--codec", "yaml", "--", "true"], 2, "proto, json"),
            // It stands for its connector, and ends as that does; but not well without a
            // recording.
            (
                &["--to", "/dev/full", "--", "true"],
                6,
                "the recording is not complete: No space left",
            ),
        ],
    );
}

#[test]
fn an_inspection_with_wrong_input() {
    Wrong::new().each(
        &["inspect"],
        &[
            (&[], 2, "<FILE|PREFIX>"),
            (&["none"], 2, "cannot read none: No such file"),
            (&["folder"], 2, "the folder folder has no .parquet files"),
            (
                &["garbage"],
                8,
                "garbage is no Parquet file, or a broken one",
            ),
            (&["s3://"], 2, "names no bucket; write s3://BUCKET/PREFIX"),
            (
                &["s3://abc/p"],
                2,
                "needs the environment variable AWS_ACCESS_KEY_ID",
            ),
            (&["s3://abc/p", "--s3", "what"], 2, "is no URL of a server"),
        ],
    );
}

#[test]
fn a_server_and_completions_with_wrong_input() {
    let wrong = Wrong::new();
    wrong.each(
        &["s3"],
        &[
            (&["--port", "99999"], 2, "99999 is not in 0..=65535"),
            (&["--host", "x"], 2, "invalid IP address"),
            (
                &["--bucket", "Bad Name"],
                2,
                "write 3 to 63 lower-case letters",
            ),
            (
                &["--port", "1", "--host", "203.0.113.1"],
                1,
                "choose another port, or 0",
            ),
        ],
    );
    wrong.each(
        &[],
        &[
            (
                &["completions", "tcsh"],
                2,
                "bash, elvish, fish, powershell, zsh",
            ),
            (&["nothing"], 2, "unrecognized subcommand 'nothing'"),
            (&[], 2, "Usage: flow-sim <COMMAND>"),
        ],
    );
}

/// A folder with files of a run, of which one has been cut short.
fn with_a_broken_file(folder: &Path) {
    let catalog = catalog();
    let files = folder.display().to_string();
    let arguments = [
        "run",
        &catalog,
        "--name",
        "acmeCo/before",
        "--output",
        &files,
    ];
    let output = Wrong::new().run(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let files = crate::runs::kept_files(folder);
    assert!(files.len() > 1);
    let bytes = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn a_broken_file_is_listed_and_the_others_are_shown() {
    let folder = TempDir::new().unwrap();
    with_a_broken_file(folder.path());
    let files = crate::runs::kept_files(folder.path());
    let path = folder.path().display().to_string();
    let output = Wrong::new().run(&["inspect", &path]);
    let (shown, told) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(8), "{told}");
    assert!(
        shown.contains("broken files:") && shown.contains("as DuckDB sees them"),
        "{shown}"
    );
    assert!(
        told.contains(&format!("1 of {} files broken", files.len())),
        "{told}"
    );
    let output = Wrong::new().run(&["inspect", &path, "--json"]);
    assert_eq!(output.status.code(), Some(8));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["files"].as_array().unwrap().len(), files.len() - 1);
    let broken = document["broken"][0]["name"].as_str().unwrap();
    assert_eq!(Path::new(broken), files[0]);
}
