//! What an operator sees: the lines to alert on, by their fixed names, and what the program says of
//! itself.

use std::process::{Command, Output};

use flow_sim::s3;
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Value, json};

use crate::process::{config, connector_over, encode, open, projection};
use crate::servers::{connector, embedded_location};

/// The fields of all lines with a message, without what differs from run to run.
fn fields(logs: &[Value], message: &str) -> Vec<Value> {
    let lines = logs.iter().filter(|line| {
        let text = line["message"].as_str().unwrap();
        text.starts_with(message)
    });
    lines
        .map(|line| {
            let mut fields = line["fields"].clone();
            for changing in ["millisSinceFlush", "endpoint", "connector", "bytes"] {
                if let Some(value) = fields.get_mut(changing) {
                    assert!(value.is_u64() || value.is_string(), "{changing}: {value}");
                    *value = json!("some");
                }
            }
            fields
        })
        .collect()
}

/// What operators are told of a line: from where its message stands to `end`.
fn documented(message: &str, end: &str) -> &'static str {
    let operations = include_str!("../../docs/operations.md");
    let (_, section) = operations.split_once("## 7. Log lines").unwrap();
    let (_, after) = section.split_once(&format!("`{message}`")).unwrap();
    after.split_once(end).unwrap().0
}

const VISIBLE: &str = "files are visible";

/// A session of one transaction, which fills the binding again.
fn session(config: &Value) -> Vec<Value> {
    let mut published = projection("flow_published_at", &["string"]);
    published["inference"]["string"] = json!({"format": "date-time"});
    let projections = [
        projection("id", &["integer"]),
        published,
        projection("quantity", &["integer"]),
    ];
    let selection = json!({"keys": ["id"], "values": ["flow_published_at", "quantity"]});
    let mut open = open(config, "acmeCo/lake", &projections, &selection);
    open["open"]["materialization"]["bindings"][0]["backfill"] = json!(3);
    let store = |id: u32, at: &str, quantity: Value| json!({"store": {"key": [id], "values": [at, quantity]}});
    vec![
        open,
        json!({"acknowledge": {}}),
        json!({"flush": {}}),
        store(1, "2026-01-02T03:04:06Z", json!(5)),
        store(2, "2026-01-02T03:04:05Z", json!("many")),
        store(3, "2026-01-02T03:04:07.5Z", json!(7)),
        json!({"startCommit": {}}),
        json!({"acknowledge": {}}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_transactions_and_visible_files_have_lines_of_their_own() {
    let options = s3::Options {
        buckets: vec!["lake".to_owned()],
        ..s3::Options::default()
    };
    let server = s3::Server::start(options).await.unwrap();
    let mut config = config(&embedded_location(&server), "lake");
    config["uploadIntervalInSeconds"] = json!(300);
    let ended = connector_over(Codec::Proto, &encode(Codec::Proto, &session(&config)));
    assert_eq!(ended.status, Some(0), "{}", ended.last);
    assert_eq!(
        fields(&ended.logs, "session"),
        [json!({
            "materialization": "acmeCo/lake", "bindings": 1, "bucket": "lake", "endpoint": "some", "connector": "some",
            "uploadIntervalInSeconds": 300, "commit": "multipart",
        })]
    );
    assert_eq!(
        fields(&ended.logs, "transaction"),
        [
            json!({"rows": 3, "bytes": "some", "files": 1, "rescued": 1, "exact": 0, "heldBackSeconds": 0})
        ]
    );
    assert_eq!(
        fields(&ended.logs, VISIBLE),
        [json!({
            "files": 1, "rows": 3, "bytes": "some", "recovered": false, "millisSinceFlush": "some",
            "firstPublishedAt": "2026-01-02T03:04:05Z", "lastPublishedAt": "2026-01-02T03:04:07.5Z",
        })]
    );
    for (message, end) in [
        ("session", "\n"),
        ("transaction", "\n"),
        (VISIBLE, "\n"),
        ("staged a file", "\n\n"),
    ] {
        let documented = documented(message, end);
        let logged = &fields(&ended.logs, message)[0];
        for name in logged.as_object().unwrap().keys() {
            let name = format!("`{name}`");
            assert!(
                documented.contains(&name),
                "{name} of `{message}`: {documented}"
            );
        }
    }
    let folder = "the files of a binding go to the folder orders/v0000000003 from now on";
    assert_eq!(
        fields(&ended.logs, folder),
        [json!({"collection": "acmeCo/orders"})]
    );
}

fn ask(argument: &str) -> Output {
    Command::new(connector()).arg(argument).output().unwrap()
}

#[test]
fn the_program_tells_its_version_and_what_it_is() {
    let version = ask("--version");
    assert!(version.status.success() && version.stderr.is_empty());
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.starts_with("materialize-s3-parquet "), "{text}");
    let help = ask("--help");
    assert!(help.status.success() && help.stderr.is_empty());
    let text = String::from_utf8(help.stdout).unwrap();
    for part in ["Flow", "LOG_LEVEL", "AWS_CA_BUNDLE", "flow-sim run"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
