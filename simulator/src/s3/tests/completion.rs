//! What a completion must say, and what it is answered if it does not.

use super::multipart::{PART, complete, create, part};
use super::*;
use crate::s3::Recompletion;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};

#[tokio::test]
async fn small_parts_are_refused_at_completion() {
    let (_server, client) = start(Options {
        rules: Rules::default(),
        ..options()
    })
    .await;
    let id = create(&client, "k").await;
    let small = vec![0; 5 * 1024 * 1024 - 1];
    let parts = [
        part(&client, &id, 1, &small).await,
        part(&client, &id, 2, PART).await,
    ];
    assert_eq!(
        refusal(complete(&client, &id, &parts).await),
        refused(400, "EntityTooSmall")
    );
    let large = vec![0; 5 * 1024 * 1024];
    let parts = [part(&client, &id, 1, &large).await, parts[1].clone()];
    complete(&client, &id, &parts).await.unwrap();
}

#[tokio::test]
async fn wrong_claims_are_refused() {
    let (_server, client) = start(options()).await;
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    let two = part(&client, &id, 2, PART).await;
    let missing = CompletedPart::builder()
        .part_number(3)
        .e_tag(two.e_tag().unwrap())
        .build();
    let changed = CompletedPart::builder()
        .part_number(2)
        .e_tag("\"0123\"")
        .build();
    let order = complete(&client, &id, &[two.clone(), one.clone()]).await;
    assert_eq!(refusal(order), refused(400, "InvalidPartOrder"));
    for wrong in [missing, changed] {
        let result = complete(&client, &id, &[one.clone(), wrong]).await;
        assert_eq!(refusal(result), refused(400, "InvalidPart"));
    }
    let none = complete(&client, &id, &[]).await;
    assert_eq!(refusal(none), refused(400, "MalformedXML"));
    complete(&client, &id, &[one, two]).await.unwrap();
}

#[tokio::test]
async fn a_declared_checksum_must_be_given_again_and_match() {
    let (server, client) = start(options()).await;
    let created = client.create_multipart_upload().bucket(BUCKET).key("k");
    let created = created
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .send()
        .await
        .unwrap();
    let id = created.upload_id().unwrap();
    let plain = without_checksums(&server);
    let upload = plain
        .upload_part()
        .bucket(BUCKET)
        .key("k")
        .upload_id(id)
        .part_number(1);
    let undeclared = upload.body(ByteStream::from_static(PART)).send().await;
    assert_eq!(refusal(undeclared), refused(400, "InvalidRequest"));

    let one = part(&client, id, 1, PART).await;
    assert!(one.checksum_crc32().is_some());
    let bare = CompletedPart::builder()
        .part_number(1)
        .e_tag(one.e_tag().unwrap());
    let missing = complete(&client, id, &[bare.clone().build()]).await;
    assert_eq!(refusal(missing), refused(400, "InvalidRequest"));
    let wrong = complete(&client, id, &[bare.checksum_crc32("AAAAAA==").build()]).await;
    assert_eq!(refusal(wrong), refused(400, "InvalidPart"));
    let completed = complete(&client, id, &[one]).await.unwrap();
    assert!(completed.checksum_crc32().unwrap().ends_with("-1"));
    assert_eq!(get(&client, "k").await, PART);
}

#[tokio::test]
async fn if_none_match_protects_an_existing_key_at_completion() {
    let (_server, client) = start(options()).await;
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    put(&client, "k", b"there first").await;
    let parts = CompletedMultipartUpload::builder().parts(one).build();
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id);
    let complete = complete
        .if_none_match("*")
        .multipart_upload(parts)
        .send()
        .await;
    assert_eq!(refusal(complete), refused(412, "PreconditionFailed"));
    assert_eq!(get(&client, "k").await, b"there first");
}

#[tokio::test]
async fn a_second_completion_is_answered_as_the_rules_say() {
    for recompletion in [
        Recompletion::NoSuchUpload,
        Recompletion::Accepted,
        Recompletion::WhileVisible,
    ] {
        let mut options = options();
        options.rules.recompletion = recompletion;
        let (server, client) = start(options).await;
        let id = create(&client, "k").await;
        let parts = [part(&client, &id, 1, PART).await];
        let first = complete(&client, &id, &parts).await.unwrap();
        let second = complete(&client, &id, &parts).await;
        match recompletion {
            Recompletion::NoSuchUpload => assert_eq!(refusal(second), refused(404, "NoSuchUpload")),
            _ => assert_eq!(second.unwrap().e_tag(), first.e_tag()),
        }
        assert_eq!(
            server.with_store(|store| store.writes(BUCKET).unwrap()["k"]),
            1
        );
    }
}

#[tokio::test]
async fn r2_refuses_unequal_parts() {
    let mut options = options();
    options.rules.equal_parts = true;
    let (_server, client) = start(options).await;
    let id = create(&client, "k").await;
    let parts = [
        part(&client, &id, 1, PART).await,
        part(&client, &id, 2, b"another length").await,
        part(&client, &id, 3, b"end").await,
    ];
    assert_eq!(
        refusal(complete(&client, &id, &parts).await),
        refused(400, "InvalidPart")
    );
}
