//! Events shaped like Wikimedia's public `mediawiki/recentchange` stream, about 1.2 KB each,
//! captured as a source of changes would: some events come again, revised or deleted, under the
//! same key `/wiki`, `/id`.

use std::collections::VecDeque;

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::text;

/// How many events back one may come again.
const MEMORY: usize = 300;

/// The first event's time, milliseconds since the Unix epoch: 2024-11-23T02:00:00Z.
const START_MILLISECONDS: i64 = 1_732_327_200_000;

struct Wiki {
    name: &'static str,
    server: &'static str,
    /// The id of its first event.
    first_id: u64,
}

const fn wiki(name: &'static str, server: &'static str, first_id: u64) -> Wiki {
    Wiki {
        name,
        server,
        first_id,
    }
}

/// In the order of the languages of [`text`]; ids as large as they are there, and one beyond what a
/// double holds.
const WIKIS: [Wiki; 9] = [
    wiki("enwiki", "en.wikipedia.org", 1_843_000_001),
    wiki("dewiki", "de.wikipedia.org", 402_000_001),
    wiki("frwiki", "fr.wikipedia.org", 598_000_001),
    wiki("ruwiki", "ru.wikipedia.org", 377_000_001),
    wiki("jawiki", "ja.wikipedia.org", 209_000_001),
    wiki("arwiki", "ar.wikipedia.org", 310_000_001),
    wiki("kowiki", "ko.wikipedia.org", 98_000_001),
    wiki("commonswiki", "commons.wikimedia.org", 2_771_000_001),
    wiki("testwiki", "test.wikipedia.org", 9_007_199_254_740_993),
];

/// The wikis of 16 events, by their index: some are busier than others.
const BUSY: [usize; 16] = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8];

/// The events of a seed: the same seed gives the same events.
pub fn wikipedia(seed: u64, documents: usize) -> impl Iterator<Item = Value> {
    Wikipedia::new(seed).take(documents)
}

/// The endless stream that [`wikipedia`] takes from.
#[derive(Clone, Debug)]
pub struct Wikipedia {
    rng: Rng,
    milliseconds: i64,
    offset: u64,
    next_ids: [u64; WIKIS.len()],
    recent: VecDeque<Value>,
}

impl Iterator for Wikipedia {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.milliseconds += self.rng.i64(0..90);
        self.offset += self.rng.u64(1..4);
        if self.recent.len() > 20 && self.rng.u8(..100) < 8 {
            return Some(self.revision());
        }
        let event = self.event();
        if self.recent.len() == MEMORY {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        Some(event)
    }
}

