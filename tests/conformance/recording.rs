//! `flow-sim record` between a runtime and a connector: neither can tell, and no secret is written
//! down.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flow_sim::replay::{Options, replay};
use flow_sim::transcript::{self, Entry, REDACTED, Transcript};
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use serde_json::{Value, json};

use crate::servers::connector;

fn flow_sim() -> PathBuf {
    connector().with_file_name("flow-sim")
}

fn encode(codec: Codec, messages: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let request: Request = serde_json::from_value(message.clone()).unwrap();
        codec.encode(&request, &mut bytes).unwrap();
    }
    bytes
}

/// A configuration whose server does not answer: nothing listens on port 1.
fn config() -> Value {
    json!({
        "awsAccessKeyId": "AKIA",
        "awsSecretAccessKey": "hush-hush-secret",
        "bucket": "b-1",
        "region": "us-east-1",
        "uploadIntervalInSeconds": 0,
        "advanced": {"endpoint": "http://127.0.0.1:1"},
    })
}

/// Runs a command over `input`, with its end after it.
fn over(mut command: Command, codec: Codec, input: &[u8]) -> Output {
    let mut child = command
        .env("FLOW_RUNTIME_CODEC", codec.name())
        .env("LOG_LEVEL", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that fails early does not read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn recorder(to: &Path, connector: &[&str]) -> Command {
    let mut command = Command::new(flow_sim());
    command
        .args(["record", "--to"])
        .arg(to)
        .arg("--")
        .args(connector);
    command
}

fn read(path: &Path) -> (String, Vec<Transcript>) {
    (
        fs::read_to_string(path).unwrap(),
        transcript::read(path).unwrap(),
    )
}

/// Logs without what differs from run to run.
fn logs(stderr: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(stderr.to_vec()).unwrap();
    let logs = text.lines().map(|line| {
        let mut log: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        log.as_object_mut().unwrap().remove("ts");
        log
    });
    logs.collect()
}

#[test]
fn json_tells_of_the_recording_last_and_the_connectors_reason_stays_the_last_message() {
    let folder = tempfile::tempdir().unwrap();
    let ours = connector().display().to_string();
    let good = [
        json!({"spec": {"config": {}}}),
        json!({"spec": {"config": config()}}),
    ];
    let bad = [
        json!({"spec": {"config": {}}}),
        json!({"validate": {"name": "a/b", "config": {"bucket": 1}}}),
    ];
    let to = folder.path().join("all");
    for (number, (messages, is_good)) in [(&good, true), (&bad, false)].into_iter().enumerate() {
        let mut command = Command::new(flow_sim());
        command
            .args(["record", "--json", "--to"])
            .arg(format!("{}/", to.display()));
        command.args(["--", &ours]);
        let output = over(command, Codec::Json, &encode(Codec::Json, messages));
        assert_eq!(output.status.success(), is_good);
        let told = logs(&output.stderr).pop().unwrap();
        let path = to.join(format!("{number:03}.jsonl"));
        let recording = &told["recording"];
        assert_eq!(recording["path"], path.display().to_string());
        assert_eq!(recording["requests"], 2);
        assert_eq!(recording["responses"], if is_good { 2 } else { 1 });
        assert_eq!(recording["isComplete"], true);
        let transcripts = transcript::read(&path).unwrap();
        let (_, end) = transcripts[0].entries.last().unwrap();
        let Entry::Ended(end) = end else {
            panic!("{end:?}")
        };
        assert_eq!(recording["status"], end.status);
        if let Some(message) = &end.message {
            assert_eq!(
                (&told["message"], &told["level"]),
                (&json!(message), &json!("error"))
            );
        } else {
            assert!(is_good && told["level"] == "info", "{told}");
        }
    }
}

#[test]
fn neither_side_can_tell() {
    let ours = connector().display().to_string();
    let good = [
        json!({"spec": {"config": {}}}),
        json!({"spec": {"config": config()}}),
    ];
    let bad = [json!({"spec": {"config": {}}}), json!({"flush": {}})];
    let folder = tempfile::tempdir().unwrap();
    for codec in [Codec::Proto, Codec::Json] {
        for (name, messages) in [("good", &good), ("bad", &bad)] {
            let input = encode(codec, messages);
            let plain = over(Command::new(&ours), codec, &input);
            let to = folder.path().join(format!("{name}-{}.jsonl", codec.name()));
            let recorded = over(recorder(&to, &[&ours]), codec, &input);
            assert_eq!(recorded.stdout, plain.stdout);
            assert_eq!(recorded.status.code(), plain.status.code());
            assert_eq!(logs(&recorded.stderr), logs(&plain.stderr));

            let (text, transcripts) = read(&to);
            assert_eq!(transcripts[0].head.as_ref().unwrap().codec, codec);
            let end = transcripts[0].end().unwrap();
            assert_eq!(end.status, plain.status.to_string());
            assert_eq!(end.message.is_some(), name == "bad", "{text}");
            assert!(text.contains("\"end\":true"), "{text}");
        }
    }
}

#[test]
fn no_secret_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let ours = connector().display().to_string();
    let collection = json!({"name": "acmeCo/orders"});
    let validate = json!({"validate": {
        "name": "acmeCo/lake", "config": config(), "bindings": [{"resourceConfig": {"pathPrefix": "/p"}, "collection": collection}],
        "lastMaterialization": {"name": "acmeCo/lake", "config": config()},
    }});
    let apply = json!({"apply": {
        "materialization": {"name": "acmeCo/lake", "config": config()}, "version": "1",
        "lastMaterialization": {"name": "acmeCo/lake", "config": config()},
        "state": {"note": "the secret is hush-hush-secret"},
    }});
    for (codec, request) in [(Codec::Proto, validate), (Codec::Json, apply)] {
        let to = folder.path().join(codec.name());
        let input = encode(codec, &[json!({"spec": {"config": {}}}), request]);
        let mut command = recorder(&to, &[&ours]);
        command.args(["--unused-argument-of-the-connector", "hush-hush-secret"]);
        over(command, codec, &input);
        let (text, transcripts) = read(&to);
        assert!(!text.contains("hush-hush-secret"), "{text}");
        assert!(text.matches(REDACTED).count() >= 2, "{text}");
        assert!(
            text.contains("AKIA") && transcripts[0].entries.len() >= 3,
            "{text}"
        );
    }
}

#[test]
fn what_is_named_is_redacted_too() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("session.jsonl");
    let mut command = Command::new(flow_sim());
    command
        .args(["record", "--redact", "/awsAccessKeyId", "--to"])
        .arg(&to)
        .arg("--")
        .arg(connector());
    let input = encode(
        Codec::Proto,
        &[
            json!({"spec": {"config": {}}}),
            json!({"spec": {"config": config()}}),
        ],
    );
    assert!(over(command, Codec::Proto, &input).status.success());
    assert!(!read(&to).0.contains("AKIA"));
}

