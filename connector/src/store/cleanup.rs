//! Throwing away uploads that no checkpoint can name, so that their parts do not cost money for ever. Best effort: a store
//! that cannot list, or credentials that may not, are no error.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::{ListedUpload, ObjectStore, PendingUpload};

/// How long clean-up may hold up the beginning of a session, or the error at its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Aborts `uploads`, all at once and within half a minute; what fails is logged, and left to the bucket's lifecycle rule.
pub async fn abort_all<S: ObjectStore>(
    store: &S,
    uploads: impl IntoIterator<Item = PendingUpload>,
) {
    let mut running = JoinSet::new();
    for upload in uploads {
        let store = store.clone();
        running.spawn(async move { abort_or_warn(&store, &upload).await });
    }
    let all = async { while running.join_next().await.is_some() {} };
    if timeout(PATIENCE, all).await.is_err() {
        warn!(
            "aborting uploads took too long; a lifecycle rule for incomplete uploads will remove the rest"
        );
    }
}

async fn abort_or_warn<S: ObjectStore>(store: &S, upload: &PendingUpload) {
    if let Err(error) = store.abort(upload).await {
        warn!(
            key = upload.key,
            %error,
            "an upload could not be aborted; a lifecycle rule for incomplete uploads will remove it"
        );
    }
}

/// Aborts the uploads below `prefixes` that are `stale`. It is for the caller to say yes only to keys that parse wholly, carry this task
/// and a keyBegin in this shard's range, stand in no checkpoint, and were created before this process began. Returns how many were aborted. Takes at most half a minute.
pub async fn abort_stale<S: ObjectStore>(
    store: &S,
    prefixes: &[String],
    stale: impl Fn(&ListedUpload) -> bool,
) -> usize {
    let mut aborted = 0;
    let work = async {
        let pending = list_below(store, prefixes).await;
        let stale = pending.iter().filter(|listed| stale(listed));
        for ListedUpload { upload, .. } in stale {
            match store.abort(upload).await {
                Ok(()) => aborted += 1,
                Err(error) => debug!(key = upload.key, %error, "a stale upload cannot be aborted"),
            }
        }
    };
    if timeout(PATIENCE, work).await.is_err() {
        info!("listing and aborting stale uploads took too long and was left off");
    }
    aborted
}

/// The pending uploads below any of `prefixes`. MinIO lists uploads by whole bucket only, and finds nothing by prefix; so where
/// nothing is found, the whole bucket is listed.
async fn list_below<S: ObjectStore>(store: &S, prefixes: &[String]) -> Vec<ListedUpload> {
    let prefixes = outermost(prefixes);
    let mut pending = Vec::new();
    for prefix in &prefixes {
        pending.extend(list(store, prefix).await);
    }
    if pending.is_empty() && !prefixes.is_empty() && prefixes != [""] {
        pending = list(store, "").await;
    }
    pending.retain(|listed| {
        let key = &listed.upload.key;
        prefixes.iter().any(|prefix| key.starts_with(prefix))
    });
    pending
}

async fn list<S: ObjectStore>(store: &S, prefix: &str) -> Vec<ListedUpload> {
    store.list_uploads(prefix).await.unwrap_or_else(|error| {
        debug!(prefix, %error, "stale uploads cannot be listed and are left to a lifecycle rule");
        Vec::new()
    })
}

/// The prefixes that no other one covers.
fn outermost(prefixes: &[String]) -> Vec<&str> {
    let mut sorted: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut outermost: Vec<&str> = Vec::new();
    for prefix in sorted {
        if !outermost
            .last()
            .is_some_and(|last| prefix.starts_with(last))
        {
            outermost.push(prefix);
        }
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Operation};
    use super::*;
    use crate::error::{Error, ErrorKind};

    fn prefixes(prefixes: &[&str]) -> Vec<String> {
        prefixes.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn only_stale_uploads_below_the_prefixes_are_aborted() {
        let store = Fake::new();
        for key in ["a/stale", "a/live", "b/stale", "ab/stale"] {
            store.create_upload(key, "t").await.unwrap();
        }
        let aborted = abort_stale(&store, &prefixes(&["a/"]), |listed| {
            listed.upload.key.ends_with("stale")
        })
        .await;
        assert_eq!(aborted, 1);
        assert_eq!(store.pending(), ["a/live", "ab/stale", "b/stale"]);
    }

    #[tokio::test]
    async fn prefixes_that_another_covers_are_listed_once() {
        let store = Fake::new();
        store.create_upload("a/b/live", "t").await.unwrap();
        abort_stale(&store, &prefixes(&["a/b/", "a/", "c/", "a/"]), |_| false).await;
        let operations = [Operation::Create, Operation::List, Operation::List];
        assert_eq!(store.operations(), operations);
    }

    #[tokio::test]
    async fn where_no_prefix_finds_anything_the_whole_bucket_is_listed_once() {
        let store = Fake::new();
        abort_stale(&store, &prefixes(&["a/", "c/"]), |_| true).await;
        assert_eq!(store.operations(), [Operation::List; 3]);
    }

    #[tokio::test]
    async fn a_store_that_cannot_list_or_abort_is_no_error() {
        for operation in [Operation::List, Operation::Abort] {
            let store = Fake::new();
            store.create_upload("a/stale", "t").await.unwrap();
            store.fail(operation, || Error::new(ErrorKind::Auth, "denied"));
            assert_eq!(abort_stale(&store, &prefixes(&["a/"]), |_| true).await, 0);
            assert_eq!(store.pending(), ["a/stale"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_does_not_hold_up_the_session() {
        let store = Fake::new();
        store.hang(Operation::List);
        let began = tokio::time::Instant::now();
        assert_eq!(abort_stale(&store, &prefixes(&[""]), |_| true).await, 0);
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_does_not_hide_the_error_at_the_end() {
        let store = Fake::new();
        for key in ["a/1", "a/2"] {
            store.create_upload(key, "t").await.unwrap();
        }
        let listed = store.list_uploads("").await.unwrap();
        let pending = listed.into_iter().map(|listed| listed.upload);
        store.hang(Operation::Abort);
        let began = tokio::time::Instant::now();
        abort_all(&store, pending).await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
