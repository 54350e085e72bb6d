//! Copies within the server.

use aws_sdk_s3::types::MetadataDirective;

use super::*;
use crate::s3::CopySource;

/// What a key may hold that a header and a URL cannot.
const SOURCE: &str = "dir/_staged/ä b+c%?.staged";

/// As a client must write it.
const ENCODED: &str = "bucket/dir/_staged/%C3%A4%20b%2Bc%25%3F.staged";

#[tokio::test]
async fn a_copy_keeps_what_its_source_carries_or_replaces_all_of_it() {
    let (server, client) = start(options()).await;
    let source = client
        .put_object()
        .bucket(BUCKET)
        .key(SOURCE)
        .content_type("text/plain")
        .metadata("token", "7")
        .body(ByteStream::from_static(b"rows"))
        .send()
        .await
        .unwrap();
    let copy = |key: &str| {
        let copy = client.copy_object().bucket(BUCKET).key(key);
        copy.copy_source(ENCODED)
            .copy_source_if_match(source.e_tag().unwrap())
    };
    let kept = copy("kept").send().await.unwrap();
    assert_eq!(kept.copy_object_result().unwrap().e_tag(), source.e_tag());
    assert_eq!(kept.version_id(), None);
    let replaced = copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("application/vnd.apache.parquet");
    replaced.send().await.unwrap();
    for (key, content_type, token) in [
        ("kept", "text/plain", Some("7")),
        ("replaced", "application/vnd.apache.parquet", None),
    ] {
        let head = client.head_object().bucket(BUCKET).key(key).send().await;
        let head = head.unwrap();
        assert_eq!(head.content_type(), Some(content_type));
        let metadata = head.metadata().unwrap();
        assert_eq!(metadata.get("token").map(String::as_str), token);
        assert_eq!(get(&client, key).await, b"rows");
    }
    let entry = &server.journal()[1];
    assert_eq!(entry.target.operation, Operation::CopyObject);
    assert_eq!(entry.target.key.as_deref(), Some("kept"));
    let named = CopySource {
        bucket: BUCKET.to_owned(),
        key: SOURCE.to_owned(),
        version: None,
    };
    assert_eq!(entry.target.copy_source, Some(named));
    assert_eq!(server.unsupported(), []);
}

#[tokio::test]
async fn a_copy_whose_source_is_missing_or_another_is_refused() {
    let (server, client) = start(options()).await;
    put(&client, "a", b"rows").await;
    let copy = |source: &str| {
        let copy = client.copy_object().bucket(BUCKET).key("b");
        copy.copy_source(source)
    };
    let changed = copy("bucket/a").copy_source_if_match("\"0123\"");
    assert_eq!(
        refusal(changed.send().await),
        refused(412, "PreconditionFailed")
    );
    for (source, code) in [
        ("bucket/missing", "NoSuchKey"),
        ("missing/a", "NoSuchBucket"),
        ("bucket/a?versionId=1", "NoSuchVersion"),
    ] {
        let missing = copy(source).send().await;
        assert_eq!(refusal(missing), refused(404, code));
    }
    let onto_itself = client
        .copy_object()
        .bucket(BUCKET)
        .key("a")
        .copy_source("bucket/a");
    assert_eq!(
        refusal(onto_itself.send().await),
        refused(400, "InvalidRequest")
    );
    assert!(server.with_store(|store| store.object(BUCKET, "b").is_err()));
}
