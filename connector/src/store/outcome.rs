//! What becomes of a staged file, by what was found of it: one table.

use tracing::{error, warn};

use crate::checkpoint::{Location, StagedFile};
use crate::config::MissingUploads;
use crate::error::{Error, ErrorKind};

/// The files that an error names, at most.
const NAMED: usize = 5;

/// What was found of a file in the end.
#[derive(Debug)]
pub(super) enum Found {
    /// It is visible: under its key stands an object of its size.
    Visible,
    /// Its receipt says that it was visible, and something has taken it since.
    Delivered,
    /// Under its key stands an object of another size.
    OtherSize(u64),
    /// It is neither visible, nor in its receipt, nor staged.
    Nothing(Trace),
    /// The place where it was staged does not answer, or refuses the credentials of today.
    OldPlace(Location, Error),
    /// It could not be asked for now.
    Failed(Error),
}

/// What little was found of a file that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    /// The store refused to say whether there is an object.
    pub(super) look_refused: bool,
    /// The upload is there, without its parts.
    pub(super) parts_gone: bool,
}

impl Trace {
    /// The traces at two places.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            look_refused: self.look_refused || other.look_refused,
            parts_gone: self.parts_gone || other.parts_gone,
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is visible.
    Visible,
    /// It was made visible earlier, and something has taken it since.
    Delivered,
    /// It is given up, which was logged.
    Skipped,
    /// It could not be made visible, and its binding is no longer active, which was logged: another
    /// session tries again.
    Waits,
}

impl Outcome {
    /// Whether nothing remains to be done, so that the entry can be cleared from the state.
    pub fn is_settled(self) -> bool {
        self != Self::Waits
    }
}

/// What the table needs to know besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether the file's binding is part of the task.
    pub(super) active: bool,
    /// Whether it has failed for longer than a file of an inactive binding is kept.
    pub(super) overdue: bool,
    /// What to do about files that are missing.
    pub(super) missing: MissingUploads,
}

/// Decides what becomes of a file. `None` is an error that ends the session.
pub(super) fn decide(found: &Found, circumstances: Circumstances) -> Option<Outcome> {
    let Circumstances {
        active,
        overdue,
        missing,
    } = circumstances;
    match (found, missing) {
        (Found::Visible, _) => Some(Outcome::Visible),
        (Found::Delivered, _) => Some(Outcome::Delivered),
        (Found::OtherSize(_) | Found::Nothing(_) | Found::OldPlace(..), MissingUploads::Skip) => {
            Some(Outcome::Skipped)
        }
        _ if active => None,
        _ if overdue => Some(Outcome::Skipped),
        _ => Some(Outcome::Waits),
    }
}

/// Logs a file that is given up or left for another session.
pub(super) fn log(file: &StagedFile, found: &Found, outcome: Outcome) {
    let (key, staged_at) = (&file.key, file.staged_at);
    match outcome {
        Outcome::Visible | Outcome::Delivered => {}
        Outcome::Skipped => {
            warn!(key, %staged_at, "a committed file is given up: {}", found.describe(file));
        }
        Outcome::Waits => {
            error!(
                key,
                %staged_at,
                "a file of a binding that is no longer active could not be made visible: {}",
                found.describe(file)
            );
        }
    }
}

impl Found {
    /// One line for the log.
    fn describe(&self, file: &StagedFile) -> String {
        match self {
            Self::Visible => "it is visible".to_owned(),
            Self::Delivered => "it was delivered earlier".to_owned(),
            Self::OtherSize(bytes) => format!(
                "under its key stands an object of {bytes} bytes, where {} were staged",
                file.bytes
            ),
            Self::Nothing(trace) if trace.parts_gone => {
                "the store no longer has the parts of its upload".to_owned()
            }
            Self::Nothing(_) => "it is neither staged any more nor visible".to_owned(),
            Self::OldPlace(location, error) => {
                format!("it was staged in {location}, and there: {error}")
            }
            Self::Failed(error) => error.to_string(),
        }
    }
}

