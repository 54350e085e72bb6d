//! A connector of the tests' own, inside this process: well-behaved, unless told otherwise.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::flow::ConnectorState;
use materialize_s3_parquet::protocol::materialize::{Request, Response, response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;

use crate::runtime::{Exit, Launch, Process, Result};

/// What the scripted connector does wrong, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flaw {
    #[default]
    None,
    /// Answers Flush twice.
    FlushedTwice,
    /// Prints something on stdout while rows are stored.
    StrayPrint,
    /// Logs an error and exits with status 1 at `StartCommit`.
    FailsAtStartCommit,
    /// Exits with status 0 at `StartCommit`.
    LeavesAtStartCommit,
    /// Goes on talking after the answer to Apply.
    TalksAfterApplied,
    /// Never answers Flush.
    Silent,
    /// Ends its output in the middle of a message.
    Truncates,
}

/// What the scripted connectors have seen, over all of them.
pub(super) type Seen = Arc<Mutex<Vec<Request>>>;

/// Starts scripted connectors.
pub(super) struct Scripted {
    pub(super) codec: Codec,
    pub(super) flaw: Flaw,
    pub(super) seen: Seen,
}

impl Launch for Scripted {
    fn launch(&self, _incarnation: u64) -> Result<Process> {
        // Small pipes: whoever writes without reading comes to a stop here.
        let (stdin, their_stdin) = duplex(64);
        let (their_stdout, stdout) = duplex(64);
        let (their_stderr, stderr) = duplex(1 << 16);
        let connector = Script {
            codec: self.codec,
            flaw: self.flaw,
            seen: Arc::clone(&self.seen),
            stdout: their_stdout,
            stderr: their_stderr,
            staged: 0,
        };
        Ok(process(stdin, stdout, stderr, connector.run(their_stdin)))
    }

    fn codec(&self) -> Codec {
        self.codec
    }
}

/// A process that is a task of this one: `run` is its work, and whether it ends well.
pub(super) fn process(
    stdin: DuplexStream,
    stdout: DuplexStream,
    stderr: DuplexStream,
    run: impl Future<Output = bool> + Send + 'static,
) -> Process {
    let (kill, killed) = oneshot::channel();
    let exit = tokio::spawn(async move {
        let is_success = tokio::select! {
            is_success = run => is_success,
            _ = killed => false,
        };
        Ok(Exit {
            is_success,
            status: format!("exit status: {}", u8::from(!is_success)),
        })
    });
    Process {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        exit,
        kill,
        pid: None,
    }
}

struct Script {
    codec: Codec,
    flaw: Flaw,
    seen: Seen,
    stdout: DuplexStream,
    stderr: DuplexStream,
    staged: u64,
}

impl Script {
    /// Answers until the input ends. Returns whether the exit status is 0.
    async fn run(mut self, mut stdin: DuplexStream) -> bool {
        let mut buffer = Vec::new();
        loop {
            while let Some((frame, used)) = self.codec.split_frame(&buffer).unwrap() {
                let request: Request = self.codec.decode(Bytes::copy_from_slice(frame)).unwrap();
                buffer.drain(..used);
                self.seen.lock().unwrap().push(request.clone());
                if let Some(is_success) = self.answer(&request).await {
                    return is_success;
                }
            }
            if stdin.read_buf(&mut buffer).await.unwrap() == 0 {
                return true;
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> Option<bool> {
        let mut response = Response::default();
        if request.spec.is_some() {
            response.spec = Some(response::Spec {
                protocol: 3_032_023,
                ..Default::default()
            });
        } else if request.apply.is_some() {
            response.applied = Some(response::Applied::default());
        } else if request.open.is_some() {
            response.opened = Some(response::Opened::default());
        } else if request.acknowledge.is_some() {
            response.acknowledged = Some(response::Acknowledged {
                state: Some(patch(&json!({"staged": null}))),
            });
        } else if request.flush.is_some() {
            response.flushed = Some(response::Flushed::default());
        } else if request.store.is_some() {
            self.staged += 1;
            if self.flaw == Flaw::StrayPrint {
                self.stdout.write_all(b"row stored!!\n").await.unwrap();
            }
            return None;
        } else if request.start_commit.is_some() {
            match self.flaw {
                Flaw::LeavesAtStartCommit => return Some(true),
                Flaw::FailsAtStartCommit => {
                    let line = b"{\"level\":\"error\",\"message\":\"no such bucket: make it\"}\n";
                    self.stderr.write_all(line).await.unwrap();
                    return Some(false);
                }
                Flaw::Truncates => {
                    self.stdout.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
                    return Some(true);
                }
                _ => {}
            }
            let state = patch(&json!({"staged": self.staged}));
            response.started_commit = Some(response::StartedCommit { state: Some(state) });
        }
        if self.flaw == Flaw::Silent && request.flush.is_some() {
            return None;
        }
        self.send(&response).await;
        let again = (self.flaw == Flaw::FlushedTwice && request.flush.is_some())
            || (self.flaw == Flaw::TalksAfterApplied && request.apply.is_some());
        if again {
            self.send(&response).await;
        }
        None
    }

    async fn send(&mut self, response: &Response) {
        let mut out = Vec::new();
        self.codec.encode(response, &mut out).unwrap();
        // The runtime may have turned away already.
        let _ = self.stdout.write_all(&out).await;
    }
}

fn patch(updated: &Value) -> ConnectorState {
    ConnectorState {
        updated_json: updated.to_string().into(),
        merge_patch: true,
    }
}
