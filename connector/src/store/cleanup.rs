//! Throwing away what no checkpoint can name, so that it does not cost money for ever. Best effort:
//! a store that cannot list, or credentials that may not, are no error.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::way::Commit;
use super::{Marker, ObjectStore, Page, PendingUpload};
use crate::checkpoint::StagedFile;
use crate::error::{ErrorKind, Result};
use crate::keys::{Author, STAGING_FOLDER, is_receipt};

/// How long throwing away may hold up the error at the end of a session.
const PATIENCE: Duration = Duration::from_secs(30);

/// The prefixes that are listed at once.
const AT_ONCE: usize = 8;

/// Throws staged files away that no checkpoint can name; failures are logged.
pub async fn discard_all<S: ObjectStore>(store: &S, files: impl IntoIterator<Item = StagedFile>) {
    let discard = |file: StagedFile| {
        let store = store.clone();
        async move {
            let discarded = file.staged.discard(&store, &file.key).await;
            warn_of(&file.key, discarded);
        }
    };
    all_within_patience(files.into_iter().map(discard)).await;
}

/// Aborts uploads; failures are logged, and left to the bucket's lifecycle rule.
pub(super) async fn abort_all<S: ObjectStore>(
    store: &S,
    uploads: impl IntoIterator<Item = PendingUpload>,
) {
    let abort = |upload: PendingUpload| {
        let store = store.clone();
        async move { warn_of(&upload.key, store.abort(&upload).await) }
    };
    all_within_patience(uploads.into_iter().map(abort)).await;
}

/// Deletes staged objects, each of them or one version of it; failures are logged.
pub(super) async fn delete_all<S: ObjectStore>(
    store: &S,
    objects: impl IntoIterator<Item = (String, Option<String>)>,
) {
    let delete = |(key, version): (String, Option<String>)| {
        let store = store.clone();
        async move { warn_of(&key, store.delete(&key, version.as_deref()).await) }
    };
    all_within_patience(objects.into_iter().map(delete)).await;
}

fn warn_of(key: &str, discarded: Result<()>) {
    if let Err(error) = discarded {
        warn!(
            key,
            %error,
            "what was staged in vain could not be thrown away; a later session or a lifecycle rule will"
        );
    }
}

/// Runs all of `works` at once, for half a minute at most.
async fn all_within_patience<F>(works: impl Iterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let running: JoinSet<()> = works.collect();
    if timeout(PATIENCE, running.join_all()).await.is_err() {
        warn!("throwing away what was staged in vain took too long and was left off");
    }
}

/// What earlier sessions of this shard have left behind: theirs, and not named by the state.
///
/// The writers are those of the state as it was read, so their sessions were fenced off before that
/// and cannot commit any more. A successor's writer, and that of any session with another state, is
/// never among them.
#[derive(Clone, Debug, Default)]
pub struct LeftBehind {
    /// The earlier sessions.
    pub authors: BTreeSet<Author>,
    /// The ids of the uploads, and the keys of the staged objects and receipts, that the state
    /// names.
    pub named: HashSet<String>,
}

impl LeftBehind {
    fn includes(&self, key: &str, id: &str) -> bool {
        Author::of(key).is_some_and(|author| self.authors.contains(&author))
            && !self.named.contains(id)
    }
}

/// The places to look for what was left behind.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    /// The prefixes below which files stand.
    pub files: Vec<String>,
    /// The staging folders.
    pub staging: Vec<String>,
}

/// Aborts and deletes what earlier sessions have left behind. `key` is one under which nothing is.
pub async fn clean_up<S: ObjectStore>(store: S, left: LeftBehind, prefixes: Prefixes, key: String) {
    if left.authors.is_empty() {
        return;
    }
    let Prefixes { mut files, staging } = prefixes;
    files.extend(staging.iter().cloned());
    // MinIO lists uploads by exact key or by whole bucket, and finds nothing below a prefix.
    let lists_whole = store.location().endpoint.is_some() && is_minio(&store, &key).await;
    let uploads = if lists_whole {
        vec![String::new()]
    } else {
        outermost(files)
    };
    let left = Arc::new(left);
    let aborted = below(uploads, |prefix| {
        abort_below(store.clone(), Arc::clone(&left), prefix)
    });
    let aborted = aborted.await;
    let deleted = below(outermost(staging), |prefix| {
        delete_below(store.clone(), Arc::clone(&left), prefix)
    });
    let deleted = deleted.await;
    if aborted + deleted > 0 {
        info!(
            uploads = aborted,
            objects = deleted,
            "threw away what earlier sessions had left behind"
        );
    }
}

