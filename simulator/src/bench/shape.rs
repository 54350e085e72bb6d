//! The three shapes of documents, each with what it must reach.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::column::{Column, Kind};
use crate::generate::Wikipedia;

/// The seed of all documents.
const SEED: u64 = 7;

/// The first document's time: 2024-11-23T02:00:00Z.
const START_SECONDS: i64 = 1_732_327_200;

/// The length of a tiny document as JSON.
const TINY_BYTES: usize = 128;

/// The length of a big document's payload.
const BIG_BYTES: usize = 1 << 20;

/// What no contender may exceed in any shape: the connector's peak memory in bytes.
pub const PEAK_BYTES_MUST: u64 = 256 << 20;

/// A shape of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Changes of wikis, nested, of about 1.2 KB.
    Wiki,
    /// Readings of 128 bytes.
    Tiny,
    /// Payloads of 1 MiB that nothing compresses.
    Big,
}

/// The most that ours may take, as a share of DuckDB's wall time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Musts {
    /// By the proto codec.
    pub proto: f64,
    /// By the JSON codec of the new runtime.
    pub json: f64,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 3] = [Self::Wiki, Self::Tiny, Self::Big];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wiki => "wiki",
            Self::Tiny => "tiny",
            Self::Big => "big",
        }
    }

    /// How many documents a share of it has; at least one.
    pub fn count(self, scale: f64) -> u64 {
        let whole = match self {
            Self::Wiki => 300_000,
            Self::Tiny => 3_000_000,
            Self::Big => 400,
        };
        ((f64::from(whole) * scale).round() as u64).max(1)
    }

    /// What must be reached.
    pub fn musts(self) -> Musts {
        match self {
            Self::Wiki | Self::Tiny => Musts {
                proto: 0.7,
                json: 1.0,
            },
            Self::Big => Musts {
                proto: 0.35,
                json: 0.6,
            },
        }
    }

    /// The field that is the key. It ascends from document to document, so that they are in the
    /// order in which Flow sends them.
    pub fn key(self) -> &'static str {
        match self {
            Self::Wiki => "meta/offset",
            Self::Tiny | Self::Big => "id",
        }
    }

    /// Its columns.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Wiki => &WIKI,
            Self::Tiny => &TINY,
            Self::Big => &BIG,
        }
    }

    /// Its documents, without end and always the same.
    pub fn documents(self) -> Box<dyn Iterator<Item = Value> + Send> {
        let mut rng = Rng::with_seed(SEED);
        match self {
            Self::Wiki => Box::new(Wikipedia::new(SEED)),
            Self::Tiny => Box::new((0..).map(move |id| tiny(&mut rng, id))),
            Self::Big => Box::new((0..).map(move |id| big(&mut rng, id))),
        }
    }
}

const fn column(field: &'static str, kind: Kind) -> Column {
    Column { field, kind }
}

/// In the order of Flow's selection: the key, and then by name.
const WIKI: [Column; 37] = [
    column("meta/offset", Kind::Integer),
    column("$schema", Kind::String),
    column("_meta/op", Kind::String),
    column("bot", Kind::Boolean),
    column("comment", Kind::String),
    column("id", Kind::Integer),
    column("length/new", Kind::Integer),
    column("length/old", Kind::Integer),
    column("log_action", Kind::String),
    column("log_id", Kind::Integer),
    column("log_type", Kind::String),
    column("meta/domain", Kind::String),
    column("meta/dt", Kind::DateTime),
    column("meta/id", Kind::String),
    column("meta/partition", Kind::Integer),
    column("meta/request_id", Kind::String),
    column("meta/stream", Kind::String),
    column("meta/topic", Kind::String),
    column("meta/uri", Kind::String),
    column("minor", Kind::Boolean),
    column("namespace", Kind::Integer),
    column("notify_url", Kind::String),
    column("parsedcomment", Kind::String),
    column("patrolled", Kind::Boolean),
    column("revision/new", Kind::Integer),
    column("revision/old", Kind::Integer),
    column("scores/damaging", Kind::Number),
    column("scores/goodfaith", Kind::Number),
    column("server_name", Kind::String),
    column("server_script_path", Kind::String),
    column("server_url", Kind::String),
    column("timestamp", Kind::Integer),
    column("title", Kind::String),
    column("title_url", Kind::String),
    column("type", Kind::String),
    column("user", Kind::String),
    column("wiki", Kind::String),
];