impl Wikipedia {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            milliseconds: START_MILLISECONDS,
            offset: 5_300_000_000,
            next_ids: WIKIS.map(|wiki| wiki.first_id),
            recent: VecDeque::with_capacity(MEMORY),
        }
    }

    /// An event that was there before, patrolled meanwhile, or with its page deleted.
    fn revision(&mut self) -> Value {
        let index = self.rng.usize(..self.recent.len());
        let mut event = self.recent[index].clone();
        let operation = if self.rng.u8(..5) == 0 { "d" } else { "u" };
        let part = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let meta = self.meta(part("/meta/domain"), part("/meta/uri"));
        event["meta"] = meta;
        event["_meta"] = json!({"op": operation});
        event["patrolled"] = json!(true);
        if self.rng.bool() {
            event["comment"] = json!("(revised)");
        }
        event
    }

    fn event(&mut self) -> Value {
        let index = self.pick_wiki();
        let wiki = &WIKIS[index];
        let kind = [
            "edit",
            "edit",
            "edit",
            "edit",
            "categorize",
            "categorize",
            "new",
            "log",
        ][self.rng.usize(..8)];
        let namespace = if kind == "categorize" {
            14
        } else {
            [0, 0, 0, 0, 1, 2, 3, 4, 6, -1][self.rng.usize(..10)]
        };
        let server = format!("https://{}", wiki.server);
        let title = text::title(&mut self.rng, index, namespace);
        let title_url = format!("{server}/wiki/{}", text::url_path(&title));
        let comment = text::comment(&mut self.rng, index);
        let id = self.next_ids[index];
        self.next_ids[index] += self.rng.u64(1..3);

        let mut event = json!({
            "$schema": "/mediawiki/recentchange/1.0.0",
            "meta": self.meta(wiki.server, &title_url),
            "id": id,
            "type": kind,
            "namespace": namespace,
            "title": title,
            "title_url": title_url,
            "parsedcomment": text::parsed(&comment, &server),
            "comment": comment,
            "timestamp": self.milliseconds / 1000,
            "user": text::user(&mut self.rng, index),
            "bot": self.rng.u8(..4) == 0,
            "server_url": server,
            "server_name": wiki.server,
            "server_script_path": "/w",
            "wiki": wiki.name,
        });
        let members = event.as_object_mut().expect("an event is an object");
        match kind {
            "log" => self.add_log(index, members),
            "categorize" => add_notification(&server, id, members),
            _ => self.add_change(kind, &server, members),
        }
        self.add_extras(index, members);
        event
    }

    fn pick_wiki(&mut self) -> usize {
        BUSY[self.rng.usize(..BUSY.len())]
    }

    fn meta(&mut self, domain: &str, uri: &str) -> Value {
        let time = Timestamp::from_millisecond(self.milliseconds).unwrap_or_default();
        json!({
            "uri": uri,
            "request_id": uuid(&mut self.rng),
            "id": uuid(&mut self.rng),
            "dt": format!("{time:.3}"),
            "domain": domain,
            "stream": "mediawiki.recentchange",
            "topic": "eqiad.mediawiki.recentchange",
            "partition": 0,
            "offset": self.offset,
        })
    }

    fn add_change(&mut self, kind: &str, server: &str, event: &mut Map<String, Value>) {
        let new = self.rng.u64(1_200_000_000..1_260_000_000);
        let length = self.rng.u64(..250_000);
        let old = (kind == "edit").then(|| {
            (
                new - self.rng.u64(1..90_000),
                length.saturating_sub(self.rng.u64(..900)),
            )
        });
        event.insert("minor".to_owned(), json!(self.rng.u8(..3) == 0));
        event.insert(
            "length".to_owned(),
            json!({"old": old.map(|old| old.1), "new": length}),
        );
        // A new page has no revision before: the part is missing rather than null.
        let revision = old.map_or_else(
            || json!({"new": new}),
            |(old, _)| json!({"old": old, "new": new}),
        );
        let address = old.map_or_else(
            || format!("rcid={new}&oldid={new}"),
            |(old, _)| format!("diff={new}&oldid={old}"),
        );
        event.insert("revision".to_owned(), revision);
        event.insert(
            "notify_url".to_owned(),
            json!(format!("{server}/w/index.php?{address}")),
        );
        if self.rng.bool() {
            event.insert("patrolled".to_owned(), json!(self.rng.bool()));
        }
    }

    fn add_log(&mut self, wiki: usize, event: &mut Map<String, Value>) {
        let (log_type, action) = [
            ("move", "move"),
            ("delete", "delete"),
            ("block", "block"),
            ("abusefilter", "hit"),
            ("upload", "overwrite"),
        ][self.rng.usize(..5)];
        event.insert(
            "log_id".to_owned(),
            json!(self.rng.u64(60_000_000..180_000_000)),
        );
        event.insert("log_type".to_owned(), json!(log_type));
        event.insert("log_action".to_owned(), json!(action));
        let count = self.rng.usize(..8);
        event.insert(
            "log_action_comment".to_owned(),
            json!(text::words(&mut self.rng, wiki, count)),
        );
        event.insert("log_params".to_owned(), self.log_params(wiki, log_type));
    }

    /// What the parameters of a log entry are depends on who wrote it: an object, a list, a string.
    fn log_params(&mut self, wiki: usize, log_type: &str) -> Value {
        match log_type {
            "move" => json!({"target": text::title(&mut self.rng, wiki, 0), "noredir": "0"}),
            "block" => {
                json!({"duration": "31 hours", "flags": ["nocreate", "noemail"], "sitewide": true, "weight": self.rng.f64()})
            }
            "delete" => json!([]),
            "abusefilter" => {
                json!([self.rng.u32(..999), {"action": "edit", "log": self.rng.u64(..)}, null])
            }
            _ => json!(text::words(&mut self.rng, wiki, 2)),
        }
    }

    /// What only some events have.
    fn add_extras(&mut self, wiki: usize, event: &mut Map<String, Value>) {
        if self.rng.u8(..3) == 0 {
            event.insert("_meta".to_owned(), json!({"op": "c"}));
        }
        let count = self.rng.usize(..4);
        if count > 0 {
            let tags: Vec<_> = (0..count)
                .map(|_| text::words(&mut self.rng, wiki, 1))
                .collect();
            event.insert("tags".to_owned(), json!(tags));
        }
        match self.rng.u8(..8) {
            0 => drop(event.insert("scores".to_owned(), Value::Null)),
            1..=3 => {
                let scores = json!({"damaging": self.rng.f64(), "goodfaith": self.score()});
                event.insert("scores".to_owned(), scores);
            }
            _ => {}
        }
    }

    /// A score, of which some are as odd as numbers get.
    fn score(&mut self) -> Value {
        match self.rng.u8(..8) {
            0 => json!(1),
            1 => json!(0.0),
            2 => json!(1e-300 * self.rng.f64()),
            3 => Value::Null,
            _ => json!(self.rng.f64()),
        }
    }
}

