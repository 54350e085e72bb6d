//! An object store in memory, for tests: strict about parts, with faults on demand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Completion, ListedUpload, ObjectInfo, ObjectStore, PartBody, PendingUpload};
use crate::checkpoint::{Location, Part, StagedUpload};
use crate::error::{Error, Result};

/// What can be asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Create,
    Part,
    Complete,
    Abort,
    Head,
    List,
}

#[derive(Clone, Debug)]
pub(crate) struct Fake {
    location: Location,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    buckets: HashMap<Location, Bucket>,
    operations: Vec<Operation>,
    failures: HashMap<Operation, fn() -> Error>,
    unreachable: HashSet<Location>,
    hanging: HashSet<Operation>,
    slow_early_parts: bool,
    completes_again: bool,
    next_id: u64,
    time: Timestamp,
    running: usize,
    most_running: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    uploads: BTreeMap<String, Pending>,
    objects: BTreeMap<String, (Vec<u8>, String)>,
    completed: HashSet<String>,
}

#[derive(Clone, Debug)]
struct Pending {
    key: String,
    token: String,
    parts: BTreeMap<u32, (Part, Bytes)>,
    initiated: Timestamp,
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

    /// Uploads are created at `time` from now on; before that, at the Unix epoch.
    pub(crate) fn set_time(&self, time: Timestamp) {
        self.world().time = time;
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

    /// Every call of `operation` never returns from now on.
    pub(crate) fn hang(&self, operation: Operation) {
        self.world().hanging.insert(operation);
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

    /// The keys of objects, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.bucket(|bucket| bucket.objects.keys().cloned().collect())
    }

    /// An object's bytes.
    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        self.bucket(|bucket| bucket.objects[key].0.clone())
    }

    pub(crate) fn put(&self, key: &str, token: &str, bytes: Vec<u8>) {
        self.bucket(|bucket| bucket.objects.insert(key.into(), (bytes, token.into())));
    }

    pub(crate) fn remove(&self, key: &str) {
        self.bucket(|bucket| bucket.objects.remove(key));
    }

    /// Stages a file of one part.
    pub(crate) async fn stage(&self, key: &str, token: &str, staged_at: &str) -> StagedUpload {
        let upload_id = self.create_upload(key, token).await.unwrap();
        let upload = PendingUpload {
            key: key.into(),
            upload_id: upload_id.clone(),
        };
        let part = self
            .upload_part(&upload, 1, Bytes::from_static(b"rows").into())
            .await
            .unwrap();
        StagedUpload {
            location: self.location.clone(),
            key: key.into(),
            upload_id,
            token: token.into(),
            parts: vec![part],
            bytes: 4,
            rows: 1,
            staged_at: staged_at.parse().unwrap(),
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
        let (failure, hangs) = {
            let mut world = self.world();
            world.operations.push(operation);
            (
                world.failures.get(&operation).copied(),
                world.hanging.contains(&operation),
            )
        };
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
        failure.map_or(Ok(()), |failure| Err(failure()))
    }

    fn complete_now(&self, upload: &StagedUpload) -> Result<Completion> {
        let again = self.world().completes_again;
        self.bucket(|bucket| {
            let Some(pending) = bucket.uploads.get(&upload.upload_id) else {
                let completed = again && bucket.completed.contains(&upload.upload_id);
                return Ok(if completed {
                    Completion::Completed
                } else {
                    Completion::NoSuchUpload
                });
            };
            let parts: Vec<Part> = pending
                .parts
                .values()
                .map(|(part, _)| part.clone())
                .collect();
            if pending.key != upload.key {
                return Err(Error::internal("the upload has another key"));
            }
            if parts != upload.parts {
                return Ok(Completion::NoSuchPart);
            }
            let pending = bucket.uploads.remove(&upload.upload_id).unwrap();
            let bytes = pending
                .parts
                .values()
                .flat_map(|(_, body)| body.to_vec())
                .collect();
            assert!(
                !bucket.objects.contains_key(&pending.key),
                "{} is overwritten",
                pending.key
            );
            bucket.objects.insert(pending.key, (bytes, pending.token));
            bucket.completed.insert(upload.upload_id.clone());
            Ok(Completion::Completed)
        })
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

    async fn create_upload(&self, key: &str, token: &str) -> Result<String> {
        self.begin(Operation::Create).await?;
        let id = {
            let mut world = self.world();
            world.next_id += 1;
            format!("id-{}", world.next_id)
        };
        let pending = Pending {
            key: key.into(),
            token: token.into(),
            parts: BTreeMap::new(),
            initiated: self.world().time,
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

    async fn complete(&self, upload: &StagedUpload) -> Result<Completion> {
        {
            let mut world = self.world();
            world.running += 1;
            world.most_running = world.most_running.max(world.running);
        }
        let begun = self.begin(Operation::Complete).await;
        self.world().running -= 1;
        begun.and_then(|()| self.complete_now(upload))
    }

    async fn abort(&self, upload: &PendingUpload) -> Result<()> {
        self.begin(Operation::Abort).await?;
        self.bucket(|bucket| bucket.uploads.remove(&upload.upload_id));
        Ok(())
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>> {
        self.begin(Operation::Head).await?;
        let info = |(bytes, token): &(Vec<u8>, String)| ObjectInfo {
            bytes: bytes.len() as u64,
            token: Some(token.clone()),
        };
        Ok(self.bucket(|bucket| bucket.objects.get(key).map(info)))
    }

    async fn list_uploads(&self, prefix: &str) -> Result<Vec<ListedUpload>> {
        self.begin(Operation::List).await?;
        Ok(self.bucket(|bucket| {
            let listed = bucket.uploads.iter().map(|(id, upload)| ListedUpload {
                upload: PendingUpload {
                    key: upload.key.clone(),
                    upload_id: id.clone(),
                },
                initiated: Some(upload.initiated),
            });
            listed
                .filter(|listed| listed.upload.key.starts_with(prefix))
                .collect()
        }))
    }
}
