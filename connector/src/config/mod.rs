//! The configuration of the endpoint and of a binding, as the user wrote it: parsed, checked and
//! explained.
//!
//! The structs here are the one source of the JSON schemas that the Spec response carries
//! ([`endpoint_schema`], [`resource_schema`]). A configuration is checked against its schema first,
//! so that an error can name every wrong property at once, and then for what a schema cannot say.

mod check;
mod schema;
mod secret;
mod text;

use std::sync::LazyLock;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use schema::{endpoint_schema, resource_schema};
pub use secret::Secret;

use crate::error::{Error, Result};
use crate::keys::{PathPrefix, StagingPrefix, check_path_prefix, check_staging_prefix};

/// The least `/advanced/fileSizeLimit` in bytes: below it, files would hold next to nothing.
pub const MIN_FILE_SIZE_LIMIT: u64 = 1 << 20;
/// The greatest `/advanced/fileSizeLimit` in bytes: 8,192 parts of 8 MiB, where S3 takes 10,000.
pub const MAX_FILE_SIZE_LIMIT: u64 = 64 << 30;
/// The default of `/advanced/fileSizeLimit` in bytes.
pub const DEFAULT_FILE_SIZE_LIMIT: u64 = 1 << 30;
/// The default of `/advanced/rowGroupRowLimit` in rows.
pub const DEFAULT_ROW_GROUP_ROW_LIMIT: usize = 1_000_000;
/// The least `/advanced/rowGroupByteLimit` in bytes.
pub const MIN_ROW_GROUP_BYTE_LIMIT: u64 = 64 << 10;
/// The greatest `/advanced/rowGroupByteLimit` in bytes: readers hold a whole row group in memory.
pub const MAX_ROW_GROUP_BYTE_LIMIT: u64 = 1 << 30;
/// The default of `/advanced/rowGroupByteLimit` in bytes.
pub const DEFAULT_ROW_GROUP_BYTE_LIMIT: u64 = 64 << 20;
/// The greatest level of gzip; the least is 0.
pub const MAX_GZIP_LEVEL: i32 = 9;
/// The greatest level of zstd; the least is 1.
pub const MAX_ZSTD_LEVEL: i32 = 22;

/// Where the files go, with which credentials, and how often.
// The doc comments of the fields are what the user reads beside the form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "S3 Parquet Endpoint")]
pub struct EndpointConfig {
    /// Access key ID of the user or role that writes the files. It needs s3:PutObject,
    /// s3:GetObject, s3:AbortMultipartUpload and s3:ListBucket, and to commit by copy
    /// s3:DeleteObject.
    #[schemars(title = "Access Key ID", length(min = 1), extend("order" = 0))]
    pub aws_access_key_id: String,
    /// Secret access key that belongs to the access key ID.
    #[schemars(title = "Secret Access Key", with = "String", length(min = 1), extend("order" = 1, "secret" = true))]
    pub aws_secret_access_key: Secret,
    /// Name of the bucket, without s3:// and without a path.
    #[schemars(title = "Bucket", length(min = 1), extend("order" = 2))]
    pub bucket: String,
    /// Region of the bucket, such as us-east-1.
    #[schemars(title = "Region", length(min = 1), extend("order" = 3))]
    pub region: String,
    /// Seconds between two uploads: longer means fewer and larger files. 0 uploads with every
    /// transaction.
    #[serde(rename = "uploadIntervalInSeconds", deserialize_with = "seconds")]
    #[schemars(title = "Upload Interval in Seconds", with = "u64", range(min = 0), extend("order" = 4))]
    pub upload_interval: Duration,
    /// Options for advanced users. The defaults fit nearly everyone.
    #[serde(default)]
    #[schemars(extend("order" = 5, "advanced" = true))]
    pub advanced: Advanced,
}

