//! The replay itself: recording by recording, process by process, line by line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::flow::{ConnectorState, RangeSpec};
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use serde::Serialize;
use serde_json::Value;

use super::difference::Difference;
use super::error::{Error, Result};
use super::names::Names;
use super::options::Options;
use super::process::{Running, Silence};
use super::requests::{self, Rewriter};
use super::states::States;
use super::translate::Translator;
use crate::run::{Bucket, Opening};
use crate::runtime::LocalCommand;
use crate::transcript::{self, End, Entry, Transcript};

/// What came of a replay.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// How many processes of the connector were started.
    pub connectors: u64,
    /// How many requests were sent.
    pub requests: u64,
    /// How many answers were compared, the ends of processes among them.
    pub answers: u64,
    /// Where an answer is not what was recorded.
    pub differences: Vec<Difference>,
    /// The recordings with this run's answers in place of those that differ.
    #[serde(skip)]
    pub updated: Vec<(PathBuf, Vec<Transcript>)>,
}

/// Replays a recording: a file, or a folder whose files go on from one another, in the order of
/// their names. All of it has one bucket and one state.
pub async fn replay(path: &Path, options: &Options) -> Result<Outcome> {
    let mut recordings = Vec::new();
    for file in transcript::files(path)? {
        recordings.push((transcript::read(&file)?, file));
    }
    let bucket = match &options.store {
        Some(store) => Some(
            Bucket::open_as(&Opening {
                makes_bucket: options.make_bucket,
                ..Opening::new(store, options.bucket.as_deref(), options.seed)
            })
            .await?,
        ),
        None => None,
    };
    let mut player = Player {
        options,
        bucket: bucket.as_ref(),
        names: Names::default(),
        states: States::default(),
        outcome: Outcome::default(),
    };
    for (transcripts, file) in recordings {
        let name = file.display().to_string();
        let mut updated = Vec::with_capacity(transcripts.len());
        for transcript in &transcripts {
            updated.push(player.transcript(&name, transcript).await?);
        }
        player.outcome.updated.push((file, updated));
    }
    let outcome = player.outcome;
    if let Some(bucket) = bucket {
        bucket.close().await?;
    }
    Ok(outcome)
}

/// What goes on from one process to the next.
struct Player<'a> {
    options: &'a Options,
    bucket: Option<&'a Bucket>,
    names: Names,
    states: States,
    outcome: Outcome,
}

impl Player<'_> {
    /// Replays one process. Returns its transcript with this run's answers.
    async fn transcript(&mut self, file: &str, transcript: &Transcript) -> Result<Transcript> {
        let launch = self.launch(transcript);
        let running = Running::start(&launch, self.outcome.connectors, self.options.patience)?;
        self.outcome.connectors += 1;
        let mut scene = Scene {
            file,
            running,
            range: None,
            loaded: Loaded::default(),
            updated: Transcript {
                entries: Vec::new(),
                ..transcript.clone()
            },
            player: self,
        };
        for (line, entry) in &transcript.entries {
            let goes_on = match entry {
                Entry::Request(request) => scene.request(*line, request).await.map(|()| true)?,
                Entry::Response(response) => scene.response(*line, response).await,
                Entry::InputClosed => scene.input_closed(*line).await,
                Entry::Ended(end) if end.is_signal() => false,
                Entry::Ended(end) => return scene.ended(*line, end).await,
            };
            if !goes_on {
                return scene.broken_off(entry).await;
            }
        }
        Ok(scene.killed().await)
    }

    fn launch(&self, transcript: &Transcript) -> LocalCommand {
        let recorded = transcript.head.as_ref().map(|head| head.codec);
        LocalCommand {
            command: self.options.connector.clone(),
            env: BTreeMap::new(),
            codec: self.options.codec.or(recorded).unwrap_or(Codec::Proto),
            log_level: self.options.log_level,
            seed: self.options.seed,
        }
    }
}

/// What was loaded since the last Flushed: the protocol leaves the order to the connector.
#[derive(Default)]
struct Loaded {
    recorded: Vec<(usize, Response)>,
    ours: Vec<Response>,
}

