//! Making staged files visible, exactly once, however often it is tried.
//!
//! A file that this session has just staged is asked for at once. One that an earlier session may
//! have asked for is looked at before: an object under its key with its size proves that it is
//! visible, and its receipt proves that it was. All files are asked for before the session fails
//! for one of them, and those of which nothing is found are looked at again for two minutes, all
//! together: a completion may still be running on the server. [`super::outcome`] is the table of
//! what follows.
//!
//! Each round ends, also when it fails, with a receipt that names the files that are visible.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::outcome::{Circumstances, Found, Outcome, Trace, decide, failure, log};
use super::places::Places;
use super::receipt::Receipts;
use super::way::{Answer, Commit};
use super::{Haste, ObjectStore};
use crate::checkpoint::{Location, Staged, StagedFile};
use crate::config::MissingUploads;
use crate::error::{Error, ErrorKind, Result};
use crate::stop::Stop;

/// The files that are asked for at once.
const AT_ONCE: usize = 16;

/// The time for which a completion may still be running on the server after it denies the upload.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pause before the second look; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The time that is left after a request to stop for what is on its way.
const GRACE: Duration = Duration::from_secs(10);

/// The time for which a file of an inactive binding is kept, counted from its first failure.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The circumstances of a round.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// The time now.
    pub now: Timestamp,
    /// What to do about files that are missing.
    pub missing: MissingUploads,
    /// How much less to wait than in life.
    pub haste: Haste,
    /// The request to stop.
    pub stop: Stop,
}

/// A file to make visible.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The file.
    pub file: StagedFile,
    /// Whether its binding is part of the task. Files of other bindings never end a session.
    pub active: bool,
    /// Whether nobody can have asked for it before.
    pub is_new: bool,
}

/// The end of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// What became of each file, in order.
    Done(Vec<Outcome>),
    /// A stop was asked for before all was done.
    Stopped,
}

/// Makes files visible, up to 16 at once, each where `store` is first and then where it was staged.
///
/// Fails where a file of an active binding cannot be made visible, after all have been tried.
/// Nothing is ever thrown away.
pub async fn publish<S: ObjectStore>(
    store: &S,
    entries: Vec<Entry>,
    options: PublishOptions,
) -> Result<Published> {
    if entries.is_empty() {
        return Ok(Published::Done(Vec::new()));
    }
    let mut round = Round::new(store, entries, options);
    round.ask().await?;
    round.look_again().await?;
    let is_stopped = round.options.stop.is_requested() && round.sought.iter().any(Option::is_none);
    let (outcomes, error) = round.judge().await;
    match error {
        Some(error) => Err(error),
        None if is_stopped => Ok(Published::Stopped),
        None => Ok(Published::Done(outcomes)),
    }
}

/// What was found of a file, and where.
#[derive(Debug)]
struct Sought<S> {
    found: Found,
    /// The places that have answered; where the file was found, just that one.
    places: Vec<S>,
}

/// One round over all files.
struct Round<S> {
    entries: Vec<Entry>,
    options: PublishOptions,
    places: Places<S>,
    receipts: Receipts,
    /// What was found of each entry; `None` of those that were not tried.
    sought: Vec<Option<Sought<S>>>,
}

impl<S: ObjectStore> Round<S> {
    fn new(store: &S, entries: Vec<Entry>, options: PublishOptions) -> Self {
        Self {
            sought: entries.iter().map(|_| None).collect(),
            entries,
            options,
            places: Places::new(store),
            receipts: Receipts::default(),
        }
    }

    /// Asks for every file once.
    async fn ask(&mut self) -> Result<()> {
        let waiting = (0..self.entries.len()).collect();
        let haste = self.options.haste;
        self.run(waiting, |round, index| {
            let entry = round.entries[index].clone();
            let asked = round.asked(&entry.file)?;
            let receipts = round.receipts.clone();
            Ok(async move { ask_everywhere(asked, &entry, &receipts, haste).await })
        })
        .await
    }

    /// The stores at which to ask for a file, or what is known without asking.
    fn asked(&mut self, file: &StagedFile) -> Result<Asked<S>, Box<Sought<S>>> {
        let mut stores = self.places.of(&file.location);
        let mut old_failure = self.places.failure(&file.location);
        if old_failure.is_some() {
            stores.retain(|store| *store.location() != file.location);
        }
        let current = self.places.current().clone();
        if let Some(store) = stores.first() {
            if let Some(error) = self.places.failure(store.location()) {
                return Err(Box::new(Sought::nowhere(Found::Failed(error))));
            }
        } else if let Some(error) = old_failure.take() {
            return Err(Box::new(Sought::nowhere(Found::at_place(
                &file.location,
                &current,
                error,
            ))));
        }
        Ok(Asked {
            stores,
            current,
            old_failure,
        })
    }

