//! Multipart uploads.

use super::*;
use crate::s3::UploadListing;
use aws_sdk_s3::error::SdkError as Error;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

/// At least as long as `options()` asks for.
pub(super) const PART: &[u8] = b"0123456789";

pub(super) async fn create(client: &Client, key: &str) -> String {
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .send()
        .await
        .unwrap();
    created.upload_id().unwrap().to_owned()
}

pub(super) async fn part(
    client: &Client,
    upload_id: &str,
    number: i32,
    bytes: &[u8],
) -> CompletedPart {
    let upload = client
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(upload_id);
    let upload = upload
        .part_number(number)
        .body(ByteStream::from(bytes.to_vec()));
    let uploaded = upload.send().await.unwrap();
    CompletedPart::builder()
        .part_number(number)
        .e_tag(uploaded.e_tag().unwrap())
        .set_checksum_crc32(uploaded.checksum_crc32().map(str::to_owned))
        .build()
}

pub(super) async fn complete(
    client: &Client,
    upload_id: &str,
    parts: &[CompletedPart],
) -> Result<CompleteMultipartUploadOutput, Error<CompleteMultipartUploadError>> {
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts.to_vec()))
        .build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k");
    complete
        .upload_id(upload_id)
        .multipart_upload(parts)
        .send()
        .await
}

#[tokio::test]
async fn parts_become_one_object_when_they_are_completed() {
    let (server, client) = start(options()).await;
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .content_type("text/plain")
        .metadata("token", "7")
        .send()
        .await
        .unwrap();
    let id = created.upload_id().unwrap();
    let parts = [
        part(&client, id, 1, PART).await,
        part(&client, id, 2, b"end").await,
    ];
    assert!(
        client
            .head_object()
            .bucket(BUCKET)
            .key("k")
            .send()
            .await
            .is_err()
    );
    let completed = complete(&client, id, &parts).await.unwrap();
    assert!(completed.e_tag().unwrap().ends_with("-2\""));
    assert_eq!(get(&client, "k").await, b"0123456789end");
    let head = client
        .head_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.metadata().unwrap()["token"], "7");
    let journal = server.journal();
    assert_eq!(journal[0].target.upload_id.as_deref(), Some(id));
    assert_eq!(journal[2].target.part, Some(2));
    assert_eq!(journal[2].bytes, 3);
    assert_eq!(
        history(&server)[..5],
        [
            (Operation::CreateMultipartUpload, Some(200)),
            (Operation::UploadPart, Some(200)),
            (Operation::UploadPart, Some(200)),
            (Operation::HeadObject, Some(404)),
            (Operation::CompleteMultipartUpload, Some(200)),
        ]
    );
}

#[tokio::test]
async fn part_numbers_outside_1_to_10000_are_refused() {
    let (_server, client) = start(options()).await;
    let id = create(&client, "k").await;
    for number in [0, 10_001] {
        let upload = client.upload_part().bucket(BUCKET).key("k").upload_id(&id);
        let upload = upload
            .part_number(number)
            .body(ByteStream::from_static(PART))
            .send()
            .await;
        assert_eq!(refusal(upload), refused(400, "InvalidArgument"));
    }
    part(&client, &id, 10_000, PART).await;
}

#[tokio::test]
async fn unknown_uploads_are_no_such_upload() {
    let (_server, client) = start(options()).await;
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    let gone = refused(404, "NoSuchUpload");
    assert_eq!(
        refusal(complete(&client, "unknown", std::slice::from_ref(&one)).await),
        gone
    );
    client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .send()
        .await
        .unwrap();
    assert_eq!(refusal(complete(&client, &id, &[one]).await), gone);
    let again = client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .send()
        .await;
    assert_eq!(refusal(again), gone);
    let late = client
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .part_number(1);
    assert_eq!(
        refusal(late.body(ByteStream::from_static(PART)).send().await),
        gone
    );
    let parts = client
        .list_parts()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .send()
        .await;
    assert_eq!(refusal(parts), gone);
}

#[tokio::test]
async fn a_wrong_part_checksum_is_bad_digest() {
    let (_server, client) = start(options()).await;
    let id = create(&client, "k").await;
    let upload = client
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .part_number(1);
    let upload = upload
        .checksum_crc32("AAAAAA==")
        .body(ByteStream::from_static(PART))
        .send()
        .await;
    assert_eq!(refusal(upload), refused(400, "BadDigest"));
}

#[tokio::test]
async fn uploads_without_checksums_work_too() {
    let (server, _) = start(options()).await;
    let client = without_checksums(&server);
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    assert_eq!(one.checksum_crc32(), None);
    complete(&client, &id, &[one]).await.unwrap();
    assert_eq!(get(&client, "k").await, PART);
}

