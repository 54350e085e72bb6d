//! Files of one prefix from sessions that know nothing of each other, or whose schemas differ:
//! nothing is overwritten, and readers merge them by name.

use flow_sim::readback::{Duck, Fetched, fetch};
use flow_sim::run::Bucket;
use materialize_s3_parquet::protocol::Codec;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{config, connector_over, encode, open, projection};
use crate::servers::{Server, bucket};

/// One session of a task that begins with no state: its fields beside the key, and one row.
struct Session<'a> {
    task: &'a str,
    fields: &'a [(&'a str, &'a [&'a str])],
    key: i64,
    values: Value,
}

/// Plays the sessions one after the other, and returns the files as they lie in the bucket.
async fn played(sessions: &[Session<'_>], folder: &TempDir) -> Vec<Fetched> {
    let bucket = Bucket::open(&Server::Embedded.store(), Some(&bucket("one-prefix")), 0)
        .await
        .unwrap();
    let config = config(&bucket.location, &bucket.name);
    for session in sessions {
        let key = projection("id", &["integer"]);
        let values = session.fields.iter();
        let values = values.map(|(field, types)| projection(field, types));
        let projections: Vec<Value> = std::iter::once(key).chain(values).collect();
        let names: Vec<&str> = session.fields.iter().map(|(field, _)| *field).collect();
        let selection = json!({"keys": ["id"], "values": names});
        let messages = [
            open(&config, session.task, &projections, &selection),
            json!({"acknowledge": {}}),
            json!({"flush": {}}),
            json!({"store": {"key": [session.key], "values": session.values}}),
            json!({"startCommit": {}}),
            json!({"acknowledge": {}}),
        ];
        let ended = connector_over(Codec::Json, &encode(Codec::Json, &messages));
        assert_eq!(ended.status, Some(0), "{}", ended.last);
    }
    let prefix = "orders/v0000000000/";
    fetch(bucket.client(), &bucket.name, prefix, folder.path())
        .await
        .unwrap()
}

/// All rows of the files, merged by name, by their keys.
fn rows(files: &[Fetched]) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
    let mut preview = Duck::start()
        .unwrap()
        .preview(&paths, usize::MAX >> 1)
        .unwrap();
    preview.rows.sort();
    (preview.columns, preview.rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_and_a_task_made_again_overwrite_nothing() {
    let session = |task, key| Session {
        task,
        fields: &[],
        key,
        values: json!([]),
    };
    let sessions = [
        session("acmeCo/lake", 1),
        session("acmeCo/other", 2),
        session("acmeCo/lake", 3),
    ];
    let folder = TempDir::new().unwrap();
    let files = played(&sessions, &folder).await;
    assert_eq!(files.len(), 3);
    // Each of them took its first number.
    let is_first = |file: &Fetched| {
        file.key
            .starts_with("orders/v0000000000/00000000-000000000000-")
    };
    assert!(files.iter().all(is_first), "{files:?}");
    let keys: Vec<_> = rows(&files)
        .1
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(keys, ["1", "2", "3"].map(|key| Some(key.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_may_come_and_go_and_change_their_type_between_files() {
    let session = |fields, key, values| Session {
        task: "acmeCo/lake",
        fields,
        key,
        values,
    };
    let sessions = [
        session(
            &[("a", &["integer"]), ("b", &["boolean"])],
            1,
            json!([7, true]),
        ),
        session(
            &[("a", &["integer", "string"]), ("c", &["number"])],
            2,
            json!(["seven", 0.5]),
        ),
    ];
    let folder = TempDir::new().unwrap();
    let (columns, rows) = rows(&played(&sessions, &folder).await);
    let row = |cells: [Option<&str>; 5]| cells.map(|cell| cell.map(str::to_owned)).to_vec();
    let position = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let order = ["id", "a", "b", "c", "flow_rescued"].map(position);
    let in_order = rows
        .iter()
        .map(|row| order.map(|index| row[index].clone()).to_vec());
    assert_eq!(
        in_order.collect::<Vec<_>>(),
        [
            row([Some("1"), Some("7"), Some("true"), None, None]),
            row([Some("2"), Some("\"seven\""), None, Some("0.5"), None]),
        ]
    );
}