    /// Looks again for files of active bindings of which nothing was found, for two minutes.
    async fn look_again(&mut self) -> Result<()> {
        let haste = self.options.haste;
        let until = Instant::now() + haste.shorten(PATIENCE);
        let mut pause = haste.shorten(FIRST_PAUSE);
        loop {
            let missing = self.missing();
            if missing.is_empty() || Instant::now() >= until {
                return Ok(());
            }
            let pausing = sleep(pause.min(until.saturating_duration_since(Instant::now())));
            tokio::select! {
                () = self.options.stop.requested() => {
                    // What is not known yet is left to the next session.
                    for index in missing {
                        self.sought[index] = None;
                    }
                    return Ok(());
                }
                () = pausing => {}
            }
            self.run(missing, |round, index| {
                let entry = round.entries[index].clone();
                let sought = round.sought[index].take();
                let Some(Sought {
                    found: Found::Nothing(trace),
                    places,
                }) = sought
                else {
                    let nothing = || Sought::nowhere(Found::Nothing(Trace::default()));
                    return Err(Box::new(sought.unwrap_or_else(nothing)));
                };
                Ok(async move { look_everywhere(places, &entry, trace).await })
            })
            .await?;
            pause = (2 * pause).min(haste.shorten(LONGEST_PAUSE));
        }
    }

    fn missing(&self) -> VecDeque<usize> {
        let is_missing = |sought: &Option<Sought<S>>| {
            matches!(
                sought,
                Some(Sought {
                    found: Found::Nothing(_),
                    ..
                })
            )
        };
        (0..self.entries.len())
            .filter(|index| self.entries[*index].active && is_missing(&self.sought[*index]))
            .collect()
    }

    /// Runs a step of many files, up to 16 at once, and notes what each has found. After a request
    /// to stop no further one is begun, and those on their way have ten seconds.
    async fn run<F>(
        &mut self,
        mut waiting: VecDeque<usize>,
        begin: impl Fn(&mut Self, usize) -> Result<F, Box<Sought<S>>>,
    ) -> Result<()>
    where
        F: Future<Output = Sought<S>> + Send + 'static,
    {
        let stop = self.options.stop.clone();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE && !stop.is_requested() {
                let Some(index) = waiting.pop_front() else {
                    break;
                };
                match begin(self, index) {
                    Ok(search) => drop(running.spawn(async move { (index, search.await) })),
                    Err(known) => self.sought[index] = Some(*known),
                }
            }
            tokio::select! {
                joined = running.join_next() => match joined {
                    Some(joined) => self.note(joined)?,
                    None => return Ok(()),
                },
                () = stop.requested(), if !stop.is_requested() => {}
            }
            if stop.is_requested() {
                let grace = self.options.haste.shorten(GRACE);
                let rest = async {
                    while let Some(joined) = running.join_next().await {
                        self.note(joined)?;
                    }
                    Ok(())
                };
                return timeout(grace, rest).await.unwrap_or(Ok(()));
            }
        }
    }

    fn note(&mut self, joined: Result<(usize, Sought<S>), tokio::task::JoinError>) -> Result<()> {
        let (index, sought) = joined.map_err(|error| {
            Error::internal("making a file visible broke off: please report this")
                .with_source(error)
        })?;
        for store in &sought.places {
            self.places.answered(store.location());
        }
        match &sought.found {
            Found::OldPlace(location, error) => self.places.failed(location, error),
            Found::Failed(error) => {
                let current = self.places.of(&self.entries[index].file.location);
                self.places.failed(current[0].location(), error);
            }
            _ => {}
        }
        self.sought[index] = Some(sought);
        Ok(())
    }

    /// Writes the receipts, and turns what was found into outcomes or an error.
    async fn judge(self) -> (Vec<Outcome>, Option<Error>) {
        let writing = self.write_receipts();
        if self.options.stop.is_requested() {
            // Whether it comes to its end or not: nobody waits any more.
            let _ = timeout(self.options.haste.shorten(GRACE), writing).await;
        } else {
            writing.await;
        }
        let mut outcomes = Vec::with_capacity(self.entries.len());
        let mut failed = Vec::new();
        for (entry, sought) in self.entries.iter().zip(self.sought) {
            let Some(Sought { found, .. }) = sought else {
                continue;
            };
            let failing = entry.file.failing_since;
            let circumstances = Circumstances {
                active: entry.active,
                overdue: failing
                    .is_some_and(|since| self.options.now.duration_since(since) >= KEPT),
                missing: self.options.missing,
            };
            match decide(&found, circumstances) {
                Some(outcome) => {
                    log(&entry.file, &found, outcome);
                    outcomes.push(outcome);
                }
                None => failed.push((&entry.file, found)),
            }
        }
        (outcomes, failure(failed))
    }

    async fn write_receipts(&self) {
        let mut visible = Vec::new();
        let mut is_whole = true;
        for (entry, sought) in self.entries.iter().zip(&self.sought) {
            match sought {
                Some(Sought {
                    found: Found::Visible,
                    places,
                }) => {
                    visible.extend(places.iter().map(|place| (place.clone(), &entry.file)));
                }
                _ => is_whole = false,
            }
        }
        self.receipts.write(&visible, !is_whole).await;
    }
}

impl<S> Sought<S> {
    fn nowhere(found: Found) -> Self {
        Self {
            found,
            places: Vec::new(),
        }
    }

