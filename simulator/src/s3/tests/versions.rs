//! Buckets that keep versions.

use super::*;

async fn versioned() -> (Server, Client) {
    let mut options = options();
    options.rules.versioned = true;
    start(options).await
}

async fn put_version(client: &Client, bytes: &'static [u8]) -> String {
    let put = client.put_object().bucket(BUCKET).key("k");
    let put = put.body(ByteStream::from_static(bytes)).send().await;
    put.unwrap().version_id().unwrap().to_owned()
}

#[tokio::test]
async fn versions_are_read_copied_and_removed_by_their_ids() {
    let (server, client) = versioned().await;
    let first = put_version(&client, b"first").await;
    let second = put_version(&client, b"second").await;
    let read = client.get_object().bucket(BUCKET).key("k");
    let read = read.version_id(&first).send().await.unwrap();
    assert_eq!(read.version_id(), Some(first.as_str()));
    let body = read.body.collect().await.unwrap().to_vec();
    assert_eq!(body, b"first");
    let head = client.head_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(head.unwrap().version_id(), Some(second.as_str()));
    let copied = client
        .copy_object()
        .bucket(BUCKET)
        .key("copy")
        .copy_source(format!("bucket/k?versionId={first}"))
        .send()
        .await
        .unwrap();
    assert!(copied.version_id().is_some());
    assert_eq!(copied.copy_source_version_id(), Some(first.as_str()));
    assert_eq!(get(&client, "copy").await, b"first");

    let delete = client.delete_object().bucket(BUCKET).key("k");
    let deleted = delete.version_id(&second).send().await.unwrap();
    assert_eq!(deleted.version_id(), Some(second.as_str()));
    assert_eq!(deleted.delete_marker(), None);
    assert_eq!(get(&client, "k").await, b"first");
    let last = server.journal();
    let deletion = last
        .iter()
        .find(|entry| entry.target.version.as_deref() == Some(&second));
    assert_eq!(deletion.unwrap().target.operation, Operation::DeleteObject);
    assert_eq!(server.unsupported(), []);
}

#[tokio::test]
async fn a_deletion_without_an_id_leaves_a_marker() {
    let (_server, client) = versioned().await;
    let first = put_version(&client, b"first").await;
    let delete = client.delete_object().bucket(BUCKET).key("k");
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().unwrap().to_owned();
    let read = |version: Option<&str>| {
        let read = client.get_object().bucket(BUCKET).key("k");
        read.set_version_id(version.map(str::to_owned)).send()
    };
    assert_eq!(refusal(read(None).await), refused(404, "NoSuchKey"));
    assert_eq!(
        refusal(read(Some(&marker)).await),
        refused(405, "MethodNotAllowed")
    );
    assert_eq!(
        refusal(read(Some("missing")).await),
        refused(404, "NoSuchVersion")
    );
    assert!(read(Some(&first)).await.is_ok());
    let listed = client.list_objects_v2().bucket(BUCKET).send().await;
    assert!(listed.unwrap().contents().is_empty());
}
