//! Values as they may come in messages, but not from the simulator, which holds documents as JSON
//! values of 64 bits: they are converted or rescued, never lost, and text stands in the file as it
//! was received.

use std::ops::ControlFlow;

use flow_sim::readback::{Cell, Duck, fetch};
use flow_sim::run::Bucket;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, request};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{self, config, connector_over, encode, projection};
use crate::servers::{Server, bucket};

fn open(config: &Value) -> Value {
    let projections = [
        json!({"ptr": "", "field": "flow_document", "inference": {"types": ["object"]}}),
        projection("id", &["integer"]),
        projection("integer", &["integer"]),
        projection("number", &["number"]),
        projection("text", &["string"]),
        projection("json", &["integer", "number", "object", "array", "string"]),
    ];
    let selection = json!({
        "keys": ["id"], "values": ["integer", "number", "text", "json"], "document": "flow_document",
    });
    process::open(config, "acmeCo/lake", &projections, &selection)
}

/// Plays one transaction of these Stores in the JSON codec, and returns the rows of its file.
async fn rows(stores: &[u8]) -> Vec<Vec<String>> {
    let bucket = Bucket::open(&Server::Embedded.store(), Some(&bucket("values")), 0)
        .await
        .unwrap();
    let codec = Codec::Json;
    let message = |name: &str| json!({name: {}});
    let mut input = encode(
        codec,
        &[
            open(&config(&bucket.location, &bucket.name)),
            message("acknowledge"),
            message("flush"),
        ],
    );
    input.extend_from_slice(stores);
    input.extend(encode(
        codec,
        &[message("startCommit"), message("acknowledge")],
    ));
    let ended = connector_over(codec, &input);
    assert_eq!(ended.status, Some(0), "{}", ended.last);

    let folder = TempDir::new().unwrap();
    let prefix = "orders/v0000000000/";
    let files = fetch(bucket.client(), &bucket.name, prefix, folder.path())
        .await
        .unwrap();
    assert_eq!(files.len(), 1);
    let mut rows = Vec::new();
    let duck = Duck::start().unwrap();
    duck.rows(&files[0].path, |cells| {
        rows.push(cells.iter().map(shown).collect());
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

/// Text without quotes, and all else as it is shown.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_every_digit_and_text_every_byte() {
    let lines = [
        r#"{"store":{"key":[1],"values":[18446744073709551616,18446744073709551616,"",18446744073709551616],"doc":{}}}"#,
        r#"{"store":{"key":[2],"values":[-9223372036854775809,1e400,null,1E2],"doc":{"b" : 1.0,	"a":"\u003c\/" }}}"#,
        r#"{"store":{"key":[3],"values":[1.0,9007199254740993,"\u0000\u00e9",{"b" : 1.0,	"a":"\u003c\/", "b":10.50 }],"doc":{"x":1,"x":2}}}"#,
        r#"{"store":{"key":[4],"values":[1.2345678901234568e+18,0.1,"\ud800",[ 1E+2 , "\ud800" ]],"doc":{}}}"#,
        r#"{"store":{"key":[5],"values":[1,12345678901234567.89,null,null],"doc":{}}}"#,
    ];
    let stores = lines.join("\n") + "\n";
    let rows = rows(stores.as_bytes()).await;
    let wide = "1.8446744073709552e";
    let expected = [
        // Beyond 64 bits: not an INT64, the nearest DOUBLE, which here equals it, and canonical as
        // JSON text.
        [
            "1",
            "null",
            &format!("{wide}19"),
            "",
            &format!("{wide}+19"),
            "{}",
            r#"{"integer":18446744073709551616}"#,
            "null",
        ],
        [
            "2",
            "null",
            "null",
            "null",
            "100.0",
            "{\"b\" : 1.0,\t\"a\":\"\\u003c\\/\" }",
            r#"{"integer":-9223372036854775809,"number":1e400}"#,
            "null",
        ],
        // Objects are not parsed, so that not even a name that comes twice is lost.
        [
            "3",
            "1",
            "9007199254740992.0",
            "\0é",
            "{\"b\" : 1.0,\t\"a\":\"\\u003c\\/\", \"b\":10.50 }",
            r#"{"x":1,"x":2}"#,
            "null",
            r#"{"number":9007199254740993}"#,
        ],
        // The first is a double, and doubles of this size are whole. A lone surrogate is no text.
        [
            "4",
            "1234567890123456768",
            "0.1",
            "null",
            r#"[ 1E+2 , "\ud800" ]"#,
            "{}",
            r#"{"text":"\ud800"}"#,
            "null",
        ],
        // The runtime holds numbers as doubles; digits beyond one are kept all the same.
        [
            "5",
            "1",
            "1.2345678901234568e16",
            "null",
            "null",
            "{}",
            "null",
            r#"{"number":12345678901234567.89}"#,
        ],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_tuple_with_text_that_is_no_unicode_is_the_runtimes_mistake() {
    // A text begins with 2 and ends with 0; 0x14 is the integer 0. The runtime holds text as
    // Unicode and cannot send this.
    let store = request::Store {
        key_packed: vec![0x14].into(),
        values_packed: b"\x14\x14\x02ab\xff\xfecd\x00\x14".to_vec().into(),
        doc_json: "{}".into(),
        ..request::Store::default()
    };
    let request = Request {
        store: Some(store),
        ..Request::default()
    };
    let codec = Codec::Proto;
    let config = config(&Server::Embedded.location(), "any");
    let before = ["acknowledge", "flush"].map(|name| json!({name: {}}));
    let mut input = encode(codec, &[&[open(&config)][..], &before].concat());
    codec.encode(&request, &mut input).unwrap();
    // Text is looked at when its batch is whole.
    input.extend(encode(codec, &[json!({"startCommit": {}})]));
    let ended = connector_over(codec, &input);
    assert_eq!(ended.status, Some(1));
    let message = ended.last["message"].as_str().unwrap();
    for part in ["`acmeCo/orders`", "packed tuple", "not UTF-8"] {
        assert!(message.contains(part), "{message}");
    }
}
