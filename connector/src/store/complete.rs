//! Making staged files visible, exactly once, however often it is tried.
//!
//! The same upload may be completed again after a crash, and stores differ in what they say then: AWS completes it again, others know no
//! such upload. So an answer of "no such upload" is no failure yet: the object under the key, with our token and size, proves that
//! the upload was completed. Where neither is there, a completion may still be running, so we look again for two minutes. After
//! that:
//!
//! * staged less than 24 hours ago: no lifecycle rule can have fired (their unit is a day), so the file was completed, and a loader or a
//!   clean-up has taken it. A warning.
//! * older: nobody can tell whether its rows ever were in a file. An error that names the files and the cure.
//!
//! An upload without its parts is looked at as patiently, and then it is lost whatever its age: `MinIO` forgets the parts a moment before
//! it makes the object, so one that is killed in that moment can never complete it. What cannot be proven is an error.
//!
//! A look that is refused (403) proves nothing either way, and AWS also answers so for an object that is not there where
//! `s3:ListBucket` is not allowed. It is therefore handled as "not there", and the warning names `s3:GetObject`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

use super::{Completion, Haste, ObjectStore};
use crate::checkpoint::{Location, StagedUpload};
use crate::config::MissingUploads;
use crate::error::{Error, ErrorKind, Result};

/// How many completions run at once.
const AT_ONCE: usize = 16;

/// How long a completion may still be running on the server after it denies the upload.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pause before the second look; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The shortest age at which a lifecycle rule can have removed an upload.
const RULE_AGE: SignedDuration = SignedDuration::from_hours(24);

/// How many missing files an error names.
const NAMED: usize = 5;

/// How to complete.
#[derive(Clone, Copy, Debug)]
pub struct CompleteOptions {
    /// The time now.
    pub now: Timestamp,
    /// What to do about files that are lost.
    pub missing: MissingUploads,
    /// How much less to wait than in life.
    pub haste: Haste,
}

/// A file to complete.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was staged.
    pub upload: StagedUpload,
    /// Whether its binding is still part of the task. What stands in the way of a file of another binding is logged, and no error.
    pub active: bool,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is visible now.
    Completed,
    /// It had been made visible earlier.
    AlreadyCompleted,
    /// There is neither upload nor object: somebody has taken the file away, or it is lost and may be skipped. It has been logged.
    Missing,
    /// It could not be completed now, and its binding is no longer active. It has been logged, and may succeed another time.
    Failed,
}

impl Outcome {
    /// Whether nothing remains to be done, so that the entry can be cleared from the state.
    pub fn is_settled(self) -> bool {
        self != Outcome::Failed
    }
}

/// Completes `entries`, up to 16 at once, each where `store` is first and then where it was staged. Returns their outcomes, in
/// order.
///
/// The first error of an active binding's file ends it: no further completion is begun, but those that are on their way are
/// waited for. Nothing is ever aborted.
pub async fn complete_all<S: ObjectStore>(
    store: &S,
    entries: Vec<Entry>,
    options: CompleteOptions,
) -> Result<Vec<Outcome>> {
    let mut results: Vec<Option<Result<Verdict>>> = entries.iter().map(|_| None).collect();
    let mut places = Places {
        current: store.clone(),
        known: Vec::new(),
    };
    let mut running = JoinSet::new();
    let mut waiting = entries.iter().enumerate();
    let mut failed = false;
    loop {
        while running.len() < AT_ONCE && !failed {
            let Some((index, entry)) = waiting.next() else {
                break;
            };
            let (candidates, upload) = (places.of(&entry.upload.location), entry.upload.clone());
            running.spawn(async move { (index, complete(&candidates, &upload, options).await) });
        }
        let Some(joined) = running.join_next().await else {
            break;
        };
        let (index, result) = joined.map_err(|error| {
            Error::internal("a completion broke off: please report this").with_source(error)
        })?;
        failed |= entries[index].active && result.is_err();
        results[index] = Some(result);
    }
    judge(&entries, results, options)
}

/// The stores to try an upload at.
struct Places<S> {
    current: S,
    /// One store for each place, so that its connections are shared.
    known: Vec<S>,
}

impl<S: ObjectStore> Places<S> {
    /// The current endpoint with the bucket of old, which is the right one after the server got another name; then where it was staged.
    fn of(&mut self, staged: &Location) -> Vec<S> {
        let renamed = Location {
            bucket: staged.bucket.clone(),
            ..self.current.location().clone()
        };
        let mut candidates = vec![self.store(&renamed)];
        if renamed != *staged {
            candidates.push(self.store(staged));
        }
        candidates
    }