/// The options under `/advanced`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Advanced {
    /// URL of an S3-compatible API that is not AWS: scheme, host and, if need be, port and path,
    /// without the bucket. Set it where the bucket is not at AWS.
    #[serde(deserialize_with = "endpoint")]
    #[schemars(title = "Endpoint", length(min = 1), extend("order" = 0))]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path of a URL and not in its host name. Default: yes when
    /// an endpoint is set. Set false where a store answers `SecondLevelDomainForbidden`.
    #[schemars(title = "Path Style", extend("order" = 1))]
    pub path_style: Option<bool>,
    /// Checksums that the store verifies at upload. Set none where a store refuses their headers.
    #[schemars(title = "Checksums", extend("order" = 2))]
    pub checksums: Checksums,
    /// Bytes after which a file ends and the next one begins. Set it where files are too large for
    /// what reads them, or a store refuses a part for its number.
    #[schemars(
        title = "File Size Limit",
        range(min = MIN_FILE_SIZE_LIMIT, max = MAX_FILE_SIZE_LIMIT),
        extend("order" = 3)
    )]
    pub file_size_limit: u64,
    /// Rows after which a row group ends and the next one begins. Set it where readers are slow to
    /// skip rows.
    #[schemars(title = "Row Group Row Limit", range(min = 1), extend("order" = 4))]
    pub row_group_row_limit: usize,
    /// Encoded bytes after which a row group ends and the next one begins. It ends earlier where
    /// open files hold 32 MiB of values. Set it where readers run out of memory.
    #[schemars(
        title = "Row Group Byte Limit",
        range(min = MIN_ROW_GROUP_BYTE_LIMIT, max = MAX_ROW_GROUP_BYTE_LIMIT),
        extend("order" = 5)
    )]
    pub row_group_byte_limit: u64,
    /// Level of compression: 0 to 9 for gzip, 1 to 22 for zstd. The other compression types have
    /// none. Set it where files are too large or the task is too slow.
    #[schemars(title = "Compression Level", range(min = 0, max = MAX_ZSTD_LEVEL), extend("order" = 6))]
    pub compression_level: Option<i32>,
    /// Parquet type of columns that hold JSON text: string, which every reader knows, or json. Set
    /// json where a reader has functions for that type.
    #[schemars(title = "JSON Columns", extend("order" = 7))]
    pub json_columns: JsonColumns,
    /// What happens to a value that does not fit its column: rescue puts it into the column
    /// `flow_rescued`, fail stops the task. Set fail where such a value must not pass unseen.
    #[schemars(title = "Unconvertible Values", extend("order" = 8))]
    pub unconvertible: Unconvertible,
    /// What happens when a field's column changes its type: continue writes the new type from the
    /// next file on, backfill starts over in a new folder. Set backfill where a reader fails
    /// on files whose types differ.
    #[schemars(title = "Type Changes", extend("order" = 9))]
    pub type_changes: TypeChanges,
    /// How files become visible: multipart completes an upload, copy copies a staged object, auto
    /// takes copy on MinIO and multipart elsewhere. Set copy for a MinIO behind a proxy that
    /// hides its name.
    #[schemars(title = "Commit", extend("order" = 10))]
    pub commit: CommitMode,
    /// Prefix below which files are staged, in a folder `_staged`. Default: the binding's path
    /// prefix. Set it where a reader or a notification takes every object below the path
    /// prefix for a file.
    #[schemars(title = "Staging Prefix", with = "Option<String>", length(min = 1), extend("order" = 11))]
    pub staging_prefix: Option<StagingPrefix>,
    /// What happens when an upload that was staged is gone, or has lost its parts: fail stops the
    /// task, skip goes on without its rows. Set skip once, where an error says that files are
    /// lost and nothing can bring them back.
    #[schemars(title = "Missing Uploads", extend("order" = 12))]
    pub missing_uploads: MissingUploads,
}

impl Default for Advanced {
    fn default() -> Self {
        Self {
            endpoint: None,
            path_style: None,
            checksums: Checksums::default(),
            file_size_limit: DEFAULT_FILE_SIZE_LIMIT,
            row_group_row_limit: DEFAULT_ROW_GROUP_ROW_LIMIT,
            row_group_byte_limit: DEFAULT_ROW_GROUP_BYTE_LIMIT,
            compression_level: None,
            json_columns: JsonColumns::default(),
            unconvertible: Unconvertible::default(),
            type_changes: TypeChanges::default(),
            commit: CommitMode::default(),
            staging_prefix: None,
            missing_uploads: MissingUploads::default(),
        }
    }
}