async fn is_minio<S: ObjectStore>(store: &S, key: &str) -> bool {
    store.is_minio(key).await.unwrap_or(false)
}

/// Works on several prefixes at once, until one is refused. Returns how much was thrown away.
async fn below<F>(prefixes: Vec<String>, work: impl Fn(String) -> F) -> usize
where
    F: Future<Output = Result<usize>> + Send + 'static,
{
    let mut waiting = prefixes.into_iter();
    let mut running: JoinSet<_> = waiting.by_ref().take(AT_ONCE).map(&work).collect();
    let mut count = 0;
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok(Ok(thrown_away)) => count += thrown_away,
            Ok(Err(error)) => {
                info!(
                    %error,
                    "what earlier sessions left behind cannot be listed, and is left to a lifecycle rule"
                );
                return count;
            }
            // A panic is reported where it happens.
            Err(_) => {}
        }
        if let Some(prefix) = waiting.next() {
            running.spawn(work(prefix));
        }
    }
    count
}

async fn abort_below<S: ObjectStore>(
    store: S,
    left: Arc<LeftBehind>,
    prefix: String,
) -> Result<usize> {
    let mut aborted = 0;
    let mut from: Option<Marker> = None;
    loop {
        let Page { items, next } = store.list_uploads(&prefix, from).await?;
        for upload in items {
            if left.includes(&upload.key, &upload.upload_id) && abort(&store, &upload).await {
                aborted += 1;
            }
        }
        if next.is_none() {
            return Ok(aborted);
        }
        from = next;
    }
}

/// Aborts an upload, unless there is an object under its key: on some stores the object of a
/// completed upload goes with it. Returns whether it is gone.
async fn abort<S: ObjectStore>(store: &S, upload: &PendingUpload) -> bool {
    let is_aws = store.location().endpoint.is_none();
    match store.head(&upload.key).await {
        Ok(None) => {}
        // So AWS answers where `s3:ListBucket` is not allowed; there no object goes with an upload.
        Err(error) if is_aws && error.kind() == ErrorKind::Auth => {}
        Ok(Some(_)) => return false,
        Err(error) => {
            debug!(key = upload.key, %error, "an upload that was left behind cannot be judged");
            return false;
        }
    }
    let aborted = store.abort(upload).await;
    if let Err(error) = &aborted {
        debug!(key = upload.key, %error, "an upload that was left behind cannot be aborted");
    }
    aborted.is_ok()
}

async fn delete_below<S: ObjectStore>(
    store: S,
    left: Arc<LeftBehind>,
    prefix: String,
) -> Result<usize> {
    let mut deleted = 0;
    let mut from: Option<Marker> = None;
    loop {
        let Page { items, next } = store.list_objects(&prefix, from).await?;
        for key in items {
            if is_staged(&key) && left.includes(&key, &key) {
                delete(&store, &key).await?;
                deleted += 1;
            }
        }
        if next.is_none() {
            return Ok(deleted);
        }
        from = next;
    }
}

/// Whether a key stands in a staging folder. Nothing else is ever deleted.
fn is_staged(key: &str) -> bool {
    let mut segments = key.rsplit('/').skip(1);
    segments.next() == Some(STAGING_FOLDER)
}

/// Deletes a staged object for good where the bucket has versions. A receipt has a version for each
/// time it was written, of which all but the newest would come back: it is only hidden.
async fn delete<S: ObjectStore>(store: &S, key: &str) -> Result<()> {
    if is_receipt(key) {
        return store.delete(key, None).await;
    }
    let version = match store.head(key).await {
        Ok(Some(object)) => object.written.version,
        _ => None,
    };
    store.delete(key, version.as_deref()).await
}

/// The prefixes that no other one covers.
fn outermost(mut prefixes: Vec<String>) -> Vec<String> {
    prefixes.sort_unstable();
    let mut outermost: Vec<String> = Vec::new();
    for prefix in prefixes {
        if !outermost
            .last()
            .is_some_and(|last| prefix.starts_with(last.as_str()))
        {
            outermost.push(prefix);
        }
    }
    outermost
}

#[cfg(test)]
mod tests;
