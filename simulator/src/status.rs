//! The exit statuses of the program, in one place: each command ends with one of them, and `--help`
//! lists them.

use std::fmt::Write as _;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Success,
    /// The connector failed, or an answer, a file or a promise is not as it must be.
    Failed,
    /// What was asked for makes no sense.
    Usage,
    /// Documents name a collection that the catalog does not have.
    UnknownCollection,
    /// A document does not fit the schema of its collection.
    InvalidDocument,
    /// A run has compared nothing.
    NothingCompared,
    /// What came of it could not be written.
    NotWritten,
    /// `--strict`: a value is not in a column of its own, or a binding was not read back.
    NotInColumns,
    /// A file is no Parquet file, or a broken one.
    BrokenFile,
    /// Documents are left over after the last session of a run.
    NotAllPlayed,
    /// A signal ended it.
    Interrupted,
}

impl Status {
    /// All of them, ascending.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::UnknownCollection,
        Self::InvalidDocument,
        Self::NothingCompared,
        Self::NotWritten,
        Self::NotInColumns,
        Self::BrokenFile,
        Self::NotAllPlayed,
        Self::Interrupted,
    ];

    /// The number that a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::UnknownCollection => 3,
            Self::InvalidDocument => 4,
            Self::NothingCompared => 5,
            Self::NotWritten => 6,
            Self::NotInColumns => 7,
            Self::BrokenFile => 8,
            Self::NotAllPlayed => 9,
            Self::Interrupted => 130,
        }
    }

    /// What it says, as `--help` and the manual have it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "all is well",
            Self::Failed => {
                "the connector failed, or the files or answers differ from what they must be"
            }
            Self::Usage => "the command line, the catalog or the form of the documents is wrong",
            Self::UnknownCollection => "the documents name a collection that is not in the catalog",
            Self::InvalidDocument => {
                "a document does not fit its collection's schema: Flow would stop there"
            }
            Self::NothingCompared => "nothing was compared; --allow-empty says that this is fine",
            Self::NotWritten => "what came of it could not be written, such as to a full disk",
            Self::NotInColumns => {
                "--strict: values were rescued, kept as exact text, or are in no column, or rows \
                 were not read back"
            }
            Self::BrokenFile => {
                "inspect: a file is no Parquet file, or a broken one; the others are shown"
            }
            Self::NotAllPlayed => {
                "documents are left over after the last session; --allow-unplayed says that this \
                 is fine"
            }
            Self::Interrupted => "interrupted",
        }
    }
}

/// The lines of `--help` about these statuses.
pub fn help(statuses: &[Status]) -> String {
    let mut text = "Exit status:".to_owned();
    for status in statuses {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {:<3}  {}", status.code(), status.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_statuses_have_the_same_number() {
        let mut codes = Status::ALL.map(Status::code).to_vec();
        codes.dedup();
        assert_eq!(codes.len(), Status::ALL.len());
        assert!(codes.is_sorted());
    }

    #[test]
    fn the_manual_has_every_status_with_its_meaning() {
        let manual = include_str!("../README.md");
        for status in Status::ALL {
            let row = format!("| {} | {} |", status.code(), status.meaning());
            assert!(manual.contains(&row), "not in simulator/README.md: {row}");
        }
    }

    #[test]
    fn help_lists_what_it_is_given() {
        assert_eq!(
            help(&[Status::Success, Status::Interrupted]),
            "Exit status:\n  0    all is well\n  130  interrupted"
        );
    }
}
