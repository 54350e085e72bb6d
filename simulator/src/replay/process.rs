//! One process of the connector that a transcript is replayed to.

use std::sync::Arc;
use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{Request, Response};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::runtime::{self, Exit, Launch, Link, Log, Process};
use crate::transcript::End;

/// How long stderr may stay open after the process has ended: a child of its own may hold it.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// What came instead of a response.
pub(super) enum Silence {
    /// The end of its output.
    Ended,
    /// Nothing, for as long as the patience lasts.
    Nothing,
    /// What is no message.
    Nonsense(String),
}

/// A running connector.
pub(super) struct Running {
    link: Link,
    message: Arc<Mutex<Option<String>>>,
    stderr: JoinHandle<()>,
    exit: JoinHandle<std::io::Result<Exit>>,
    kill: Option<oneshot::Sender<()>>,
    patience: Duration,
}

impl Running {
    pub(super) fn start(
        launch: &dyn Launch,
        incarnation: u64,
        patience: Duration,
    ) -> runtime::Result<Self> {
        let Process {
            stdin,
            stdout,
            stderr,
            exit,
            kill,
            ..
        } = launch.launch(incarnation)?;
        let message = Arc::new(Mutex::new(None));
        Ok(Self {
            link: Link::new(launch.codec(), stdin, stdout),
            stderr: tokio::spawn(keep_last(stderr, Arc::clone(&message))),
            message,
            exit,
            kill: Some(kill),
            patience,
        })
    }

    /// Adds a request to those that go out together.
    pub(super) async fn feed(&mut self, request: &Request) -> runtime::Result<()> {
        self.link.feed(request).await
    }

    /// Closes the connector's input.
    pub(super) async fn close_input(&mut self) {
        self.link.close().await;
    }

    /// The next response.
    pub(super) async fn receive(&mut self) -> Result<Response, Silence> {
        self.link.flush().await;
        match timeout(self.patience, self.link.receive()).await {
            Ok(Ok(Some(response))) => Ok(response),
            Ok(Ok(None)) => Err(Silence::Ended),
            Ok(Err(error)) => Err(Silence::Nonsense(error.to_string())),
            Err(_) => Err(Silence::Nothing),
        }
    }

    /// How the process ends; killed, where it does not within the patience.
    pub(super) async fn end(mut self) -> runtime::Result<End> {
        let in_time = timeout(self.patience, &mut self.exit).await;
        let exit = if let Ok(exit) = in_time {
            exit
        } else {
            self.kill = None;
            (&mut self.exit).await
        };
        let _ = timeout(STDERR_GRACE, &mut self.stderr).await;
        let exit = exit
            .map_err(std::io::Error::other)
            .and_then(|exit| exit)
            .map_err(runtime::Error::Wait)?;
        let message = self.message.lock().take();
        Ok(End {
            status: exit.status,
            message: message.filter(|_| !exit.is_success),
        })
    }

    /// Kills the process, and waits until it is gone.
    pub(super) async fn kill(mut self) {
        self.kill = None;
        // What is gone need not be known any better.
        let _ = (&mut self.exit).await;
    }
}

/// Keeps the message of the last log.
async fn keep_last<R: AsyncRead + Unpin>(stderr: R, message: Arc<Mutex<Option<String>>>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            let log = Log::parse(&line);
            *message.lock() = Some(log.message);
        }
    }
}
