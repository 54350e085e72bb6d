//! The connector process: requests on stdin, responses on stdout, logs on stderr, and the story of a failure as the last log.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use materialize_s3_parquet::config::EndpointConfig;
use materialize_s3_parquet::error::{Error, Result};
use materialize_s3_parquet::logging;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::requests::{Requests, Terminator};
use materialize_s3_parquet::responses::Responses;
use materialize_s3_parquet::serve::serve;
use materialize_s3_parquet::store::{S3Options, S3Store};
use materialize_s3_parquet::transactor::Environment;
use tokio::signal::unix::{SignalKind, signal};

/// Makes tokens repeatable for the simulator, which gives every process a seed of its own. Never set it elsewhere: two processes
/// with one seed could give two files the same name.
const SEED_VARIABLE: &str = "FLOW_SIM_SEED";

fn main() -> ExitCode {
    logging::init(variable("LOG_LEVEL").as_deref());
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::log_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let codec = Codec::from_name(variable("FLOW_RUNTIME_CODEC").as_deref())?;
    let environment = Environment {
        now: Arc::new(now),
        random: random()?,
    };
    // The session runs on this thread, uploads on the other.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::internal("the async runtime cannot start").with_source(error))?;
    let outcome = runtime.block_on(async {
        let (requests, terminator) = Requests::read(codec, io::stdin());
        stop_on_signals(terminator)?;
        serve(
            requests,
            Responses::new(codec, io::stdout()),
            connect,
            environment,
        )
        .await
    });
    runtime.shutdown_background();
    outcome
}

fn connect(endpoint: &EndpointConfig, attempts: u32) -> S3Store {
    S3Store::new(S3Options::new(endpoint, attempts))
}

fn stop_on_signals(terminator: Terminator) -> Result<()> {
    let unheard = |error| Error::internal("signals cannot be listened for").with_source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        terminator.terminate().await;
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
                "{SEED_VARIABLE} is set: the names of files are repeatable, which is for simulations only"
            );
            seed.parse().map_err(|error| {
                Error::config(format!("{SEED_VARIABLE} is not an unsigned integer"))
                    .with_source(error)
            })?
        }
    };
    Ok(fastrand::Rng::with_seed(seed))
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
