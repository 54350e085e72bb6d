//! What counts as compared, and what a run says of documents that it has not played.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;

use flow_sim::run::Bucket;
use serde_json::{Value, json};

use crate::exit_status::{Case, said, simulator};
use crate::servers::{Server, bucket, connector};

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Three documents for a bucket that the catalog names itself.
async fn in_its_own_bucket() -> Case {
    let name = bucket("unread");
    Bucket::open(&Server::Embedded.store(), Some(&name), 0)
        .await
        .unwrap();
    Case::in_bucket(&name)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_stored_and_not_read_back_are_not_compared() {
    let case = in_its_own_bucket().await;
    let says = "NOTHING COMPARED: 3 rows stored and not read back";
    case.ends(&["--s3", "none"], 5, says);
    let output = case.run(&["--s3", "none", "--json"]);
    assert_eq!(document(&output)["verdict"], "nothingCompared");
    let page = case.path("page.html");
    let allowed = ["--s3", "none", "--allow-empty", "--report", &page];
    let told = case.ends(&allowed, 0, "nothing compared: 3 rows stored");
    assert!(!told.contains("all equal"), "{told}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Nothing was compared: 3 rows stored and not read back"));
    for more in [&["--strict"][..], &["--strict", "--allow-empty"]] {
        let arguments = [&["--s3", "none"], more].concat();
        case.ends(
            &arguments,
            7,
            "NOT ALL READ BACK: 3 rows stored and not read back",
        );
    }
    let output = case.run(&["--s3", "none", "--strict", "--json"]);
    assert_eq!(document(&output)["verdict"], "notAllReadBack");
    case.ends(
        &["--s3", "none", "--make-bucket"],
        2,
        "--make-bucket does not go with --s3 none",
    );
}

/// Transactions of one document each, and an empty one at the end.
fn transactions() -> Case {
    let line = |id| format!("[\"acmeCo/madeUp\", {{\"id\": {id}}}]\n{{\"commit\": true}}\n");
    let fixture: String = (0..3).map(line).collect();
    Case::well().with_fixture((fixture + "{\"commit\": true}\n").as_bytes())
}

#[test]
fn transactions_that_no_session_plays_end_with_9_unless_that_is_fine() {
    let case = transactions();
    let one = ["--sessions", "1"];
    let says = "NOT ALL PLAYED: 2 documents in 2 transactions left over after the last session";
    let told = case.ends(&one, 9, says);
    assert!(told.contains("--allow-unplayed"), "{told}");
    let page = case.path("page.html");
    let output = case.run(&[&one[..], &["--json", "--report", &page]].concat());
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    let told = document(&output);
    assert_eq!(told["verdict"], "notAllPlayed");
    let unplayed = json!({"documents": 2, "transactions": 2, "moreMayCome": false});
    assert_eq!(told["run"]["unplayed"], unplayed);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("2 documents in 2 transactions left over"));

    let allowed = [&one[..], &["--allow-unplayed"]].concat();
    let told = case.ends(&allowed, 0, "1 row compared, all equal");
    assert!(
        told.contains("2 documents in 2 transactions left over"),
        "{told}"
    );
    case.ends(&["--sessions", "1,-1"], 0, "3 rows compared, all equal");
    // What has no documents may stay.
    case.ends(&["--sessions", "1,2"], 0, "3 rows compared, all equal");
}

#[test]
fn documents_that_come_after_the_last_session_are_mentioned() {
    let case = transactions();
    let run = |sessions: &str| {
        let stdin = std::fs::File::open(case.path("fixture.jsonl")).unwrap();
        let mut command = case.command(&["--fixture", "-", "--sessions", sessions]);
        let output = command.stdin(stdin).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        said(&output)
    };
    let says = "Not played: what comes after the last session";
    let told = run("1");
    assert!(
        told.contains(says) && told.contains("1 row compared"),
        "{told}"
    );
    let told = run("1,-1");
    assert!(!told.contains("Not played"), "{told}");
}

#[test]
fn a_recipe_whose_transactions_are_closed_early_is_played_to_its_end() {
    let case = Case::well();
    let recipe = "{collection: acmeCo/madeUp, generator: noise, seed: 1, documents: 5, \
                  transactions: 2, sessions: 2}";
    std::fs::write(case.path("made.yaml"), recipe).unwrap();
    let recipe = case.path("made.yaml");
    let arguments = ["--fixture", &recipe, "--max-docs", "1"];
    case.ends(&arguments, 0, "5 rows compared, all equal");
}

