//! Versions: what a bucket keeps of an object that was overwritten or deleted, where it keeps
//! versions.

use super::{Bucket, Object, ObjectRef, Store, StoreError};

/// A version that is not visible.
#[derive(Clone, Debug)]
pub enum Version {
    /// An object that was overwritten, or hidden by a delete marker.
    Object(Object),
    /// A mark that the key was deleted, with its id.
    DeleteMarker(String),
}

impl Version {
    /// Its id; none of an object that was written before the bucket kept versions.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Object(object) => object.version.as_deref(),
            Self::DeleteMarker(id) => Some(id),
        }
    }
}

/// What a deletion came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Whether an object, or a version, is gone or hidden that was there.
    pub found: bool,
    /// The version that was removed, or the delete marker that was made.
    pub version: Option<String>,
    /// Whether that version is a delete marker.
    pub is_marker: bool,
}

impl Store {
    /// One version of an object, or the visible one.
    pub fn version(&self, object: ObjectRef<'_>) -> Result<&Object, StoreError> {
        let Some(version) = object.version else {
            return self.object(object.bucket, object.key);
        };
        let bucket = self.bucket(object.bucket)?;
        let visible = bucket.objects.get(object.key);
        if let Some(visible) =
            visible.filter(|visible| is_named(visible.version.as_deref(), version))
        {
            return Ok(visible);
        }
        let (key, version) = (object.key.to_owned(), version.to_owned());
        let mut older = bucket.older.get(object.key).into_iter().flatten();
        match older.find(|older| is_named(older.id(), &version)) {
            Some(Version::Object(object)) => Ok(object),
            Some(Version::DeleteMarker(_)) => Err(StoreError::DeleteMarker { key, version }),
            None => Err(StoreError::NoSuchVersion { key, version }),
        }
    }

    /// The versions of a key that are not visible, oldest first.
    pub fn older_versions(&self, bucket: &str, key: &str) -> Result<&[Version], StoreError> {
        let older = self.bucket(bucket)?.older.get(key);
        Ok(older.map_or(&[], Vec::as_slice))
    }

    /// Removes an object and says whether there was one. Where the bucket keeps versions it is only
    /// hidden.
    pub fn remove_object(&mut self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        let deleted = self.delete(ObjectRef {
            bucket,
            key,
            version: None,
        })?;
        Ok(deleted.found)
    }

    /// Removes a version for good; or, where none is named, the object, of which a bucket that
    /// keeps versions leaves a delete marker. What is not there is no error.
    pub fn delete(&mut self, object: ObjectRef<'_>) -> Result<Deleted, StoreError> {
        let bucket = self.bucket_mut(object.bucket)?;
        Ok(match object.version {
            Some(version) => bucket.remove_version(object.key, version),
            None => bucket.hide(object.key),
        })
    }
}

impl Bucket {
    /// The id of the version that is about to be written, where the bucket keeps versions.
    pub(super) fn next_version(&mut self) -> Option<String> {
        self.version_ids.as_mut().map(super::Ids::make)
    }

    /// Keeps what has been visible until now, where the bucket keeps versions.
    pub(super) fn keep(&mut self, key: &str, version: Version) {
        if self.version_ids.is_some() {
            self.older.entry(key.to_owned()).or_default().push(version);
        }
    }

    fn hide(&mut self, key: &str) -> Deleted {
        let visible = self.objects.remove(key);
        self.take_after(key);
        let found = visible.is_some();
        if let Some(object) = visible {
            self.keep(key, Version::Object(object));
        }
        let marker = self.next_version();
        if let Some(id) = marker.clone() {
            self.keep(key, Version::DeleteMarker(id));
        }
        Deleted {
            found,
            is_marker: marker.is_some(),
            version: marker,
        }
    }

    fn remove_version(&mut self, key: &str, version: &str) -> Deleted {
        let visible = self.objects.get(key);
        if visible.is_some_and(|object| is_named(object.version.as_deref(), version)) {
            self.objects.remove(key);
            self.uncover(key);
            if !self.objects.contains_key(key) {
                self.take_after(key);
            }
            return removed(version, false);
        }
        let Some(older) = self.older.get_mut(key) else {
            return Deleted::default();
        };
        let Some(at) = older.iter().position(|older| is_named(older.id(), version)) else {
            return Deleted::default();
        };
        let is_marker = matches!(older.remove(at), Version::DeleteMarker(_));
        self.uncover(key);
        removed(version, is_marker)
    }

    /// Where nothing is visible under a key, its latest version becomes so, unless that is a delete
    /// marker.
    fn uncover(&mut self, key: &str) {
        let Some(older) = self.older.get_mut(key) else {
            return;
        };
        let is_object = |version: &mut Version| matches!(version, Version::Object(_));
        if !self.objects.contains_key(key)
            && let Some(Version::Object(object)) = older.pop_if(is_object)
        {
            self.objects.insert(key.to_owned(), object);
        }
        if older.is_empty() {
            self.older.remove(key);
        }
    }
}

fn removed(version: &str, is_marker: bool) -> Deleted {
    Deleted {
        found: true,
        version: Some(version.to_owned()),
        is_marker,
    }
}

/// Whether a version's id is this one. What was written while no versions were kept is called
/// `null`.
fn is_named(id: Option<&str>, version: &str) -> bool {
    id.unwrap_or("null") == version
}
