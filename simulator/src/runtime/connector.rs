//! One running connector: its pipes, its logs, and its end.

use std::sync::Arc;
use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{Request, Response, request, response};
use nix::sys::signal;
pub use nix::sys::signal::Signal;
use nix::unistd::Pid;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{Error, Result};
use super::launch::{Exit, Launch, Process};
use super::link::Link;
use super::log::Log;
use super::step::{Observer, Step, Verdict};

/// What is waited for when a process should end.
const END: &str = "the end of its output";

/// The name of what may come between other answers.
const LOADED: &str = "Loaded";

/// How long stderr may stay open after the process has ended: a child of its own may hold it.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// One running connector.
pub struct Connector {
    link: Link,
    logs: Arc<Mutex<Vec<Log>>>,
    /// How many logs the observer has heard.
    told: usize,
    stderr: JoinHandle<()>,
    exit: JoinHandle<std::io::Result<Exit>>,
    kill: Option<oneshot::Sender<()>>,
    pid: Option<u32>,
    patience: Duration,
}

impl Connector {
    /// Starts a connector and asks for its Spec with an empty configuration, as the runtime does in
    /// every process.
    pub async fn start(
        launch: &dyn Launch,
        incarnation: u64,
        patience: Duration,
        observer: &mut dyn Observer,
    ) -> Result<(Self, response::Spec)> {
        let Process {
            stdin,
            stdout,
            stderr,
            exit,
            kill,
            pid,
        } = launch.launch(incarnation)?;
        let logs = Arc::new(Mutex::new(Vec::new()));
        let mut connector = Self {
            link: Link::new(launch.codec(), stdin, stdout),
            logs: Arc::clone(&logs),
            told: 0,
            stderr: tokio::spawn(collect(stderr, logs)),
            exit,
            kill: Some(kill),
            pid,
            patience,
        };
        connector
            .reach(Step::Started { incarnation }, observer)
            .await?;
        connector.send(&spec_request(b"{}")).await?;
        let spec = connector.expect("Spec", |response| response.spec).await?;
        Ok((connector, spec))
    }

    /// Adds a request to those that go out together.
    pub async fn feed(&mut self, request: &Request) -> Result<()> {
        self.link.feed(request).await
    }

    /// Hands what was fed to the pipe.
    pub async fn flush(&mut self) {
        self.link.flush().await;
    }

    /// Sends a request, with everything that was fed before it.
    pub async fn send(&mut self, request: &Request) -> Result<()> {
        self.link.feed(request).await?;
        self.link.flush().await;
        Ok(())
    }

    /// The next response, which must be the one that `pick` picks.
    pub async fn expect<T>(
        &mut self,
        awaited: &'static str,
        pick: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T> {
        let response = self.receive(awaited).await?;
        match response {
            Some(response) => the_one(response, awaited, pick),
            None => Err(self.ended_early(awaited).await),
        }
    }

    /// The same where any number of Loaded may come first, which are added to `loaded`.
    pub async fn expect_after_loaded<T>(
        &mut self,
        awaited: &'static str,
        loaded: &mut Vec<response::Loaded>,
        pick: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T> {
        loop {
            let Some(mut response) = self.receive(awaited).await? else {
                return Err(self.ended_early(awaited).await);
            };
            if names(&response) != LOADED {
                return the_one(response, awaited, pick);
            }
            loaded.extend(response.loaded.take());
        }
    }

    /// A violation if a response other than Loaded has come where none may.
    pub fn expect_only_loaded(
        &mut self,
        place: &str,
        loaded: &mut Vec<response::Loaded>,
    ) -> Result<()> {
        while let Some(mut response) = self.link.try_receive()? {
            if names(&response) != LOADED {
                let names = names(&response);
                return Err(Error::violation(format!("it sent {names} {place}")));
            }
            loaded.extend(response.loaded.take());
        }
        Ok(())
    }

    /// A violation if a response has come where none may.
    pub fn expect_silence(&mut self, place: &str) -> Result<()> {
        match self.link.try_receive()? {
            None => Ok(()),
            Some(response) => Err(Error::violation(format!(
                "it sent {} {place}",
                names(&response)
            ))),
        }
    }

    /// Closes the connector's standard input.
    pub async fn close_input(&mut self) {
        self.link.close().await;
    }

    /// The next response, or none at the end of its output.
    pub async fn receive(&mut self, awaited: &'static str) -> Result<Option<Response>> {
        match timeout(self.patience, self.link.receive()).await {
            Ok(received) => received,
            Err(_) => Err(Error::Silent {
                awaited,
                patience: self.patience,
                message: self.last_message(),
            }),
        }
    }

    /// Takes what the connector still says, and waits until it has ended. Returns how.
    pub async fn drain(&mut self) -> Result<Exit> {
        while self.receive(END).await?.is_some() {}
        self.wait().await
    }

    /// Requires the end of the output, and then an exit with status 0.
    pub async fn expect_end(&mut self, observer: &mut dyn Observer) -> Result<()> {
        if let Some(response) = self.receive(END).await? {
            return Err(Error::violation(format!(
                "it sent {} where its output should end",
                names(&response)
            )));
        }
        let exit = self.wait().await?;
        self.tell_logs(observer);
        if exit.is_success {
            Ok(())
        } else {
            Err(self.failed(END, exit))
        }
    }

    /// Tells the observer of a step, and kills the connector if that is its verdict.
    pub async fn reach(&mut self, step: Step, observer: &mut dyn Observer) -> Result<()> {
        self.tell_logs(observer);
        match observer.step(step) {
            Verdict::Continue => Ok(()),
            Verdict::Kill => {
                self.kill().await?;
                self.tell_logs(observer);
                Err(Error::Killed(step))
            }
            Verdict::Leave => Err(Error::Left(step)),
        }
    }

    /// Kills the connector and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
            self.wait().await?;
        }
        Ok(())
    }

