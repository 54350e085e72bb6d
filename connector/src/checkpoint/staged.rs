//! The state's entry for a file that is staged and waits to be made visible.

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
    /// Its CRC-32 as S3 writes it (base64 of four bytes, big endian), where checksums are on. It
    /// must be given again at completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
}

/// A multipart upload under a file's own key, all of whose parts are in S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StagedUpload {
    /// The upload's id.
    pub upload_id: String,
    /// The parts, in order; the first has number 1.
    pub parts: Vec<Part>,
}

/// A whole object under a staging key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedObject {
    /// The staging key.
    pub key: String,
    /// The object's entity tag, exactly as S3 gave it.
    pub etag: String,
    /// The object's version, where the bucket has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The way in which a file was staged. A state of version 1 knows uploads only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Staged {
    /// As a multipart upload, which its completion makes visible.
    Multipart(StagedUpload),
    /// As a whole object, which a copy to the file's key makes visible.
    Copy {
        /// The object.
        staged: StagedObject,
    },
}

/// A file whose bytes are all in S3, and which is not visible before it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StagedFile {
    /// The place where it was staged.
    #[serde(flatten)]
    pub location: Location,
    /// The file's key.
    pub key: String,
    /// The random number in its key, 16 hex digits.
    pub token: String,
    /// The file's size in bytes, which proves together with its key that the file is visible.
    pub bytes: u64,
    /// The rows in the file.
    pub rows: u64,
    /// The time at which its last byte was in S3.
    #[serde(
        serialize_with = "serialize_time",
        deserialize_with = "deserialize_time"
    )]
    pub staged_at: Timestamp,
    /// The key of the receipt that tells whether the file was visible once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The time of the first failure to make the file visible after its binding had left the task.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "serialize_optional_time",
        deserialize_with = "deserialize_optional_time"
    )]
    pub failing_since: Option<Timestamp>,
    /// The way in which it was staged.
    #[serde(flatten)]
    pub staged: Staged,
}

#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
fn serialize_optional_time<S: Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize_time(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn deserialize_optional_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    deserialize_time(deserializer).map(Some)
}

fn serialize_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn deserialize_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| de::Error::custom(format_args!("`{text}` is not an RFC 3339 time")))
}

/// A number of 32 bits that is eight hex digits in the state: the beginning of a shard's key range,
/// or a session's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexNumber(pub u32);

impl fmt::Display for HexNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl FromStr for HexNumber {
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

impl Serialize for HexNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
