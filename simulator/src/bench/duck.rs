//! DuckDB's side: the same documents into a Parquet file, by a process of its own that is measured
//! like the connector.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Stdio;

use duckdb::Connection;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::column;
use super::error::{Error, Result};
use super::measure::Sample;
use super::shape::Shape;
use super::usage::Usage;

/// What is said in errors.
const PROCESS: &str = "the process of DuckDB";

/// The verb under which [`copy`] runs in a process of its own.
pub const VERB: &str = "bench-duckdb";

/// What the process says once it is there, and once it is done.
const READY: &str = "ready";
const DONE: &str = "done";

/// Runs one statement in a DuckDB of two threads: says `ready`, waits for a line, runs it, says
/// `done`, waits for the end of the input. In between it can be measured.
pub fn copy(statement: &str, mut input: impl BufRead, mut output: impl Write) -> Result<()> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("SET threads = 2")?;
    let pipe = Error::process(PROCESS);
    let mut line = String::new();
    writeln!(output, "{READY}")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut line))
        .map_err(pipe)?;
    connection.execute_batch(statement)?;
    writeln!(output, "{DONE}")
        .and_then(|()| output.flush())
        .and_then(|()| input.read_line(&mut line))
        .map_err(Error::process(PROCESS))?;
    Ok(())
}

/// Has DuckDB write the documents into the file `output`, with its defaults, and measures it.
pub(super) async fn measure(
    program: &Path,
    shape: Shape,
    documents: &Path,
    output: &Path,
) -> Result<Sample> {
    let statement = format!(
        "COPY ({}) TO {} (FORMAT parquet, COMPRESSION snappy)",
        column::query(shape.columns(), documents),
        column::text(&output.display().to_string())
    );
    let mut child = Command::new(program)
        .arg(VERB)
        .arg(statement)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::process(PROCESS))?;
    let missing = || Error::process(PROCESS)(std::io::Error::other("it ended early"));
    let pid = child.id().ok_or_else(missing)?;
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(missing)?).lines();
    let mut next = async || lines.next_line().await.map_err(Error::process(PROCESS));

    if next().await?.as_deref() != Some(READY) {
        return Err(missing());
    }
    let before = Usage::of(pid).map_err(Error::process(PROCESS))?;
    let began = Instant::now();
    stdin
        .write_all(b"\n")
        .await
        .map_err(Error::process(PROCESS))?;
    if next().await?.as_deref() != Some(DONE) {
        return Err(missing());
    }
    let wall = began.elapsed();
    let after = Usage::of(pid).map_err(Error::process(PROCESS))?;
    drop(stdin);
    child.wait().await.map_err(Error::process(PROCESS))?;
    let bytes = std::fs::metadata(output)
        .map_err(Error::file(output))?
        .len();
    Ok(Sample {
        wall,
        cpu: after.cpu.saturating_sub(before.cpu),
        peak_bytes: after.peak_bytes,
        file_bytes: bytes,
        files: 1,
        ..Sample::default()
    })
}
