//! The command line: what can be asked for, and the exit status that answers.

mod arguments;
mod bench;
mod command;
mod completions;
mod duckdb;
mod explain;
mod failure;
mod inspect;
mod lines;
mod narration;
mod page;
mod portrait;
mod print;
mod record;
mod replay;
mod run;
mod serve;
mod summary;
mod table;
mod torture;
mod words;

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use arguments::{Arguments, Verb};
use failure::{Failure, exit_code};
use flow_sim::status::Status;

/// How long what was interrupted may take to take its processes, containers and files away.
const GRACE: Duration = Duration::from_secs(5);

/// How long threads that cannot be interrupted are waited for in the end.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Reads the arguments, does what they say, and says how it went.
pub(crate) fn main() -> ExitCode {
    let code = match Arguments::try_parse() {
        Ok(arguments) => start(arguments).unwrap_or_else(|failure| fail(&failure)),
        Err(answer) => answer_at_once(&answer),
    };
    match print::outcome() {
        Err(failure) if code == ExitCode::SUCCESS => fail(&failure),
        Err(failure) => {
            print::error(&failure.message);
            code
        }
        Ok(()) => code,
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn answer_at_once(answer: &clap::Error) -> ExitCode {
    print::note(answer.print());
    if answer.use_stderr() {
        exit_code(Status::Usage)
    } else {
        ExitCode::SUCCESS
    }
}

fn fail(failure: &Failure) -> ExitCode {
    print::error(&failure.message);
    exit_code(failure.status)
}

fn start(arguments: Arguments) -> Result<ExitCode, Failure> {
    if let Verb::Record(arguments) = &arguments.verb {
        // Signals are for the connector.
        return record::record(arguments);
    }
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(until_interrupted(arguments, runtime.handle().clone()));
    // With the runtime ends every process that it still has. A thread that waits for standard input
    // is left behind.
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

/// Does what the arguments say, on a thread of its own: it may be busy, and yet an interruption is
/// heard at once. An interruption drops everything on the way, and with it every child and server;
/// a second one does not wait for that.
async fn until_interrupted(arguments: Arguments, runtime: Handle) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new()?;
    let (cancel, cancelled) = oneshot::channel::<()>();
    let (done, mut outcome) = oneshot::channel();
    thread::spawn(move || {
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = dispatch(arguments) => Some(outcome),
                _ = cancelled => None,
            }
        });
        // Nobody listens any more after a second interruption.
        let _ = done.send(outcome);
    });
    tokio::select! {
        outcome = &mut outcome => match outcome {
            Ok(Some(outcome)) => return outcome,
            Ok(None) | Err(_) => return Err(Failure::panicked()),
        },
        () = signals.next() => {}
    }
    print::error("interrupted");
    drop(cancel);
    tokio::select! {
        _ = timeout(GRACE, outcome) => {}
        () = signals.next() => {}
    }
    Ok(exit_code(Status::Interrupted))
}

/// The signals that end a program in good order.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments).await,
        Verb::Torture(arguments) => Box::pin(torture::torture(&arguments)).await,
        Verb::Bench(arguments) => bench::bench(&arguments).await,
        Verb::BenchDuckDb(arguments) => bench::duckdb(&arguments),
        Verb::Replay(arguments) => replay::replay(&arguments).await,
        Verb::Record(arguments) => record::record(&arguments),
        Verb::Inspect(arguments) => inspect::inspect(&arguments).await,
        Verb::S3(arguments) => serve::serve(&arguments).await,
        Verb::Completions(arguments) => Ok(completions::completions(&arguments)),
    }
}
