//! The connector process: requests on stdin, responses on stdout, logs on stderr, and the story of
//! a failure as the last log.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use materialize_s3_parquet::command_line::{self, Asked};
use materialize_s3_parquet::error::{Error, Result};
use materialize_s3_parquet::logging;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::requests::{Requests, Terminator};
use materialize_s3_parquet::responses::Responses;
use materialize_s3_parquet::serve::serve;
use materialize_s3_parquet::store::{Haste, S3Options, S3Store, http_client};
use materialize_s3_parquet::transactor::Environment;
use nix::fcntl::{FcntlArg, fcntl};
use tokio::signal::unix::{SignalKind, signal};

/// Does not fall apart under pages of all sizes that stay for a row group, as glibc's does. How it
/// is set up stands in the Dockerfile.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Makes tokens repeatable for the simulator, which gives every process a seed of its own. Never
/// set it elsewhere: two processes with one seed could give two files the same name.
const SEED_VARIABLE: &str = "FLOW_SIM_SEED";

/// Divides the waits for a store to come round, and the upload interval, for simulations only: a
/// real store would not be given its time.
const HASTE_VARIABLE: &str = "FLOW_SIM_HASTE";

/// The exit status after a second signal: that of a process that SIGTERM has ended.
const KILLED: i32 = 128 + 15;

/// Names a PEM file with further authorities to trust, as it does for AWS's own tools.
const CA_BUNDLE_VARIABLE: &str = "AWS_CA_BUNDLE";

/// The bytes that the pipe from the runtime is to hold.
const PIPE_BYTES: i32 = 1 << 20;

fn main() -> ExitCode {
    let unknown = match command_line::asked(arguments()) {
        Asked::Print(text) => return print(&text),
        Asked::Serve { unknown } => unknown,
    };
    logging::init(variable("LOG_LEVEL").as_deref());
    if let Some(argument) = unknown {
        tracing::warn!("the argument `{argument}` means nothing here and is ignored: see --help");
    }
    if io::stdin().is_terminal() {
        // A terminal that cannot be written to needs no hint.
        let _ = io::stderr().write_all(command_line::HINT.as_bytes());
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::log_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The arguments without the program's own name; what is no Unicode in them means nothing here
/// anyway.
fn arguments() -> impl Iterator<Item = String> {
    let arguments = std::env::args_os().skip(1);
    arguments.map(|argument| argument.to_string_lossy().into_owned())
}

/// Prints what a person has asked for; fails where nobody can have read it.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> Result<()> {
    let codec = Codec::from_name(variable("FLOW_RUNTIME_CODEC").as_deref())?;
    let environment = Environment {
        now: Arc::new(now),
        random: random()?,
        haste: haste()?,
    };
    let haste = environment.haste;
    let http_client = http_client(variable(CA_BUNDLE_VARIABLE).as_deref().map(Path::new))?;
    // The session runs on this thread, uploads on the other.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("the async runtime cannot start").with_source(error))?;
    let outcome = runtime.block_on(async {
        widen(&io::stdin());
        let (requests, terminator) = Requests::read(codec, io::stdin());
        stop_on_signals(terminator)?;
        serve(
            requests,
            Responses::new(codec, io::stdout()),
            |endpoint, attempts| {
                S3Store::new(S3Options {
                    http_client: Some(http_client.clone()),
                    ..S3Options::new(endpoint, attempts, haste)
                })
            },
            environment,
        )
        .await
    });
    runtime.shutdown_background();
    outcome
}

/// Lets the pipe from the runtime hold as much as an unprivileged process may ask for, so that
/// neither side has to wake the other up for every 64 KiB. What cannot be widened works too: a
/// file, or a socket.
fn widen(input: &io::Stdin) {
    let _ = fcntl(input, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
}

#[expect(
    clippy::disallowed_methods,
    reason = "who signals twice does not wait for destructors, and what is staged needs none"
)]
fn stop_on_signals(terminator: Terminator) -> Result<()> {
    let unheard = |error| Error::internal("signals cannot be listened for").with_source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    tokio::spawn(async move {
        let mut signalled = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        signalled().await;
        let ending = tokio::spawn(async move { terminator.terminate().await });
        signalled().await;
        drop(ending);
        tracing::warn!("a second signal ends the process at once");
        std::process::exit(KILLED);
    });
    Ok(())
}

fn random() -> Result<fastrand::Rng> {
    let seed = match variable(SEED_VARIABLE) {
        None => getrandom::u64().map_err(|error| {
            Error::internal("the system gives no random numbers").with_source(error)
        })?,
        Some(seed) => {
            tracing::info!(
                "{SEED_VARIABLE} is set: the names of files are repeatable, which is for \
                 simulations only"
            );
            number(SEED_VARIABLE, &seed)?
        }
    };
    Ok(fastrand::Rng::with_seed(seed))
}

fn haste() -> Result<Haste> {
    let times = variable(HASTE_VARIABLE).map(|times| number(HASTE_VARIABLE, &times));
    Ok(times.transpose()?.map_or(Haste::NONE, Haste::times))
}

fn number<T>(name: &str, text: &str) -> Result<T>
where
    T: std::str::FromStr<Err = std::num::ParseIntError>,
{
    text.parse().map_err(|error| {
        Error::config(format!("{name} is not an unsigned integer")).with_source(error)
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process reads its environment here and nowhere else"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process reads the clock here and nowhere else"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
