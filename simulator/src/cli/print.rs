//! The one place that prints.

use std::io::{self, Write};

/// Where a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output: what was asked for.
    Output,
    /// Standard error: what is said besides.
    Error,
}

impl Stream {
    /// Prints a line. Where nobody reads any more, nothing is lost.
    pub(super) fn line(self, text: &str) {
        let _ = match self {
            Self::Output => writeln!(io::stdout(), "{text}"),
            Self::Error => writeln!(io::stderr(), "{text}"),
        };
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
