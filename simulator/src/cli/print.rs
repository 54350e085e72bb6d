//! The one place that prints.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use super::failure::Failure;

/// Why standard output could not be written, the first time that it could not.
static NOT_WRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output: what was asked for.
    Output,
    /// Standard error: what is said besides.
    Error,
}

impl Stream {
    /// Prints a line. Where it cannot be written to standard output, [`outcome`] tells so in the
    /// end; of standard error there is nobody left to tell.
    pub(super) fn line(self, text: &str) {
        match self {
            Self::Output => note(writeln!(io::stdout(), "{text}")),
            Self::Error => {
                let _ = writeln!(io::stderr(), "{text}");
            }
        }
    }
}

/// Prints a line for the user.
pub(super) fn line(text: &str) {
    Stream::Output.line(text);
}

/// Prints an error.
pub(super) fn error(text: &str) {
    Stream::Error.line(&format!("flow-sim: {text}"));
}

/// Takes note of what came of writing to standard output. Where nobody reads any more, nothing is
/// lost.
pub(super) fn note(written: io::Result<()>) {
    if let Err(error) = written.and_then(|()| io::stdout().flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Only the first one is told.
        let _ = NOT_WRITTEN.set(error);
    }
}

/// Whether all that was printed has been written.
pub(super) fn outcome() -> Result<(), Failure> {
    NOT_WRITTEN.get().map_or(Ok(()), |error| {
        Err(Failure::not_written("standard output", error))
    })
}