impl Advanced {
    /// Whether the bucket stands in the path of a URL: as configured, else whenever an endpoint is
    /// set, because plain hosts and addresses have no host name per bucket.
    pub fn path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }
}

/// The Parquet logical type of columns that hold JSON text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JsonColumns {
    /// STRING, which every reader knows.
    #[default]
    String,
    /// JSON.
    Json,
}

/// What happens to a value that does not fit its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unconvertible {
    /// The column is null, and the value stands in `flow_rescued`.
    #[default]
    Rescue,
    /// The first such value is an error.
    Fail,
}

/// What happens when the schema of a collection changes the type of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TypeChanges {
    /// The column takes the new type from the next file on.
    #[default]
    Continue,
    /// The field is incompatible, and Flow backfills the binding.
    Backfill,
}

/// How files become visible once the recovery log has committed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommitMode {
    /// By copy on stores that lose a file when the client goes away while its upload is completed,
    /// by multipart elsewhere.
    #[default]
    Auto,
    /// By completing a multipart upload under the file's own key.
    Multipart,
    /// By copying a staged object to the file's own key.
    Copy,
}

/// What happens when a staged upload is neither there nor completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MissingUploads {
    /// It is an error that names the files and the cure.
    #[default]
    Fail,
    /// It is a warning, and the task goes on without the rows.
    Skip,
}

/// The checksums that the store verifies at upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksums {
    /// CRC-32 of every part.
    #[default]
    Crc32,
    /// None, for stores that refuse them.
    None,
}

/// Where the files of a collection go, and how they are compressed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "S3 Parquet Binding")]
pub struct ResourceConfig {
    /// Prefix of the keys of this collection's files, such as warehouse/orders. It may hold the
    /// date patterns %Y %m %d %H %M %S, which stand for the start of the transaction in UTC.
    #[schemars(
        title = "Path Prefix",
        with = "String",
        length(min = 1),
        extend("order" = 0, "x-collection-name" = true)
    )]
    pub path_prefix: PathPrefix,
    /// Compression of the files.
    #[serde(rename = "compressionType", default)]
    #[schemars(title = "Compression Type", extend("order" = 1))]
    pub compression: Compression,
}

/// The compression of a binding's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// None.
    None,
    /// Snappy: fast, and known to every reader.
    #[default]
    Snappy,
    /// Gzip, with a level from 0 to 9.
    Gzip,
    /// LZ4 in its raw form, which every reader understands.
    Lz4,
    /// Zstandard, with a level from 1 to 22.
    Zstd,
}

impl Compression {
    /// The level to compress with: `level`, the endpoint's `/advanced/compressionLevel`, for the
    /// codecs that have levels, and `None` for the library's own or where there are none. A
    /// level that the codec does not have is a Config error.
    pub fn level(self, level: Option<i32>) -> Result<Option<i32>> {
        let (name, levels) = match self {
            Compression::None | Compression::Snappy | Compression::Lz4 => return Ok(None),
            Compression::Gzip => ("gzip", 0..=MAX_GZIP_LEVEL),
            Compression::Zstd => ("zstd", 1..=MAX_ZSTD_LEVEL),
        };
        match level {
            Some(wrong) if !levels.contains(&wrong) => Err(Error::config(format!(
                "the endpoint configuration's `/advanced/compressionLevel` is {wrong}, but the \
                 levels of this binding's `/compressionType` {name} are {} to {}: change one of \
                 the two",
                levels.start(),
                levels.end()
            ))),
            fitting => Ok(fitting),
        }
    }
}

/// An endpoint configuration that is right, and what the user should hear about it all the same.
#[derive(Clone, Debug)]
pub struct ParsedEndpoint {
    /// The configuration.
    pub config: EndpointConfig,
    /// One sentence for each unknown property at the root; it names the nearest right one.
    pub warnings: Vec<String>,
}

