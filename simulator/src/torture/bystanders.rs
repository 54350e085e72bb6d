//! What is none of our sessions' and lies beside what is: uploads and objects of other writers, and
//! some that only look like ours.

use crate::s3::{Attributes, Content, Store};

use super::plan::{Binding, Plan};
use super::servers::BUCKETS;
use super::staged;

/// A writer that no session of ours ever draws, or so seldom that nobody will see it.
const FOREIGN: &str = "f0e1d2c3";

/// The token of everything here.
const TOKEN: &str = "0123456789abcdef";

/// How many of a plan's bindings have bystanders.
const BESIDE: usize = 3;

/// Where no shard's key range begins.
const NO_SHARD: u32 = 0x7fff_ffff;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bystanders {
    /// As key and upload id.
    uploads: Vec<(String, String)>,
    objects: Vec<String>,
    /// Where those that look like ours go, as long as they are not there: the first binding's
    /// place, and that of what it stages.
    lookalikes: Option<(String, String)>,
}

impl Bystanders {
    /// Puts those of other writers beside the bindings.
    pub(super) fn place(plan: &Plan, store: &mut Store) -> Self {
        let mut bystanders = Self::default();
        for binding in plan.bindings.iter().take(BESIDE) {
            let (place, staging) = places(plan, binding);
            for key in [
                format!("{place}/v0000000000/{}", file(0, FOREIGN)),
                format!("{place}/notes.txt"),
                format!("{staging}/{}.staged", file(1, FOREIGN)),
            ] {
                bystanders.upload(store, key);
            }
            for key in [
                format!("{staging}/{}.staged", file(2, FOREIGN)),
                format!("{staging}/00000000-{FOREIGN}.receipt"),
                format!("{staging}/notes.txt"),
            ] {
                bystanders.object(store, key);
            }
            bystanders.lookalikes.get_or_insert((place, staging));
        }
        bystanders
    }

    /// Once a state knows writers, puts those beside the first binding that look like theirs and
    /// are not.
    pub(super) fn imitate(&mut self, state: &serde_json::Value, store: &mut Store) {
        let writers = staged::writers(state);
        let newest = writers
            .iter()
            .find_map(|(begin, names)| Some((*begin, names.last()?)));
        let Some((begin, writer)) = newest else {
            return;
        };
        let Some((place, staging)) = self.lookalikes.take() else {
            return;
        };
        let name = file(begin, writer);
        self.upload(store, format!("{place}/v0000000000/{name}.bak"));
        self.upload(
            store,
            format!("{place}/v0000000000/{}", file(NO_SHARD, writer)),
        );
        self.object(store, format!("{staging}/{name}.staged.bak"));
        self.object(store, format!("{staging}/{begin:08x}-{writer}.receipt.bak"));
        self.object(
            store,
            format!("{staging}/{}.staged", file(NO_SHARD, writer)),
        );
    }

    /// Those that are no longer there.
    pub(super) fn gone(&self, store: &Store) -> Vec<String> {
        let uploads = store.uploads(BUCKETS[0]).expect("the bucket was made");
        let pending: Vec<(&str, &str)> = uploads.map(|(key, id, _)| (key, id)).collect();
        let uploads = self
            .uploads
            .iter()
            .filter(|(key, id)| !pending.contains(&(key, id)));
        let objects = self
            .objects
            .iter()
            .filter(|key| store.object(BUCKETS[0], key).is_err());
        uploads
            .map(|(key, _)| key)
            .chain(objects)
            .cloned()
            .collect()
    }

    /// Whether an upload is one of them.
    pub(super) fn has_upload(&self, key: &str, upload_id: &str) -> bool {
        let is_it = |(other, id): &(String, String)| other == key && id == upload_id;
        self.uploads.iter().any(is_it)
    }

    /// Whether an object is one of them.
    pub(super) fn has_object(&self, key: &str) -> bool {
        self.objects.iter().any(|other| other == key)
    }

    fn upload(&mut self, store: &mut Store, key: String) {
        let attributes = Attributes::default();
        let id = store.create_upload(BUCKETS[0], &key, attributes, None, long_ago());
        self.uploads.push((key, id.expect("the bucket was made")));
    }

    fn object(&mut self, store: &mut Store, key: String) {
        let content = Content::of(r#"{"tokens": []}"#);
        let attributes = Attributes::default();
        store
            .put_object(BUCKETS[0], &key, content, attributes, false, long_ago())
            .expect("the bucket was made");
        self.objects.push(key);
    }
}

/// When they were put there: before anything that a clock could take for its own.
fn long_ago() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

fn file(key_begin: u32, writer: &str) -> String {
    format!("{key_begin:08x}-000000000000-{writer}-{TOKEN}.parquet")
}

/// Where a binding's files go, and where they are staged.
fn places(plan: &Plan, binding: &Binding) -> (String, String) {
    let folders = binding.prefix.split('/');
    let literal: Vec<&str> = folders.take_while(|folder| !folder.contains('%')).collect();
    let place = literal.join("/");
    let staging = plan.staging_prefix.as_deref().unwrap_or(&place);
    let staging = format!("{staging}/_staged");
    (place, staging)
}
