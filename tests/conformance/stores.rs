//! The connector's store against real servers: what they have in common, and what they answer differently.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use flow_sim::run::{Bucket, Location as Place};
use jiff::{SignedDuration, Timestamp};
use materialize_s3_parquet::checkpoint::{Location, Part, StagedUpload};
use materialize_s3_parquet::config::{Checksums, MissingUploads};
use materialize_s3_parquet::error::ErrorKind;
use materialize_s3_parquet::store::{
    CHECK_ATTEMPTS, CompleteOptions, Completion, Entry, Haste, ObjectInfo, ObjectStore, Outcome,
    PART_BYTES, PartLimits, PartPool, PendingUpload, S3Options, S3Store, Timeouts, Upload,
    abort_stale, complete_all,
};

use crate::servers::{Server, bucket};

const TOKEN: &str = "0123456789abcdef";

pub(crate) fn store(place: &Place, bucket: &str, checksums: Checksums) -> S3Store {
    S3Store::new(S3Options {
        location: Location {
            bucket: bucket.to_owned(),
            region: place.region.clone(),
            endpoint: Some(place.endpoint.clone()),
            path_style: true,
        },
        access_key_id: place.access_key_id.clone(),
        secret_access_key: place.secret_access_key.clone(),
        checksums,
        attempts: CHECK_ATTEMPTS,
        haste: Haste::NONE,
        timeouts: Timeouts::default(),
    })
}

async fn open(server: Server) -> (Bucket, S3Store) {
    let bucket = Bucket::open(&server.store(), Some(&bucket("stores")), 0)
        .await
        .unwrap();
    let store = store(&bucket.location, &bucket.name, Checksums::Crc32);
    (bucket, store)
}

/// How many parts [`stage`] has on their way at once.
pub(crate) const PLACES: usize = 2;

/// Uploads `bytes` bytes under `key`, up to the point where a checkpoint would name them.
pub(crate) async fn stage(store: &S3Store, key: &str, bytes: usize) -> StagedUpload {
    let pool = PartPool::new(PartLimits {
        parts: PLACES,
        ..PartLimits::default()
    });
    let (mut writer, upload) = Upload::start(store, &pool, key.to_owned(), TOKEN.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let data: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
        std::io::Write::write_all(&mut writer, &data).unwrap();
        writer.finish().unwrap()
    });
    assert_eq!(written.await.unwrap(), bytes as u64);
    upload
        .finish(1, Timestamp::UNIX_EPOCH)
        .await
        .unwrap()
        .staged
}