/// A connector in a few lines of shell: it answers Spec, and to anything else it does `then`.
fn shell(then: &str) -> Vec<String> {
    let spec = r#"{"spec":{"protocol":3032023,"configSchema":{},"resourceConfigSchema":{},"documentationUrl":"x"}}"#;
    let script = format!(
        "while IFS= read -r line; do case \"$line\" in '{{\"spec\"'*) echo '{spec}';; *) {then};; \
         esac; done"
    );
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

#[test]
fn what_a_connector_says_before_it_dies_is_recorded_and_its_status_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        ("echo 'out of luck' >&2; exit 7", 7, "exit status: 7"),
        (
            "echo 'out of luck' >&2; kill -9 $$",
            128 + 9,
            "signal: 9 (SIGKILL)",
        ),
    ];
    for (then, code, status) in table {
        let to = folder.path().join(code.to_string());
        let input = encode(
            Codec::Json,
            &[json!({"spec": {}}), json!({"open": {"version": "1"}})],
        );
        let output = over(recorder(&to, &words(&shell(then))), Codec::Json, &input);
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(output.stderr, b"out of luck\n");
        let (text, transcripts) = read(&to);
        let end = transcripts[0].end().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            (end.status.as_str(), end.message.as_deref()),
            (status, Some("out of luck"))
        );
        assert!(text.contains("\"open\""), "{text}");
    }
}

