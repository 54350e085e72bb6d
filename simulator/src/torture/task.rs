//! The task as it stands: its name, its bindings, and its shards with the recovery logs that they have.

use jiff::SignedDuration;
use materialize_s3_parquet::protocol::flow::MaterializationSpec;

use super::group::Group;
use super::plan::{Change, Plan};
use super::spec::{Bound, config, specification, state_key};
use super::staged;
use super::world::{BUCKET, World};
use crate::runtime::Runtime;

/// How long a pause is: longer than any rule of a bucket needs.
const PAUSE: SignedDuration = SignedDuration::from_hours(48);

/// The task as it stands.
pub(super) struct Task {
    pub(super) name: String,
    /// How often it was made again.
    pub(super) generation: u32,
    pub(super) bound: Vec<Bound>,
    /// What a user sets after files were lost, and the connector has said so.
    pub(super) skips_missing: bool,
    /// `uploadIntervalInSeconds`.
    pub(super) upload_interval: u32,
    /// Counts the specifications.
    pub(super) version: u64,
    /// Every group of shards that shares a recovery log, in the order of key ranges.
    pub(super) groups: Vec<Group>,
    lineages: u32,
}

impl Task {
    pub(super) fn new(plan: &Plan) -> Self {
        let bound = |index| Bound {
            index,
            backfill: 0,
            active: true,
        };
        Self {
            name: "acmeCo/torture".to_owned(),
            generation: 0,
            bound: (0..plan.bindings.len()).map(bound).collect(),
            skips_missing: false,
            upload_interval: 0,
            version: 1,
            groups: vec![Group::new(0)],
            lineages: 1,
        }
    }

    /// What the runtime would have a connector run.
    pub(super) fn specification(&self, world: &World) -> MaterializationSpec {
        specification(
            &self.name,
            &config(
                &world.endpoint,
                world.plan.file_size_limit,
                self.skips_missing,
                self.upload_interval,
            ),
            &world.plan,
            &self.bound,
        )
    }

    /// The state keys of the active bindings.
    pub(super) fn active_state_keys(&self, plan: &Plan) -> Vec<String> {
        let active = self.bound.iter().filter(|bound| bound.active);
        active
            .map(|bound| state_key(&plan.bindings[bound.index], bound.backfill))
            .collect()
    }

    /// Lets something happen to the task. Whether it could.
    pub(super) fn change(&mut self, change: Change, world: &World) -> bool {
        match change {
            Change::Split { shard } => self.split(shard, world.plan.runtime),
            Change::Merge { shard } => self.merge(shard, world.plan.runtime),
            Change::Remove { binding } => {
                self.bind(binding, |bound| bound.active, |bound| bound.active = false)
            }
            Change::Restore { binding } => {
                self.bind(binding, |bound| !bound.active, |bound| bound.active = true)
            }
            Change::Backfill { binding } => {
                self.bind(binding, |bound| bound.active, |bound| bound.backfill += 1)
            }
            Change::Remake { same_name } => self.remake(same_name, world),
            Change::Pause { expires } => self.pause(expires, world),
            Change::Loader { runs } => world
                .server
                .with_store(|store| store.load_at_once(BUCKET, runs).is_ok()),
        }
    }

    /// The place of a shard: its group, and its place in there.
    fn place(&self, shard: usize) -> Option<(usize, usize)> {
        let mut places =
            self.groups.iter().enumerate().flat_map(|(group, shards)| {
                (0..shards.shards.len()).map(move |shard| (group, shard))
            });
        places.nth(shard)
    }

    fn split(&mut self, shard: usize, runtime: Runtime) -> bool {
        let Some((group, shard)) = self.place(shard) else {
            return false;
        };
        let [left, right] = self.groups[group].shards[shard].parts(2)[..] else {
            return false;
        };
        self.groups[group].shards[shard] = left;
        match runtime {
            Runtime::V2 => self.groups[group].shards.insert(shard + 1, right),
            Runtime::V1 => {
                let child = self.groups[group].child(right, self.lineages);
                self.lineages += 1;
                self.groups.insert(group + 1, child);
            }
        }
        true
    }

    fn merge(&mut self, shard: usize, runtime: Runtime) -> bool {
        let (Some((group, place)), Some((right_group, right))) =
            (self.place(shard), self.place(shard + 1))
        else {
            return false;
        };
        let end = self.groups[right_group].shards[right].end;
        match runtime {
            Runtime::V2 => drop(self.groups[group].shards.remove(right)),
            Runtime::V1 => {
                if !self.groups[right_group].has_nothing_left_to_do(&self.groups[group]) {
                    return false;
                }
                self.groups.remove(right_group);
            }
        }
        self.groups[group].shards[place].end = end;
        true
    }

    fn bind(
        &mut self,
        binding: usize,
        can: impl Fn(&Bound) -> bool,
        change: impl FnOnce(&mut Bound),
    ) -> bool {
        let Some(bound) = self.bound.get_mut(binding).filter(|bound| can(bound)) else {
            return false;
        };
        change(bound);
        self.version += 1;
        true
    }

    fn remake(&mut self, same_name: bool, world: &World) -> bool {
        let left = self
            .groups
            .iter()
            .flat_map(|group| staged::staged(&group.log.state));
        world
            .record()
            .may_be_missing
            .extend(left.map(|entry| entry.key));
        self.generation += 1;
        if !same_name {
            self.name = format!("acmeCo/torture-{}", self.generation);
        }
        for bound in &mut self.bound {
            *bound = Bound {
                backfill: 0,
                active: true,
                ..*bound
            };
        }
        self.version += 1;
        self.groups = vec![Group::new(self.lineages)];
        self.lineages += 1;
        true
    }

    fn pause(&mut self, expires: bool, world: &World) -> bool {
        for group in &mut self.groups {
            staged::age(&mut group.log.state, PAUSE);
        }
        if expires {
            world.expire_uploads();
        }
        true
    }

    /// Has the connector wait so many seconds between two uploads.
    pub(super) fn pace(&mut self, upload_interval: u32) {
        if self.upload_interval != upload_interval {
            self.upload_interval = upload_interval;
            self.version += 1;
        }
    }

    /// After files were lost and the connector has said so, a user has it go on without them.
    pub(super) fn skip_missing(&mut self) {
        if !self.skips_missing {
            self.skips_missing = true;
            self.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;

    fn ranges(task: &Task) -> Vec<(u32, u32)> {
        let shards = task.groups.iter().flat_map(|group| &group.shards);
        shards.map(|range| (range.begin, range.end)).collect()
    }

    #[test]
    fn splits_and_merges_cover_every_key() {
        for runtime in [Runtime::V1, Runtime::V2] {
            let mut task = Task::new(&generate(1));
            assert!(task.split(0, runtime) && task.split(1, runtime) && !task.split(3, runtime));
            let thirds = [
                (0, 0x7fff_ffff),
                (0x8000_0000, 0xbfff_ffff),
                (0xc000_0000, u32::MAX),
            ];
            assert_eq!(ranges(&task), thirds);
            assert_eq!(
                task.groups.len(),
                if runtime == Runtime::V1 { 3 } else { 1 }
            );
            assert!(task.merge(0, runtime) && !task.merge(1, runtime));
            assert_eq!(ranges(&task), [(0, 0xbfff_ffff), (0xc000_0000, u32::MAX)]);
        }
    }
}
