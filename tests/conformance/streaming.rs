//! Documents that come as they are made: through standard input and through a FIFO they are sent
//! while more are to come.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::servers::{connector, tests_folder};

fn run(fixture: &Path, arguments: &[&str]) -> Child {
    Command::new(connector().with_file_name("flow-sim"))
        .arg("run")
        .arg(tests_folder("sessions/catalog/flow.yaml"))
        .arg("--fixture")
        .arg(fixture)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn orders(to: &mut impl Write, ids: std::ops::Range<u32>) {
    for id in ids {
        writeln!(to, r#"["acmeCo/orders", {{"id": {id}}}]"#).unwrap();
    }
    to.flush().unwrap();
}

/// Reads lines until one holds `text`.
fn wait_for(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) {
    let mut seen = Vec::new();
    for line in lines {
        let line = line.unwrap();
        if line.contains(text) {
            return;
        }
        seen.push(line);
    }
    panic!("no `{text}` in:\n{}", seen.join("\n"));
}

#[test]
fn transactions_are_committed_while_standard_input_is_open() {
    for runtime in ["v1", "v2"] {
        let mut child = run(
            Path::new("-"),
            &["--runtime", runtime, "--max-time", "0.2", "--max-docs", "3"],
        );
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // By the time, by the count, by a commit.
        orders(&mut stdin, 0..2);
        wait_for(&mut lines, "transaction 1 committed: 2 rows");
        orders(&mut stdin, 2..5);
        wait_for(&mut lines, "transaction 2 committed: 3 rows");
        orders(&mut stdin, 5..6);
        writeln!(stdin, r#"{{"commit": true}}"#).unwrap();
        wait_for(&mut lines, "transaction 3 committed: 1 row");
        orders(&mut stdin, 6..7);
        drop(stdin);
        wait_for(&mut lines, "7 documents in 4 transactions from -");
        wait_for(&mut lines, "7 rows compared, all equal");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_fifo_may_be_opened_later_and_sessions_take_their_share() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("documents");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut child = run(&fifo, &["--sessions", "1,-1", "--max-bytes", "20"]);
    drop(child.stdin.take());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    wait_for(&mut lines, "session 1: 1 transaction");
    let mut writer = OpenOptions::new().write(true).open(&fifo).unwrap();
    orders(&mut writer, 0..4);
    wait_for(&mut lines, "session 2: transactions as documents come");
    drop(writer);
    wait_for(&mut lines, "4 rows compared, all equal");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wrong_line_ends_the_run_and_is_named() {
    let mut child = run(Path::new("-"), &[]);
    let mut stdin = child.stdin.take().unwrap();
    orders(&mut stdin, 0..1);
    writeln!(stdin, "[\"acmeCo/orders\"").unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{stderr}");
    assert!(stderr.contains("line 2"), "{stderr}");
}
