//! The rules of the store, without a server around it.

mod copy;
mod expiry;
mod listing;
mod multipart;
mod version;

use super::*;
use crate::s3::manners::{Recompletion, UnknownCompletion, UploadListing};

const BUCKET: &str = "bucket";

fn store_with(rules: Rules) -> Store {
    let mut store = Store::new(rules, 1);
    store.create_bucket(BUCKET, at(0)).unwrap();
    store
}

/// Parts may have any size, so that tests need not hash megabytes.
fn store() -> Store {
    store_with(Rules {
        minimum_part_bytes: 0,
        ..Rules::default()
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn begin(store: &mut Store, key: &str) -> String {
    store
        .create_upload(BUCKET, key, Attributes::default(), None, at(1))
        .unwrap()
}

fn upload_of<'a>(key: &'a str, upload_id: &'a str) -> UploadRef<'a> {
    UploadRef {
        bucket: BUCKET,
        key,
        upload_id,
    }
}

fn put(store: &mut Store, upload: UploadRef<'_>, number: i32, bytes: &[u8]) -> PartClaim {
    let content = Content::of(bytes.to_vec());
    let part = store.put_part(upload, number, content, at(2)).unwrap();
    PartClaim {
        number,
        etag: part.etag(),
        checksum: None,
    }
}

fn write(store: &mut Store, key: &str) -> Object {
    let content = Content::of(key.as_bytes().to_vec());
    store
        .put_object(BUCKET, key, content, Attributes::default(), false, at(3))
        .unwrap()
}

fn object<'a>(key: &'a str, version: Option<&'a str>) -> ObjectRef<'a> {
    ObjectRef {
        bucket: BUCKET,
        key,
        version,
    }
}