/// One process on its way through a transcript.
struct Scene<'a, 'b> {
    file: &'a str,
    running: Running,
    range: Option<RangeSpec>,
    loaded: Loaded,
    updated: Transcript,
    player: &'a mut Player<'b>,
}

impl Scene<'_, '_> {
    async fn request(&mut self, line: usize, request: &Request) -> Result<()> {
        let player = &mut *self.player;
        let mut rewriter = Rewriter {
            options: player.options,
            bucket: player.bucket,
            names: &mut player.names,
            states: &mut player.states,
        };
        let rewritten = rewriter.rewrite(request).map_err(|what| Error::Recording {
            file: self.file.to_owned(),
            line,
            what,
        })?;
        self.range = requests::range(request).or(self.range);
        self.player.outcome.requests += 1;
        self.push(line, Entry::Request(Box::new(rewritten.recorded)));
        self.running.feed(&rewritten.sent).await?;
        Ok(())
    }

    /// Receives what answers to a recorded response, and compares. False where nothing more can be
    /// expected of the connector.
    async fn response(&mut self, line: usize, recorded: &Response) -> bool {
        self.player.outcome.answers += 1;
        if recorded.loaded.is_some() {
            self.loaded.recorded.push((line, recorded.clone()));
            return true;
        }
        let ours = loop {
            match self.running.receive().await {
                Ok(ours) if ours.loaded.is_some() => self.loaded.ours.push(ours),
                Ok(ours) => break ours,
                Err(silence) => {
                    self.differ(
                        line,
                        &name(&json(recorded)),
                        pretty(&json(recorded)),
                        told(&silence),
                    );
                    return false;
                }
            }
        };
        if recorded.flushed.is_some() {
            self.compare_loaded(line);
        }
        self.compare(line, recorded, &ours);
        true
    }

    fn compare(&mut self, line: usize, recorded: &Response, ours: &Response) {
        let theirs = json(recorded);
        let player = &mut *self.player;
        let translated = Translator::new(&player.options.rules, &mut player.names)
            .translate(&theirs, &json(ours));
        let is_equal = translated == theirs;
        let entry = if is_equal {
            recorded.clone()
        } else {
            self.differ(line, &name(&theirs), pretty(&theirs), pretty(&translated));
            serde_json::from_value(translated).unwrap_or_else(|_| ours.clone())
        };
        self.player
            .states
            .note(state(recorded), state(ours), state(&entry), self.range);
        self.push(line, Entry::Response(Box::new(entry)));
    }

    /// Compares what was loaded, in whatever order.
    fn compare_loaded(&mut self, line: usize) {
        let Loaded { recorded, ours } = std::mem::take(&mut self.loaded);
        let first = recorded.first().map_or(line, |(line, _)| *line);
        let theirs: Vec<Response> = recorded.into_iter().map(|(_, response)| response).collect();
        let (recorded, answered) = (sorted(&theirs), sorted(&ours));
        let is_equal = recorded == answered;
        if !is_equal {
            self.differ(first, "Loaded", recorded, answered);
        }
        for response in if is_equal { theirs } else { ours } {
            self.push(first, Entry::Response(Box::new(response)));
        }
    }

    async fn input_closed(&mut self, line: usize) -> bool {
        self.running.close_input().await;
        self.push(line, Entry::InputClosed);
        true
    }

    /// The recorded process ended here: ours must end in the same way.
    async fn ended(mut self, line: usize, recorded: &End) -> Result<Transcript> {
        self.player.outcome.answers += 1;
        // A process that fails ends by itself; one that does not fail any more must not wait for
        // ever.
        self.running.close_input().await;
        self.silence(line).await;
        let ours = translated(&self.player.names, self.running.end().await?);
        let text = |end: &End| {
            format!(
                "{}\n{}",
                end.status,
                end.message.as_deref().unwrap_or_default()
            )
        };
        let (theirs, answered) = (text(recorded), text(&ours));
        let mut updated = self.updated;
        updated.entries.push((line, Entry::Ended(ours)));
        if theirs != answered {
            let difference =
                difference(self.file, line, "the end of the process", theirs, answered);
            self.player.outcome.differences.push(difference);
        }
        Ok(updated)
    }

