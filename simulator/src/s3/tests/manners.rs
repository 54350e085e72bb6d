//! The manners of other servers, as a client meets them.

use super::multipart::{PART, complete, create, part};
use super::*;
use crate::s3::{Attributes, Manners};

async fn with(manners: Manners) -> (Server, Client) {
    let rules = Rules {
        minimum_part_bytes: 8,
        ..manners.rules()
    };
    start(Options { rules, ..options() }).await
}

/// A header of the answer to a HEAD of what is not there.
async fn header_of_a_miss(client: &Client, name: &str) -> Option<String> {
    let head = client.head_object().bucket(BUCKET).key("missing");
    let error = head.send().await.unwrap_err();
    let response = error.raw_response().unwrap();
    response.headers().get(name).map(str::to_owned)
}

#[tokio::test]
async fn servers_can_be_known_by_their_headers() {
    for (manners, server, error) in [
        (Manners::Aws, Some("AmazonS3"), None),
        (Manners::Minio, Some("MinIO"), Some("NoSuchKey")),
        (Manners::Ceph, None, None),
        (Manners::Gcs, Some("UploadServer"), None),
    ] {
        let (_server, client) = with(manners).await;
        let header = header_of_a_miss(&client, "server").await;
        assert_eq!(header.as_deref(), server, "{manners:?}");
        let header = header_of_a_miss(&client, "x-minio-error-code").await;
        assert_eq!(header.as_deref(), error, "{manners:?}");
    }
}

#[tokio::test]
async fn a_completion_is_repeated_or_refused_in_each_ones_way() {
    for (manners, again, gone) in [
        (Manners::Aws, None, None),
        (
            Manners::Minio,
            Some((404, "NoSuchUpload")),
            Some((404, "NoSuchUpload")),
        ),
        (Manners::Ceph, None, Some((500, "InternalError"))),
        (
            Manners::Gcs,
            Some((404, "NoSuchUpload")),
            Some((404, "NoSuchUpload")),
        ),
    ] {
        let (server, client) = with(manners).await;
        let id = server.with_store(|store| {
            let begun = store.create_upload(BUCKET, "k", Attributes::default(), None, at(0));
            begun.unwrap()
        });
        let parts = [part(&client, &id, 1, PART).await];
        complete(&client, &id, &parts).await.unwrap();
        let answer = async || {
            let completed = complete(&client, &id, &parts).await;
            completed.is_err().then(|| refusal(completed))
        };
        let refused = |told: Option<(u16, &str)>| told.map(|(status, code)| refused(status, code));
        assert_eq!(answer().await, refused(again), "{manners:?}");
        server.with_store(|store| store.remove_object(BUCKET, "k").unwrap());
        assert_eq!(answer().await, refused(gone), "{manners:?}");
    }
}

#[tokio::test]
async fn google_wants_to_know_how_long_nothing_is() {
    let (server, client) = with(Manners::Gcs).await;
    let request = || client.create_multipart_upload().bucket(BUCKET).key("k");
    let bare = request().send().await;
    let status = bare.unwrap_err().raw_response().unwrap().status().as_u16();
    assert_eq!(status, 411);
    assert_eq!(
        history(&server),
        [(Operation::CreateMultipartUpload, Some(411))]
    );
    let told = request().customize().mutate_request(|request| {
        request.headers_mut().insert("content-length", "0");
    });
    told.send().await.unwrap();
    let (_server, client) = with(Manners::Aws).await;
    create(&client, "k").await;
}

#[tokio::test]
async fn ceph_writes_over_what_a_completion_was_to_spare_and_believes_every_checksum() {
    let (_server, client) = with(Manners::Ceph).await;
    let id = create(&client, "k").await;
    let one = part(&client, &id, 1, PART).await;
    put(&client, "k", b"there first").await;
    let claimed = aws_sdk_s3::types::CompletedPart::builder()
        .part_number(1)
        .e_tag(one.e_tag().unwrap())
        .checksum_crc32("AAAAAA==");
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(claimed.build());
    let complete = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&id)
        .if_none_match("*")
        .multipart_upload(parts.build());
    complete.send().await.unwrap();
    assert_eq!(get(&client, "k").await, PART);
    let wrong = client.put_object().bucket(BUCKET).key("k");
    let wrong = wrong.checksum_crc32("AAAAAA==");
    let wrong = wrong.body(ByteStream::from_static(b"x")).send().await;
    assert!(wrong.is_ok(), "{wrong:?}");
}

#[tokio::test]
async fn minio_and_ceph_take_what_is_signed_for_any_region() {
    for manners in Manners::ALL {
        let (server, _) = with(manners).await;
        let config = config(&server, "flow-sim", "flow-sim-secret");
        let client = Client::from_conf(config.region(Region::new("eu-west-3")).build());
        let listed = client.list_objects_v2().bucket(BUCKET).send().await;
        let takes = matches!(manners, Manners::Minio | Manners::Ceph);
        assert_eq!(listed.is_ok(), takes, "{manners:?}");
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
