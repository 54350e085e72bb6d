//! Recording and reading back, in both codecs.

use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use serde_json::{Value, json};

use super::*;

fn head(codec: Codec) -> Head {
    Head {
        version: VERSION,
        codec,
        connector: "any".to_owned(),
        at: None,
    }
}

fn request(codec: Codec, message: &Value) -> Vec<u8> {
    let request: Request = serde_json::from_value(message.clone()).unwrap();
    let mut bytes = Vec::new();
    codec.encode(&request, &mut bytes).unwrap();
    bytes
}

fn response(codec: Codec, message: &Value) -> Vec<u8> {
    let response: Response = serde_json::from_value(message.clone()).unwrap();
    let mut bytes = Vec::new();
    codec.encode(&response, &mut bytes).unwrap();
    bytes
}

fn spec() -> Value {
    json!({"spec": {
        "protocol": 3_032_023,
        "configSchema": {"properties": {"password": {"secret": true}}},
        "documentationUrl": "https://example.com",
    }})
}

fn open() -> Value {
    json!({"open": {
        "materialization": {"name": "acmeCo/lake", "config": {"password": "hunter22", "bucket": "b"}},
        "version": "1",
    }})
}

fn end(status: &str, message: Option<&str>) -> End {
    End {
        status: status.to_owned(),
        message: message.map(str::to_owned),
    }
}

fn recorded(codec: Codec, work: impl FnOnce(&mut Recorder<&mut Vec<u8>>), end: &End) -> String {
    let mut out = Vec::new();
    let mut recorder = Recorder::new(&mut out, &head(codec), Redactor::default());
    work(&mut recorder);
    recorder.finish(end).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_passes_is_recorded_in_order_whatever_the_chunks() {
    for codec in [Codec::Proto, Codec::Json] {
        for chunk in [1, 7, 1 << 16] {
            let text = recorded(
                codec,
                |recorder| {
                    request(codec, &json!({"spec": {"config": {}}}))
                        .chunks(chunk)
                        .for_each(|bytes| recorder.request_bytes(bytes));
                    response(codec, &spec())
                        .chunks(chunk)
                        .for_each(|bytes| recorder.response_bytes(bytes));
                    request(codec, &open())
                        .chunks(chunk)
                        .for_each(|bytes| recorder.request_bytes(bytes));
                    recorder.input_closed();
                },
                &end("exit status: 0", None),
            );
            let transcripts = read_text(&text, "test").unwrap();
            assert_eq!(transcripts.len(), 1);
            let entries = &transcripts[0].entries;
            assert_eq!(entries.len(), 5, "{text}");
            let lines: Vec<usize> = entries.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [2, 3, 4, 5, 6]);
            let Entry::Request(open) = &entries[2].1 else {
                panic!("{text}")
            };
            let open = serde_json::to_value(open).unwrap();
            assert_eq!(
                open["open"]["materialization"]["config"],
                json!({"password": REDACTED, "bucket": "b"})
            );
            assert_eq!(entries[3].1, Entry::InputClosed);
            assert_eq!(transcripts[0].end(), Some(&end("exit status: 0", None)));
            // What is read can be written as it was.
            assert_eq!(
                read_text(&write(&transcripts).unwrap(), "again").unwrap(),
                transcripts
            );
        }
    }
}

#[test]
fn no_secret_is_recorded_wherever_it_turns_up() {
    for codec in [Codec::Proto, Codec::Json] {
        let text = recorded(
            codec,
            |recorder| {
                recorder.response_bytes(&response(codec, &spec()));
                recorder.request_bytes(&request(codec, &open()));
                let opened = json!({"applied": {"actionDescription": "logged in with hunter22"}});
                recorder.response_bytes(&response(codec, &opened));
                let store = json!({"store": {"doc": {"note": "hunter22!"}}});
                recorder.request_bytes(&request(codec, &store));
            },
            &end("exit status: 1", Some("cannot log in with hunter22")),
        );
        assert!(!text.contains("hunter22"), "{text}");
        assert_eq!(text.matches(REDACTED).count(), 4, "{text}");
    }
}

