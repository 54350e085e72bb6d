//! The command line: what can be asked for, and the exit status that answers.

mod arguments;
mod failure;
mod lines;
mod print;
mod run;
mod serve;
mod summary;
mod table;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use arguments::{Arguments, Verb};
use failure::Failure;

/// The exit status after an interruption, as shells have it.
const INTERRUPTED: u8 = 130;

/// Reads the arguments, does what they say, and says how it went.
pub(crate) fn main() -> ExitCode {
    // Wrong arguments end here, with clap's own message and exit status 2.
    let arguments = Arguments::parse();
    let outcome = Runtime::new()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(until_interrupted(arguments)));
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            print::error(&failure.message);
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Does what the arguments say. An interruption drops everything on the way, and with it every child and server.
async fn until_interrupted(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = dispatch(arguments) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(interrupted()),
        _ = terminated.recv() => Ok(interrupted()),
    }
}

fn interrupted() -> ExitCode {
    print::error("interrupted");
    ExitCode::from(INTERRUPTED)
}

async fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments).await,
        Verb::S3(arguments) => serve::serve(&arguments).await,
    }
}