#[tokio::test]
async fn pending_uploads_and_parts_are_listed_page_by_page() {
    let (_server, client) = start(options()).await;
    let ids = [create(&client, "k").await, create(&client, "k").await];
    create(&client, "other").await;
    let mut listed = Vec::new();
    let mut markers = (None, None);
    loop {
        let list = client
            .list_multipart_uploads()
            .bucket(BUCKET)
            .prefix("k")
            .max_uploads(1);
        let list = list
            .set_key_marker(markers.0)
            .set_upload_id_marker(markers.1);
        let page = list.send().await.unwrap();
        listed.extend(
            page.uploads()
                .iter()
                .filter_map(|upload| upload.upload_id().map(str::to_owned)),
        );
        if page.is_truncated() != Some(true) {
            break;
        }
        markers = (page.next_key_marker, page.next_upload_id_marker);
    }
    assert_eq!(listed, ids);

    for number in 1..=3 {
        part(&client, &ids[0], number, PART).await;
    }
    let list = client
        .list_parts()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&ids[0])
        .max_parts(2);
    let mut pages = list.into_paginator().send();
    let mut numbers = Vec::new();
    while let Some(page) = pages.next().await {
        numbers.extend(
            page.unwrap()
                .parts()
                .iter()
                .filter_map(aws_sdk_s3::types::Part::part_number),
        );
    }
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn minio_lists_uploads_by_exact_key_only() {
    let mut options = options();
    options.rules.upload_listing = UploadListing::ExactKey;
    let (_server, client) = start(options).await;
    create(&client, "dir/k").await;
    let count = async |prefix: &str| {
        let list = client
            .list_multipart_uploads()
            .bucket(BUCKET)
            .prefix(prefix);
        list.send().await.unwrap().uploads().len()
    };
    assert_eq!(count("dir/").await, 0);
    assert_eq!(count("dir/k").await, 1);
    assert_eq!(count("").await, 1);
}

#[tokio::test]
async fn tests_can_look_into_the_store_and_change_it() {
    let (server, client) = start(options()).await;
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    let pending = server.with_store(|store| {
        let (key, id, upload) = store.uploads(BUCKET).unwrap().next().unwrap();
        (key.to_owned(), id.to_owned(), upload.parts.len())
    });
    assert_eq!(pending, ("k".to_owned(), id.clone(), 1));
    assert_eq!(
        server.with_store(|store| store.expire_uploads(BUCKET, Timestamp::MAX)),
        Ok(1)
    );
    assert_eq!(
        refusal(complete(&client, &id, &[one]).await),
        refused(404, "NoSuchUpload")
    );

    put(&client, "k", b"bytes").await;
    assert_eq!(
        server.with_store(|store| store.remove_object(BUCKET, "k")),
        Ok(true)
    );
    let gone = client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(refusal(gone), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn a_discarding_server_keeps_only_sizes() {
    let (server, client) = start(Options {
        discard: true,
        ..options()
    })
    .await;
    let id = create(&client, "k").await;
    let parts = [
        part(&client, &id, 1, PART).await,
        part(&client, &id, 2, b"end").await,
    ];
    complete(&client, &id, &parts).await.unwrap();
    let head = client
        .head_object()
        .bucket(BUCKET)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(13));
    let chunks =
        server.with_store(|store| store.object(BUCKET, "k").unwrap().payload.chunks().len());
    assert_eq!(chunks, 0);
    let read = client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(refusal(read), refused(501, "NotImplemented"));
}

#[tokio::test]
async fn a_discarding_server_believes_checksums_and_still_wants_them() {
    let (_server, client) = start(Options {
        discard: true,
        ..options()
    })
    .await;
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Crc32);
    let created = created.send().await.unwrap();
    let id = created.upload_id().unwrap();
    let upload = client.upload_part().bucket(BUCKET).key("k").upload_id(id);
    let wrong = upload
        .part_number(1)
        .body(ByteStream::from_static(PART))
        .checksum_crc32("AAAAAA==");
    let believed = wrong.send().await.unwrap();
    assert_eq!(believed.checksum_crc32(), Some("AAAAAA=="));
    let bare = CompletedPart::builder()
        .part_number(1)
        .e_tag(believed.e_tag().unwrap());
    let unclaimed = complete(&client, id, &[bare.clone().build()]).await;
    assert!(unclaimed.is_err());
    complete(&client, id, &[bare.checksum_crc32("AAAAAA==").build()])
        .await
        .unwrap();
}
