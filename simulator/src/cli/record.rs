//! `flow-sim record`: stands between a runtime and a connector, and writes down what they say.
//!
//! Bytes go on as they come, before anything is made of them but the recording; both sides see what
//! they would see without it: every byte, the end of the input, signals, stderr and the exit
//! status. Only SIGKILL cannot be passed on: the connector then finds its input closed.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use flow_sim::figures::plural;
use flow_sim::runtime::Log;
use flow_sim::status::Status;
use flow_sim::transcript::{self, Counts, End, Head, Pattern, Recorder, Redactor, VERSION};
use materialize_s3_parquet::protocol::Codec;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal as heard};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::arguments::CodecName;
use super::failure::{self, Failure};
use super::print;
use super::run::variable;

/// How many bytes are passed on at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;

/// How long stderr may stay open after the connector has ended: a child of its own may hold it.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// What shells add to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;

/// What `--help` says besides.
pub(super) const EXAMPLES: &str = "\
Examples:
  flow-sim record --to session.jsonl -- ./my-connector --verbose
      Anything that starts a connector can start this in its place: messages, logs, signals
      and the exit status go through unchanged. What is said is appended to session.jsonl.

  flow-sim run flow.yaml --connector 'flow-sim record --to recording/ -- ./my-connector'
      Record a whole run. With a slash at its end the name is a folder, in which every process
      of the connector gets a file of its own: 000.jsonl, 001.jsonl, …

  endpoint: {local: {command: [flow-sim, record, --to, recording/, --, ./my-connector], …}}
      The same in a catalog that flowctl plays.

  flow-sim record --redact /credentials/*/pin -- ./my-connector
      What the connector's Spec response marks as `secret: true` is never written down; here
      something else is not, either: a JSON pointer into a configuration, with `*` for any name.

  flow-sim record --json --to recording/ -- ./my-connector 2>&1 >/dev/null | tail -1 | jq \
                                   .recording
      Where it is, how many messages it has, and how the connector ended.

A recording has one JSON object per line: {\"dir\": \">\", \"msg\": {…}} from the runtime,
{\"dir\": \"<\", \"msg\": {…}} from the connector. `flow-sim replay session.jsonl` plays it again.

Exit status: the connector's; 128 and the signal's number where a signal ended it; 6 where the
connector ended with 0 and the recording could not be written whole.";

/// The arguments of `record`.
#[derive(Args, Debug)]
pub(super) struct RecordArguments {
    /// The file to append to; with a slash at its end, a folder for a file per process
    #[arg(long, value_name = "FILE", default_value = "session.jsonl")]
    to: PathBuf,
    /// How messages are written [default: what `FLOW_RUNTIME_CODEC` says, as for connectors, or
    /// else proto]
    #[arg(long, value_enum)]
    codec: Option<CodecName>,
    /// A place in the configurations that is secret besides what the connector marks; may be given
    /// several times
    #[arg(long, value_name = "POINTER")]
    redact: Vec<String>,
    /// Print what was recorded as one JSON document, to standard error and after everything else:
    /// standard output is the protocol's. It is a log line as well, and says what the
    /// connector's last one said where that has failed
    #[arg(long)]
    json: bool,
    /// The connector's program and its arguments
    #[arg(last = true, required = true, value_name = "CONNECTOR")]
    connector: Vec<String>,
}

/// A recorder that both directions tell of their bytes.
type Shared = Arc<Mutex<Recorder<std::fs::File>>>;

/// Records until the connector has ended, and ends as it did; but not well where the recording is
/// not whole.
pub(super) fn record(arguments: &RecordArguments) -> Result<ExitCode, Failure> {
    let (path, recorder) = recorder(arguments)?;
    let recorder = Arc::new(Mutex::new(recorder));
    let mut child = start(&arguments.connector)?;
    let stdout = pass_responses(&mut child, &recorder);
    let stderr = pass_logs(&mut child);
    pass_requests(&mut child, &recorder);

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (status, message) = runtime.block_on(async {
        let status = wait(child).await?;
        // An error means that the thread has ended already.
        let _ = stdout.await;
        let message = timeout(STDERR_GRACE, stderr).await;
        io::Result::Ok((status, message.ok().and_then(Result::ok).flatten()))
    })?;
    runtime.shutdown_background();
    let end = End {
        status: status.to_string(),
        message: message.filter(|_| !status.success()),
    };
    let is_complete = finish(&recorder, &end);
    if arguments.json {
        let counts = lock(&recorder).counts();
        print::Stream::Error.line(&document(&path, &end, counts, is_complete).to_string());
    }
    if status.success() && !is_complete {
        return Ok(failure::exit_code(Status::NotWritten));
    }
    Ok(exit_code(status))
}

fn recorder(arguments: &RecordArguments) -> Result<(PathBuf, Recorder<std::fs::File>), Failure> {
    let usage = |error: transcript::Error| Failure::usage(error.to_string());
    let named = arguments
        .redact
        .iter()
        .map(|pointer| Pattern::parse(pointer));
    let redactor = Redactor::new(named.collect::<Result<_, _>>().map_err(usage)?);
    let (path, file) = transcript::create(&arguments.to).map_err(usage)?;
    let program = arguments
        .connector
        .first()
        .map(Path::new)
        .and_then(Path::file_name);
    let head = Head {
        version: VERSION,
        codec: codec(arguments)?,
        connector: program.unwrap_or_default().to_string_lossy().into_owned(),
        at: Some(now().to_string()),
    };
    Ok((path, Recorder::new(file, &head, redactor)))
}

fn codec(arguments: &RecordArguments) -> Result<Codec, Failure> {
    match arguments.codec {
        Some(name) => Ok(name.into()),
        None => Codec::from_name(variable("FLOW_RUNTIME_CODEC").as_deref())
            .map_err(|error| Failure::usage(error.to_string())),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: when a recording began is for people"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn start(command: &[String]) -> Result<Child, Failure> {
    let (program, rest) = command
        .split_first()
        .ok_or_else(|| Failure::usage("name the connector's command after --"))?;
    Command::new(program)
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::usage(format!("cannot start the connector `{program}`: {error}")))
}

/// Passes requests on, on a thread that ends with the process: nothing else ends a wait for
/// standard input.
fn pass_requests(child: &mut Child, recorder: &Shared) {
    let Some(mut stdin) = child.stdin.take() else {
        return;
    };
    let recorder = Arc::clone(recorder);
    thread::spawn(move || {
        let outcome = pass(&mut io::stdin().lock(), |bytes| {
            lock(&recorder).request_bytes(bytes);
            stdin.write_all(bytes)
        });
        if outcome.is_ok() {
            lock(&recorder).input_closed();
        }
    });
}

/// Passes responses on. The receiver hears of the end.
fn pass_responses(child: &mut Child, recorder: &Shared) -> oneshot::Receiver<()> {
    let (done, ended) = oneshot::channel();
    if let Some(mut stdout) = child.stdout.take() {
        let recorder = Arc::clone(recorder);
        thread::spawn(move || {
            // A runtime that does not read any more is no error; the connector finds out by itself.
            let _ = pass(&mut stdout, |bytes| {
                lock(&recorder).response_bytes(bytes);
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            });
            drop(done);
        });
    }
    ended
}

/// Passes logs on. The receiver hears of the end, and of the last log's message.
fn pass_logs(child: &mut Child) -> oneshot::Receiver<Option<String>> {
    let (done, ended) = oneshot::channel();
    if let Some(mut stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut last = LastLine::default();
            let _ = pass(&mut stderr, |bytes| {
                last.append(bytes);
                io::stderr().write_all(bytes)
            });
            let _ = done.send(last.message());
        });
    }
    ended
}

/// Hands over whatever `from` gives, until it ends.
fn pass(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The last line of a stream that is not blank.
#[derive(Default)]
struct LastLine {
    whole: Vec<u8>,
    open: Vec<u8>,
}

impl LastLine {
    fn append(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.open);
                if !line.trim_ascii().is_empty() {
                    self.whole = line;
                }
            }
        }
    }

    /// Its message, as Flow reads it.
    fn message(self) -> Option<String> {
        let line = if self.open.trim_ascii().is_empty() {
            self.whole
        } else {
            self.open
        };
        let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        (!line.is_empty()).then(|| Log::parse(&line).message)
    }
}

/// Waits for the connector, and passes signals on to it meanwhile.
async fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let pid = Pid::from_raw(child.id() as i32);
    let (mut interrupt, mut terminate) = (
        heard(SignalKind::interrupt())?,
        heard(SignalKind::terminate())?,
    );
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    loop {
        let signal = tokio::select! {
            status = &mut ended => return status.map_err(io::Error::other)?,
            _ = interrupt.recv() => Signal::SIGINT,
            _ = terminate.recv() => Signal::SIGTERM,
        };
        // The only way to fail is that it has just ended.
        let _ = signal::kill(pid, signal);
    }
}

/// Ends the recording. Whether it is complete.
fn finish(recorder: &Shared, end: &End) -> bool {
    let outcome = lock(recorder).finish(end);
    if let Err(error) = &outcome {
        print::error(&format!("the recording is not complete: {error}"));
    }
    outcome.is_ok()
}

/// What was recorded. A runtime takes the last line for the reason of a failure, so it must still
/// be the connector's.
fn document(path: &Path, end: &End, counts: Counts, is_complete: bool) -> Value {
    let Counts {
        requests,
        responses,
    } = counts;
    let recorded = || {
        let (requests, responses) = (plural(requests, "request"), plural(responses, "response"));
        format!("recorded {requests} and {responses} in {}", path.display())
    };
    json!({
        "ts": now().to_string(),
        "level": if end.message.is_some() { "error" } else { "info" },
        "message": end.message.clone().unwrap_or_else(recorded),
        "recording": {
            "version": VERSION,
            "path": path.display().to_string(),
            "requests": requests,
            "responses": responses,
            "status": end.status,
            "isComplete": is_complete,
        },
    })
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

fn lock(recorder: &Shared) -> parking_lot::MutexGuard<'_, Recorder<std::fs::File>> {
    recorder.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_log_is_the_last_line_that_says_something() {
        let table: [(&[&str], Option<&str>); 4] = [
            (
                &[
                    "{\"level\":\"info\",\"mess",
                    "age\":\"a\"}\n{\"message\":\"b\"}\n\n",
                ],
                Some("b"),
            ),
            (&["one\ntwo"], Some("two")),
            (&["one\n", " \n"], Some("one")),
            (&[], None),
        ];
        for (chunks, expected) in table {
            let mut last = LastLine::default();
            for chunk in chunks {
                last.append(chunk.as_bytes());
            }
            assert_eq!(last.message().as_deref(), expected);
        }
    }
}