    fn at(found: Found, store: S) -> Self {
        Self {
            found,
            places: vec![store],
        }
    }
}

/// The places at which a file is asked for.
struct Asked<S> {
    /// The stores that are asked, the current endpoint's first.
    stores: Vec<S>,
    /// The place that the configuration names.
    current: Location,
    /// The failure for which the place where the file was staged is not asked again.
    old_failure: Option<Error>,
}

impl Found {
    /// What the failure of a place says of a file: one of today may pass, one of old has a cure of
    /// its own.
    fn at_place(place: &Location, current: &Location, error: Error) -> Self {
        if place == current {
            Self::Failed(error)
        } else {
            Self::OldPlace(place.clone(), error)
        }
    }
}

/// Asks for a file at the first store that knows it; the last one is where it was staged.
async fn ask_everywhere<S: ObjectStore>(
    asked: Asked<S>,
    entry: &Entry,
    receipts: &Receipts,
    haste: Haste,
) -> Sought<S> {
    let Asked {
        stores,
        current,
        old_failure,
    } = asked;
    let staged = &entry.file.location;
    let mut trace = Trace::default();
    let mut answered = Vec::new();
    for store in stores {
        let place = store.location();
        match ask_at(&store, entry, receipts, haste).await {
            Ok(Found::Nothing(found)) => {
                trace = trace.and(found);
                answered.push(store);
            }
            Ok(found) => return Sought::at(found, store),
            Err(error) if place == staged => {
                return Sought::nowhere(Found::at_place(place, &current, error));
            }
            // Who does not answer may know the file, whatever the place of old says.
            Err(error) if error.is_silence() || error.kind() == ErrorKind::Unavailable => {
                return Sought::nowhere(Found::Failed(error));
            }
            Err(_) => {}
        }
    }
    if let Some(error) = old_failure {
        return Sought::nowhere(Found::at_place(staged, &current, error));
    }
    Sought {
        found: Found::Nothing(trace),
        places: answered,
    }
}

/// Asks for a file at one place.
async fn ask_at<S: ObjectStore>(
    store: &S,
    entry: &Entry,
    receipts: &Receipts,
    haste: Haste,
) -> Result<Found> {
    let file = &entry.file;
    if !entry.is_new {
        match look(store, file).await? {
            Look::Found(found) => return Ok(found),
            Look::Nothing { .. } => {
                if receipts.names(store, file).await? {
                    return Ok(delivered(store, file).await);
                }
            }
        }
    }
    let answer = match file.staged.make_visible(store, file, haste).await {
        Ok(Answer::Visible) => return Ok(Found::Visible),
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        answer => answer,
    };
    let look_refused = match (look(store, file).await, &answer) {
        (Ok(Look::Found(found)), _) => return Ok(found),
        (Ok(Look::Nothing { is_refused }), _) => is_refused,
        (Err(error), Ok(_)) => return Err(error),
        (Err(_), Err(_)) => true,
    };
    if receipts.names(store, file).await? {
        return Ok(delivered(store, file).await);
    }
    answer.map(|answer| {
        Found::Nothing(Trace {
            look_refused,
            parts_gone: answer == Answer::NoParts,
        })
    })
}

/// A file that was taken leaves no twin, which would make it come again.
async fn delivered<S: ObjectStore>(store: &S, file: &StagedFile) -> Found {
    file.staged.tidy(store).await;
    Found::Delivered
}

/// Looks for a file at all places that have answered.
async fn look_everywhere<S: ObjectStore>(
    stores: Vec<S>,
    entry: &Entry,
    mut trace: Trace,
) -> Sought<S> {
    for store in &stores {
        match look(store, &entry.file).await {
            Ok(Look::Found(found)) => return Sought::at(found, store.clone()),
            Ok(Look::Nothing { is_refused }) => trace.look_refused |= is_refused,
            Err(error) => return Sought::nowhere(Found::Failed(error)),
        }
    }
    Sought {
        found: Found::Nothing(trace),
        places: stores,
    }
}

/// What stands under a file's key.
enum Look {
    Found(Found),
    Nothing {
        /// The store refuses to say, as AWS does of an object that is not there where
        /// `s3:ListBucket` is not allowed.
        is_refused: bool,
    },
}

async fn look<S: ObjectStore>(store: &S, file: &StagedFile) -> Result<Look> {
    let bytes = match store.head(&file.key).await {
        Ok(Some(object)) => object.bytes,
        Ok(None) => return Ok(Look::Nothing { is_refused: false }),
        Err(error) if error.kind() == ErrorKind::Auth => {
            return Ok(Look::Nothing { is_refused: true });
        }
        Err(error) => return Err(error),
    };
    if bytes == file.bytes {
        file.staged.tidy(store).await;
        return Ok(Look::Found(Found::Visible));
    }
    Ok(match file.staged {
        Staged::Multipart(_) => Look::Found(Found::OtherSize(bytes)),
        // It is copied again.
        Staged::Copy { .. } => Look::Nothing { is_refused: false },
    })
}

#[cfg(test)]
mod tests;