fn add_notification(server: &str, id: u64, event: &mut Map<String, Value>) {
    event.insert(
        "notify_url".to_owned(),
        json!(format!("{server}/w/index.php?diff={id}&oldid=0")),
    );
    event.insert("log_id".to_owned(), Value::Null);
}

/// A random (version 4) UUID.
fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xfff,
        0x8000 | ((bits >> 48) & 0x3fff),
        bits & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::schema::Types;

    #[test]
    fn a_seed_gives_the_same_events_everywhere() {
        let first: Vec<_> = wikipedia(7, 100).collect();
        assert_eq!(first, wikipedia(7, 100).collect::<Vec<_>>());
        assert_ne!(first, wikipedia(8, 100).collect::<Vec<_>>());
    }

    #[test]
    fn events_are_about_as_large_as_real_ones() {
        let bytes: usize = wikipedia(1, 2000)
            .map(|event| event.to_string().len())
            .sum();
        assert!(
            (1000..1500).contains(&(bytes / 2000)),
            "{} bytes each",
            bytes / 2000
        );
    }

    #[test]
    fn keys_come_again() {
        let mut keys: BTreeMap<(String, u64), usize> = BTreeMap::new();
        for event in wikipedia(1, 3000) {
            let id = event["id"].as_u64().expect("an id");
            *keys.entry((event["wiki"].to_string(), id)).or_default() += 1;
        }
        assert!(keys.values().any(|count| *count > 2));
        assert!(
            keys.len() > 2600 && keys.len() < 2900,
            "{} keys",
            keys.len()
        );
    }

    #[test]
    fn events_are_varied() {
        let events: Vec<_> = wikipedia(1, 3000).collect();
        let values = |pointer: &str| -> BTreeSet<String> {
            events
                .iter()
                .map(|event| {
                    event
                        .pointer(pointer)
                        .map_or("missing".to_owned(), Value::to_string)
                })
                .collect()
        };
        assert_eq!(values("/type").len(), 4);
        assert_eq!(values("/wiki").len(), WIKIS.len());
        assert_eq!(
            values("/_meta/op"),
            BTreeSet::from(["missing", "\"c\"", "\"d\"", "\"u\""].map(str::to_owned))
        );
        for (pointer, expected) in [
            ("/user", "\"\""),
            ("/length/old", "null"),
            ("/revision/old", "missing"),
            ("/scores", "null"),
        ] {
            assert!(
                values(pointer).contains(expected),
                "{pointer} is never {expected}"
            );
        }
        let parameters = events.iter().filter_map(|event| event.get("log_params"));
        let kinds: BTreeSet<_> = parameters
            .flat_map(|value| Types::of(value).names())
            .collect();
        assert_eq!(kinds, BTreeSet::from(["array", "object", "string"]));
    }
}
