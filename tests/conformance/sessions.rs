//! Recorded sessions, replayed to the real connector: every answer must be as it was recorded. And
//! that a replay finds what is not.

use std::fs;
use std::path::{Path, PathBuf};

use flow_sim::replay::{Options, Outcome, Rules, replay};
use flow_sim::transcript::{self, Entry};
use materialize_s3_parquet::protocol::Codec;
use serde_json::Value;

use crate::servers::{Server, bucket, connector, tests_folder};

/// Not the seed of the recordings: tokens must differ, or nothing is shown by their being matched.
const SEED: u64 = 20_261_123;

/// What must be there, at least: the protocol's situations.
const SITUATIONS: [&str; 10] = [
    "backfill",
    "empty_transactions",
    "end_of_input",
    "errors",
    "recovery",
    "split",
    "v1_json",
    "v1_proto",
    "v2_json",
    "v2_proto",
];

fn recordings() -> Vec<PathBuf> {
    transcript::files(&tests_folder("sessions")).unwrap()
}

fn recording(name: &str) -> PathBuf {
    tests_folder("sessions").join(format!("{name}.jsonl"))
}

fn options(server: Server) -> Options {
    Options {
        store: Some(server.store()),
        bucket: Some(bucket("sessions")),
        make_bucket: true,
        seed: SEED,
        ..Options::new(vec![connector().display().to_string()])
    }
}

