//! Our side: one session of one transaction, whose Stores go from their file into the connector's
//! pipe.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use materialize_s3_parquet::protocol::consumer::Checkpoint;
use materialize_s3_parquet::protocol::materialize::request;
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use tokio::time::Instant;

use super::error::{Error, Result};
use super::measure::Sample;
use super::task::{Built, PATIENCE, VERSION};
use super::usage::Usage;
use super::variant::Variant;
use crate::runtime::{
    Connector, KeyRange, LocalCommand, Observer, RecoveryLog, Runtime, Session, patches_json,
};

/// What is said in errors.
const PROCESS: &str = "the connector's process";

/// The most that is passed on at once. The pipe takes less.
const PASSED_BYTES: usize = 1 << 20;

/// Plays one session: everything up to the Flushed, then the Stores as fast as the pipe takes them,
/// then the commit. What lies between the first byte of the Stores and Acknowledged is measured.
/// `server` is the process id of the S3 server.
pub(super) async fn measure(
    launch: &LocalCommand,
    built: &Built,
    variant: Variant,
    stores: &Path,
    server: u32,
    observer: &mut dyn Observer,
) -> Result<Sample> {
    let launched = Instant::now();
    let (connector, _) = Connector::start(launch, 0, PATIENCE, observer).await?;
    let (mut session, start) = open(connector, built, variant, launched, observer).await?;
    let missing = || Error::process(PROCESS)(io::Error::other("it has no process id"));
    let pid = session.pid().ok_or_else(missing)?;
    let before = Usages::now(pid, server)?;
    let began = Instant::now();
    feed(pid, stores).await?;
    let mut log = RecoveryLog::default();
    let started = session
        .start_commit(Checkpoint::default(), Bytes::new(), observer)
        .await?;
    let patches = match variant.runtime() {
        Runtime::V1 => Bytes::new(),
        Runtime::V2 => patches_json(&log.update(started.as_ref())?),
    };
    session.acknowledge(patches, observer).await?;
    session.acknowledged(observer).await?;
    let wall = began.elapsed();
    let after = Usages::now(pid, server)?;
    session.end(observer).await?;
    Ok(Sample {
        wall,
        cpu: after.connector.cpu.saturating_sub(before.connector.cpu),
        peak_bytes: after.connector.peak_bytes,
        start,
        server_cpu: after.server.cpu.saturating_sub(before.server.cpu),
        feeder_cpu: after.feeder.cpu.saturating_sub(before.feeder.cpu),
        ..Sample::default()
    })
}

/// Everything up to the first Store, and how long it took.
async fn open(
    connector: Connector,
    built: &Built,
    variant: Variant,
    launched: Instant,
    observer: &mut dyn Observer,
) -> Result<(Session, Duration)> {
    let open = request::Open {
        materialization: Some(built.spec.clone()),
        version: VERSION.to_owned(),
        range: Some(KeyRange::WHOLE.spec()),
        state_json: Bytes::from_static(b"{}"),
        sealed_config_json: Bytes::new(),
    };
    let (mut session, _) = Session::open(connector, open, variant.tuples(), observer).await?;
    let start = launched.elapsed();
    session.acknowledge(Bytes::new(), observer).await?;
    session.acknowledged(observer).await?;
    session.flush(Bytes::new(), observer).await?;
    Ok((session, start))
}

/// Copies a file into a process's standard input, on a thread that may wait: the pipe is opened
/// anew, because our own end of it does not wait.
async fn feed(pid: u32, path: &Path) -> Result<()> {
    let pipe = File::options()
        .write(true)
        .open(format!("/proc/{pid}/fd/0"))
        .map_err(Error::process(PROCESS))?;
    let file = File::open(path).map_err(Error::file(path))?;
    let copied = tokio::task::spawn_blocking(move || pass_on(&file, &pipe)).await;
    match copied.map_err(|panicked| Error::process(PROCESS)(io::Error::other(panicked)))? {
        // A connector that does not read everything has failed: its exit status tells more.
        Ok(()) | Err(Errno::EPIPE) => Ok(()),
        Err(error) => Err(Error::process(PROCESS)(error.into())),
    }
}

/// Passes the pages of a file on to a pipe without a copy of ours: the runtime is on another
/// machine, or at least not on the connector's cores. The standard library would copy, in case that
/// the file changes meanwhile.
fn pass_on(file: &File, pipe: &File) -> Result<(), Errno> {
    while splice(file, None, pipe, None, PASSED_BYTES, SpliceFFlags::empty())? > 0 {}
    Ok(())
}

/// What everybody who takes part has used so far.
struct Usages {
    connector: Usage,
    server: Usage,
    feeder: Usage,
}

impl Usages {
    fn now(connector: u32, server: u32) -> Result<Self> {
        let of = |pid| Usage::of(pid).map_err(Error::process(PROCESS));
        Ok(Self {
            connector: of(connector)?,
            server: of(server)?,
            feeder: of(std::process::id())?,
        })
    }
}