    fn store(&mut self, location: &Location) -> S {
        if self.current.location() == location {
            return self.current.clone();
        }
        if let Some(store) = self.known.iter().find(|store| store.location() == location) {
            return store.clone();
        }
        let store = self.current.at(location);
        self.known.push(store.clone());
        store
    }
}

/// What is known of an upload in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Completed,
    AlreadyCompleted,
    Gone {
        refused: bool,
    },
    /// The upload is there without its parts.
    Damaged,
}

/// What a place answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Proven(Verdict),
    /// It has no such upload, and no proof (yet) that it was completed.
    NoUpload,
    /// It has the upload and not its parts, and no proof (yet) either.
    NoParts,
}

/// What a look at the key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Ours,
    NotOurs,
    Refused,
}

/// Completes one upload at the first of `candidates` that knows it. The last one is where it was staged: an error there stands,
/// unless lost files may be skipped and another candidate has answered.
async fn complete<S: ObjectStore>(
    candidates: &[S],
    upload: &StagedUpload,
    options: CompleteOptions,
) -> Result<Verdict> {
    let told = |error: Error| error.context(format!("completing `{}`", upload.key));
    let mut denied = Vec::new();
    let mut failure = None;
    let mut damaged = false;
    for (index, store) in candidates.iter().enumerate() {
        failure = None;
        match complete_at(store, upload).await {
            Ok(Answer::Proven(verdict)) => return Ok(verdict),
            Ok(answer) => {
                damaged |= answer == Answer::NoParts;
                denied.push(store);
            }
            // It may know the upload once it answers again, whatever the place where it was staged says.
            Err(error)
                if error.kind() == ErrorKind::Unavailable && index + 1 < candidates.len() =>
            {
                return Err(told(error));
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if denied.is_empty() || options.missing == MissingUploads::Fail => {
            Err(told(error))
        }
        _ => match look_again(&denied, upload, options.haste).await? {
            Verdict::Gone { .. } if damaged => Ok(Verdict::Damaged),
            verdict => Ok(verdict),
        },
    }
}

/// Tries to complete an upload at one place.
async fn complete_at<S: ObjectStore>(store: &S, upload: &StagedUpload) -> Result<Answer> {
    let denial = match store.complete(upload).await {
        Ok(Completion::Completed) => return Ok(Answer::Proven(Verdict::Completed)),
        Ok(Completion::NoSuchUpload) => Ok(Answer::NoUpload),
        Ok(Completion::NoSuchPart) => Ok(Answer::NoParts),
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        Err(error) => Err(error),
    };
    match (look(store, upload).await, denial) {
        (Ok(Look::Ours), _) => Ok(Answer::Proven(Verdict::AlreadyCompleted)),
        (Ok(_), denial) => denial,
        (Err(_), Err(failure)) => Err(failure),
        (Err(error), Ok(_)) => Err(error),
    }
}

async fn look<S: ObjectStore>(store: &S, upload: &StagedUpload) -> Result<Look> {
    match store.head(&upload.key).await {
        Ok(Some(object))
            if object.token.as_ref() == Some(&upload.token) && object.bytes == upload.bytes =>
        {
            Ok(Look::Ours)
        }
        Ok(_) => Ok(Look::NotOurs),
        Err(error) if error.kind() == ErrorKind::Auth => Ok(Look::Refused),
        Err(error) => Err(error),
    }
}

/// Looks for the object for two minutes, at ever longer intervals.
async fn look_again<S: ObjectStore>(
    stores: &[&S],
    upload: &StagedUpload,
    haste: Haste,
) -> Result<Verdict> {
    let until = Instant::now() + haste.shorten(PATIENCE);
    let mut pause = haste.shorten(FIRST_PAUSE);
    loop {
        sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        let mut refused = false;
        for store in stores {
            match look(*store, upload).await? {
                Look::Ours => return Ok(Verdict::AlreadyCompleted),
                Look::NotOurs => {}
                Look::Refused => refused = true,
            }
        }
        if Instant::now() >= until {
            return Ok(Verdict::Gone { refused });
        }
        pause = (2 * pause).min(haste.shorten(LONGEST_PAUSE));
    }
}

/// Turns what is known into outcomes; the first error of an active binding wins, and lost files come in one error.
fn judge(
    entries: &[Entry],
    results: Vec<Option<Result<Verdict>>>,
    options: CompleteOptions,
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(entries.len());
    let (mut first_error, mut lost, mut damaged) = (None, Vec::new(), Vec::new());
    for (entry, result) in entries.iter().zip(results) {
        // One that was never begun stands behind an error.
        let Some(result) = result else { continue };
        let outcome = match result {
            Ok(Verdict::Completed) => Outcome::Completed,
            Ok(Verdict::AlreadyCompleted) => Outcome::AlreadyCompleted,
            Ok(Verdict::Gone { refused }) => {
                if is_lost(entry, refused, options) {
                    lost.push(&entry.upload);
                }
                Outcome::Missing
            }
            Ok(Verdict::Damaged) => {
                if is_damaged(entry, options) {
                    damaged.push(&entry.upload);
                }
                Outcome::Missing
            }
            Err(error) if entry.active => {
                first_error.get_or_insert(error);
                continue;
            }
            Err(error) => {
                error!(key = entry.upload.key, %error, "a file of a binding that is no longer active could not be completed");
                Outcome::Failed
            }
        };
        outcomes.push(outcome);
    }
    match (first_error, lost.as_slice(), damaged.as_slice()) {
        (Some(error), ..) => Err(error),
        (None, [], []) => Ok(outcomes),
        (None, [], damaged) => Err(damaged_files(damaged)),
        (None, lost, _) => Err(lost_files(lost)),
    }
}

/// Logs a file whose upload has lost its parts, and says whether that is an error.
fn is_damaged(entry: &Entry, options: CompleteOptions) -> bool {
    let StagedUpload { key, staged_at, .. } = &entry.upload;
    match (entry.active, options.missing) {
        (true, MissingUploads::Fail) => return true,
        (true, MissingUploads::Skip) => {
            warn!(key, %staged_at, "the store has lost the parts of a committed file, which is skipped as `missingUploads` says");
        }
        (false, _) => {
            error!(key, %staged_at, "the store has lost the parts of a committed file; its binding is no longer active");
        }
    }
    false
}

/// Logs a file that is neither upload nor object, and says whether that is an error.
fn is_lost(entry: &Entry, refused: bool, options: CompleteOptions) -> bool {
    let StagedUpload { key, staged_at, .. } = &entry.upload;
    if refused {
        warn!(
            key,
            "the store refuses to say whether this file is complete, and knows no upload of it any more; allow `s3:GetObject` below \
             the path prefix so that it can be proven"
        );
    }
    if options.now.duration_since(*staged_at) < RULE_AGE {
        if refused {
            return false;
        }
        warn!(key, %staged_at, "a completed file is no longer there: something, such as a loader, has taken it away");
        return false;
    }
    match (entry.active, options.missing) {
        (true, MissingUploads::Fail) => return true,
        (true, MissingUploads::Skip) => {
            warn!(key, %staged_at, "a committed file is lost, and skipped as `missingUploads` says");
        }
        (false, _) => {
            error!(key, %staged_at, "a committed file is lost; its binding is no longer active");
        }
    }
    false
}

/// The first few of some files.
fn names(files: &[&StagedUpload]) -> String {
    let mut names: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|upload| format!("`{}` (staged at {})", upload.key, upload.staged_at))
        .collect();
    if files.len() > NAMED {
        names.push(format!("{} more", files.len() - NAMED));
    }
    names.join(", ")
}

fn damaged_files(damaged: &[&StagedUpload]) -> Error {
    Error::config(format!(
        "the rows of {} committed file(s) are lost, because the store no longer has parts of their uploads, which it had \
         acknowledged: {}. A MinIO server that is killed while it completes an upload can lose it so. Backfill the \
         bindings of these files, and set `/advanced/missingUploads` to `skip` until the task has gone on without them; where no \
         server has crashed, please report this",
        damaged.len(),
        names(damaged),
    ))
}

fn lost_files(lost: &[&StagedUpload]) -> Error {
    Error::config(format!(
        "the rows of {} committed file(s) are lost, because neither the upload nor the object is in \
         the bucket: {}. Most likely a lifecycle rule removed incomplete uploads while the task was \
         paused, or the files were removed by hand: make the rule outlast the longest pause, backfill \
         the bindings of these files, and set `/advanced/missingUploads` to `skip` until the task has \
         gone on without them",
        lost.len(),
        names(lost),
    ))
}

#[cfg(test)]
mod tests;
