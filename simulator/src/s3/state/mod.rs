//! The store itself: buckets, objects and multipart uploads in memory, with the rules of S3 and none of its HTTP.
//!
//! Everything here is synchronous and pure: time comes in as an argument, upload ids come from a seed and a counter,
//! and every listing is sorted, so that the same calls always give the same answers.

mod checksum;
mod error;
mod listing;
mod multipart;
mod object;
mod payload;
#[cfg(test)]
mod tests;

pub(super) use checksum::Digest;
pub use checksum::{Algorithm, Checksum};
pub use error::StoreError;
pub use listing::{ObjectPage, ObjectQuery, PartPage, UploadPage, UploadQuery};
pub use multipart::{Completed, Part, PartClaim, Upload, UploadRef};
pub use object::{Attributes, Content, Object};
pub use payload::Payload;

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What the store answers where real servers differ, and how strict it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Every part but the last must have at least this many bytes. AWS, MinIO and Ceph: 5 MiB.
    pub minimum_part_bytes: u64,
    /// Every part but the last must have the same length, and the last may not be longer: the rule of R2.
    pub equal_parts: bool,
    /// The answer to a second completion of the same upload.
    pub recompletion: Recompletion,
    /// Which uploads a prefix lists.
    pub upload_listing: UploadListing,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            minimum_part_bytes: 5 * 1024 * 1024,
            equal_parts: false,
            recompletion: Recompletion::NoSuchUpload,
            upload_listing: UploadListing::Prefix,
        }
    }
}

/// The answer to a second completion of the same upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompletion {
    /// The upload is gone: `NoSuchUpload`, as MinIO answers.
    #[default]
    NoSuchUpload,
    /// The same parts are accepted again with the same answer, as AWS does; other parts are `NoSuchUpload`.
    Accepted,
}

/// Which uploads `ListMultipartUploads` finds by a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadListing {
    /// Those whose key starts with it, as AWS and Ceph do.
    #[default]
    Prefix,
    /// Those whose key equals it, as MinIO does. An empty prefix lists the whole bucket.
    ExactKey,
}

/// All buckets of one server.
#[derive(Debug)]
pub struct Store {
    rules: Rules,
    seed: u64,
    uploads_created: u64,
    buckets: BTreeMap<String, Bucket>,
}

/// One bucket. Uploads are sorted by key and then by age, because upload ids begin with their counter.
#[derive(Debug)]
struct Bucket {
    created: Timestamp,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<(String, String), Upload>,
    completed: BTreeMap<(String, String), Completed>,
    writes: BTreeMap<String, u64>,
    loads: bool,
    loaded: BTreeMap<String, Object>,
}

impl Store {
    /// An empty store. `seed` decides the upload ids.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            seed,
            uploads_created: 0,
            buckets: BTreeMap::new(),
        }
    }

    /// Makes a bucket; `BucketExists` if there is one of that name.
    pub fn create_bucket(&mut self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        if self.buckets.contains_key(name) {
            return Err(StoreError::BucketExists {
                bucket: name.to_owned(),
            });
        }
        let bucket = Bucket {
            created: now,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            completed: BTreeMap::new(),
            writes: BTreeMap::new(),
            loads: false,
            loaded: BTreeMap::new(),
        };
        self.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Removes a bucket that holds no object. Pending uploads go with it.
    pub fn delete_bucket(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.bucket(name)?.objects.is_empty() {
            return Err(StoreError::BucketNotEmpty {
                bucket: name.to_owned(),
            });
        }
        self.buckets.remove(name);
        Ok(())
    }

    /// When the bucket was made; `NoSuchBucket` if it was not.
    pub fn bucket_created(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.bucket(name).map(|bucket| bucket.created)
    }

    /// Every bucket's name and when it was made, sorted by name.
    pub fn buckets(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.buckets
            .iter()
            .map(|(name, bucket)| (name.as_str(), bucket.created))
    }

    fn bucket(&self, name: &str) -> Result<&Bucket, StoreError> {
        self.buckets.get(name).ok_or_else(|| no_such_bucket(name))
    }

    fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, StoreError> {
        self.buckets
            .get_mut(name)
            .ok_or_else(|| no_such_bucket(name))
    }
}

fn no_such_bucket(name: &str) -> StoreError {
    StoreError::NoSuchBucket {
        bucket: name.to_owned(),
    }
}
