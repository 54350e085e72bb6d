//! An object store in memory, for tests: strict about parts, with faults on demand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{
    Completion, ContentType, Copied, Marker, ObjectInfo, ObjectStore, Page, PartBody,
    PendingUpload, Written,
};
use crate::checkpoint::{Location, Part, Staged, StagedFile, StagedObject, StagedUpload};
use crate::error::{Error, Result};
use bytes::Bytes;

/// What can be asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Create,
    Part,
    Complete,
    Abort,
    Head,
    List,
    Probe,
    Put,
    Get,
    Copy,
    Delete,
    ListObjects,
}

#[derive(Clone, Debug)]
pub(crate) struct Fake {
    location: Location,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a trait of the store that a test sets by itself"
)]
struct World {
    buckets: HashMap<Location, Bucket>,
    operations: Vec<Operation>,
    failures: HashMap<Operation, fn() -> Error>,
    unreachable: HashSet<Location>,
    failing: HashMap<Location, fn() -> Error>,
    hanging: HashSet<Operation>,
    slow: HashMap<Operation, Duration>,
    slow_early_parts: bool,
    completes_again: bool,
    is_minio: bool,
    has_versions: bool,
    next_id: u64,
    running: usize,
    most_running: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    uploads: BTreeMap<String, Pending>,
    objects: BTreeMap<String, Object>,
    deletions: Vec<(String, Option<String>)>,
    completed: HashSet<String>,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Vec<u8>,
    written: Written,
}

#[derive(Clone, Debug)]
struct Pending {
    key: String,
    parts: BTreeMap<u32, (Part, Bytes)>,
}

