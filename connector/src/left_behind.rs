//! What earlier sessions of a task may have left behind, and where to look for it.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::binding::Binding;
use crate::checkpoint::{Staged, State};
use crate::config::{EndpointConfig, ResourceConfig};
use crate::keys::{Author, in_staging_folder, staging_folder};
use crate::protocol::Materialization;
use crate::store::{LeftBehind, Prefixes};

/// What earlier sessions of a shard have left behind, by the state as it was read.
pub fn left_behind(state: &State, key_range: &RangeInclusive<u32>) -> LeftBehind {
    let key_begins = state.key_begins();
    let ours = key_begins.filter(|key_begin| key_range.contains(key_begin));
    let authors = ours.flat_map(|key_begin| {
        let writers = state.writers(key_begin);
        writers.map(move |writer| Author { key_begin, writer })
    });
    let mut named = HashSet::new();
    for (_, file) in state.staged_in(0..=u32::MAX) {
        named.insert(match &file.staged {
            Staged::Multipart(upload) => upload.upload_id.clone(),
            Staged::Copy { staged } => staged.key.clone(),
        });
        named.extend(file.receipt.clone());
    }
    LeftBehind {
        authors: authors.collect(),
        named,
    }
}

/// The beginning of files' keys where `pathPrefix` begins with a date pattern.
const VERSION_FOLDERS: &str = "v";

/// The folders where this task puts files and stages them: by its bindings, and by those that are
/// no longer active. Those of the latter that cannot be read any more are left to a lifecycle rule.
#[derive(Clone, Debug)]
pub struct Folders {
    files: Vec<String>,
    staging: Vec<String>,
}

impl Folders {
    /// Names the folders of a task.
    pub fn of(
        materialization: &Materialization,
        bindings: &[Binding],
        endpoint: &EndpointConfig,
    ) -> Self {
        let active = bindings
            .iter()
            .map(|binding| binding.resource.path_prefix.clone());
        let inactive = materialization.inactive_bindings.iter();
        let inactive = inactive
            .filter_map(|binding| {
                ResourceConfig::from_json(&binding.ok()?.resource_config_json).ok()
            })
            .map(|resource| resource.path_prefix);
        let staging_prefix = endpoint.advanced.staging_prefix.as_ref();
        let mut folders = Self {
            files: Vec::new(),
            staging: Vec::new(),
        };
        for prefix in active.chain(inactive) {
            let folder = prefix.before_patterns();
            folders.files.push(match folder {
                "" => VERSION_FOLDERS.to_owned(),
                folder => format!("{folder}/"),
            });
            let place = prefix.staging_place(staging_prefix);
            folders.staging.push(place.to_owned());
        }
        folders
    }

    /// A key under which nothing is.
    pub fn unused_key(&self, author: Author) -> String {
        let place = self.staging.first().map_or("", String::as_str);
        in_staging_folder(place, &format!("{:08x}.check", author.writer))
    }

    /// The prefixes to list.
    pub fn prefixes(self) -> Prefixes {
        let folders = self.staging.iter().map(|place| staging_folder(place));
        Prefixes {
            staging: folders.collect(),
            files: self.files,
        }
    }
}