#[test]
fn a_signal_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("session.jsonl");
    let script =
        "trap 'echo stopping >&2; exit 4' TERM; echo ready >&2; while :; do sleep 0.05; done";
    let mut child = recorder(&to, &["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut ready = [0; 6];
    stderr.read_exact(&mut ready).unwrap();
    let pid = child.id().to_string();
    assert!(
        Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(
        fs::read_to_string(&to)
            .unwrap()
            .contains("\"message\":\"stopping\"")
    );
}

#[test]
fn what_was_said_is_in_the_file_when_the_recorder_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("session.jsonl");
    let mut child = recorder(&to, &[&connector().display().to_string()])
        .env("FLOW_RUNTIME_CODEC", "json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(&encode(Codec::Json, &[json!({"spec": {"config": {}}})]))
        .unwrap();
    // The answer has passed, so both lines are there.
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (text, transcripts) = read(&to);
    assert_eq!(transcripts[0].entries.len(), 2, "{text}");
    assert_eq!(transcripts[0].end(), None, "{text}");
}

#[test]
fn every_process_has_a_file_in_a_folder_and_its_place_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, below) = (folder.path().join("all.jsonl"), folder.path().join("each/"));
    let input = encode(Codec::Proto, &[json!({"spec": {}})]);
    for _ in 0..2 {
        for to in [&file, &below] {
            assert!(
                over(
                    recorder(to, &[&connector().display().to_string()]),
                    Codec::Proto,
                    &input
                )
                .status
                .success()
            );
        }
    }
    assert_eq!(read(&file).1.len(), 2);
    assert_eq!(transcript::files(&below).unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_connector_is_recorded_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("session.jsonl");
    let answers = r#"echo "{\"opened\":{}}""#;
    let input = encode(
        Codec::Json,
        &[json!({"spec": {}}), json!({"open": {"version": "1"}})],
    );
    assert!(
        over(recorder(&to, &words(&shell(answers))), Codec::Json, &input)
            .status
            .success()
    );
    let options = |then: &str| Options {
        store: None,
        ..Options::new(shell(then))
    };
    let outcome = replay(&to, &options(answers)).await.unwrap();
    assert_eq!(
        (outcome.answers, outcome.differences.len()),
        (3, 0),
        "{:?}",
        outcome.differences
    );

    // One that loads in another order is the same; one that loads something else, leaves, or goes
    // on talking is not.
    let loads = |order: [u32; 2]| {
        let [one, two] =
            order.map(|n| format!(r#"echo "{{\"loaded\":{{\"doc\":{{\"n\":{n}}}}}}}""#));
        format!("{one}; {two}; echo \"{{\\\"flushed\\\":{{}}}}\"")
    };
    let input = encode(Codec::Json, &[json!({"spec": {}}), json!({"flush": {}})]);
    let to = folder.path().join("loads.jsonl");
    assert!(
        over(
            recorder(&to, &words(&shell(&loads([1, 2])))),
            Codec::Json,
            &input
        )
        .status
        .success()
    );
    let differences = async |then: &str| replay(&to, &options(then)).await.unwrap().differences;
    assert_eq!(differences(&loads([2, 1])).await, []);
    let others = differences(&loads([2, 3])).await;
    assert_eq!(others[0].what, "Loaded", "{others:?}");
    let left = differences("echo 'no mood' >&2; exit 5").await;
    assert!(
        left[0].answered.contains("exit status: 5: no mood"),
        "{left:?}"
    );
    let twice = format!("{}; {}", loads([1, 2]), r#"echo "{\"acknowledged\":{}}""#);
    let talks = differences(&twice).await;
    assert_eq!(talks[0].what, "the end of the output", "{talks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_protocol_are_recordings() {
    let messages = crate::servers::tests_folder("messages");
    for name in [
        "unary_spec",
        "unary_validate",
        "unary_apply",
        "session_json_codec_v1_runtime",
    ] {
        let transcripts = transcript::read(&messages.join(format!("{name}.jsonl"))).unwrap();
        assert_eq!(
            (transcripts.len(), transcripts[0].comments.len()),
            (1, 1),
            "{name}"
        );
        // A connector that says what the example says.
        let mut answers = Vec::new();
        for (_, entry) in &transcripts[0].entries {
            if let Entry::Response(response) = entry {
                Codec::Json
                    .encode::<Response>(response, &mut answers)
                    .unwrap();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers");
        fs::write(&path, answers).unwrap();
        let command = format!(
            "cat {}; cat > {}",
            path.display(),
            folder.path().join("requests").display()
        );
        let options = Options {
            store: None,
            codec: Some(Codec::Json),
            ..Options::new(["sh", "-c", &command].map(str::to_owned).to_vec())
        };
        let outcome = replay(&messages.join(format!("{name}.jsonl")), &options)
            .await
            .unwrap();
        assert_eq!(outcome.differences, [], "{name}");
    }
}