pub(crate) fn location(endpoint: &str) -> Location {
    Location {
        bucket: "lake".into(),
        region: "eu-west-1".into(),
        endpoint: Some(endpoint.into()),
        path_style: true,
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            location: location("http://fake"),
            world: Arc::default(),
        }
    }

    /// Says from now on that it is `MinIO`, and lists uploads as `MinIO` does.
    pub(crate) fn be_minio(&self) {
        self.world().is_minio = true;
    }

    /// Gives every object a version from now on.
    pub(crate) fn keep_versions(&self) {
        self.world().has_versions = true;
    }

    /// Every deletion so far, with the version that it named.
    pub(crate) fn deletions(&self) -> Vec<(String, Option<String>)> {
        self.bucket(|bucket| bucket.deletions.clone())
    }

    /// Every call of `operation` fails from now on.
    pub(crate) fn fail(&self, operation: Operation, error: fn() -> Error) {
        self.world().failures.insert(operation, error);
    }

    /// `operation` works again.
    pub(crate) fn heal(&self, operation: Operation) {
        self.world().failures.remove(&operation);
    }

    /// Every call to `location` fails from now on.
    pub(crate) fn cut_off(&self, location: &Location) {
        self.world().unreachable.insert(location.clone());
    }

    /// Every call to `location` fails so from now on.
    pub(crate) fn fail_at(&self, location: &Location, error: fn() -> Error) {
        self.world().failing.insert(location.clone(), error);
    }

    /// Every call of `operation` never returns from now on.
    pub(crate) fn hang(&self, operation: Operation) {
        self.world().hanging.insert(operation);
    }

    /// Calls of `operation` return again. Those that hang go on hanging.
    pub(crate) fn go_on(&self, operation: Operation) {
        self.world().hanging.remove(&operation);
    }

    /// Every call of `operation` takes that long from now on.
    pub(crate) fn slow_down(&self, operation: Operation, by: Duration) {
        self.world().slow.insert(operation, by);
    }

    /// The earlier a part, the later it arrives.
    pub(crate) fn slow_down_early_parts(&self) {
        self.world().slow_early_parts = true;
    }

    /// Answers a second completion as AWS does, and not as MinIO.
    pub(crate) fn complete_again(&self) {
        self.world().completes_again = true;
    }

    /// Everything asked so far.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.world().operations.clone()
    }

    /// Waits until `operation` was asked.
    pub(crate) async fn until(&self, operation: Operation) {
        while !self.operations().contains(&operation) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// The most completions that were running at once.
    pub(crate) fn most_running(&self) -> usize {
        self.world().most_running
    }

    /// The keys of pending uploads, sorted.
    pub(crate) fn pending(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.bucket(|bucket| {
            bucket
                .uploads
                .values()
                .map(|upload| upload.key.clone())
                .collect()
        });
        keys.sort();
        keys
    }

    /// The keys of objects outside of staging folders, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = self.all_keys();
        keys.retain(|key| !key.contains("_staged/"));
        keys
    }

    /// The keys of objects in staging folders, sorted.
    pub(crate) fn staged_keys(&self) -> Vec<String> {
        let mut keys = self.all_keys();
        keys.retain(|key| key.contains("_staged/"));
        keys
    }

    fn all_keys(&self) -> Vec<String> {
        self.bucket(|bucket| bucket.objects.keys().cloned().collect())
    }

    /// An object's bytes.
    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        self.bucket(|bucket| bucket.objects[key].bytes.clone())
    }

    pub(crate) fn place(&self, key: &str, bytes: Vec<u8>) -> Written {
        let written = {
            let mut world = self.world();
            world.next_id += 1;
            Written {
                etag: format!("\"etag-{}\"", world.next_id),
                version: world
                    .has_versions
                    .then(|| format!("version-{}", world.next_id)),
            }
        };
        let object = Object {
            bytes,
            written: written.clone(),
        };
        self.bucket(|bucket| bucket.objects.insert(key.into(), object));
        written
    }

    pub(crate) fn remove(&self, key: &str) {
        self.bucket(|bucket| bucket.objects.remove(key));
    }

    /// Stages a file of four bytes, as a multipart upload of one part.
    pub(crate) async fn stage(&self, key: &str, token: &str, staged_at: &str) -> StagedFile {
        let upload_id = self.create_upload(key).await.unwrap();
        let upload = PendingUpload {
            key: key.into(),
            upload_id: upload_id.clone(),
        };
        let part = self
            .upload_part(&upload, 1, Bytes::from_static(b"rows").into())
            .await
            .unwrap();
        let staged = Staged::Multipart(StagedUpload {
            upload_id,
            parts: vec![part],
        });
        self.staged_file(key, token, staged_at, staged)
    }

    /// Stages a file of four bytes, as an object.
    pub(crate) fn stage_object(&self, key: &str, token: &str, staged_at: &str) -> StagedFile {
        let staged_key = format!("_staged/{key}.staged");
        let Written { etag, version } = self.place(&staged_key, b"rows".to_vec());
        let staged = StagedObject {
            key: staged_key,
            etag,
            version,
        };
        self.staged_file(key, token, staged_at, Staged::Copy { staged })
    }

    fn staged_file(&self, key: &str, token: &str, staged_at: &str, staged: Staged) -> StagedFile {
        StagedFile {
            location: self.location.clone(),
            key: key.into(),
            token: token.into(),
            bytes: 4,
            rows: 1,
            staged_at: staged_at.parse().unwrap(),
            receipt: Some("_staged/a.receipt".into()),
            failing_since: None,
            staged,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn bucket<T>(&self, look: impl FnOnce(&mut Bucket) -> T) -> T {
        look(
            self.world()
                .buckets
                .entry(self.location.clone())
                .or_default(),
        )
    }

    async fn begin(&self, operation: Operation) -> Result<()> {
        let (failure, hangs, slow) = {
            let mut world = self.world();
            world.operations.push(operation);
            (
                world.failures.get(&operation).copied(),
                world.hanging.contains(&operation),
                world.slow.get(&operation).copied(),
            )
        };
        if let Some(slow) = slow {
            tokio::time::sleep(slow).await;
        }
        if hangs {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        if self.world().unreachable.contains(&self.location) {
            return Err(Error::new(
                crate::error::ErrorKind::Unavailable,
                format!("{} cannot be reached", self.location),
            ));
        }
        let failing = self.world().failing.get(&self.location).copied();
        failure.or(failing).map_or(Ok(()), |failure| Err(failure()))
    }

    fn complete_now(&self, key: &str, upload: &StagedUpload) -> Result<Completion> {
        let again = self.world().completes_again;
        let bytes = self.bucket(|bucket| {
            let Some(pending) = bucket.uploads.get(&upload.upload_id) else {
                let completed = again && bucket.completed.contains(&upload.upload_id);
                return Ok(Err(if completed {
                    Completion::Completed(Written::default())
                } else {
                    Completion::NoSuchUpload
                }));
            };
            let parts: Vec<Part> = pending
                .parts
                .values()
                .map(|(part, _)| part.clone())
                .collect();
            if pending.key != key {
                return Err(Error::internal("the upload has another key"));
            }
            if parts != upload.parts {
                return Ok(Err(Completion::NoSuchPart));
            }
            let pending = bucket.uploads.remove(&upload.upload_id).unwrap();
            assert!(!bucket.objects.contains_key(key), "{key} is overwritten");
            bucket.completed.insert(upload.upload_id.clone());
            let bodies = pending.parts.values();
            Ok(Ok(bodies.flat_map(|(_, body)| body.to_vec()).collect()))
        })?;
        Ok(match bytes {
            Ok(bytes) => Completion::Completed(self.place(key, bytes)),
            Err(completion) => completion,
        })
    }

    /// Counts what runs at once.
    async fn begin_counted(&self, operation: Operation) -> Result<()> {
        {
            let mut world = self.world();
            world.running += 1;
            world.most_running = world.most_running.max(world.running);
        }
        let begun = self.begin(operation).await;
        self.world().running -= 1;
        begun
    }
}

impl ObjectStore for Fake {
    fn location(&self) -> &Location {
        &self.location
    }

    fn at(&self, location: &Location) -> Self {
        Self {
            location: location.clone(),
            world: Arc::clone(&self.world),
        }
    }

    async fn is_minio(&self, _: &str) -> Result<bool> {
        self.begin(Operation::Probe).await?;
        Ok(self.world().is_minio)
    }

    async fn create_upload(&self, key: &str) -> Result<String> {
        self.begin(Operation::Create).await?;
        let id = {
            let mut world = self.world();
            world.next_id += 1;
            format!("id-{}", world.next_id)
        };
        let pending = Pending {
            key: key.into(),
            parts: BTreeMap::new(),
        };
        self.bucket(|bucket| bucket.uploads.insert(id.clone(), pending));
        Ok(id)
    }

    async fn upload_part(
        &self,
        upload: &PendingUpload,
        number: u32,
        body: PartBody,
    ) -> Result<Part> {
        self.begin(Operation::Part).await?;
        if self.world().slow_early_parts {
            tokio::time::sleep(Duration::from_millis(u64::from(20 / number))).await;
        }
        let part = Part {
            etag: format!("\"{}-{number}\"", upload.upload_id),
            crc32: Some(body.crc32().to_string()),
        };
        // The bytes are copied, so that the part's place is free again.
        let copy = Bytes::from(body.chunks().concat());
        self.bucket(|bucket| {
            let pending = bucket
                .uploads
                .get_mut(&upload.upload_id)
                .ok_or_else(|| Error::internal("NoSuchUpload"))?;
            pending.parts.insert(number, (part.clone(), copy));
            Ok(part)
        })
    }

    async fn complete(&self, key: &str, upload: &StagedUpload) -> Result<Completion> {
        self.begin_counted(Operation::Complete).await?;
        self.complete_now(key, upload)
    }

    async fn abort(&self, upload: &PendingUpload) -> Result<()> {
        self.begin(Operation::Abort).await?;
        self.bucket(|bucket| bucket.uploads.remove(&upload.upload_id));
        Ok(())
    }

    async fn put(&self, key: &str, body: PartBody, _: ContentType) -> Result<Written> {
        self.begin(Operation::Put).await?;
        Ok(self.place(key, body.chunks().concat()))
    }

    async fn copy(&self, from: &StagedObject, _: u64, key: &str) -> Result<Copied> {
        self.begin_counted(Operation::Copy).await?;
        let source = self.bucket(|bucket| bucket.objects.get(&from.key).cloned());
        match source {
            Some(source) if source.written.etag == from.etag => {
                self.place(key, source.bytes);
                Ok(Copied::Done)
            }
            _ => Ok(Copied::NoSource),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        self.begin(Operation::Head).await?;
        let info = |object: &Object| ObjectInfo {
            bytes: object.bytes.len() as u64,
            written: object.written.clone(),
        };
        Ok(self.bucket(|bucket| bucket.objects.get(key).map(info)))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.begin(Operation::Get).await?;
        let bytes = |object: &Object| Bytes::from(object.bytes.clone());
        Ok(self.bucket(|bucket| bucket.objects.get(key).map(bytes)))
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<()> {
        self.begin(Operation::Delete).await?;
        self.bucket(|bucket| {
            bucket.objects.remove(key);
            let version = version.map(str::to_owned);
            bucket.deletions.push((key.to_owned(), version));
        });
        Ok(())
    }

    async fn list_uploads(&self, prefix: &str, _: Option<Marker>) -> Result<Page<PendingUpload>> {
        self.begin(Operation::List).await?;
        let lists_all = !self.world().is_minio || prefix.is_empty();
        let items = self.bucket(|bucket| {
            let uploads = bucket.uploads.iter().map(|(id, upload)| PendingUpload {
                key: upload.key.clone(),
                upload_id: id.clone(),
            });
            uploads
                .filter(|upload| lists_all && upload.key.starts_with(prefix))
                .collect()
        });
        Ok(Page { items, next: None })
    }

    /// Lists two keys a page.
    async fn list_objects(&self, prefix: &str, from: Option<Marker>) -> Result<Page<String>> {
        self.begin(Operation::ListObjects).await?;
        let after = from.map(|marker| marker.key);
        let mut items: Vec<String> = self.all_keys();
        items.retain(|key| {
            key.starts_with(prefix) && after.as_ref().is_none_or(|after| key > after)
        });
        let next = (items.len() > 2).then(|| Marker {
            key: items[1].clone(),
            upload_id: None,
        });
        items.truncate(2);
        Ok(Page { items, next })
    }
}
