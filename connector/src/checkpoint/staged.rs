//! What the state says of an upload whose parts are all in S3 and which waits to be completed.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The place an object is in: enough to find it again after the configuration has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The URL of an S3-compatible API; `None` is AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path of the URL, and not in its host name.
    #[serde(default)]
    pub path_style: bool,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bucket,
            region,
            endpoint,
            ..
        } = self;
        match endpoint {
            Some(endpoint) => write!(formatter, "bucket `{bucket}` at {endpoint}"),
            None => write!(formatter, "bucket `{bucket}` in region `{region}`"),
        }
    }
}

/// One part of an upload, as S3 took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part's entity tag, exactly as S3 gave it.
    pub etag: String,
    /// Its CRC-32 as S3 writes it (base64 of four bytes, big endian), where checksums are on. It must be given again at completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
}

/// An upload whose parts are all in S3, and which nobody can see before it is completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StagedUpload {
    /// Where it was staged.
    #[serde(flatten)]
    pub location: Location,
    /// The object's key.
    pub key: String,
    /// The multipart upload's id.
    pub upload_id: String,
    /// The token that stands in the object's metadata and in its key, 16 hex digits: proof that this upload made the object.
    pub token: String,
    /// The parts, in order; the first has number 1.
    pub parts: Vec<Part>,
    /// The object's size in bytes.
    pub bytes: u64,
    /// The rows in the file.
    pub rows: u64,
    /// When its last part was up.
    #[serde(
        serialize_with = "serialize_time",
        deserialize_with = "deserialize_time"
    )]
    pub staged_at: Timestamp,
}

fn serialize_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn deserialize_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| de::Error::custom(format_args!("`{text}` is not an RFC 3339 time")))
}

/// The beginning of a shard's key range, which names the shard in the state: eight hex digits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBegin(pub u32);

impl fmt::Display for KeyBegin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl FromStr for KeyBegin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // To the letter, because a patch would name it by the letters that we write.
        let number = u32::from_str_radix(text, 16).map(Self);
        number
            .ok()
            .filter(|number| number.to_string() == text)
            .ok_or_else(|| format!("`{text}` is not eight lower-case hex digits"))
    }
}

impl Serialize for KeyBegin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyBegin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