const TINY: [Column; 4] = [
    column("id", Kind::Integer),
    column("at", Kind::DateTime),
    column("token", Kind::String),
    column("value", Kind::Number),
];

const BIG: [Column; 3] = [
    column("id", Kind::Integer),
    column("at", Kind::DateTime),
    column("payload", Kind::String),
];

fn tiny(rng: &mut Rng, id: i64) -> Value {
    let value = f64::from(rng.u32(..10_000_000)) / 1000.0;
    let mut document = json!({"at": time(id * 250), "id": id, "token": "", "value": value});
    let bytes = document.to_string().len();
    document["token"] = noise(rng, TINY_BYTES.saturating_sub(bytes)).into();
    document
}

fn big(rng: &mut Rng, id: i64) -> Value {
    json!({"at": time(id * 1000), "id": id, "payload": noise(rng, BIG_BYTES)})
}

fn time(milliseconds: i64) -> String {
    let start = Timestamp::constant(START_SECONDS, 0);
    let time = start.saturating_add(SignedDuration::from_millis(milliseconds));
    format!("{:.3}", time.unwrap_or(start))
}

/// Text of 64 letters at random, as base64 is: 6 bits in each byte, which no codec that looks for
/// repetitions finds.
fn noise(rng: &mut Rng, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(length + 9);
    while text.len() < length {
        let bits = rng.u64(..);
        text.extend((0..10).map(|index| char::from(LETTERS[(bits >> (6 * index)) as usize & 63])));
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(shape: Shape, count: usize) -> Vec<Value> {
        shape.documents().take(count).collect()
    }

    fn at<'a>(document: &'a Value, field: &str) -> Option<&'a Value> {
        document
            .pointer(&format!("/{field}"))
            .filter(|value| !value.is_null())
    }

    #[test]
    fn documents_are_the_same_every_time_and_come_in_the_order_of_their_key() {
        for shape in Shape::ALL {
            let documents = values(shape, 20);
            assert_eq!(documents, values(shape, 20), "{shape:?}");
            let keys: Vec<i64> = documents
                .iter()
                .map(|document| at(document, shape.key()).unwrap().as_i64().unwrap())
                .collect();
            assert!(keys.is_sorted_by(|left, right| left < right), "{shape:?}");
        }
    }

    #[test]
    fn documents_have_the_sizes_that_their_shape_says() {
        let bytes = |shape, count| -> Vec<usize> {
            let documents = values(shape, count);
            documents.iter().map(|one| one.to_string().len()).collect()
        };
        let wiki = bytes(Shape::Wiki, 1000).iter().sum::<usize>() / 1000;
        assert!((1000..1400).contains(&wiki), "{wiki}");
        assert!(bytes(Shape::Tiny, 1000).iter().all(|bytes| *bytes == 128));
        let payload = values(Shape::Big, 1)[0]["payload"].as_str().unwrap().len();
        assert_eq!(payload, 1 << 20);
    }

    #[test]
    fn every_column_has_values_of_its_kind() {
        for shape in Shape::ALL {
            let documents = values(shape, if shape == Shape::Big { 2 } else { 1000 });
            for column in shape.columns() {
                let mut found = documents
                    .iter()
                    .filter_map(|document| at(document, column.field))
                    .peekable();
                assert!(found.peek().is_some(), "{} is never there", column.field);
                let fits = |value: &Value| match column.kind {
                    Kind::Boolean => value.is_boolean(),
                    Kind::Integer => value.is_i64(),
                    Kind::Number => value.is_number(),
                    Kind::String => value.is_string(),
                    Kind::DateTime => value
                        .as_str()
                        .is_some_and(|text| text.parse::<Timestamp>().is_ok()),
                };
                assert!(found.all(fits), "{}", column.field);
            }
        }
    }

    #[test]
    fn a_share_of_a_shape_has_so_many_documents() {
        let counts = |scale| Shape::ALL.map(|shape| shape.count(scale));
        assert_eq!(counts(1.0), [300_000, 3_000_000, 400]);
        assert_eq!(counts(0.1), [30_000, 300_000, 40]);
        assert_eq!(counts(0.001), [300, 3000, 1]);
    }
}
