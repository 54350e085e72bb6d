//! What earlier sessions of a task have left behind, and the last one had to throw away.

use std::collections::BTreeSet;

use serde_json::Value;

use super::causes::staged_keys;
use super::group::Group;
use super::names::owner;
use super::staged::{self, Way};
use super::world::World;

impl World {
    /// What a group's session must have thrown away: uploads, staged objects and receipts of the
    /// writers that its state knew when it was read, which neither that state nor today's
    /// names. An upload under whose key an object stands is rightly left alone: there
    /// are stores on which the object would go with it.
    pub(super) fn leftovers(&self, group: &Group, bucket: &str) -> Vec<String> {
        let writers = staged::writers(&group.opened_with);
        let mut named = names(&group.opened_with);
        named.extend(names(&group.log.state));
        let range = group.range();
        let is_left = |key: &String| {
            owner(key).is_some_and(|owner| {
                let known = writers.get(&owner.key_begin);
                range.contains(owner.key_begin)
                    && known.is_some_and(|known| known.contains(&owner.writer))
                    && !named.contains(key)
            })
        };
        let bystanders = self.bystanders();
        self.servers.with_store(|store| {
            let uploads = store.uploads(bucket).expect("the bucket was made");
            let uploads = uploads.filter(|(key, id, _)| !bystanders.has_upload(key, id));
            let uploads = uploads.map(|(key, ..)| key.to_owned());
            let uploads = uploads.filter(|key| store.object(bucket, key).is_err());
            let mut left: Vec<String> = uploads.filter(is_left).collect();
            left.extend(staged_keys(store, bucket).into_iter().filter(is_left));
            left
        })
    }
}

/// The keys that a state names: of files, of staged objects, and of receipts.
fn names(state: &Value) -> BTreeSet<String> {
    let entries = staged::staged(state).into_iter();
    let keys = entries.flat_map(|entry| {
        let object = match entry.way {
            Way::Object { key, .. } => Some(key),
            Way::Upload(_) => None,
        };
        [Some(entry.key), object, entry.receipt]
    });
    keys.flatten().collect()
}
