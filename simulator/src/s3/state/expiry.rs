//! Lifecycle rules: what a bucket removes by itself. All of it is recorded, so that a loss can be
//! told by its cause.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::multipart::identity;
use super::{Store, StoreError, UploadRef};

impl Store {
    /// Ends one upload as a rule does.
    pub fn expire_upload(&mut self, upload: UploadRef<'_>) -> Result<(), StoreError> {
        self.abort_upload(upload)?;
        let expired = &mut self.bucket_mut(upload.bucket)?.expired_uploads;
        expired.insert(identity(upload));
        Ok(())
    }

    /// Ends every upload of the bucket that was created before `before`, and says how many.
    pub fn expire_uploads(&mut self, bucket: &str, before: Timestamp) -> Result<usize, StoreError> {
        let bucket = self.bucket_mut(bucket)?;
        let is_old = |upload: &super::Upload| upload.initiated < before;
        let old = bucket.uploads.extract_if(.., |_, upload| is_old(upload));
        let old: BTreeSet<(String, String)> = old.map(|(identity, _)| identity).collect();
        let count = old.len();
        bucket.expired_uploads.extend(old);
        Ok(count)
    }

    /// Every upload that a rule has ended, as key and upload id.
    pub fn expired_uploads(&self, bucket: &str) -> Result<&BTreeSet<(String, String)>, StoreError> {
        self.bucket(bucket).map(|bucket| &bucket.expired_uploads)
    }

    /// Removes one object as a rule does, and says whether there was one.
    pub fn expire_object(&mut self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        let found = self.remove_object(bucket, key)?;
        if found {
            let expired = &mut self.bucket_mut(bucket)?.expired_objects;
            expired.insert(key.to_owned());
        }
        Ok(found)
    }

    /// Removes every object below a prefix that was written before `before`, and returns their
    /// keys.
    pub fn expire_objects(
        &mut self,
        bucket: &str,
        prefix: &str,
        before: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let is_old = |object: &super::Object| object.modified < before;
        let old: Vec<String> = self
            .objects(bucket)?
            .filter(|(key, object)| key.starts_with(prefix) && is_old(object))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in &old {
            self.expire_object(bucket, key)?;
        }
        Ok(old)
    }

    /// The keys of all objects that a rule has removed.
    pub fn expired_objects(&self, bucket: &str) -> Result<&BTreeSet<String>, StoreError> {
        self.bucket(bucket).map(|bucket| &bucket.expired_objects)
    }
}
