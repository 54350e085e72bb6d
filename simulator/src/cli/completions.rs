//! `flow-sim completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use super::arguments::{Arguments, CompletionsArguments};
use super::print::Stream;

/// Prints a shell's completions.
pub(super) fn completions(arguments: &CompletionsArguments) -> ExitCode {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "flow-sim", &mut script);
    let script = String::from_utf8_lossy(&script);
    Stream::Output.line(script.trim_end());
    ExitCode::SUCCESS
}
