//! What a recording holds.

use materialize_s3_parquet::protocol::Codec;
use materialize_s3_parquet::protocol::materialize::{Request, Response};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of the form that is written.
pub const VERSION: u32 = 1;

/// What one process of a connector was told and said, from its start to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// Remarks for people that stand before it.
    pub comments: Vec<String>,
    /// How it was recorded, where the recording says so.
    pub head: Option<Head>,
    /// What was said, in order, each with its line in the file, from 1 on.
    pub entries: Vec<(usize, Entry)>,
}

impl Transcript {
    /// How the process ended; none where it was killed.
    pub fn end(&self) -> Option<&End> {
        self.entries.iter().find_map(|(_, entry)| match entry {
            Entry::Ended(end) => Some(end),
            _ => None,
        })
    }
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// The runtime said something.
    Request(Box<Request>),
    /// The connector said something.
    Response(Box<Response>),
    /// The runtime closed the connector's input.
    InputClosed,
    /// The connector's process ended.
    Ended(End),
}

/// How a transcript was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the form.
    pub version: u32,
    /// The codec that was spoken.
    #[serde(serialize_with = "codec_name", deserialize_with = "codec_of_name")]
    pub codec: Codec,
    /// The connector's program, without its folder and its arguments.
    #[serde(default)]
    pub connector: String,
    /// When the recording began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// How a connector's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its status in words, such as `exit status: 1` or `signal: 9 (SIGKILL)`.
    pub status: String,
    /// The message of its last log, where it did not end in good order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl End {
    /// Whether a signal ended it.
    pub fn is_signal(&self) -> bool {
        self.status.starts_with("signal")
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands every field over by reference"
)]
fn codec_name<S: Serializer>(codec: &Codec, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(codec.name())
}

fn codec_of_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Codec, D::Error> {
    let name = String::deserialize(deserializer)?;
    Codec::from_name(Some(&name)).map_err(|_| {
        de::Error::custom(format_args!("the codec `{name}` is neither proto nor json"))
    })
}
