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
    /// What was said, in order, each with its time since the beginning. Of Stores that follow one another only the last is
    /// kept.
    pub(super) heard: Vec<(Duration, Heard)>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Event(Event),
    Step(Step),
}

impl<'a> Recorder<'a> {
    /// Begins a recording now, by tokio's clock. `next` hears everything as well, and gives the verdicts.
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
        if let (Some(last), Heard::Step(Step::StoreSent { .. })) = (self.heard.last_mut(), &heard)
            && matches!(last.1, Heard::Step(Step::StoreSent { .. }))
        {
            *last = (at, heard);
        } else {
            self.heard.push((at, heard));
        }
    }

    /// When the first connector was started.
    pub(super) fn first_start(&self) -> Option<Duration> {
        let start = |(at, heard): &(Duration, Heard)| {
            matches!(heard, Heard::Step(Step::Started { .. })).then_some(*at)
        };
        self.heard.iter().find_map(start)
    }

    /// Every event, with its time.
    pub(super) fn events(&self) -> impl Iterator<Item = (Duration, &Event)> {
        self.heard.iter().filter_map(|(at, heard)| match heard {
            Heard::Event(event) => Some((*at, event)),
            Heard::Step(_) => None,
        })
    }
}

impl Progress for Recorder<'_> {
    fn event(&mut self, event: Event) {
        self.recording.note(Heard::Event(event.clone()));
        self.next.event(event);
    }

    fn step(&mut self, step: Step) -> Verdict {
        self.recording.note(Heard::Step(step));
        self.next.step(step)
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
            recorder.step(Step::StoreSent { count });
        }
        recorder.step(Step::StartCommitSent);
        let recording = recorder.finish();
        let at = Duration::from_millis;
        assert_eq!(
            recording.heard,
            [
                (at(0), Heard::Event(Event::Completing)),
                (at(15), Heard::Step(Step::StoreSent { count: 3 })),
                (at(15), Heard::Step(Step::StartCommitSent)),
            ]
        );
        assert_eq!(recording.ended, at(15));
        assert_eq!(next, [Event::Completing]);
    }
}
