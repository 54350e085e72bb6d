//! The store itself: buckets, objects and multipart uploads in memory, with the rules of S3 and
//! none of its HTTP.
//!
//! Everything here is synchronous and pure: time comes in as an argument, upload ids come from a
//! seed and a counter, and every listing is sorted, so that the same calls always give the same
//! answers.

mod checksum;
mod copy;
mod error;
mod expiry;
mod ids;
mod listing;
mod multipart;
mod object;
mod payload;
#[cfg(test)]
mod tests;
mod version;

pub(super) use checksum::Digest;
pub use checksum::{Algorithm, Checksum};
pub use copy::CopyRequest;
pub use error::StoreError;
pub use listing::{ObjectPage, ObjectQuery, PartPage, UploadPage, UploadQuery};
pub use multipart::{Completed, Part, PartClaim, Upload, UploadRef};
pub use object::{Attributes, Content, Object, ObjectRef};
pub use payload::Payload;
pub use version::{Deleted, Version};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::ids::Ids;
use crate::s3::manners::Rules;

/// All buckets of one server.
#[derive(Debug)]
pub struct Store {
    rules: Rules,
    seed: u64,
    upload_ids: Ids,
    buckets: BTreeMap<String, Bucket>,
}

/// One bucket. Uploads are sorted by key and then by age, because upload ids begin with their
/// counter.
#[derive(Debug)]
struct Bucket {
    created: Timestamp,
    objects: BTreeMap<String, Object>,
    /// Makes the ids of versions; none where the bucket keeps none.
    version_ids: Option<Ids>,
    /// The versions of each key below the visible one, oldest first.
    older: BTreeMap<String, Vec<Version>>,
    uploads: BTreeMap<(String, String), Upload>,
    completed: BTreeMap<(String, String), Completed>,
    /// Uploads that the server has lost, as key and upload id.
    lost: BTreeSet<(String, String)>,
    /// Uploads that a rule has ended.
    expired_uploads: BTreeSet<(String, String)>,
    /// Objects that a rule has removed.
    expired_objects: BTreeSet<String>,
    writes: BTreeMap<String, u64>,
    loads: bool,
    loaded: BTreeMap<String, Object>,
}

impl Store {
    /// An empty store. `seed` decides the ids of uploads and versions, and which completions are
    /// lost.
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            seed,
            upload_ids: Ids::new(seed),
            buckets: BTreeMap::new(),
        }
    }

    /// The rules it goes by.
    pub fn rules(&self) -> &Rules {
        &self.rules
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
            version_ids: self.rules.versioned.then(|| Ids::new(!self.seed)),
            older: BTreeMap::new(),
            uploads: BTreeMap::new(),
            completed: BTreeMap::new(),
            lost: BTreeSet::new(),
            expired_uploads: BTreeSet::new(),
            expired_objects: BTreeSet::new(),
            writes: BTreeMap::new(),
            loads: false,
            loaded: BTreeMap::new(),
        };
        self.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Removes a bucket that holds no object, nor a version of one. Pending uploads go with it.
    pub fn delete_bucket(&mut self, name: &str) -> Result<(), StoreError> {
        let bucket = self.bucket(name)?;
        if !bucket.objects.is_empty() || !bucket.older.is_empty() {
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
