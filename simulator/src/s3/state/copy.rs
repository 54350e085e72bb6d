//! Copies within the server: whole or not at all, and the source is never touched.

use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};

use super::object::hex;
use super::{Attributes, Checksum, Digest, Object, ObjectRef, Payload, Store, StoreError};

/// What to copy, and how.
#[derive(Clone, Debug)]
pub struct CopyRequest<'a> {
    /// What is copied.
    pub source: ObjectRef<'a>,
    /// The `ETag` that the source must have, without quotes.
    pub if_match: Option<&'a str>,
    /// What the copy carries instead of what the source does.
    pub attributes: Option<Attributes>,
}

impl Store {
    /// Copies an object and returns the copy. What was there under its key is overwritten.
    pub fn copy_object(
        &mut self,
        copy: CopyRequest<'_>,
        bucket: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Object, StoreError> {
        let ObjectRef {
            bucket: source_bucket,
            key: source_key,
            version,
        } = copy.source;
        let source = self.version(copy.source)?;
        if copy.if_match.is_some_and(|etag| etag != source.etag) {
            return Err(StoreError::SourceChanged {
                key: source_key.to_owned(),
                etag: source.etag.clone(),
            });
        }
        let is_itself = (source_bucket, source_key, version) == (bucket, key, None);
        if is_itself && copy.attributes.is_none() {
            return Err(StoreError::CopyOntoItself {
                key: key.to_owned(),
            });
        }
        let mut object = in_one_piece(source);
        object.modified = now;
        if let Some(attributes) = copy.attributes {
            object.attributes = self.kept(attributes);
        }
        let bucket = self.bucket_mut(bucket)?;
        object.version = bucket.next_version();
        bucket.write(key, object.clone());
        Ok(object)
    }
}

/// An object as if it had been put in one request: its `ETag` and its checksum are those of all its
/// bytes.
fn in_one_piece(source: &Object) -> Object {
    let checksum = source.checksum.as_ref().map(|checksum| {
        if checksum.is_composite() {
            whole_checksum(checksum, &source.payload)
        } else {
            checksum.clone()
        }
    });
    Object {
        etag: match &source.upload_id {
            None => source.etag.clone(),
            Some(_) => whole_etag(&source.payload),
        },
        checksum,
        upload_id: None,
        ..source.clone()
    }
}

fn whole_etag(payload: &Payload) -> String {
    let mut md5 = Md5::new();
    for chunk in payload.chunks() {
        md5.update(chunk);
    }
    hex(&md5.finalize())
}

fn whole_checksum(parts: &Checksum, payload: &Payload) -> Checksum {
    let mut digest = Digest::new(parts.algorithm);
    for chunk in payload.chunks() {
        digest.update(chunk);
    }
    digest.finish()
}