async fn complete(store: &S3Store, upload: &StagedUpload) -> Outcome {
    let entries = vec![Entry {
        upload: upload.clone(),
        active: true,
    }];
    let options = CompleteOptions {
        now: Timestamp::UNIX_EPOCH,
        missing: MissingUploads::Fail,
        haste: Haste::NONE,
    };
    complete_all(store, entries, options).await.unwrap()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_file_is_invisible_then_complete_and_completing_it_again_is_no_harm() {
    for server in Server::all("stores::a_staged_file_is_invisible_then_complete") {
        let (_bucket, real) = open(server).await;
        let unguarded = store(&server.location(), &real.location().bucket, Checksums::None);
        for (store, name) in [(real, "crc32"), (unguarded, "none")] {
            for bytes in [
                1,
                PART_BYTES - 1,
                PART_BYTES,
                PART_BYTES + 1,
                2 * PART_BYTES,
                2 * PART_BYTES + 1,
            ] {
                let key = format!("{name}/{bytes}");
                let upload = stage(&store, &key, bytes).await;
                assert_eq!(upload.parts.len(), bytes.div_ceil(PART_BYTES));
                assert_eq!(store.head(&key).await.unwrap(), None, "{server:?} {key}");
                assert_eq!(
                    complete(&store, &upload).await,
                    Outcome::Completed,
                    "{server:?} {key}"
                );
                let object = ObjectInfo {
                    bytes: bytes as u64,
                    token: Some(TOKEN.to_owned()),
                };
                assert_eq!(
                    store.head(&key).await.unwrap(),
                    Some(object),
                    "{server:?} {key}"
                );
                let again = complete(&store, &upload).await;
                assert!(
                    matches!(again, Outcome::AlreadyCompleted | Outcome::Completed),
                    "{server:?} {again:?}"
                );
            }
        }
    }
}

/// MinIO and the embedded server have forgotten an upload once it is complete. Ceph completes it again as long as its object is
/// there, and then says what could as well be trouble: the connector asks on. (AWS completes it again.)
#[tokio::test(flavor = "multi_thread")]
async fn a_second_completion_is_taken_by_ceph_and_known_by_no_one_once_the_object_is_gone() {
    for server in Server::all("stores::a_second_completion_is_taken_by_ceph") {
        let (bucket, store) = open(server).await;
        let upload = stage(&store, "key", 10).await;
        let completed = store.complete(&upload).await.unwrap();
        assert_eq!(completed, Completion::Completed, "{server:?}");
        let again = match server {
            Server::Embedded | Server::Minio => Completion::NoSuchUpload,
            Server::Ceph => Completion::Completed,
            Server::SeaweedFs => Completion::Completed,
        };
        assert_eq!(store.complete(&upload).await.unwrap(), again, "{server:?}");
        let delete = bucket
            .client()
            .delete_object()
            .bucket(&bucket.name)
            .key("key");
        delete.send().await.unwrap();
        assert_eq!(
            store.complete(&upload).await.unwrap(),
            Completion::NoSuchUpload,
            "{server:?}"
        );
        assert_eq!(store.head("key").await.unwrap(), None, "{server:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_upload_is_gone_and_aborting_it_again_is_no_error() {
    for server in Server::all("stores::an_aborted_upload_is_gone") {
        let (_bucket, store) = open(server).await;
        let upload = stage(&store, "key", 10).await;
        for _ in 0..2 {
            store.abort(&PendingUpload::from(&upload)).await.unwrap();
        }
        assert_eq!(
            store.complete(&upload).await.unwrap(),
            Completion::NoSuchUpload
        );
        assert_eq!(store.head("key").await.unwrap(), None);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real servers go by the real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_by_prefix_but_on_minio_only_by_the_whole_bucket() {
    for server in Server::all("stores::uploads_are_listed_by_prefix") {
        let (_bucket, store) = open(server).await;
        store.create_upload("orders/stale", TOKEN).await.unwrap();
        let by_prefix = store.list_uploads("orders/").await.unwrap().len();
        let expected = match server {
            Server::Embedded | Server::Ceph | Server::SeaweedFs => 1,
            Server::Minio => 0,
        };
        assert_eq!(by_prefix, expected, "{server:?}");
        let listed = store.list_uploads("").await.unwrap();
        assert_eq!(listed.len(), 1, "{server:?}");
        // The clean-up tells by it whether a later session has begun the upload.
        let age = now().duration_since(listed[0].initiated.unwrap());
        assert!(
            age.abs() < SignedDuration::from_mins(15),
            "{server:?}: {age}"
        );
        // The clean-up finds it either way.
        assert_eq!(
            abort_stale(&store, &["orders/".to_owned()], |_| true).await,
            1,
            "{server:?}"
        );
        assert_eq!(store.list_uploads("").await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_region_is_named_where_the_server_minds_it() {
    for server in Server::all("stores::a_wrong_region_is_named") {
        let (bucket, _) = open(server).await;
        let elsewhere = Place {
            region: "eu-central-1".to_owned(),
            ..bucket.location.clone()
        };
        let created = store(&elsewhere, &bucket.name, Checksums::Crc32)
            .create_upload("key", TOKEN)
            .await;
        match server {
            Server::Embedded => {
                let error = created.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("us-east-1"), "{error}");
            }
            Server::Minio | Server::Ceph | Server::SeaweedFs => {
                assert!(created.is_ok(), "{server:?} takes any region");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_the_one_that_was_sent_is_refused() {
    for server in Server::all("stores::a_part_that_is_not_the_one_that_was_sent") {
        let (_bucket, store) = open(server).await;
        let mut upload = stage(&store, "key", 10).await;
        let damaged = Part {
            etag: "\"0123456789abcdef0123456789abcdef\"".to_owned(),
            ..upload.parts[0].clone()
        };
        let good = std::mem::replace(&mut upload.parts, vec![damaged]);
        assert_eq!(
            store.complete(&upload).await.unwrap(),
            Completion::NoSuchPart,
            "{server:?}"
        );
        assert_eq!(store.head("key").await.unwrap(), None);
        upload.parts = good;
        assert_eq!(
            store.complete(&upload).await.unwrap(),
            Completion::Completed
        );
    }
}

/// Ceph takes checksums and does not look at them: over plain HTTP only TCP guards its parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_checksum_is_refused_but_by_ceph() {
    for server in Server::all("stores::a_wrong_checksum_is_refused_but_by_ceph") {
        let (_bucket, store) = open(server).await;
        let mut upload = stage(&store, "key", 10).await;
        upload.parts[0].crc32 = Some("AAAAAA==".to_owned());
        let expected = match server {
            Server::Embedded | Server::Minio => Completion::NoSuchPart,
            Server::Ceph | Server::SeaweedFs => Completion::Completed,
        };
        let completed = store.complete(&upload).await.unwrap();
        assert_eq!(completed, expected, "{server:?}");
    }
}

/// Why a file's name has a token, and does not count on the store to refuse another of the same name.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_over_another_object_can_be_forbidden_but_not_on_ceph() {
    for server in Server::all("stores::a_completion_over_another_object") {
        let (bucket, store) = open(server).await;
        let first = stage(&store, "key", 10).await;
        let second = stage(&store, "key", 20).await;
        store.complete(&first).await.unwrap();
        let part = CompletedPart::builder()
            .part_number(1)
            .e_tag(&second.parts[0].etag)
            .set_checksum_crc32(second.parts[0].crc32.clone());
        let parts = CompletedMultipartUpload::builder().parts(part.build());
        let completed = bucket
            .client()
            .complete_multipart_upload()
            .bucket(&bucket.name)
            .key("key")
            .upload_id(&second.upload_id)
            .multipart_upload(parts.build())
            .if_none_match("*")
            .send()
            .await;
        let bytes = store.head("key").await.unwrap().unwrap().bytes;
        let overwritten = (completed.is_ok(), bytes) == (true, 20);
        let refused = (completed.is_ok(), bytes) == (false, 10);
        let expected = if server == Server::Ceph {
            overwritten
        } else {
            refused
        };
        assert!(expected, "{server:?}: {completed:?}, {bytes} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_arrive_as_they_were_sent() {
    for server in Server::all("stores::parts_arrive_as_they_were_sent") {
        let (bucket, store) = open(server).await;
        let id = store.create_upload("key", TOKEN).await.unwrap();
        let pending = PendingUpload {
            key: "key".to_owned(),
            upload_id: id.clone(),
        };
        let body = Bytes::from_static(b"PAR1 and the rest");
        let part = store
            .upload_part(&pending, 1, body.clone().into())
            .await
            .unwrap();
        let mut upload = stage(&store, "other", 1).await;
        upload = StagedUpload {
            key: "key".to_owned(),
            upload_id: id,
            parts: vec![part],
            ..upload
        };
        store.complete(&upload).await.unwrap();
        let object = bucket
            .client()
            .get_object()
            .bucket(&bucket.name)
            .key("key")
            .send()
            .await
            .unwrap();
        assert_eq!(
            object.content_type(),
            Some("application/vnd.apache.parquet")
        );
        assert_eq!(object.body.collect().await.unwrap().into_bytes(), body);
    }
}