impl EndpointConfig {
    /// Reads an endpoint configuration. A Config error names every property that is wrong, where it
    /// stands and what is expected, and never holds a secret.
    pub fn from_json(json: &[u8]) -> Result<ParsedEndpoint> {
        let rules: &[check::Rule] = &[
            ("/awsAccessKeyId", text::credential),
            ("/awsSecretAccessKey", text::credential),
            ("/bucket", text::bucket),
            ("/region", text::region),
            ("/advanced/endpoint", text::endpoint),
            ("/advanced/stagingPrefix", check_staging_prefix),
        ];
        let mut checked = check::check(json, &endpoint_schema(), rules)
            .map_err(|error| error.context(ENDPOINT))?;
        // The runtime may add properties to the root, so an unknown one cannot be an error; beside
        // a real error it may be its cause.
        checked.unknown_at_root.remove(SOPS);
        let mut warnings: Vec<String> = checked.unknown_at_root.into_values().collect();
        match bucket_in_endpoint(&checked.value) {
            Some(Found::Wrong(problem)) => checked.problems.push(problem),
            Some(Found::Wanted(warning)) => warnings.push(warning),
            None => {}
        }
        if checked.problems.is_empty() {
            return Ok(ParsedEndpoint {
                config: decode(checked.value, ENDPOINT)?,
                warnings,
            });
        }
        Err(wrong(ENDPOINT, &[checked.problems, warnings].concat()))
    }
}

impl ResourceConfig {
    /// Reads a binding's resource configuration. A Config error names every property that is wrong
    /// and what is expected.
    pub fn from_json(json: &[u8]) -> Result<ResourceConfig> {
        let rules: &[check::Rule] = &[("/pathPrefix", check_path_prefix)];
        let checked =
            check::check(json, &RESOURCE_SCHEMA, rules).map_err(|error| error.context(RESOURCE))?;
        let unknown = checked.unknown_at_root.into_values();
        let problems: Vec<String> = checked.problems.into_iter().chain(unknown).collect();
        if problems.is_empty() {
            decode(checked.value, RESOURCE)
        } else {
            Err(wrong(RESOURCE, &problems))
        }
    }
}

const ENDPOINT: &str = "the endpoint configuration";
/// What the encryption of secrets may leave at the root: no news to anybody.
const SOPS: &str = "sops";
/// Made once: a task may have thousands of bindings.
static RESOURCE_SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(resource_schema);
const RESOURCE: &str = "the resource configuration";

fn wrong(what: &str, problems: &[String]) -> Error {
    Error::config(format!("{what} is wrong: {}", problems.join("; ")))
}

/// A checked value as its type. It is right by its schema, so that failing here is a bug; the cause
/// is left out, because it might hold a secret.
fn decode<T: for<'de> Deserialize<'de>>(value: serde_json::Value, what: &str) -> Result<T> {
    serde_json::from_value(value).map_err(|_| {
        Error::internal(format!(
            "{what} follows its JSON schema and could not be decoded all the same"
        ))
    })
}

/// An endpoint that holds the bucket.
enum Found {
    /// By mistake, as far as anybody can tell.
    Wrong(String),
    /// As wanted: the path style is set by hand.
    Wanted(String),
}

/// Looks whether the endpoint is the URL of the bucket: its name would stand in all keys, or twice
/// in the host name.
fn bucket_in_endpoint(config: &serde_json::Value) -> Option<Found> {
    let text = |pointer| config.pointer(pointer).and_then(serde_json::Value::as_str);
    let (endpoint, bucket) = (text("/advanced/endpoint")?, text("/bucket")?);
    text::endpoint(endpoint).ok()?;
    let right = text::endpoint_without_bucket(endpoint, bucket)?;
    let found = format!(
        "`/advanced/endpoint` is `{endpoint}`, which holds the bucket `{bucket}`, so that its \
         name would be in every key: expected `{right}`"
    );
    let by_hand = config.pointer("/advanced/pathStyle") == Some(&serde_json::Value::Bool(true));
    Some(if by_hand {
        Found::Wanted(format!("{found}, unless that is wanted"))
    } else {
        Found::Wrong(format!(
            "{found}. If it is no URL of the bucket, set `/advanced/pathStyle` to true"
        ))
    })
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().map(text::normalised_endpoint))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
