//! What a transaction has committed, for the record.

use serde_json::Value;

use super::check::{Commit, Row, RowId, Stream};
use super::names::owner;
use super::plan;
use super::session::{Playing, Shard};
use super::spec::{Settings, state_key};
use super::staged::{StagedEntry, staged, writers};
use super::world::Named;
use crate::runtime;
use crate::s3::Manners;

/// The rows that a transaction has committed, by shard and binding. Their number is for the caller
/// to fill in.
pub(super) fn commits(playing: &Playing<'_>, patches: &[Value]) -> Vec<Commit> {
    let staged: Vec<StagedEntry> = patches.iter().flat_map(staged).collect();
    let shards = playing.shards.iter();
    shards
        .flat_map(|shard| of_shard(playing, shard, &staged))
        .collect()
}

/// The files that a commit names. A server that loses completions may lose those for which a user
/// wants completions, or for which nothing tells the connector whose server it is.
pub(super) fn named(playing: &Playing<'_>, patches: &[Value]) -> Vec<Named> {
    let Settings {
        commit, is_proxied, ..
    } = playing.cast.settings;
    let loses = playing.cast.world.plan.server.manners == Manners::Minio;
    let named = patches.iter().flat_map(staged).map(|entry| {
        let may_complete = match commit {
            plan::Commit::Auto => is_proxied,
            plan::Commit::Multipart => true,
            plan::Commit::Copy => false,
        };
        Named {
            may_be_lost: loses && may_complete,
            entry,
        }
    });
    named.collect()
}

impl Playing<'_> {
    /// A state that names a file must know its writer: else a successor could never tell what that
    /// session has left behind.
    pub(super) fn must_know_writers(&self, named: &[Named]) {
        let writers = writers(&self.group.log.state);
        let is_known = |named: &&Named| {
            let owner = owner(&named.entry.key);
            owner.is_some_and(|owner| {
                let known = writers.get(&owner.key_begin);
                known.is_some_and(|known| known.contains(&owner.writer))
            })
        };
        if let Some(unknown) = named.iter().find(|named| !is_known(named)) {
            self.cast.world.surprise(format!(
                "session {}: the state names {}, and does not know its writer",
                self.cast.number, unknown.entry.key
            ));
        }
    }
}

fn of_shard(playing: &Playing<'_>, shard: &Shard, staged: &[StagedEntry]) -> Vec<Commit> {
    let cast = playing.cast;
    let active = cast.bound.iter().filter(|bound| bound.active).enumerate();
    let commits = active.map(|(index, bound)| {
        let key_begin = shard.range.begin;
        let state_key = state_key(&cast.world.plan.bindings[bound.index], bound.backfill);
        let own = staged
            .iter()
            .filter(|entry| entry.key_begin == key_begin && entry.state_key == state_key);
        let rows = shard
            .rows
            .iter()
            .filter(|row| row.binding as usize == index);
        Commit {
            number: 0,
            stream: Stream {
                lineage: playing.group.lineage,
                key_begin,
                binding: bound.index,
                backfill: bound.backfill,
            },
            rows: rows.filter_map(row).collect(),
            staged: own.map(|entry| (entry.key.clone(), entry.rows)).collect(),
        }
    });
    commits.filter(|commit| !commit.rows.is_empty()).collect()
}

/// A row as the checkers know it. Its values stand in the order of [`super::spec::VALUES`].
fn row(row: &runtime::Row) -> Option<Row> {
    let [generation, payload, number] = row.values.as_slice() else {
        return None;
    };
    Some(Row {
        id: RowId {
            generation: generation.as_u64()? as u32,
            number: number.as_u64()?,
        },
        key: row.key.first()?.as_u64()? as u32,
        digest: digest(payload.as_str()?, row.document.as_deref()),
    })
}

/// A digest of what is no number in a row.
pub(super) fn digest(payload: &str, document: Option<&str>) -> u64 {
    let parts = [Some(payload), document];
    let bytes = parts
        .into_iter()
        .flat_map(|part| part.map_or(&b"\xff"[..], str::as_bytes));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
