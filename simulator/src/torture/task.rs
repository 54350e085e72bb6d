//! The task as it stands: its name, its bindings, and its shards with the recovery logs that they
//! have.

use materialize_s3_parquet::protocol::flow::MaterializationSpec;

use super::group::Group;
use super::plan::{Change, Plan};
use super::servers::BUCKETS;
use super::spec::{Bound, Settings, config, specification, state_key};
use super::staged;
use super::world::World;
use crate::runtime::Runtime;

/// The recovery log of the second stack.
pub(super) const SECOND_STACK: u32 = 1_000;

/// The task as it stands.
pub(super) struct Task {
    pub(super) name: String,
    /// How often it was made again.
    pub(super) generation: u32,
    pub(super) bound: Vec<Bound>,
    pub(super) settings: Settings,
    /// Counts the specifications.
    pub(super) version: u64,
    /// Every group of shards that shares a recovery log, in the order of key ranges.
    pub(super) groups: Vec<Group>,
    /// A second stack of the same name, once there is one.
    pub(super) second_stack: Option<Group>,
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
            settings: Settings {
                commit: plan.commit,
                is_proxied: false,
                is_second_bucket: false,
                skips_missing: false,
                upload_interval: 0,
            },
            version: 1,
            groups: vec![Group::new(0)],
            second_stack: None,
            lineages: 1,
        }
    }

    /// What the runtime would have a connector run.
    pub(super) fn specification(&self, world: &World) -> MaterializationSpec {
        let Settings {
            is_proxied,
            is_second_bucket,
            ..
        } = self.settings;
        let endpoint = world.servers.endpoint(is_proxied, is_second_bucket);
        specification(
            &self.name,
            &config(&world.plan, &endpoint, self.settings),
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
            Change::Expire => {
                world.expire();
                true
            }
            Change::LoseReceipts => {
                world.lose_receipts();
                true
            }
            Change::Commit { commit } => self.set(|settings| settings.commit = commit),
            Change::Proxy { runs } => self.set(|settings| settings.is_proxied = runs),
            Change::Bucket { second } => self.set(|settings| settings.is_second_bucket = second),
            Change::Loader { runs } => world.servers.with_store(|store| {
                let mut buckets = BUCKETS.into_iter();
                buckets.all(|bucket| store.load_at_once(bucket, runs).is_ok())
            }),
        }
    }

    /// Changes the configuration. Whether that makes a difference.
    fn set(&mut self, change: impl FnOnce(&mut Settings)) -> bool {
        let before = self.settings;
        change(&mut self.settings);
        let is_changed = self.settings != before;
        self.version += u64::from(is_changed);
        is_changed
    }

    /// Has the connector wait so many seconds between two uploads.
    pub(super) fn pace(&mut self, upload_interval: u32) {
        self.set(|settings| settings.upload_interval = upload_interval);
    }

    /// After files were lost and the connector has said so, a user has it go on without them, until
    /// it has.
    pub(super) fn skip_missing(&mut self, skips: bool) {
        self.set(|settings| settings.skips_missing = skips);
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
        world.record().deleted.extend(left.map(|entry| entry.key));
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
