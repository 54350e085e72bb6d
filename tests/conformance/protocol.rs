//! The examples of the protocol in `tests/messages` decode in both codecs, and come out again as
//! they went in.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use materialize_s3_parquet::protocol::{Codec, Elements, Value, packed};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

fn messages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages")
}

fn read(name: &str) -> String {
    fs::read_to_string(messages().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Decodes `json`, sends it through both codecs, and compares what comes out with what went in.
fn round_trip<M>(what: &str, json: &Json)
where
    M: Message + Default + Serialize + DeserializeOwned + PartialEq,
{
    let text = Bytes::from(json.to_string());
    let message: M = Codec::Json
        .decode(text)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(message != M::default(), "{what} decodes to nothing");
    for codec in [Codec::Json, Codec::Proto] {
        let mut out = Vec::new();
        codec.encode(&message, &mut out).unwrap();
        let (frame, _) = codec.split_frame(&out).unwrap().unwrap();
        let again: M = codec.decode(Bytes::copy_from_slice(frame)).unwrap();
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            *json,
            "{what} by {}",
            codec.name()
        );
    }
}

/// Goes by the name of the one field of a message: both sides have a `spec`.
fn round_trip_either(what: &str, message: &Json) {
    let name = message.as_object().unwrap().keys().next().unwrap().as_str();
    let is_response = match name {
        "spec" => message["spec"].get("protocol").is_some(),
        "validated" | "applied" | "opened" | "loaded" | "flushed" | "startedCommit"
        | "acknowledged" => true,
        _ => false,
    };
    if is_response {
        round_trip::<Response>(what, message);
    } else {
        round_trip::<Request>(what, message);
    }
}

#[test]
fn single_messages_round_trip() {
    let mut count = 0;
    for entry in fs::read_dir(messages()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with("_request.json")
            || name.contains("_request_")
            || name.contains("_response")
        {
            round_trip_either(&name, &serde_json::from_str(&read(&name)).unwrap());
            count += 1;
        }
    }
    assert_eq!(count, 15);
}

#[test]
fn every_message_of_whole_sessions_round_trips() {
    let mut count = 0;
    for name in [
        "session_json_codec_v1_runtime.jsonl",
        "session_json_codec_v2_runtime.jsonl",
        "session_recovery_then_idle_eof.jsonl",
        "unary_apply.jsonl",
        "unary_spec.jsonl",
        "unary_validate.jsonl",
    ] {
        for (index, line) in read(name).lines().enumerate() {
            let line: Json = serde_json::from_str(line).unwrap();
            if line.get("comment").is_none() {
                round_trip_either(&format!("{name}:{}", index + 1), &line["msg"]);
                count += 1;
            }
        }
    }
    assert!(count > 80, "{count} messages");
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The message within a frame that an example gives in hexadecimal digits.
fn body(frame: &Json) -> Bytes {
    let digits = frame["frame_hex"].as_str().unwrap();
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    let (body, length) = Codec::Proto.split_frame(&bytes).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    Bytes::copy_from_slice(body)
}

/// Holds both codecs against a frame and its JSON, which another program has encoded.
fn agrees_with_another_encoder<M>(frame: &Json)
where
    M: Message + Default + Serialize + DeserializeOwned + PartialEq,
{
    let json = &frame["json"];
    let what = json.as_object().unwrap().keys().next().unwrap();
    let by_proto: M = Codec::Proto.decode(body(frame)).unwrap();
    let by_json: M = Codec::Json.decode(json.to_string().into()).unwrap();
    for message in [&by_proto, &by_json] {
        assert_eq!(serde_json::to_value(message).unwrap(), *json, "{what}");
        let mut out = Vec::new();
        Codec::Proto.encode(message, &mut out).unwrap();
        assert_eq!(hex(&out), frame["frame_hex"], "{what}");
    }
    assert!(by_proto == by_json, "{what}");
}

#[test]
fn messages_with_every_field_set_are_those_of_another_encoder() {
    let frames: Vec<Json> = serde_json::from_str(&read("frames_every_field.json")).unwrap();
    assert_eq!(frames.len(), 17);
    for frame in &frames {
        match frame["message"].as_str().unwrap() {
            "materialize.Request" => agrees_with_another_encoder::<Request>(frame),
            "materialize.Response" => agrees_with_another_encoder::<Response>(frame),
            other => panic!("{other} is no message of a stream"),
        }
    }
}

#[test]
fn proto_frames_are_the_bytes_of_the_examples() {
    let frames: Vec<Json> = serde_json::from_str(&read("proto_frames.json")).unwrap();
    for frame in frames {
        let what = frame["what"].as_str().unwrap();
        let expected = frame["frame_hex"].as_str().unwrap();
        let body = body(&frame);
        let mut out = Vec::new();
        if what.starts_with("Request") {
            let message: Request = Codec::Proto.decode(body).unwrap();
            Codec::Proto.encode(&message, &mut out).unwrap();
        } else {
            let message: Response = Codec::Proto.decode(body).unwrap();
            Codec::Proto.encode(&message, &mut out).unwrap();
        }
        assert_eq!(hex(&out), expected, "{what}");
    }
}

#[test]
fn packed_tuples_are_the_bytes_of_the_examples() {
    let tuples: Vec<Json> = serde_json::from_str(&read("packed_tuples.json")).unwrap();
    for tuple in tuples {
        let elements = tuple["elements"].as_array().unwrap();
        let bytes = BASE64_STANDARD
            .decode(tuple["base64"].as_str().unwrap())
            .unwrap();
        let mut rest = &bytes[..];
        let mut writer = packed::Writer::new();
        for element in elements {
            let value = rest.take().unwrap().unwrap();
            assert_eq!(json(&value), *element, "{tuple}");
            writer.push(&value);
        }
        assert!(rest.is_empty(), "{tuple}");
        assert_eq!(writer.into_bytes(), bytes, "{tuple}");
    }
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Unsigned(integer) => (*integer).into(),
        Value::Double(double) => (*double).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap(),
        Value::String(text) => text.as_ref().into(),
        Value::Json(text) => serde_json::from_slice(text).unwrap(),
    }
}
