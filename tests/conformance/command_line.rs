//! `flow-sim run` as people and programs call it: what is on which stream, and with which status it
//! ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
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
fn a_torture_is_told_as_json_and_as_a_page() {
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("page.html");
    let tell = |arguments: &[&str]| {
        let all = ["torture", "--json", "--report", page.to_str().unwrap()];
        let output = simulator(&[&all, arguments].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = text(&output.stderr).to_owned();
        (output.status.code(), document, said)
    };
    let (status, document, said) = tell(&["--seeds", "3", "--jobs", "2"]);
    assert_eq!((status, &document["verdict"]), (Some(0), &json!("kept")));
    assert!(said.ends_with("every promise was kept\n"), "{said}");
    let runs = document["runs"].as_array().unwrap();
    let seeds: Vec<&Value> = runs.iter().map(|run| &run["seed"]).collect();
    assert_eq!(seeds, [0, 1, 2]);
    let rows = runs
        .iter()
        .map(|run| run["numbers"]["rows"].as_u64().unwrap());
    assert_eq!(document["totals"]["numbers"]["rows"], rows.sum::<u64>());

    // One plan again, from a file: the same events, files and verdict.
    let (status, first, _) = tell(&["--seed", "1"]);
    assert_eq!(status, Some(0));
    let plan = folder.path().join("plan.json");
    std::fs::write(&plan, first["stories"][0]["plan"].to_string()).unwrap();
    let (status, again, _) = tell(&["--plan", plan.to_str().unwrap()]);
    assert_eq!(status, Some(0));
    for name in ["seed", "plan", "events", "files", "findings"] {
        assert_eq!(
            first["stories"][0][name], again["stories"][0][name],
            "{name}"
        );
    }

    let (status, document, said) = tell(&["--seeds", "1", "--connector", "false"]);
    assert_eq!((status, &document["verdict"]), (Some(1), &json!("broken")));
    assert!(said.ends_with("1 seed FAILED\n"), "{said}");
    assert_eq!(document["stories"][0]["isShrunk"], true);
    let finding = &document["runs"][0]["findings"][0];
    assert!(
        finding["evidence"]
            .as_str()
            .unwrap()
            .contains("exit status: 1"),
        "{finding}"
    );
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("1 seed broke a promise"));
}

#[test]
fn the_s3_server_tells_programs_where_it_is() {
    let mut server = Command::new(connector().with_file_name("flow-sim"))
        .args(["s3", "--port", "0", "--bucket", "lake", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["buckets"], json!(["lake"]));
    assert!(told["secretAccessKey"].is_string() && told["region"].is_string());
    let address = told["endpoint"].as_str().unwrap().replace("http://", "");
    assert!(TcpStream::connect(&address).is_ok(), "{address}");
    server.kill().unwrap();
    server.wait().unwrap();
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
