//! Notes everything that a run says, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::run::{Event, Progress};
use crate::runtime::{Step, Verdict};

/// Notes what a run says, and passes it on.
pub struct Recorder<'a> {
    next: &'a mut dyn Progress,
    recording: Recording,
}

/// What a run has said, and when.
#[derive(Clone, Debug)]
pub struct Recording {
    /// When the run began.
    pub(super) origin: Instant,
    /// When the recording ended, since then.
    pub(super) ended: Duration,
    /// What was said, in order, each with its time since the beginning. Of Stores of a
    /// shard that follow one another only the last is kept.
    pub(super) heard: Vec<(Duration, Heard)>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Event(Event),
    /// A step of a shard.
    Step(u32, Step),
}

impl<'a> Recorder<'a> {
    /// Begins a recording now, by tokio's clock. `next` hears everything as well, and gives the
    /// verdicts.
    pub fn new(next: &'a mut dyn Progress) -> Self {
        let recording = Recording {
            origin: Instant::now(),
            ended: Duration::ZERO,
            heard: Vec::new(),
        };
        Self { next, recording }
    }

    /// Ends the recording now.
    pub fn finish(mut self) -> Recording {
        self.recording.ended = self.recording.origin.elapsed();
        self.recording
    }
}

impl Recording {
    fn note(&mut self, heard: Heard) {
        let at = self.origin.elapsed();
        if let Heard::Step(shard, Step::StoreSent { .. }) = heard {
            self.forget_store(shard);
        }
        self.heard.push((at, heard));
    }

    /// Takes the last step of a shard away, if it was a Store.
    fn forget_store(&mut self, shard: u32) {
        let is_own = |(_, heard): &(Duration, Heard)| matches!(heard, Heard::Step(other, _) if *other == shard);
        if let Some(last) = self.heard.iter().rposition(is_own)
            && matches!(self.heard[last].1, Heard::Step(_, Step::StoreSent { .. }))
        {
            self.heard.remove(last);
        }
    }

    /// When the first connector was started.
    pub(super) fn first_start(&self) -> Option<Duration> {
        let start = |(at, heard): &(Duration, Heard)| {
            matches!(heard, Heard::Step(_, Step::Started { .. })).then_some(*at)
        };
        self.heard.iter().find_map(start)
    }

    /// Every event, with its time.
    pub(super) fn events(&self) -> impl Iterator<Item = (Duration, &Event)> {
        self.heard.iter().filter_map(|(at, heard)| match heard {
            Heard::Event(event) => Some((*at, event)),
            Heard::Step(..) => None,
        })
    }
}

impl Progress for Recorder<'_> {
    fn event(&mut self, event: Event) {
        self.recording.note(Heard::Event(event.clone()));
        self.next.event(event);
    }

    fn step(&mut self, shard: u32, step: Step) -> Verdict {
        self.recording.note(Heard::Step(shard, step));
        self.next.step(shard, step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_notes_when_and_keeps_the_last_of_many_stores() {
        let mut next: Vec<Event> = Vec::new();
        let mut recorder = Recorder::new(&mut next);
        recorder.event(Event::Completing);
        for count in 1..=3 {
            tokio::time::advance(Duration::from_millis(5)).await;
            recorder.step(0, Step::StoreSent { count });
        }
        recorder.step(1, Step::StoreSent { count: 1 });
        recorder.step(0, Step::StartCommitSent);
        let recording = recorder.finish();
        let at = Duration::from_millis;
        assert_eq!(
            recording.heard,
            [
                (at(0), Heard::Event(Event::Completing)),
                (at(15), Heard::Step(0, Step::StoreSent { count: 3 })),
                (at(15), Heard::Step(1, Step::StoreSent { count: 1 })),
                (at(15), Heard::Step(0, Step::StartCommitSent)),
            ]
        );
        assert_eq!(recording.ended, at(15));
        assert_eq!(next, [Event::Completing]);
    }
}
