//! The two ways to stage a file and to make it visible, behind one trait.
//!
//! * By multipart upload: its parts are uploaded under the file's own key, and its completion makes
//!   the file visible. For stores that carry a completion through once it is asked for.
//! * By copy: a whole object is written under a staging key, and a copy makes the file visible. For
//!   stores that lose the parts of an upload where the client of its completion goes away.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::warn;

use super::s3::{ATTEMPTS, Backoff};
use super::{Completion, Copied, Haste, ObjectStore, PendingUpload};
use crate::checkpoint::{Staged, StagedFile, StagedObject, StagedUpload};
use crate::error::{ErrorKind, Result};

/// The time after which no further attempt to copy a file begins.
const COPYING: Duration = Duration::from_mins(20);

/// A way to commit files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By multipart upload.
    Multipart,
    /// By copy.
    Copy,
}

impl Way {
    /// Its name in the configuration and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Multipart => "multipart",
            Self::Copy => "copy",
        }
    }
}

/// The keys of a file that is about to be staged.
#[derive(Clone, Debug)]
pub struct Target {
    /// The way in which it is staged.
    pub way: Way,
    /// The file's key.
    pub key: String,
    /// The key of its staged object.
    pub staged_key: String,
    /// The random number in its key, 16 hex digits.
    pub token: String,
}

impl Target {
    /// The key under which its bytes are uploaded.
    pub(super) fn upload_key(&self) -> &str {
        match self.way {
            Way::Multipart => &self.key,
            Way::Copy => &self.staged_key,
        }
    }
}

/// A store's answer when it is asked to make a file visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file is visible now.
    Visible,
    /// It is not staged (any more).
    NotStaged,
    /// Its upload is there, and parts of it are not (any more).
    NoParts,
}

/// A staged file, in one of the two ways.
pub(super) trait Commit {
    /// Makes the file visible. An error says nothing about whether it is.
    async fn make_visible<S: ObjectStore>(
        &self,
        store: &S,
        file: &StagedFile,
        haste: Haste,
    ) -> Result<Answer>;

    /// Removes what remains staged of a file that is visible; a failure is logged.
    async fn tidy<S: ObjectStore>(&self, store: &S);

    /// Throws a file away that no checkpoint names.
    async fn discard<S: ObjectStore>(&self, store: &S, key: &str) -> Result<()>;
}

impl Commit for StagedUpload {
    async fn make_visible<S: ObjectStore>(
        &self,
        store: &S,
        file: &StagedFile,
        _: Haste,
    ) -> Result<Answer> {
        Ok(match store.complete(&file.key, self).await? {
            Completion::Completed(_) => Answer::Visible,
            Completion::NoSuchUpload => Answer::NotStaged,
            Completion::NoSuchPart => Answer::NoParts,
        })
    }

    async fn tidy<S: ObjectStore>(&self, _: &S) {}

    async fn discard<S: ObjectStore>(&self, store: &S, key: &str) -> Result<()> {
        let upload = PendingUpload {
            key: key.to_owned(),
            upload_id: self.upload_id.clone(),
        };
        store.abort(&upload).await
    }
}

impl Commit for StagedObject {
    /// Before each attempt but the first it looks whether the file is visible, because a copy whose
    /// answer was lost may have been made, and the file have been taken since.
    async fn make_visible<S: ObjectStore>(
        &self,
        store: &S,
        file: &StagedFile,
        haste: Haste,
    ) -> Result<Answer> {
        let mut backoff = Backoff::new(&file.token, haste);
        let began = Instant::now();
        for attempt in 1.. {
            match store.copy(self, file.bytes, &file.key).await {
                Ok(Copied::Done) => break,
                Ok(Copied::NoSource) => return Ok(Answer::NotStaged),
                Err(error) => {
                    let is_last = attempt >= ATTEMPTS || began.elapsed() >= haste.shorten(COPYING);
                    if is_last || error.kind() != ErrorKind::Unavailable {
                        return Err(error);
                    }
                    sleep(backoff.next_pause()).await;
                    match is_visible(store, file).await {
                        Ok(true) => break,
                        Ok(false) => {}
                        // A look that is refused is not what is wrong.
                        Err(look) if look.kind() == ErrorKind::Auth => return Err(error),
                        Err(look) => return Err(look),
                    }
                }
            }
        }
        self.tidy(store).await;
        Ok(Answer::Visible)
    }

    async fn tidy<S: ObjectStore>(&self, store: &S) {
        if let Err(error) = store.delete(&self.key, self.version.as_deref()).await {
            warn!(
                key = self.key,
                %error,
                "a staged object whose file is visible could not be deleted; a later session will try again"
            );
        }
    }

    async fn discard<S: ObjectStore>(&self, store: &S, _: &str) -> Result<()> {
        store.delete(&self.key, self.version.as_deref()).await
    }
}

async fn is_visible<S: ObjectStore>(store: &S, file: &StagedFile) -> Result<bool> {
    let found = store.head(&file.key).await?;
    Ok(found.is_some_and(|object| object.bytes == file.bytes))
}

impl Commit for Staged {
    async fn make_visible<S: ObjectStore>(
        &self,
        store: &S,
        file: &StagedFile,
        haste: Haste,
    ) -> Result<Answer> {
        match self {
            Self::Multipart(upload) => upload.make_visible(store, file, haste).await,
            Self::Copy { staged } => staged.make_visible(store, file, haste).await,
        }
    }

    async fn tidy<S: ObjectStore>(&self, store: &S) {
        match self {
            Self::Multipart(upload) => upload.tidy(store).await,
            Self::Copy { staged } => staged.tidy(store).await,
        }
    }

    async fn discard<S: ObjectStore>(&self, store: &S, key: &str) -> Result<()> {
        match self {
            Self::Multipart(upload) => upload.discard(store, key).await,
            Self::Copy { staged } => staged.discard(store, key).await,
        }
    }
}
