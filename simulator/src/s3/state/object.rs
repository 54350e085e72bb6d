//! Objects: what they hold, and the operations on one of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};

use super::{Bucket, Checksum, Payload, Store, StoreError, Version};
use crate::staging::{file_of, is_staged};

/// What a client sends beside the bytes, and gets back from HEAD and GET.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The MIME type.
    pub content_type: Option<String>,
    /// User metadata: `x-amz-meta-<name>`, names in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// The body of one `PutObject` or `UploadPart`, received and verified.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Its bytes.
    pub payload: Payload,
    /// Their MD5; all zero if the server discards bodies.
    pub md5: [u8; 16],
    /// The checksum the client sent, verified.
    pub checksum: Option<Checksum>,
}

impl Content {
    /// Content as a client would send it, without a checksum.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            md5: Md5::checksum(&bytes),
            payload: bytes.into(),
            checksum: None,
        }
    }
}

/// A visible object. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its bytes.
    pub payload: Payload,
    /// Its `ETag`, without quotes.
    pub etag: String,
    /// What the client sent beside the bytes.
    pub attributes: Attributes,
    /// Its checksum, if the client gave one.
    pub checksum: Option<Checksum>,
    /// When it became visible.
    pub modified: Timestamp,
    /// The multipart upload it came from; `None` if it was put or copied in one request.
    pub upload_id: Option<String>,
    /// The id of this version, where the bucket keeps versions.
    pub version: Option<String>,
}

/// Names one object, or one version of it.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRef<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The version; `None` is the visible one.
    pub version: Option<&'a str>,
}

impl Store {
    /// Writes an object in one request and returns it. With `must_be_new` an existing key is
    /// `Exists`.
    pub fn put_object(
        &mut self,
        bucket: &str,
        key: &str,
        content: Content,
        attributes: Attributes,
        must_be_new: bool,
        now: Timestamp,
    ) -> Result<Object, StoreError> {
        let attributes = self.kept(attributes);
        let bucket = self.bucket_mut(bucket)?;
        bucket.check_new(key, must_be_new)?;
        let object = Object {
            etag: hex(&content.md5),
            payload: content.payload,
            attributes,
            checksum: content.checksum,
            modified: now,
            upload_id: None,
            version: bucket.next_version(),
        };
        bucket.write(key, object.clone());
        Ok(object)
    }

    /// The object under a key.
    pub fn object(&self, bucket: &str, key: &str) -> Result<&Object, StoreError> {
        let missing = || StoreError::NoSuchKey {
            key: key.to_owned(),
        };
        self.bucket(bucket)?.objects.get(key).ok_or_else(missing)
    }

    /// Every object of a bucket, sorted by key.
    pub fn objects(
        &self,
        bucket: &str,
    ) -> Result<impl Iterator<Item = (&str, &Object)>, StoreError> {
        let objects = &self.bucket(bucket)?.objects;
        Ok(objects.iter().map(|(key, object)| (key.as_str(), object)))
    }

    /// Every object of a bucket that is of a table, sorted by key.
    pub fn table_objects(
        &self,
        bucket: &str,
    ) -> Result<impl Iterator<Item = (&str, &Object)>, StoreError> {
        Ok(self.objects(bucket)?.filter(|(key, _)| !is_staged(key)))
    }

    /// Every object of a bucket that is staged, or tells of what was, sorted by key.
    pub fn staged_objects(
        &self,
        bucket: &str,
    ) -> Result<impl Iterator<Item = (&str, &Object)>, StoreError> {
        Ok(self.objects(bucket)?.filter(|(key, _)| is_staged(key)))
    }

    /// From now on a loader takes every object of a table away in the moment in which it is visible
    /// and nothing staged is left of it; or no longer.
    pub fn load_at_once(&mut self, bucket: &str, loads: bool) -> Result<(), StoreError> {
        self.bucket_mut(bucket)?.loads = loads;
        Ok(())
    }

    /// What the loader has taken, sorted by key.
    pub fn loaded(&self, bucket: &str) -> Result<&BTreeMap<String, Object>, StoreError> {
        self.bucket(bucket).map(|bucket| &bucket.loaded)
    }

    /// Takes an object out of sight, for [`Store::show_object`] to bring back. None where there is
    /// none.
    pub(in crate::s3) fn hide_object(&mut self, bucket: &str, key: &str) -> Option<Object> {
        self.bucket_mut(bucket).ok()?.objects.remove(key)
    }

    /// Brings an object back that was only out of sight, so this is not a write. One that was
    /// written meanwhile wins.
    pub(in crate::s3) fn show_object(&mut self, bucket: &str, key: &str, object: Object) {
        if let Ok(bucket) = self.bucket_mut(bucket) {
            bucket.objects.entry(key.to_owned()).or_insert(object);
        }
    }

    /// What of a client's attributes the rules keep.
    pub(super) fn kept(&self, mut attributes: Attributes) -> Attributes {
        if !self.rules.keeps_metadata {
            attributes.metadata.clear();
        }
        attributes
    }

    /// How many times each key was ever written, deleted or not. More than once means that
    /// something was overwritten, or written again after it was taken away.
    pub fn writes(&self, bucket: &str) -> Result<&BTreeMap<String, u64>, StoreError> {
        self.bucket(bucket).map(|bucket| &bucket.writes)
    }
}

impl Bucket {
    pub(super) fn check_new(&self, key: &str, must_be_new: bool) -> Result<(), StoreError> {
        if must_be_new && self.objects.contains_key(key) {
            return Err(StoreError::Exists {
                key: key.to_owned(),
            });
        }
        Ok(())
    }

    pub(super) fn write(&mut self, key: &str, object: Object) {
        *self.writes.entry(key.to_owned()).or_default() += 1;
        if self.loads && !is_staged(key) && !self.has_twin(key) {
            self.loaded.insert(key.to_owned(), object);
        } else if let Some(before) = self.objects.insert(key.to_owned(), object) {
            self.keep(key, Version::Object(before));
        }
    }

    /// Whether the object that a file was copied from is still there.
    fn has_twin(&self, key: &str) -> bool {
        let name = key.rsplit('/').next();
        self.objects.keys().any(|other| file_of(other) == name)
    }

    /// A staged object is gone: a loader that waited for that takes the file.
    pub(super) fn take_after(&mut self, staged: &str) {
        let Some(name) = file_of(staged).filter(|_| self.loads) else {
            return;
        };
        let is_it = |key: &String, _: &mut Object| key.rsplit('/').next() == Some(name);
        let taken = self.objects.extract_if(.., is_it);
        self.loaded.extend(taken);
    }
}

/// Lower-case hexadecimal digits of a digest.
pub(super) fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
