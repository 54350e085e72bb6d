//! The sessions of a run. Under the new runtime all shards of a task share a recovery log and take
//! part in every transaction; under the old one each shard has a log of its own, and goes on by
//! itself.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use tokio::time::sleep;

use super::error::{Error, Result};
use super::narrator::{Event, Narrator};
use super::options::Options;
use super::rows::RowMaker;
use super::supply::{Reader, Supply};
use crate::runtime::{self, Incarnations, RecoveryLog, Runtime, Shard, Task};

/// How long a connector that failed stays away: a little of what Flow's backoff would be.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// What the sessions came to.
pub(super) struct Sessions {
    pub(super) count: u64,
    /// The recovery logs, in the order of the key ranges.
    pub(super) logs: Vec<RecoveryLog>,
    /// How many documents each standard binding has loaded as they were stored.
    pub(super) loaded: BTreeMap<u32, u64>,
}

impl Sessions {
    /// How many transactions every shard has committed.
    pub(super) fn committed(&self) -> Result<u64> {
        let committed = || self.logs.iter().map(|log| log.committed);
        let (least, most) = (committed().min(), committed().max());
        if least == most {
            return Ok(least.unwrap_or_default());
        }
        Err(Error::Documents(format!(
            "the shards have not committed the same transactions, but: {:?}",
            committed().collect::<Vec<_>>()
        )))
    }
}

/// What all sessions of a run have in common.
pub(super) struct Theatre<'a, 's, 'n> {
    pub(super) options: &'a Options,
    pub(super) spec: &'a MaterializationSpec,
    pub(super) version: &'a str,
    pub(super) maker: &'a RowMaker<'a>,
    pub(super) supply: &'a Supply<'s>,
    pub(super) narrator: &'a Narrator<'n>,
}

/// A task, with the number by which it is told of.
struct Cast<'a> {
    task: Task<'a>,
    /// How often it may still fail.
    restarts: u32,
    /// Its shard, where it has but one of several.
    shard: Option<u32>,
}

impl<'a> Theatre<'a, '_, '_> {
    /// Plays sessions of these lengths, and under the new runtime one more that completes what the
    /// last one has committed.
    pub(super) async fn play(
        &self,
        lengths: &[i64],
        incarnations: Incarnations<'a>,
    ) -> Result<Sessions> {
        let mut casts = self.casts(incarnations);
        let mut count = 0;
        for &length in lengths {
            count += 1;
            self.session(&mut casts, length, Some(count)).await?;
        }
        if self.options.runtime == Runtime::V2 {
            self.session(&mut casts, 0, None).await?;
        }
        let mut loaded = BTreeMap::new();
        for (binding, count) in casts.iter().flat_map(|cast| cast.task.loaded()) {
            *loaded.entry(*binding).or_default() += count;
        }
        Ok(Sessions {
            count,
            loaded,
            logs: casts.into_iter().map(|cast| cast.task.log).collect(),
        })
    }

    /// The recovery logs, and who shares them.
    fn casts(&self, incarnations: Incarnations<'a>) -> Vec<Cast<'a>> {
        let shards = Shard::split(self.options.shards);
        let groups: Vec<Vec<Shard>> = match self.options.runtime {
            Runtime::V1 => shards.into_iter().map(|shard| vec![shard]).collect(),
            Runtime::V2 => vec![shards],
        };
        let is_alone = groups.len() == 1;
        let cast = |shards: Vec<Shard>| Cast {
            shard: shards
                .first()
                .map(|shard| shard.number)
                .filter(|_| !is_alone),
            restarts: self.options.restarts,
            task: Task::new(
                incarnations.of_shard(shards.first().map_or(0, |shard| shard.number)),
                self.options.runtime,
                (self.spec, self.version),
                shards,
                self.maker,
            ),
        };
        groups.into_iter().map(cast).collect()
    }

    /// Plays a session of every recovery log, at the same time. `number` is its number; none for
    /// the one that only completes.
    async fn session(
        &self,
        casts: &mut [Cast<'_>],
        length: i64,
        number: Option<u64>,
    ) -> Result<()> {
        let mut readers = Vec::with_capacity(casts.len());
        let mut transactions = None;
        for cast in casts.iter() {
            let (reader, known) = self.supply.session(cast.task.log.committed, length).await;
            transactions = known;
            readers.push(reader);
        }
        self.narrator.event(match number {
            Some(number) => Event::Session {
                number,
                transactions,
            },
            None => Event::Completing,
        });
        let played = casts.iter_mut().zip(readers);
        let played = played.map(|(cast, reader)| cast.session(reader, self.narrator));
        // A shard that cannot go on ends the run, whatever the others wait for.
        try_join_all(played).await?;
        self.supply.check().await
    }
}

impl Cast<'_> {
    /// Plays a session, and again from what is committed whenever the connector was killed, and as
    /// often as there are restarts left when it failed.
    async fn session(&mut self, mut reader: Reader<'_, '_>, narrator: &Narrator<'_>) -> Result<()> {
        let shard = self.shard;
        loop {
            reader.rewind(self.task.log.committed);
            match self.task.session_of(&mut reader, narrator).await {
                Err(runtime::Error::Killed(step)) => {
                    narrator.event(Event::Restarted { shard, step });
                }
                Err(error @ runtime::Error::Failed { .. }) if self.restarts > 0 => {
                    self.restarts -= 1;
                    let message = error.to_string();
                    narrator.event(Event::Failed { shard, message });
                    sleep(RESTART_PAUSE).await;
                }
                outcome => return Ok(outcome?),
            }
        }
    }
}
