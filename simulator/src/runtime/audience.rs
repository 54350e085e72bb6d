//! Who hears of a task with several shards, which run at the same time: one audience for all of
//! them, which is told whose step it is.

use parking_lot::Mutex;

use super::log::Log;
use super::step::{Observer, Step, Verdict};

/// Hears of every step of every shard as it happens, and of every line that its connectors log.
pub trait Audience: Send + Sync {
    /// A shard has taken a step. Shards are counted from 0.
    fn hear_step(&self, shard: u32, step: Step) -> Verdict;

    /// A shard's connector has logged `log`.
    fn hear_log(&self, shard: u32, log: &Log);
}

/// An observer who does not care which shard it is.
pub(super) struct Alone<'a>(Mutex<&'a mut dyn Observer>);

impl<'a> Alone<'a> {
    pub(super) fn new(observer: &'a mut dyn Observer) -> Self {
        Self(Mutex::new(observer))
    }
}

impl Audience for Alone<'_> {
    fn hear_step(&self, _shard: u32, step: Step) -> Verdict {
        let mut observer = self.0.lock();
        observer.step(step)
    }

    fn hear_log(&self, _shard: u32, log: &Log) {
        let mut observer = self.0.lock();
        observer.log(log);
    }
}

/// What one shard speaks to.
#[derive(Clone, Copy)]
pub struct Seat<'a> {
    shard: u32,
    audience: &'a dyn Audience,
}

impl<'a> Seat<'a> {
    /// Lets a shard speak to an audience.
    pub fn new(shard: u32, audience: &'a dyn Audience) -> Self {
        Self { shard, audience }
    }
}

impl Observer for Seat<'_> {
    fn step(&mut self, step: Step) -> Verdict {
        self.audience.hear_step(self.shard, step)
    }

    fn log(&mut self, log: &Log) {
        self.audience.hear_log(self.shard, log);
    }
}
