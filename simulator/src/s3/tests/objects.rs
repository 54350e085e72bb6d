//! Buckets and objects.

use super::*;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let (server, client) = start(options()).await;
    let body = ByteStream::from_static(b"hello");
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("dir/ä b+c.parquet")
        .content_type("application/vnd.apache.parquet")
        .metadata("Token", "42")
        .body(body);
    let put = put.send().await.unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let head = client
        .head_object()
        .bucket(BUCKET)
        .key("dir/ä b+c.parquet")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("application/vnd.apache.parquet"));
    assert_eq!(head.metadata().unwrap()["token"], "42");
    assert_eq!(head.e_tag(), put.e_tag());
    assert_eq!(get(&client, "dir/ä b+c.parquet").await, b"hello");
    let entry = &server.journal()[0];
    assert_eq!(entry.target.key.as_deref(), Some("dir/ä b+c.parquet"));
    assert_eq!(entry.bytes, 5);
}

#[tokio::test]
async fn ranges_are_honoured() {
    let (_server, client) = start(options()).await;
    put(&client, "k", b"0123456789").await;
    for (range, expected, header) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-4", "6789", "bytes 6-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let output = client
            .get_object()
            .bucket(BUCKET)
            .key("k")
            .range(range)
            .send()
            .await
            .unwrap();
        assert_eq!(output.content_range(), Some(header));
        assert_eq!(
            output.body.collect().await.unwrap().to_vec(),
            expected.as_bytes()
        );
    }
    let beyond = client
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .range("bytes=10-")
        .send()
        .await;
    assert_eq!(refusal(beyond), refused(416, "InvalidRange"));
}

#[tokio::test]
async fn missing_buckets_and_keys_are_404() {
    let (_server, client) = start(options()).await;
    let body = ByteStream::from_static(b"x");
    let no_bucket = client
        .put_object()
        .bucket("missing")
        .key("k")
        .body(body)
        .send()
        .await;
    assert_eq!(refusal(no_bucket), refused(404, "NoSuchBucket"));
    let no_key = client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(refusal(no_key), refused(404, "NoSuchKey"));
    let head = client.head_object().bucket(BUCKET).key("k").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    let head = client.head_bucket().bucket("missing").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    let create = client
        .create_multipart_upload()
        .bucket("missing")
        .key("k")
        .send()
        .await;
    assert_eq!(refusal(create), refused(404, "NoSuchBucket"));
}

#[tokio::test]
async fn keys_have_at_most_1024_bytes() {
    let (_server, client) = start(options()).await;
    put(&client, &"k".repeat(1024), b"x").await;
    let body = ByteStream::from_static(b"x");
    let long = client
        .put_object()
        .bucket(BUCKET)
        .key("k".repeat(1025))
        .body(body)
        .send()
        .await;
    assert_eq!(refusal(long), refused(400, "KeyTooLongError"));
}

#[tokio::test]
async fn if_none_match_protects_an_existing_key() {
    let (server, client) = start(options()).await;
    let put_new = |bytes: &'static [u8]| {
        let put = client
            .put_object()
            .bucket(BUCKET)
            .key("k")
            .if_none_match("*");
        put.body(ByteStream::from_static(bytes)).send()
    };
    put_new(b"first").await.unwrap();
    assert_eq!(
        refusal(put_new(b"second").await),
        refused(412, "PreconditionFailed")
    );
    assert_eq!(get(&client, "k").await, b"first");
    assert_eq!(
        server.with_store(|store| store.writes(BUCKET).unwrap()["k"]),
        1
    );
}

#[tokio::test]
async fn a_wrong_checksum_is_bad_digest_and_nothing_is_stored() {
    let (server, client) = start(options()).await;
    let wrong = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .checksum_crc32("AAAAAA==");
    let wrong = wrong.body(ByteStream::from_static(b"hello")).send().await;
    assert_eq!(refusal(wrong), refused(400, "BadDigest"));
    let wrong = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .content_md5("AAAAAAAAAAAAAAAAAAAAAA==");
    let wrong = wrong.body(ByteStream::from_static(b"hello")).send().await;
    assert_eq!(refusal(wrong), refused(400, "BadDigest"));
    let nonsense = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .content_md5("nonsense");
    let nonsense = nonsense
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await;
    assert_eq!(refusal(nonsense), refused(400, "InvalidDigest"));
    assert!(server.with_store(|store| store.object(BUCKET, "k").is_err()));
}

