//! The one place that prints.

use std::io::{self, Write};

/// Prints a line for the user. Where nobody reads any more, nothing is lost.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints an error.
pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr(), "flow-sim: {text}");
}
