//! The script of one shard's session: which incident comes after which step.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Sleepers;
use super::plan::{At, Incident, What};
use super::story::{Happening, Place};
use super::world::World;
use crate::runtime::{Observer, Step, Verdict};

/// Hears of every step of one shard's session, and lets happen what the plan wants there.
pub(super) struct Script {
    world: Arc<World>,
    place: Place,
    incidents: Vec<Incident>,
    sleepers: Sleepers,
    counts: BTreeMap<At, u32>,
    /// How many rows of the transaction have been sent.
    pub(super) sent: usize,
    /// What made the runtime turn away.
    pub(super) left: Option<Incident>,
    /// What has happened, in order.
    pub(super) events: Vec<String>,
}

impl Script {
    /// The script of a shard: `incidents` are its own.
    pub(super) fn new(
        world: &Arc<World>,
        place: Place,
        incidents: Vec<Incident>,
        sleepers: Sleepers,
    ) -> Self {
        Self {
            world: Arc::clone(world),
            place,
            incidents,
            sleepers,
            counts: BTreeMap::new(),
            sent: 0,
            left: None,
            events: Vec::new(),
        }
    }

    /// A step was taken.
    pub(super) fn reach(&mut self, at: At) -> Verdict {
        self.sleepers.wake(at);
        match self.incident(at) {
            Some(incident) => self.happen(incident),
            None => Verdict::Continue,
        }
    }

    fn incident(&mut self, at: At) -> Option<Incident> {
        let count = self.counts.entry(at).or_default();
        let nth = *count;
        *count += 1;
        let found = self
            .incidents
            .iter()
            .find(|incident| incident.at == at && incident.nth == nth);
        found.copied()
    }

    fn happen(&mut self, incident: Incident) -> Verdict {
        let Incident { at, nth, what, .. } = incident;
        let event = format!("{} after {at:?} {nth}", what.name());
        self.world
            .tell(self.place, Happening::Incident(event.clone()));
        self.events.push(event);
        *self
            .world
            .record()
            .incidents
            .entry((what.name(), at))
            .or_default() += 1;
        if what == What::RevokeAccess {
            self.world.revoke_access();
            return Verdict::Continue;
        }
        self.left = Some(incident);
        Verdict::Leave
    }
}

impl Observer for Script {
    fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::Started { .. } => self.world.record().processes += 1,
            Step::FlushSent => self.sent = 0,
            Step::StoreSent { count } => self.sent = count as usize,
            _ => {}
        }
        if let Step::Committed { .. } = step {
            let rows = self.sent as u64;
            self.world.tell(self.place, Happening::Committed { rows });
        }
        // Rows are too many to be told of.
        if !matches!(step, Step::StoreSent { .. }) {
            self.world.tell(self.place, Happening::Step(step));
        }
        At::of(step).map_or(Verdict::Continue, |at| self.reach(at))
    }
}
