//! Why a file is missing: nothing but a cause that was recorded excuses it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::owner;
use super::servers::BUCKETS;
use super::staged::{StagedEntry, Way};
use super::world::{Named, World};
use crate::s3::{ObjectRef, Recompletion, Store, UploadRef};
use crate::staging::file_of;

impl World {
    /// Whether nobody can tell what has become of a staged file: it is neither staged any more nor
    /// visible, no receipt names it, and the server will not say that it was completed.
    pub(super) fn is_unknown(&self, entry: &StagedEntry) -> bool {
        let completes_again =
            self.plan.server.manners.rules().recompletion == Recompletion::Accepted;
        self.servers.with_store(|store| {
            let was_visible = was_visible(store, entry);
            let is_visible = was_visible && !is_loaded(store, entry);
            let is_accepted = completes_again && was_visible && matches!(entry.way, Way::Upload(_));
            !(is_visible || is_accepted || is_staged(store, entry) || is_told(store, entry))
        })
    }

    /// Whether a receipt tells of a file, and rightly so.
    pub(super) fn is_told(&self, entry: &StagedEntry) -> bool {
        self.servers.with_store(|store| is_told(store, entry))
    }

    /// Whether a file still waits to be made visible, and can be.
    pub(super) fn is_staged(&self, entry: &StagedEntry) -> bool {
        self.servers
            .with_store(|store| is_staged(store, entry) && !was_visible(store, entry))
    }

    /// Whether a file is visible, or was once.
    pub(super) fn was_visible(&self, entry: &StagedEntry) -> bool {
        self.servers.with_store(|store| was_visible(store, entry))
    }

    /// Whether a loader has taken a file.
    pub(super) fn is_loaded(&self, entry: &StagedEntry) -> bool {
        self.servers.with_store(|store| is_loaded(store, entry))
    }

    /// The files that may be missing, because it was recorded what took them.
    pub(super) fn may_be_missing(&self) -> BTreeSet<String> {
        let record = self.record();
        let excused = self.servers.with_store(|store| {
            let excused = record.named.iter().filter(|named| is_excused(store, named));
            excused.map(|named| named.entry.key.clone()).collect()
        });
        let excused: BTreeSet<String> = excused;
        excused.union(&record.deleted).cloned().collect()
    }

    /// What a rule of the bucket does: removes every incomplete upload and every staged object but
    /// receipts, of sessions and not of bystanders. It spares what a visible file was copied
    /// from: a loader would take that for the end of its twin, as README tells.
    pub(super) fn expire(&self) {
        let bystanders = self.bystanders();
        self.servers.with_store(|store| {
            for bucket in BUCKETS {
                let uploads = store.uploads(bucket).expect("the bucket was made");
                let uploads = uploads.map(|(key, id, _)| (key.to_owned(), id.to_owned()));
                for (key, upload_id) in uploads.collect::<Vec<_>>() {
                    if bystanders.has_upload(&key, &upload_id) {
                        continue;
                    }
                    let upload = UploadRef {
                        bucket,
                        key: &key,
                        upload_id: &upload_id,
                    };
                    // It was there a moment ago; a connector may have been quicker.
                    let _ = store.expire_upload(upload);
                }
                for key in staged_keys(store, bucket) {
                    let is_spared = is_receipt(&key) || is_copied(store, bucket, &key);
                    if !is_spared && !bystanders.has_object(&key) {
                        let _ = store.expire_object(bucket, &key);
                    }
                }
            }
        });
    }

    /// Takes every receipt away that is of a session.
    pub(super) fn lose_receipts(&self) {
        let bystanders = self.bystanders();
        self.servers.with_store(|store| {
            for bucket in BUCKETS {
                for key in staged_keys(store, bucket) {
                    if !bystanders.has_object(&key) && is_receipt(&key) {
                        let _ = store.remove_object(bucket, &key);
                    }
                }
            }
        });
    }
}

/// The keys of everything below `_staged/`.
pub(super) fn staged_keys(store: &Store, bucket: &str) -> Vec<String> {
    let objects = store.staged_objects(bucket).expect("the bucket was made");
    objects.map(|(key, _)| key.to_owned()).collect()
}

/// Whether a file was copied from a staged object.
fn is_copied(store: &Store, bucket: &str, key: &str) -> bool {
    let file = file_of(key);
    let writes = store.writes(bucket).expect("the bucket was made");
    file.is_some() && writes.keys().any(|key| key.rsplit('/').next() == file)
}

fn is_receipt(key: &str) -> bool {
    key.ends_with(".receipt") && owner(key).is_some()
}

fn upload<'a>(entry: &'a StagedEntry, upload_id: &'a str) -> UploadRef<'a> {
    UploadRef {
        bucket: &entry.bucket,
        key: &entry.key,
        upload_id,
    }
}

fn has_upload(uploads: &BTreeSet<(String, String)>, entry: &StagedEntry, id: &str) -> bool {
    uploads.contains(&(entry.key.clone(), id.to_owned()))
}

/// Whether a file still waits to be made visible, and can be.
fn is_staged(store: &Store, entry: &StagedEntry) -> bool {
    match &entry.way {
        Way::Upload(id) => {
            let lost = store.lost_uploads(&entry.bucket);
            store.upload(upload(entry, id)).is_ok()
                && !lost.is_ok_and(|lost| has_upload(lost, entry, id))
        }
        // A rule only hides a version.
        Way::Object { key, version } => {
            let object = ObjectRef {
                bucket: &entry.bucket,
                key,
                version: version.as_deref(),
            };
            store.version(object).is_ok()
        }
    }
}

fn was_visible(store: &Store, entry: &StagedEntry) -> bool {
    let writes = store.writes(&entry.bucket);
    writes.is_ok_and(|writes| writes.contains_key(&entry.key))
}

fn is_loaded(store: &Store, entry: &StagedEntry) -> bool {
    let loaded = store.loaded(&entry.bucket);
    loaded.is_ok_and(|loaded| loaded.contains_key(&entry.key))
}

fn is_told(store: &Store, entry: &StagedEntry) -> bool {
    let Some(receipt) = entry.receipt.as_ref().filter(|_| was_visible(store, entry)) else {
        return false;
    };
    let Ok(object) = store.object(&entry.bucket, receipt) else {
        return false;
    };
    let told: Value = serde_json::from_slice(&object.payload.to_bytes()).unwrap_or_default();
    let tokens = told.get("tokens").and_then(Value::as_array);
    let mut tokens = tokens.into_iter().flatten().filter_map(Value::as_str);
    tokens.any(|token| token == entry.token)
}

fn is_excused(store: &Store, Named { entry, may_be_lost }: &Named) -> bool {
    if was_visible(store, entry) {
        return false;
    }
    let bucket = &entry.bucket;
    match &entry.way {
        Way::Upload(id) => {
            let expired = store.expired_uploads(bucket);
            let lost = store.lost_uploads(bucket);
            expired.is_ok_and(|expired| has_upload(expired, entry, id))
                || (*may_be_lost && lost.is_ok_and(|lost| has_upload(lost, entry, id)))
        }
        Way::Object { key, .. } => {
            let expired = store.expired_objects(bucket);
            expired.is_ok_and(|expired| expired.contains(key))
        }
    }
}