#[test]
fn documents_that_no_binding_reads_are_counted() {
    let fixture = b"[\"acmeCo/madeUp\", {\"id\": 1}]\n[\"acmeCo/other\", {\"id\": 1}]\n\
                    [\"acmeCo/other\", {\"id\": 2}]\n";
    let case = Case::well().with_fixture(fixture);
    let text = std::fs::read_to_string(&case.catalog).unwrap();
    let mut catalog: Value = serde_json::from_str(&text).unwrap();
    catalog["collections"]["acmeCo/other"] = catalog["collections"]["acmeCo/madeUp"].clone();
    std::fs::write(&case.catalog, catalog.to_string()).unwrap();
    let says = "No binding reads 2 documents: `acmeCo/other` 2";
    let told = case.ends(&[], 0, says);
    assert!(told.contains("1 row compared, all equal"), "{told}");
    let page = case.path("page.html");
    let output = case.run(&["--json", "--report", &page]);
    let counts = &document(&output)["run"]["withoutBinding"];
    assert_eq!(*counts, json!({"acmeCo/other": 2}));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("`acmeCo/other` 2"));

    let stdin = std::fs::File::open(case.path("fixture.jsonl")).unwrap();
    let mut command = case.command(&["--fixture", "-"]);
    let output = command.stdin(stdin).output().unwrap();
    assert!(said(&output).contains(says), "{}", said(&output));
}

#[test]
fn a_part_of_the_configuration_that_was_left_empty_is_filled_in() {
    let case = Case::well();
    case.configure(|config| config["advanced"] = Value::Null);
    case.ends(&[], 0, "3 rows compared, all equal");
    case.configure(|config| config["advanced"] = json!("x"));
    case.ends(&[], 2, "`advanced` in the endpoint's configuration");
}

#[test]
fn a_session_token_is_refused_where_the_connector_cannot_take_it() {
    let case = Case::well();
    let mut command = case.command(&["--s3", "http://127.0.0.1:9"]);
    command.env("AWS_ACCESS_KEY_ID", "ASIA");
    command.env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = command.env("AWS_SESSION_TOKEN", "very-secret").output();
    let output = output.unwrap();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("AWS_SESSION_TOKEN"), "{told}");
    assert!(!told.contains("very-secret"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_of_the_catalog_is_corrected_in_the_catalog() {
    let case = in_its_own_bucket().await;
    case.ends(&["--s3", "catalog"], 0, "all equal");
    let told = case.ends(&["--s3", "catalog"], 2, "`bucket` in the catalog");
    assert!(!told.contains("--bucket"), "{told}");
    case.configure(|config| config["bucket"] = json!("nobodys-own"));
    let told = case.ends(&["--s3", "catalog"], 2, "correct `bucket` in the catalog");
    assert!(!told.contains("--bucket"), "{told}");
}

#[test]
fn a_replaced_interval_and_codec_are_named_where_they_differ() {
    let case = Case::well();
    let changed = ["--interval", "1", "--codec", "proto"];
    let told = case.ends(&changed, 0, "all equal");
    for line in [
        "uploadIntervalInSeconds: 1 instead of 0",
        "codec: proto instead of json",
    ] {
        assert!(told.contains(line), "`{line}` is not in: {told}");
    }
    let told = case.ends(&["--interval", "0", "--codec", "json"], 0, "all equal");
    for name in ["uploadIntervalInSeconds:", "codec:"] {
        assert!(!told.contains(name), "`{name}` is in: {told}");
    }
}

#[test]
fn a_recording_that_could_not_be_written_ends_with_6_where_the_connector_did_well() {
    for (status, expected) in [("0", 6), ("3", 3)] {
        let connector = format!("exit {status}");
        let mut command = simulator();
        command.args(["record", "--to", "/dev/full", "--", "sh", "-c", &connector]);
        let output = command.output().unwrap();
        let told = said(&output);
        assert_eq!(output.status.code(), Some(expected), "{told}");
        assert!(told.contains("the recording is not complete"), "{told}");
    }
}

#[test]
fn a_server_whose_address_could_not_be_told_does_not_go_on() {
    let program = connector().with_file_name("flow-sim");
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = std::process::Command::new("timeout")
        .args([
            "20",
            program.to_str().unwrap(),
            "s3",
            "--port",
            "0",
            "--json",
        ])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
}

/// Answers one request with 403, and returns its head.
fn refuse_one(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).unwrap();
    String::from_utf8(head).unwrap().to_lowercase()
}

#[test]
fn a_session_token_goes_along_where_files_are_inspected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || refuse_one(&listener));
    let mut command = simulator();
    command.args(["inspect", "s3://lake/a", "--s3", &url]);
    command.env("AWS_ACCESS_KEY_ID", "ASIA");
    command.env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = command.env("AWS_SESSION_TOKEN", "very-secret").output();
    let told = said(&output.unwrap());
    assert!(!told.contains("very-secret"), "{told}");
    let head = server.join().unwrap();
    assert!(head.contains("x-amz-security-token: very-secret"), "{head}");
}