#[test]
fn a_configuration_that_comes_before_the_spec_waits_for_it() {
    let codec = Codec::Proto;
    let text = recorded(
        codec,
        |recorder| {
            recorder.request_bytes(&request(codec, &open()));
            recorder.request_bytes(&request(codec, &json!({"acknowledge": {}})));
            recorder.response_bytes(&response(codec, &spec()));
        },
        &end("exit status: 0", None),
    );
    assert!(!text.contains("hunter22"), "{text}");
    assert!(
        text.contains(r#""bucket":"b""#),
        "only what is marked is hidden: {text}"
    );
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[1].contains("open") && lines[2].contains("acknowledge"),
        "{text}"
    );
}

#[test]
fn where_the_connector_never_says_what_is_secret_every_value_is() {
    let codec = Codec::Json;
    let text = recorded(
        codec,
        |recorder| recorder.request_bytes(&request(codec, &open())),
        &end("signal: 9 (SIGKILL)", None),
    );
    assert!(!text.contains("hunter22"), "{text}");
    assert!(
        read_text(&text, "test").unwrap()[0]
            .end()
            .unwrap()
            .is_signal()
    );
}

#[test]
fn the_other_codec_is_a_remark_and_no_harm() {
    let text = recorded(
        Codec::Json,
        |recorder| {
            recorder.request_bytes(&request(Codec::Proto, &json!({"flush": {}})));
            recorder.request_bytes(b"garbage\n");
            recorder.response_bytes(&response(Codec::Json, &spec()));
        },
        &end("exit status: 0", None),
    );
    assert_eq!(text.matches("--codec").count(), 1, "{text}");
    assert_eq!(
        read_text(&text, "test").unwrap()[0].entries.len(),
        2,
        "{text}"
    );
}

#[test]
fn a_json_message_is_the_text_that_came() {
    let store = r#"{"store":{"doc":{"n":1.50,"big":123456789012345678901234567890,"z":1,"a":2}}}"#;
    let text = recorded(
        Codec::Json,
        |recorder| recorder.request_bytes(format!("{store}\n").as_bytes()),
        &end("exit status: 0", None),
    );
    assert!(text.contains(store), "{text}");
    let transcripts = read_text(&text, "test").unwrap();
    assert!(write(&transcripts).unwrap().contains(store));
}

#[test]
fn one_file_holds_the_transcripts_of_many_processes() {
    let flush = r#"{"dir":">","msg":{"flush":{}}}"#;
    let head = r#"{"recording":{"version":1,"codec":"json"}}"#;
    let end = r#"{"dir":"!","status":"exit status: 0"}"#;
    // The end of one, a head, or both, begin the next.
    let text = [
        r#"{"comment":"c"}"#,
        flush,
        end,
        flush,
        head,
        flush,
        end,
        head,
        flush,
    ]
    .join("\n");
    let transcripts = read_text(&text, "test").unwrap();
    let lengths: Vec<usize> = transcripts
        .iter()
        .map(|transcript| transcript.entries.len())
        .collect();
    assert_eq!(lengths, [2, 1, 2, 1]);
    assert_eq!(transcripts[0].comments, ["c"]);
    assert_eq!(transcripts[1].end(), None);
    assert_eq!(transcripts[2].head.as_ref().unwrap().codec, Codec::Json);
}

#[test]
fn errors_name_the_line_and_what_should_stand_there() {
    let good = r#"{"dir":">","msg":{"flush":{}}}"#;
    let table = [
        ("{", "write {\"dir\""),
        (r#"{"dir":"<","msg":{"flush":{}}}"#, "no response"),
        (r#"{"dir":"?","msg":{}}"#, "neither"),
        (
            r#"{"dir":">","msg":{"store":{"keyPacked":7}}}"#,
            "no request",
        ),
        (
            r#"{"recording":{"version":99,"codec":"json"}}"#,
            "version 99",
        ),
    ];
    for (line, says) in table {
        let error = read_text(&format!("{good}\n{line}"), "f.jsonl")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("f.jsonl, line 2") && error.contains(says),
            "{line}: {error}"
        );
    }
    assert!(
        read_text("\n", "f.jsonl")
            .unwrap_err()
            .to_string()
            .contains("flow-sim record")
    );
}

#[test]
fn a_folder_gets_one_numbered_file_per_connector() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("new/");
    for name in ["000.jsonl", "001.jsonl"] {
        let (path, _) = next_in(&below).unwrap();
        assert!(path.ends_with(name), "{}", path.display());
    }
    create(&below).unwrap();
    let names: Vec<_> = files(&below)
        .unwrap()
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["000.jsonl", "001.jsonl", "002.jsonl"]);
}
