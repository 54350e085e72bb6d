//! `flow-sim run` as people and programs call it: what is on which stream, and with which status it ends.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::servers::{connector, tests_folder};

fn simulator(arguments: &[&str]) -> Output {
    Command::new(connector().with_file_name("flow-sim"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn run(catalog: &str, arguments: &[&str]) -> Output {
    let catalog = tests_folder(&format!("catalogs/{catalog}/flow.yaml"));
    let all = ["run", catalog.to_str().unwrap()];
    simulator(&[&all, arguments].concat())
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn json_is_one_document_on_standard_output_and_lines_are_on_standard_error() {
    let output = run("wikipedia", &["--json", "--explain"]);
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["verdict"], "equal");
    assert_eq!(
        document["bindings"][0]["files"].as_array().unwrap().len(),
        5
    );
    assert!(document["timeline"]["micros"].as_u64().unwrap() > 0);
    let files = document["requests"].as_array().unwrap();
    assert!(
        files
            .iter()
            .any(|request| request["operation"] == "CompleteMultipartUpload")
    );
    let said = text(&output.stderr);
    for line in [
        "seed 0, runtime v1",
        "taken (40 of 48):",
        "LOCATION_REQUIRED: ",
        "all equal",
    ] {
        assert!(said.contains(line), "`{line}` is not in: {said}");
    }
    // No bar where there is no terminal.
    assert!(!said.contains('\r') && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn shards_are_told_side_by_side() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    for runtime in ["v1", "v2"] {
        let arguments = [
            "--json",
            "--shards",
            "3",
            "--runtime",
            runtime,
            "--report",
            page.to_str().unwrap(),
        ];
        let output = run("wikipedia", &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(
            said.contains("shard 3: transaction 1 committed") && said.contains("all equal"),
            "{said}"
        );
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["run"]["shards"], 3);
        let sums = |name: &str| -> u64 {
            let list = document["timeline"]["transactions"].as_array().unwrap();
            list.iter().map(|one| one[name].as_u64().unwrap()).sum()
        };
        let bindings = document["bindings"].as_array().unwrap();
        let rows = bindings.iter().map(|one| one["rows"].as_u64().unwrap());
        assert_eq!(sums("rows"), rows.sum::<u64>(), "{runtime}");
        let lanes = document["timeline"]["lanes"].as_array().unwrap();
        let of = |shard: u64| {
            lanes
                .iter()
                .filter(move |lane| lane["shard"] == shard)
                .count()
        };
        assert_eq!([of(1), of(2), of(3)], [of(1); 3]);
        assert!(of(1) >= 2);
        let page = std::fs::read_to_string(&page).unwrap();
        assert!(page.contains("Session 2, shard 3") && page.contains("3 shards"));
    }
}

#[test]
fn a_run_that_fails_is_told_too() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    let arguments = [
        "--json",
        "--connector",
        "false",
        "--report",
        page.to_str().unwrap(),
    ];
    let output = run("wikipedia", &arguments);
    assert_eq!(output.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["verdict"], "failed");
    let problem = document["problems"][0].as_str().unwrap();
    assert!(problem.contains("exit status: 1"), "{problem}");
    assert!(text(&output.stderr).contains(problem));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("The run failed") && page.contains("exit status: 1"));
}

#[test]
fn what_makes_no_sense_ends_with_status_2_before_anything_is_done() {
    for (arguments, says) in [
        (
            &["--report", "/not/there/page.html"][..],
            "there is no folder /not/there",
        ),
        (
            &["--name", "acmeCo/none"],
            "no materialization `acmeCo/none`",
        ),
        (&["--sessions", "many"], "invalid value 'many'"),
        (&["--shards", "0"], "invalid value '0'"),
    ] {
        let output = run("wikipedia", arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "`{says}` is not in: {said}");
    }
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = simulator(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        assert!(
            script.contains("flow-sim") && script.contains("explain"),
            "{shell}: {script}"
        );
    }
}