/// Makes one error of the files whose failure ends the session; `None` where there are none.
///
/// What stands in the way now comes first: as long as it does, nothing is known of the others.
pub(super) fn failure(failed: Vec<(&StagedFile, Found)>) -> Option<Error> {
    let count = failed.len();
    let mut gone = Vec::new();
    let mut trace = Trace::default();
    let mut first = None;
    for (file, found) in failed {
        let error = match found {
            Found::Nothing(found) => {
                trace = trace.and(found);
                gone.push(file);
                continue;
            }
            Found::OldPlace(location, error) => old_place(file, &location, &error),
            Found::OtherSize(bytes) => other_size(file, bytes),
            Found::Failed(error) => error.context(format!("making `{}` visible", file.key)),
            Found::Visible | Found::Delivered => continue,
        };
        first.get_or_insert(error);
    }
    match first {
        Some(error) if count > 1 => Some(error.context(format!(
            "{count} committed files could not be made visible, of which the first"
        ))),
        Some(error) => Some(error),
        None if gone.is_empty() => None,
        None => Some(missing_files(&gone, trace)),
    }
}

fn old_place(file: &StagedFile, location: &Location, error: &Error) -> Error {
    Error::new(
        error.kind(),
        format!(
            "`{}` was staged in {location} before the configuration changed, and can only be made \
             visible there, which fails: {error}. Let this task run once with credentials that \
             are valid there, or allow the new ones there; or set `/advanced/missingUploads` to \
             `skip` to give up the rows that wait there",
            file.key
        ),
    )
}

fn other_size(file: &StagedFile, bytes: u64) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "under `{}` in {} stands an object of {bytes} bytes, where {} were staged: no other \
             file may have this key, so something has written to it. Move that object away",
            file.key, file.location, file.bytes
        ),
    )
}

fn missing_files(files: &[&StagedFile], trace: Trace) -> Error {
    let mut names: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|file| format!("`{}` (staged at {})", file.key, file.staged_at))
        .collect();
    if files.len() > NAMED {
        names.push(format!("{} more", files.len() - NAMED));
    }
    let mut message = format!(
        "{} committed file(s) are neither visible nor staged any more: {}. Either the store lost \
         them, or a lifecycle rule for incomplete uploads or for `_staged/` removed them, and \
         their rows are missing; or something took them as soon as they were visible, and nothing \
         is missing. Find out which: if nothing is missing, set `/advanced/missingUploads` to \
         `skip` until the task has gone on; if rows are missing, do so as well and backfill their \
         bindings, which writes all their rows again, into a new `v…` folder (who reads the old \
         one too has them twice). Give lifecycle rules more days than the task is ever stopped for",
        files.len(),
        names.join(", "),
    );
    if trace.parts_gone {
        message.push_str(
            ". The store still has uploads whose parts it has lost: MinIO loses them where the \
             client of a completion goes away. Leave `/advanced/commit` at `auto`, or set it to \
             `copy`",
        );
    }
    if trace.look_refused {
        message.push_str(
            ". The store refused to say whether there are objects: allow `s3:GetObject` below the \
             path prefix and `s3:ListBucket` on the bucket, without which AWS answers 403 for an \
             object that is not there",
        );
    }
    Error::config(message)
}

#[cfg(test)]
mod tests {
    use super::super::fake::location;
    use super::*;

    fn all() -> [Found; 6] {
        let error = || Error::new(ErrorKind::Unavailable, "503");
        [
            Found::Visible,
            Found::Delivered,
            Found::OtherSize(7),
            Found::Nothing(Trace::default()),
            Found::OldPlace(location("http://old"), error()),
            Found::Failed(error()),
        ]
    }

    #[test]
    fn the_table_of_outcomes() {
        use MissingUploads::{Fail, Skip};
        use Outcome::{Delivered, Skipped, Visible, Waits};
        const ENDS: Option<Outcome> = None;
        let done = [Some(Visible), Some(Delivered)];
        // active, overdue, missing → other size, nothing, old place, failed
        let table = [
            ((true, false, Fail), [ENDS, ENDS, ENDS, ENDS]),
            ((true, true, Fail), [ENDS, ENDS, ENDS, ENDS]),
            (
                (true, false, Skip),
                [Some(Skipped), Some(Skipped), Some(Skipped), ENDS],
            ),
            ((false, false, Fail), [Some(Waits); 4]),
            ((false, true, Fail), [Some(Skipped); 4]),
            (
                (false, false, Skip),
                [Some(Skipped), Some(Skipped), Some(Skipped), Some(Waits)],
            ),
        ];
        for ((active, overdue, missing), rest) in table {
            let circumstances = Circumstances {
                active,
                overdue,
                missing,
            };
            let expected: Vec<_> = done.into_iter().chain(rest).collect();
            let decided: Vec<_> = all()
                .iter()
                .map(|found| decide(found, circumstances))
                .collect();
            assert_eq!(decided, expected, "{circumstances:?}");
        }
    }
}