    /// The id by which the system knows the process, where it is one of its own.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Sends the process a signal. One that has ended already needs none.
    pub fn signal(&self, signal: Signal) {
        if let (Some(pid), Some(_)) = (self.pid, &self.kill) {
            // The only way to fail is that it has just ended.
            let _ = signal::kill(Pid::from_raw(pid as i32), signal);
        }
    }

    /// The message of its last log: what Flow would show its user.
    pub fn last_message(&self) -> String {
        let logs = self.logs.lock();
        logs.last().map_or_else(
            || "connector exited with no log output".to_owned(),
            |log| log.message.clone(),
        )
    }

    /// Tells the observer what was logged since the last time.
    pub fn tell_logs(&mut self, observer: &mut dyn Observer) {
        let logs = self.logs.lock();
        for log in &logs[self.told..] {
            observer.log(log);
        }
        self.told = logs.len();
    }

    async fn wait(&mut self) -> Result<Exit> {
        let exit = timeout(self.patience, &mut self.exit).await;
        let _ = timeout(STDERR_GRACE, &mut self.stderr).await;
        // What has ended cannot be killed, nor waited for again.
        self.kill = None;
        match exit {
            Ok(Ok(exit)) => exit.map_err(Error::Wait),
            Ok(Err(join)) => Err(Error::Wait(std::io::Error::other(join))),
            Err(_) => Err(Error::Silent {
                awaited: "the end of its process",
                patience: self.patience,
                message: self.last_message(),
            }),
        }
    }

    async fn ended_early(&mut self, awaited: &'static str) -> Error {
        match self.wait().await {
            Ok(exit) => self.failed(awaited, exit),
            Err(error) => error,
        }
    }

    fn failed(&self, awaited: &'static str, exit: Exit) -> Error {
        Error::Failed {
            awaited,
            status: exit.status,
            message: self.last_message(),
        }
    }
}

/// A Spec request with a configuration.
pub(super) fn spec_request(config_json: &'static [u8]) -> Request {
    let spec = request::Spec {
        config_json: config_json.into(),
        ..request::Spec::default()
    };
    Request {
        spec: Some(spec),
        ..Request::default()
    }
}

async fn collect<R: AsyncRead + Unpin>(stderr: R, logs: Arc<Mutex<Vec<Log>>>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            logs.lock().push(Log::parse(&line));
        }
    }
}

/// What `pick` picks, provided that the response holds nothing else.
fn the_one<T>(
    response: Response,
    awaited: &str,
    pick: impl FnOnce(Response) -> Option<T>,
) -> Result<T> {
    let names = names(&response);
    match pick(response) {
        Some(picked) if names == awaited => Ok(picked),
        _ => Err(Error::violation(format!(
            "it sent {names} where {awaited} was due"
        ))),
    }
}

/// Every variant that a response holds, by name.
fn names(response: &Response) -> String {
    let variants = [
        ("Spec", response.spec.is_some()),
        ("Validated", response.validated.is_some()),
        ("Applied", response.applied.is_some()),
        ("Opened", response.opened.is_some()),
        (LOADED, response.loaded.is_some()),
        ("Flushed", response.flushed.is_some()),
        ("StartedCommit", response.started_commit.is_some()),
        ("Acknowledged", response.acknowledged.is_some()),
    ];
    let present: Vec<&str> = variants
        .iter()
        .filter(|(_, is_present)| *is_present)
        .map(|(name, _)| *name)
        .collect();
    if present.is_empty() {
        "an empty message".to_owned()
    } else {
        present.join(" and ")
    }
}