#[tokio::test]
async fn right_checksums_are_kept_and_returned() {
    let (_server, client) = start(options()).await;
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .checksum_crc32("NhCmhg==");
    let put = put.content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    let put = put
        .body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    assert_eq!(put.checksum_crc32(), Some("NhCmhg=="));
    let head = client.head_object().bucket(BUCKET).key("k");
    let head = head
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(head.checksum_crc32(), Some("NhCmhg=="));
}

#[tokio::test]
async fn aws_chunked_bodies_are_decoded_and_their_trailer_verified() {
    let (server, client) = start(options()).await;
    let path = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    std::fs::write(path.path(), &bytes).unwrap();
    let body = ByteStream::from_path(path.path()).await.unwrap();
    client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, "k").await, bytes);
    let entry = &server.journal()[0];
    assert_eq!(entry.bytes, bytes.len() as u64);
    let checksum = server.with_store(|store| store.object(BUCKET, "k").unwrap().checksum.clone());
    let expected = super::super::Checksum::of(super::super::Algorithm::Crc32, &bytes);
    assert_eq!(checksum, Some(expected));
}

#[tokio::test]
async fn storage_classes_do_not_exist() {
    let (_server, client) = start(options()).await;
    let put = client.put_object().bucket(BUCKET).key("k");
    let put = put.storage_class(aws_sdk_s3::types::StorageClass::StandardIa);
    let put = put.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(refusal(put), refused(400, "InvalidStorageClass"));
}

#[tokio::test]
async fn listings_are_sorted_paged_and_rolled_up() {
    let (_server, client) = start(options()).await;
    for key in ["b/2", "a", "b/1", "c"] {
        put(&client, key, key.as_bytes()).await;
    }
    let mut pages = client
        .list_objects_v2()
        .bucket(BUCKET)
        .max_keys(1)
        .into_paginator()
        .send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!(page.contents().len(), 1);
        keys.extend(
            page.contents()
                .iter()
                .map(|object| object.key().unwrap().to_owned()),
        );
    }
    assert_eq!(keys, ["a", "b/1", "b/2", "c"]);
    let rolled = client
        .list_objects_v2()
        .bucket(BUCKET)
        .delimiter("/")
        .send()
        .await
        .unwrap();
    let prefixes: Vec<_> = rolled
        .common_prefixes()
        .iter()
        .filter_map(|prefix| prefix.prefix())
        .collect();
    assert_eq!(prefixes, ["b/"]);
    assert_eq!(rolled.contents().len(), 2);
    let inside = client
        .list_objects_v2()
        .bucket(BUCKET)
        .prefix("b/")
        .send()
        .await
        .unwrap();
    assert_eq!(inside.contents()[1].size(), Some(3));
}

#[tokio::test]
async fn objects_and_buckets_can_be_deleted() {
    let (_server, client) = start(options()).await;
    client
        .create_bucket()
        .bucket("second")
        .send()
        .await
        .unwrap();
    let again = client.create_bucket().bucket("second").send().await;
    assert_eq!(refusal(again), refused(409, "BucketAlreadyOwnedByYou"));
    let listed = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed
        .buckets()
        .iter()
        .filter_map(|bucket| bucket.name())
        .collect();
    assert_eq!(names, [BUCKET, "second"]);
    client
        .delete_bucket()
        .bucket("second")
        .send()
        .await
        .unwrap();

    for key in ["a", "b", "c"] {
        put(&client, key, b"x").await;
    }
    let full = client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(refusal(full), refused(409, "BucketNotEmpty"));
    client
        .delete_object()
        .bucket(BUCKET)
        .key("a")
        .send()
        .await
        .unwrap();
    client
        .delete_object()
        .bucket(BUCKET)
        .key("never there")
        .send()
        .await
        .unwrap();
    let object = |key| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder()
        .objects(object("b"))
        .objects(object("c"))
        .build()
        .unwrap();
    let deleted = client
        .delete_objects()
        .bucket(BUCKET)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.deleted().len(), 2);
    client.delete_bucket().bucket(BUCKET).send().await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_with_what_it_had() {
    let (server, client) = start(options()).await;
    put(&client, "a", b"rows").await;
    let address = server.address();
    let stored = server.kill().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let options = Options {
        address,
        ..Options::default()
    };
    let server = Server::start_on(stored, options).await.unwrap();
    assert_eq!(server.address(), address);
    assert_eq!(get(&client, "a").await, b"rows");
}
