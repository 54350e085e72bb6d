//! The check before a task runs: does the bucket do all that the task will ask of it?
//!
//! Everything is tried on an object of its own in the staging folder, whose name ends in `.check`,
//! and removed again. So a missing permission, a refused header or a forbidden style of URL is
//! found before the first row.

use bytes::Bytes;
use tracing::warn;

use super::{ContentType, Copied, ObjectStore, PartBody, PendingUpload, Way};
use crate::checkpoint::StagedObject;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::in_staging_folder;

/// The bytes of what is written, as few as any store takes.
const BODY: &[u8] = b"check";

/// The keys at which a bucket is tried, and the way in which the task will commit.
#[derive(Clone, Debug)]
pub struct Trial {
    way: Way,
    staged_key: String,
    key: String,
}

impl Trial {
    /// A trial for files that are staged at `staging_place` and belong below `place`. `token` is a
    /// random number, so that trials at the same time do not meet.
    pub fn new(way: Way, staging_place: &str, place: &str, token: u64) -> Self {
        Self {
            way,
            staged_key: in_staging_folder(staging_place, &format!("{token:016x}.staged.check")),
            key: in_staging_folder(place, &format!("{token:016x}.check")),
        }
    }
}

/// Tries whether the bucket does what the task will ask of it, and removes what that made. An error
/// says what is wrong: no such bucket, which action is denied, which setting is to be changed.
/// Where only looking for what is not there is refused, a warning says so.
pub async fn check<S: ObjectStore>(store: &S, trial: &Trial) -> Result<()> {
    match trial.way {
        Way::Multipart => check_upload(store, &trial.key).await,
        Way::Copy => check_copy(store, &trial.staged_key, &trial.key).await,
    }
}

pub(super) async fn check_upload<S: ObjectStore>(store: &S, key: &str) -> Result<()> {
    let upload = PendingUpload {
        key: key.to_owned(),
        upload_id: store.create_upload(key).await?,
    };
    let uploaded = store.upload_part(&upload, 1, body()).await.map(drop);
    let looked = match &uploaded {
        Ok(()) => look_for_nothing(store, key).await,
        Err(_) => Ok(()),
    };
    let aborted = store.abort(&upload).await;
    uploaded.and(looked).and(aborted)
}

async fn check_copy<S: ObjectStore>(store: &S, staged_key: &str, key: &str) -> Result<()> {
    let written = store.put(staged_key, body(), ContentType::Parquet).await?;
    let staged = StagedObject {
        key: staged_key.to_owned(),
        etag: written.etag,
        version: written.version,
    };
    let looked = look_for_nothing(store, key).await;
    let copied = match &looked {
        Ok(()) => copy_and_remove(store, &staged, key).await,
        Err(_) => Ok(()),
    };
    let deleted = store.delete(staged_key, staged.version.as_deref()).await;
    looked.and(copied).and(deleted)
}

async fn copy_and_remove<S: ObjectStore>(
    store: &S,
    staged: &StagedObject,
    key: &str,
) -> Result<()> {
    let copied = match copy(store, staged, key).await {
        // The first may have been made all the same: the second has the same bytes.
        Err(error) if error.kind() == ErrorKind::Unavailable => copy(store, staged, key).await,
        copied => copied,
    };
    let found = store.head(key).await;
    let deleted = match &found {
        Ok(None) => Ok(()),
        Ok(Some(object)) => store.delete(key, object.written.version.as_deref()).await,
        Err(_) => store.delete(key, None).await,
    };
    copied?;
    if found?.is_none() {
        return Err(does_not_copy(store));
    }
    deleted
}

async fn copy<S: ObjectStore>(store: &S, staged: &StagedObject, key: &str) -> Result<()> {
    match store.copy(staged, BODY.len() as u64, key).await? {
        Copied::Done => Ok(()),
        Copied::NoSource => Err(does_not_copy(store)),
    }
}

fn does_not_copy<S: ObjectStore>(store: &S) -> Error {
    Error::config(format!(
        "{} does not copy an object that it has just taken: set `/advanced/commit` to `multipart`",
        store.location()
    ))
}

/// Looks for an object that is not there. Being refused that is no reason not to begin, because all
/// goes well without it until the connector is killed.
async fn look_for_nothing<S: ObjectStore>(store: &S, key: &str) -> Result<()> {
    match store.head(key).await {
        Err(error) if error.kind() == ErrorKind::Auth => {
            warn!(
                %error,
                "the store does not tell whether an object is there: after a crash it will not be known which files are visible"
            );
            Ok(())
        }
        looked => looked.map(drop),
    }
}

fn body() -> PartBody {
    Bytes::from_static(BODY).into()
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::super::fake::Operation::{Abort, Copy, Create, Delete, Head, Part, Put};
    use super::*;

    fn trial(way: Way) -> Trial {
        Trial::new(way, "tmp", "orders", 1)
    }

    fn denied() -> Error {
        Error::new(ErrorKind::Auth, "denied")
    }

    fn assert_empty(store: &Fake) {
        assert_eq!(store.pending(), Vec::<String>::new());
        assert_eq!(store.keys(), Vec::<String>::new());
        assert_eq!(store.staged_keys(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_upload_is_tried_with_a_part_and_a_look_and_leaves_nothing_behind() {
        let store = Fake::new();
        check(&store, &trial(Way::Multipart)).await.unwrap();
        assert_eq!(store.operations(), [Create, Part, Head, Abort]);
        assert_empty(&store);
    }

    #[tokio::test]
    async fn a_copy_is_tried_from_the_staging_place_and_leaves_nothing_behind() {
        let store = Fake::new();
        store.keep_versions();
        check(&store, &trial(Way::Copy)).await.unwrap();
        assert_eq!(store.operations(), [Put, Head, Copy, Head, Delete, Delete]);
        let deleted = store.deletions();
        let keys: Vec<_> = deleted.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "orders/_staged/0000000000000001.check",
                "tmp/_staged/0000000000000001.staged.check"
            ]
        );
        assert!(deleted.iter().all(|(_, version)| version.is_some()));
        assert_empty(&store);
    }

    #[tokio::test]
    async fn whatever_is_denied_is_told_and_nothing_is_left_behind() {
        for (way, operations) in [
            (Way::Multipart, [Create, Part, Abort]),
            (Way::Copy, [Put, Copy, Delete]),
        ] {
            for operation in operations {
                let store = Fake::new();
                store.fail(operation, denied);
                let error = check(&store, &trial(way)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Auth, "{operation:?}");
                if ![Abort, Delete].contains(&operation) {
                    assert_empty(&store);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_look_that_is_denied_is_a_warning_and_one_that_fails_is_an_error() {
        let store = Fake::new();
        store.fail(Head, denied);
        check(&store, &trial(Way::Multipart)).await.unwrap();
        assert_empty(&store);
        for way in [Way::Multipart, Way::Copy] {
            let store = Fake::new();
            store.fail(Head, || Error::new(ErrorKind::Unavailable, "busy"));
            let error = check(&store, &trial(way)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert_empty(&store);
        }
    }
}
