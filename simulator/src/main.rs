//! `flow-sim`: plays the Flow runtime for a materialization connector, on one machine.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
