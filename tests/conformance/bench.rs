//! `flow-sim bench` at a thousandth of its size: who takes part, what is measured, and with which
//! status it ends. The numbers themselves say nothing here: these builds are not optimized.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::servers::connector;

fn bench(arguments: &[&str]) -> Output {
    bench_rounds("1", arguments)
}

fn bench_rounds(rounds: &str, arguments: &[&str]) -> Output {
    Command::new(connector().with_file_name("flow-sim"))
        .args(["bench", "--scale", "0.001", "--rounds", rounds])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn report(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(shape: &Value) -> Vec<&str> {
    let contenders = shape["contenders"].as_array().unwrap();
    contenders
        .iter()
        .map(|contender| contender["name"].as_str().unwrap())
        .collect()
}

#[test]
fn every_shape_goes_through_every_codec_and_through_duckdb() {
    let output = bench(&["--json"]);
    let report = report(&output);
    let shapes = report["shapes"].as_array().unwrap();
    let told: Vec<Value> = shapes
        .iter()
        .map(|shape| json!([shape["docs"], shape["documents"], shape["columns"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([["wiki", 300, 37], ["tiny", 3000, 4], ["big", 1, 3]])
    );
    assert_eq!(shapes[1]["documentBytes"], 3000 * 128);
    for shape in shapes {
        assert_eq!(names(shape), ["duckdb", "proto", "json v1", "json v2"]);
        for contender in shape["contenders"].as_array().unwrap() {
            let median = &contender["median"];
            assert!(median["wallSeconds"].as_f64().unwrap() > 0.0, "{contender}");
            assert!(
                median["peakBytes"].as_u64().unwrap() > 1 << 20,
                "{contender}"
            );
            assert_eq!(median["files"], 1, "{contender}");
            assert!(median["fileBytes"].as_u64().unwrap() > 4000, "{contender}");
            assert!(contender["ratio"].as_f64().unwrap() > 0.0, "{contender}");
        }
        // Only the prefix, as long for both, tells the files of the two apart.
        assert_eq!(
            shape["contenders"][2]["median"]["fileBytes"],
            shape["contenders"][3]["median"]["fileBytes"]
        );
    }
    let said = text(&output.stderr);
    assert_eq!(said.matches("the files hold what was sent").count(), 9);
    assert!(
        said.contains("proto") && said.contains("of DuckDB's"),
        "{said}"
    );
}

#[test]
fn a_connector_can_be_measured_alone() {
    let arguments = ["--docs", "big", "--no-duckdb", "--check", "--json"];
    let report = report(&bench(&[&arguments[..], &["--codec", "proto"]].concat()));
    let shape = &report["shapes"][0];
    assert_eq!(names(shape), ["proto"]);
    let contender = &shape["contenders"][0];
    assert_eq!(contender["ratio"], Value::Null);
    let musts = contender["musts"].as_array().unwrap();
    assert_eq!(musts.len(), 1);
    assert_eq!(
        (&musts[0]["of"], &musts[0]["isMet"]),
        (&json!("peakBytes"), &json!(true))
    );
}

#[test]
fn codec_and_runtime_say_which_messages_are_played() {
    for (arguments, expected) in [
        (&["--codec", "json"][..], &["json v1", "json v2"][..]),
        (&["--runtime", "v2"], &["proto", "json v2"]),
        (&["--codec", "json", "--runtime", "v1"], &["json v1"]),
    ] {
        let common = ["--docs", "big", "--no-duckdb", "--json"];
        let report = report(&bench(&[&common[..], arguments].concat()));
        assert_eq!(names(&report["shapes"][0]), expected, "{arguments:?}");
    }
}

#[test]
fn ten_times_the_documents_are_played_too_where_growth_is_asked_for() {
    let arguments = ["--docs", "tiny", "--codec", "proto", "--flat", "--json"];
    let output = bench_rounds("2", &arguments);
    let said = text(&output.stderr);
    let rounds = said.lines().filter_map(|line| {
        let (round, rest) = line
            .trim_start()
            .strip_prefix("round ")?
            .split_once(", proto, ")?;
        Some((round, rest.split_once(':')?.0))
    });
    // In turn, so that they are measured on the same machine.
    let turns = ["1", "2"].map(|round| [(round, "3,000 documents"), (round, "30,000 documents")]);
    assert_eq!(rounds.collect::<Vec<_>>(), turns.as_flattened(), "{said}");
    let report = report(&output);
    let documents = |index: usize| &report["shapes"][index]["documents"];
    assert_eq!((documents(0), documents(1)), (&json!(3000), &json!(30_000)));
    let growth = report["growth"].as_array().unwrap();
    assert_eq!(growth.len(), 1);
    assert_eq!(
        json!([
            growth[0]["docs"],
            growth[0]["contender"],
            growth[0]["documents"]
        ]),
        json!(["tiny", "proto", [3000, 30_000]])
    );
    assert!(growth[0]["wallRatio"].as_f64().unwrap() > 0.0);
    assert_eq!(growth[0]["musts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_connector_that_fails_ends_it_with_status_1_and_its_own_words() {
    let output = bench(&["--docs", "big", "--connector", "false"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("the connector failed"), "{said}");
    let output = bench(&["--scale", "0"]);
    assert_eq!(output.status.code(), Some(2));
}