    /// Requires the end of the connector's output.
    async fn silence(&mut self, line: usize) {
        self.compare_loaded(line);
        loop {
            match self.running.receive().await {
                Err(Silence::Ended) => return,
                Err(silence) => {
                    self.differ(
                        line,
                        "the end of the output",
                        told(&Silence::Ended),
                        told(&silence),
                    );
                    return;
                }
                Ok(more) => {
                    self.differ(
                        line,
                        "the end of the output",
                        told(&Silence::Ended),
                        pretty(&json(&more)),
                    );
                    self.push(line, Entry::Response(Box::new(more)));
                }
            }
        }
    }

    /// The connector said nothing where something was recorded: how it ended tells more.
    async fn broken_off(mut self, entry: &Entry) -> Result<Transcript> {
        if matches!(entry, Entry::Ended(_)) {
            return Ok(self.killed().await);
        }
        self.running.close_input().await;
        let end = translated(&self.player.names, self.running.end().await?);
        if let Some(difference) = self.player.outcome.differences.last_mut() {
            let message = end.message.as_deref().unwrap_or("it left in good order");
            difference.answered = format!("{}\n{}: {message}", difference.answered, end.status);
        }
        let mut updated = self.updated;
        updated.entries.push((0, Entry::Ended(end)));
        Ok(updated)
    }

    /// The recorded process was killed here.
    async fn killed(self) -> Transcript {
        self.running.kill().await;
        self.updated
    }
}

impl Scene<'_, '_> {
    fn push(&mut self, line: usize, entry: Entry) {
        self.updated.entries.push((line, entry));
    }

    fn differ(&mut self, line: usize, what: &str, recorded: String, answered: String) {
        let difference = difference(self.file, line, what, recorded, answered);
        self.player.outcome.differences.push(difference);
    }
}

fn difference(
    file: &str,
    line: usize,
    what: &str,
    recorded: String,
    answered: String,
) -> Difference {
    Difference {
        file: file.to_owned(),
        line,
        what: what.to_owned(),
        recorded,
        answered,
    }
}

/// How our process ended, in the recording's terms.
fn translated(names: &Names, end: End) -> End {
    End {
        message: end.message.map(|message| names.to_recorded(&message)),
        ..end
    }
}

fn told(silence: &Silence) -> String {
    match silence {
        Silence::Ended => "the end of its output".to_owned(),
        Silence::Nothing => "nothing, for as long as the replay waited".to_owned(),
        Silence::Nonsense(what) => what.clone(),
    }
}

fn state(response: &Response) -> Option<&ConnectorState> {
    let applied = response
        .applied
        .as_ref()
        .and_then(|applied| applied.state.as_ref());
    let flushed = response
        .flushed
        .as_ref()
        .and_then(|flushed| flushed.state.as_ref());
    let started = response
        .started_commit
        .as_ref()
        .and_then(|started| started.state.as_ref());
    let acknowledged = response
        .acknowledged
        .as_ref()
        .and_then(|acknowledged| acknowledged.state.as_ref());
    applied.or(flushed).or(started).or(acknowledged)
}

/// A response as a document; as its text, where numbers in it are beyond what a document can hold.
fn json(response: &Response) -> Value {
    serde_json::to_value(response)
        .unwrap_or_else(|_| serde_json::to_string(response).unwrap_or_default().into())
}

/// The name of a response, such as `StartedCommit`.
fn name(response: &Value) -> String {
    let name = response
        .as_object()
        .and_then(|members| members.keys().next());
    let mut name = name.cloned().unwrap_or_else(|| "the answer".to_owned());
    name[..1].make_ascii_uppercase();
    name
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn sorted(responses: &[Response]) -> String {
    let mut texts: Vec<String> = responses
        .iter()
        .map(|response| pretty(&json(response)))
        .collect();
    texts.sort();
    texts.join("\n")
}