async fn play(path: &Path, options: &Options) -> Outcome {
    replay(path, options)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(outcome: &Outcome) -> String {
    let differences: Vec<String> = outcome
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    differences.join("\n")
}

async fn is_as_recorded(path: &Path, options: &Options) {
    let outcome = play(path, options).await;
    assert!(
        outcome.differences.is_empty(),
        "{}\nif that is right: cargo sim replay {} --update",
        report(&outcome),
        path.display()
    );
    assert!(outcome.answers > 5, "{}: {outcome:?}", path.display());
}

#[test]
fn every_situation_of_the_protocol_is_recorded_small_and_without_secrets() {
    let names: Vec<String> = recordings()
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    for situation in SITUATIONS {
        assert!(
            names.contains(&situation.to_owned()),
            "{situation} is not among {names:?}"
        );
    }
    for path in recordings() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.len() < 128 << 10,
            "{}: {} bytes",
            path.display(),
            text.len()
        );
        assert!(!text.contains("flow-sim-secret"), "{}", path.display());
        for line in text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
        {
            let config = line.pointer("/msg/open/materialization/config");
            let secret = config.map(|config| &config["awsSecretAccessKey"]);
            assert!(
                secret.is_none_or(|secret| secret == transcript::REDACTED),
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_recorded() {
    for path in recordings() {
        is_as_recorded(&path, &options(Server::Embedded)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_the_same_by_the_other_codec() {
    for path in recordings() {
        let recorded = transcript::read(&path).unwrap()[0]
            .head
            .as_ref()
            .unwrap()
            .codec;
        let other = match recorded {
            Codec::Proto => Codec::Json,
            Codec::Json => Codec::Proto,
        };
        let options = Options {
            codec: Some(other),
            ..options(Server::Embedded)
        };
        is_as_recorded(&path, &options).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_are_the_same_on_every_server_but_how_files_are_staged_on_minio() {
    for server in Server::all("sessions::the_answers_are_the_same_on_every_server") {
        for name in ["recovery", "split"] {
            let (path, options) = (recording(name), options(server));
            if server == Server::Minio {
                differs_in_how_files_are_staged(&path, &options).await;
            } else {
                is_as_recorded(&path, &options).await;
            }
        }
    }
}

/// On MinIO files are copied, which the states tell and nothing else.
async fn differs_in_how_files_are_staged(path: &Path, options: &Options) {
    let outcome = play(path, options).await;
    let copies = report(&outcome);
    assert!(copies.contains("+            \"copiesAt\""), "{copies}");
    for difference in &outcome.differences {
        let text = difference.to_string();
        let is_of_state =
            text.contains("Acknowledged differs") || text.contains("StartedCommit differs");
        assert!(is_of_state, "{text}");
        for unchanged in ["counter", "\"rows\"", "\"key\": \"events/v", "writers"] {
            let is_changed = |line: &str| line.starts_with(['+', '-']) && line.contains(unchanged);
            assert!(!text.lines().any(is_changed), "{unchanged}: {text}");
        }
    }
}

/// Replays a recording in which `from` has become `to`. It must be there.
async fn play_changed(name: &str, from: &str, to: &str, options: &Options) -> Outcome {
    let text = fs::read_to_string(recording(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.jsonl");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    play(&path, options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_answer_is_found_and_shown() {
    let table = [
        (
            "v1_proto",
            "\"rows\":2",
            "\"rows\":3",
            "StartedCommit",
            "-                  \"rows\": 3,",
        ),
        (
            "v2_json",
            "\"protocol\":3032023",
            "\"protocol\":1",
            "Spec",
            "+    \"protocol\": 3032023",
        ),
        (
            "v1_proto",
            "LOCATION_REQUIRED",
            "FIELD_FORBIDDEN",
            "Validated",
            "-          \"type\": \"FIELD_FORBIDDEN\"",
        ),
        (
            "errors",
            "only Spec, Validate",
            "only Specs, Validate",
            "the end of the process",
            "+the runtime sent Store",
        ),
        (
            "end_of_input",
            "exit status: 0",
            "exit status: 3",
            "the end of the process",
            "-exit status: 3",
        ),
        (
            "end_of_input",
            "{\"dir\":\"<\",\"msg\":{\"opened\":{}}}\n",
            "",
            "Acknowledged",
            "+  \"opened\": {}",
        ),
    ];
    for (name, from, to, what, line) in table {
        let outcome = play_changed(name, from, to, &options(Server::Embedded)).await;
        let first = outcome
            .differences
            .first()
            .unwrap_or_else(|| panic!("{name}, {to}: no difference"));
        assert_eq!(first.what, what, "{first}");
        let shown = first.to_string();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeezed(&shown).contains(&squeezed(line)),
            "`{line}` is not in:\n{shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_matched_one_to_one_and_only_where_a_rule_says_so() {
    let text = fs::read_to_string(recording("v1_proto")).unwrap();
    let token = |text: &str| {
        let (_, rest) = text.split_once("\"token\":\"").unwrap();
        rest[..16].to_owned()
    };
    // The token is another one in the name of the file than in the list.
    let token = token(&text);
    let changed = text.replacen(&format!("-{token}.parquet"), "-00000000deadbeef.parquet", 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.jsonl");
    fs::write(&path, changed).unwrap();
    let outcome = play(&path, &options(Server::Embedded)).await;
    assert!(
        report(&outcome).contains("deadbeef"),
        "{}",
        report(&outcome)
    );

    // Without any rule every id is a difference.
    let mut rules = Rules::none();
    let strict = Options {
        rules: rules.clone(),
        ..options(Server::Embedded)
    };
    let outcome = play(&recording("v1_proto"), &strict).await;
    assert!(
        report(&outcome).contains("uploadId"),
        "{}",
        report(&outcome)
    );
    rules.ignore("/*/state").unwrap();
    let lax = Options {
        rules,
        ..options(Server::Embedded)
    };
    is_as_recorded(&recording("v1_proto"), &lax).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_takes_the_answers_over_and_nothing_else() {
    let original = transcript::read(&recording("v2_proto")).unwrap();
    let outcome = play_changed(
        "v2_proto",
        "\"rows\":2",
        "\"rows\":3",
        &options(Server::Embedded),
    )
    .await;
    let (_, updated) = &outcome.updated[0];
    // What the state of the next session has been made of is updated too, so the whole is as it
    // was.
    let said = |transcripts: &[transcript::Transcript]| -> Vec<Entry> {
        let entries = transcripts
            .iter()
            .flat_map(|transcript| &transcript.entries);
        entries.map(|(_, entry)| entry.clone()).collect()
    };
    let (original, updated) = (said(&original), said(updated));
    assert_eq!(original.len(), updated.len());
    for (original, updated) in original.iter().zip(&updated) {
        let is_state = matches!(original, Entry::Request(request) if request.open.is_some() || request.apply.is_some());
        assert!(original == updated || is_state, "{original:?}\n{updated:?}");
    }
}
