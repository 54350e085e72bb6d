//! The connector's store against real servers: what they have in common, and what they answer
//! differently.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use flow_sim::run::{Bucket, Location as Place};
use jiff::Timestamp;
use materialize_s3_parquet::checkpoint::{
    Location, Part, Staged, StagedFile, StagedObject, StagedUpload,
};
use materialize_s3_parquet::config::{Checksums, MissingUploads};
use materialize_s3_parquet::error::ErrorKind;
use materialize_s3_parquet::keys::Author;
use materialize_s3_parquet::stop::Stop;
use materialize_s3_parquet::store::{
    CHECK_ATTEMPTS, Completion, ContentType, Copied, Entry, Haste, LeftBehind, ObjectStore,
    Outcome, PART_BYTES, PartLimits, PartPool, PendingUpload, Prefixes, PublishOptions, Published,
    S3Options, S3Store, Target, Timeouts, Upload, Way, Written, clean_up, publish,
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
        http_client: None,
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

/// Stages `bytes` bytes for `key` in one of the two ways, up to the point where a checkpoint would
/// name them.
pub(crate) async fn stage_by(store: &S3Store, way: Way, key: &str, bytes: usize) -> StagedFile {
    let pool = PartPool::new(PartLimits {
        parts: PLACES,
        ..PartLimits::default()
    });
    let target = Target {
        way,
        key: key.to_owned(),
        staged_key: format!("_staged/{key}.staged"),
        token: TOKEN.to_owned(),
    };
    let (mut writer, upload) = Upload::start(store, &pool, target);
    let written = tokio::task::spawn_blocking(move || {
        let data: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
        std::io::Write::write_all(&mut writer, &data).unwrap();
        writer.finish().unwrap()
    });
    assert_eq!(written.await.unwrap(), bytes as u64);
    upload
        .finish(1, Timestamp::UNIX_EPOCH, &Stop::never())
        .await
        .unwrap()
        .staged
}

/// Stages `bytes` bytes under `key` as a multipart upload.
pub(crate) async fn stage(store: &S3Store, key: &str, bytes: usize) -> StagedUpload {
    match stage_by(store, Way::Multipart, key, bytes).await.staged {
        Staged::Multipart(upload) => upload,
        Staged::Copy { .. } => panic!("it was to be an upload"),
    }
}

async fn make_visible(store: &S3Store, file: &StagedFile, is_new: bool) -> Outcome {
    let entries = vec![Entry {
        file: file.clone(),
        active: true,
        is_new,
    }];
    let options = PublishOptions {
        now: Timestamp::UNIX_EPOCH,
        missing: MissingUploads::Fail,
        haste: Haste::NONE,
        stop: Stop::never(),
    };
    match publish(store, entries, options).await.unwrap() {
        Published::Done(outcomes) => outcomes[0],
        Published::Stopped => panic!("nobody has asked for a stop"),
    }
}

fn completed(completion: &Completion) -> bool {
    matches!(completion, Completion::Completed(_))
}

async fn bytes_of(store: &S3Store, key: &str) -> Option<u64> {
    store.head(key).await.unwrap().map(|object| object.bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_file_is_invisible_then_complete_and_asking_for_it_again_is_no_harm() {
    for server in Server::all("stores::a_staged_file_is_invisible_then_complete") {
        let (bucket, real) = open(server).await;
        let unguarded = store(&server.location(), &real.location().bucket, Checksums::None);
        for (store, name) in [(real, "crc32"), (unguarded, "none")] {
            for way in [Way::Multipart, Way::Copy] {
                for bytes in [
                    1,
                    PART_BYTES - 1,
                    PART_BYTES,
                    PART_BYTES + 1,
                    2 * PART_BYTES + 1,
                ] {
                    let key = format!("{name}/{}/{bytes}", way.as_str());
                    let file = stage_by(&store, way, &key, bytes).await;
                    assert_eq!(bytes_of(&store, &key).await, None, "{server:?} {key}");
                    for is_new in [true, false, true] {
                        let outcome = make_visible(&store, &file, is_new).await;
                        assert_eq!(outcome, Outcome::Visible, "{server:?} {key} {is_new}");
                        assert_eq!(bytes_of(&store, &key).await, Some(bytes as u64));
                    }
                }
            }
        }
        let staged = real_keys(&bucket, "_staged/").await;
        assert_eq!(staged, Vec::<String>::new(), "{server:?}");
    }
}

/// The keys of a bucket below a prefix, as another client lists them.
async fn real_keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    let list = bucket.client().list_objects_v2();
    let page = list
        .bucket(&bucket.name)
        .prefix(prefix)
        .send()
        .await
        .unwrap();
    let objects = page.contents.unwrap_or_default().into_iter();
    objects.filter_map(|object| object.key).collect()
}

/// A copy is of the very object that was staged, under any key, and leaves the staged one where it
/// is.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_of_the_object_that_was_staged_or_it_is_none() {
    for server in Server::all("stores::a_copy_is_of_the_object_that_was_staged") {
        let (bucket, store) = open(server).await;
        let staged_key = "größe 100%+x/_staged/1.parquet.staged";
        let put = |bytes: &'static [u8]| {
            store.put(
                staged_key,
                Bytes::from_static(bytes).into(),
                ContentType::Parquet,
            )
        };
        let Written { etag, version } = put(b"rows").await.unwrap();
        let staged = StagedObject {
            key: staged_key.to_owned(),
            etag,
            version,
        };
        let key = "größe 100%+x/1.parquet";
        assert_eq!(
            store.copy(&staged, 4, key).await.unwrap(),
            Copied::Done,
            "{server:?}"
        );
        assert_eq!(bytes_of(&store, key).await, Some(4));
        assert_eq!(store.get(staged_key).await.unwrap().unwrap(), "rows");
        let client = bucket.client();
        let object = client
            .head_object()
            .bucket(&bucket.name)
            .key(key)
            .send()
            .await;
        let content_type = object.unwrap().content_type;
        assert_eq!(
            content_type.as_deref(),
            Some("application/vnd.apache.parquet"),
            "{server:?}"
        );

        put(b"other rows").await.unwrap();
        assert_eq!(
            store.copy(&staged, 4, "2").await.unwrap(),
            Copied::NoSource,
            "{server:?}"
        );
        store.delete(staged_key, None).await.unwrap();
        assert_eq!(
            store.copy(&staged, 4, "2").await.unwrap(),
            Copied::NoSource,
            "{server:?}"
        );
        assert_eq!(bytes_of(&store, "2").await, None);
        assert_eq!(store.get(staged_key).await.unwrap(), None);
        store.delete(staged_key, None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_is_known_by_its_answers_and_no_other_server_is_taken_for_it() {
    for server in Server::all("stores::minio_is_known_by_its_answers") {
        let (_bucket, store) = open(server).await;
        let is_minio = store.is_minio("_staged/0.check").await.unwrap();
        assert_eq!(is_minio, server == Server::Minio, "{server:?}");
    }
}

/// MinIO and the embedded server have forgotten an upload once it is complete. Ceph and SeaweedFS
/// complete it again as long as its object is there, and then Ceph says what could as well be
/// trouble: the connector asks on. (AWS completes it again.)
#[tokio::test(flavor = "multi_thread")]
async fn a_second_completion_is_taken_by_some_and_known_by_no_one_once_the_object_is_gone() {
    for server in Server::all("stores::a_second_completion_is_taken_by_some") {
        let (bucket, store) = open(server).await;
        let upload = stage(&store, "key", 10).await;
        let answer = store.complete("key", &upload).await.unwrap();
        assert!(completed(&answer), "{server:?}");
        let is_taken_again = matches!(server, Server::Ceph | Server::SeaweedFs);
        let again = store.complete("key", &upload).await.unwrap();
        assert_eq!(completed(&again), is_taken_again, "{server:?}: {again:?}");
        let delete = bucket
            .client()
            .delete_object()
            .bucket(&bucket.name)
            .key("key");
        delete.send().await.unwrap();
        assert_eq!(
            store.complete("key", &upload).await.unwrap(),
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
            let pending = PendingUpload {
                key: "key".to_owned(),
                upload_id: upload.upload_id.clone(),
            };
            store.abort(&pending).await.unwrap();
        }
        assert_eq!(
            store.complete("key", &upload).await.unwrap(),
            Completion::NoSuchUpload
        );
        assert_eq!(store.head("key").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_listed_by_prefix_but_on_minio_only_by_the_whole_bucket() {
    for server in Server::all("stores::uploads_are_listed_by_prefix") {
        let (bucket, store) = open(server).await;
        let author = Author {
            key_begin: 0,
            writer: 7,
        };
        let name = "00000000-000000000000-00000007-0123456789abcdef.parquet";
        let key = format!("orders/v0000000000/{name}");
        store.create_upload(&key).await.unwrap();
        let body = Bytes::from_static(b"rows").into();
        let staged = format!("orders/_staged/{name}.staged");
        store
            .put(&staged, body, ContentType::Parquet)
            .await
            .unwrap();
        let by_prefix = store
            .list_uploads("orders/", None)
            .await
            .unwrap()
            .items
            .len();
        let expected = match server {
            Server::Embedded | Server::Ceph | Server::SeaweedFs => 1,
            Server::Minio => 0,
        };
        assert_eq!(by_prefix, expected, "{server:?}");
        let listed = store.list_uploads("", None).await.unwrap().items;
        assert_eq!(listed.len(), 1, "{server:?}");
        // The clean-up finds it either way.
        let left = LeftBehind {
            authors: [author].into(),
            ..LeftBehind::default()
        };
        let prefixes = Prefixes {
            files: vec!["orders/".to_owned()],
            staging: vec!["orders/_staged/".to_owned()],
        };
        clean_up(
            store.clone(),
            left,
            prefixes,
            "orders/_staged/0.check".to_owned(),
        )
        .await;
        assert_eq!(
            store.list_uploads("", None).await.unwrap().items,
            [],
            "{server:?}"
        );
        assert_eq!(
            real_keys(&bucket, "").await,
            Vec::<String>::new(),
            "{server:?}"
        );
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
            .create_upload("key")
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
            store.complete("key", &upload).await.unwrap(),
            Completion::NoSuchPart,
            "{server:?}"
        );
        assert_eq!(store.head("key").await.unwrap(), None);
        upload.parts = good;
        assert!(completed(&store.complete("key", &upload).await.unwrap()));
    }
}

/// Ceph takes checksums and does not look at them: over plain HTTP only TCP guards its parts.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_checksum_is_refused_but_by_ceph() {
    for server in Server::all("stores::a_wrong_checksum_is_refused_but_by_ceph") {
        let (_bucket, store) = open(server).await;
        let mut upload = stage(&store, "key", 10).await;
        upload.parts[0].crc32 = Some("AAAAAA==".to_owned());
        let answer = store.complete("key", &upload).await;
        let is_as_known = match (server, &answer) {
            (Server::Embedded | Server::Minio, Ok(Completion::NoSuchPart))
            | (Server::Ceph, Ok(Completion::Completed(_))) => true,
            (Server::SeaweedFs, Err(error)) => error.to_string().contains("BadDigest"),
            _ => false,
        };
        assert!(is_as_known, "{server:?}: {answer:?}");
    }
}

/// Why a file's name has a token, and does not count on the store to refuse another of the same
/// name.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_over_another_object_can_be_forbidden_but_not_on_ceph() {
    for server in Server::all("stores::a_completion_over_another_object") {
        let (bucket, store) = open(server).await;
        let first = stage(&store, "key", 10).await;
        let second = stage(&store, "key", 20).await;
        store.complete("key", &first).await.unwrap();
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
        let id = store.create_upload("key").await.unwrap();
        let pending = PendingUpload {
            key: "key".to_owned(),
            upload_id: id.clone(),
        };
        let body = Bytes::from_static(b"PAR1 and the rest");
        let part = store
            .upload_part(&pending, 1, body.clone().into())
            .await
            .unwrap();
        let upload = StagedUpload {
            upload_id: id,
            parts: vec![part],
        };
        store.complete("key", &upload).await.unwrap();
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
