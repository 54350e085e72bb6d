//! What a run says while it goes on: lines, and on a terminal a bar below them with rate and time
//! left.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::Duration;

use flow_sim::figures::grouped;
use flow_sim::report::fields;
use flow_sim::run::{Event, Progress, Published};
use flow_sim::runtime::{Step, Verdict};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::explain;
use super::lines::Lines;
use super::print::Stream;

/// How often the bar moves by itself, so that one sees that something still runs.
const TICK: Duration = Duration::from_millis(100);

/// Prints the lines of a run, above a bar if there is a terminal.
pub(super) struct Narration {
    pub(super) lines: Lines,
    /// Where the lines go.
    pub(super) stream: Stream,
    /// Whether to say of every field why it was taken or left.
    pub(super) explains: bool,
    bar: ProgressBar,
    /// The rows that are committed.
    committed: u64,
}

impl Narration {
    /// A narration with a bar, if standard error is a terminal that can show one.
    pub(super) fn new(lines: Lines, stream: Stream, explains: bool) -> Self {
        let target = if is_lively() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target).with_style(waiting());
        bar.enable_steady_tick(TICK);
        Self {
            lines,
            stream,
            explains,
            bar,
            committed: 0,
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints a line without tearing the bar.
    fn line(&self, line: &str) {
        self.bar.suspend(|| self.stream.line(line));
    }

    fn explain(&self, published: &Published) {
        for (binding, selection) in published.built.bindings.iter().zip(&published.selections) {
            let answers = &published.validated.bindings;
            let answer = answers
                .iter()
                .find(|answer| answer.resource_path == selection.resource_path);
            let collection = binding.collection.clone().unwrap_or_default().name;
            let fields = fields(binding, answer, &selection.selection, &[]);
            for line in explain::lines(&collection, &selection.resource_path, &fields) {
                self.line(&line);
            }
        }
    }

    fn advance(&mut self, event: &Event) {
        match event {
            Event::Loaded { .. } => self.bar.set_message("reading the documents"),
            Event::Documents { .. } => self.bar.set_message("asking the connector"),
            Event::Built(_) => self.bar.set_message("combining the documents"),
            Event::Combined { rows } => {
                self.bar.set_length(rows.iter().sum());
                self.bar.set_style(counting());
                self.bar.reset_eta();
                self.bar.set_message("opening");
            }
            // The documents are still to come, and nobody knows how many.
            Event::Session { .. } if self.bar.length().is_none() => {
                self.bar.set_style(open_ended());
            }
            Event::Committed { rows, .. } => {
                self.committed += *rows as u64;
                // What other shards are sending is not committed yet.
                self.bar
                    .set_position(self.committed.max(self.bar.position()));
                self.bar.set_message("committed");
            }
            // What was sent and not committed is sent again.
            Event::Restarted { .. } => self.bar.set_position(self.committed),
            Event::Comparing { prefix, .. } => {
                self.bar.set_style(waiting());
                self.bar.set_message(format!("comparing {prefix}"));
            }
            _ => {}
        }
    }
}

impl Drop for Narration {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for Narration {
    fn event(&mut self, event: Event) {
        if let Some(line) = self.lines.line(&event) {
            self.line(&line);
        }
        if let (true, Event::Built(published)) = (self.explains, &event) {
            self.explain(published);
        }
        self.advance(&event);
    }

    fn step(&mut self, _shard: u32, step: Step) -> Verdict {
        match step {
            Step::StoreSent { .. } => self.bar.inc(1),
            Step::FlushSent => self.bar.set_message("flushing"),
            Step::Flushed => self.bar.set_message("storing"),
            Step::StartCommitSent => self.bar.set_message("staging"),
            Step::AcknowledgeSent => self.bar.set_message("completing"),
            _ => {}
        }
        Verdict::Continue
    }
}

/// Whether standard error is a terminal that understands more than lines.
#[expect(
    clippy::disallowed_methods,
    reason = "https://no-color.org: terminals are described by the environment"
)]
fn is_lively() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// While nobody knows how long it takes.
fn waiting() -> ProgressStyle {
    style("{spinner} {elapsed} {msg}")
}

/// While rows are sent, without an end in sight.
fn open_ended() -> ProgressStyle {
    style("{spinner} {elapsed} {human_pos} rows, {rate}, {msg}")
}

/// While rows are sent.
fn counting() -> ProgressStyle {
    style("{spinner} {elapsed} [{bar:30}] {human_pos}/{human_len} rows, {rate}, {left}{msg}")
        .progress_chars("=> ")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are written here")
        .with_key("rate", rate)
        .with_key("left", left)
}

fn rate(state: &ProgressState, line: &mut dyn Write) {
    // A line that cannot be written is not shown.
    let _ = write!(line, "{} rows/s", grouped(state.per_sec() as u64));
}

/// The time that is left, as soon as it can be told.
fn left(state: &ProgressState, line: &mut dyn Write) {
    if state.pos() > 0 {
        let _ = write!(line, "{:#} left, ", HumanDuration(state.eta()));
    }
}
