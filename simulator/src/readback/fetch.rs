//! Fetches a binding's files into a local folder, where DuckDB can read them.

use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;

use super::error::{Error, Result};

/// A file of the bucket, with its copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its key in the bucket.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// Where its copy is.
    pub path: PathBuf,
}

/// Fetches every object below `prefix` into `folder`, whose folders are the keys'. In the order in which they were written:
/// a file's name begins with its shard and a counter.
pub async fn fetch(
    client: &Client,
    bucket: &str,
    prefix: &str,
    folder: &Path,
) -> Result<Vec<Fetched>> {
    let mut keys = list(client, bucket, prefix).await?;
    keys.sort_by(|left, right| file_name(left).cmp(file_name(right)));
    let mut fetched = Vec::with_capacity(keys.len());
    for key in keys {
        fetched.push(fetch_one(client, bucket, key, folder).await?);
    }
    Ok(fetched)
}

/// What stands after the last slash.
pub(super) fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(literal_part(prefix))
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| refused("list", prefix, &error))?;
        let found = page
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key);
        keys.extend(found.filter(|key| lies_below(key, prefix)));
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(keys);
        }
    }
}

/// The part of a prefix before its first date pattern, up to a slash.
pub(crate) fn literal_part(prefix: &str) -> &str {
    match prefix.split_once('%') {
        None => prefix,
        Some((literal, _)) => &literal[..literal.rfind('/').map_or(0, |slash| slash + 1)],
    }
}

/// Whether a key lies directly below a prefix, as far as can be told where that holds date patterns.
fn lies_below(key: &str, prefix: &str) -> bool {
    let version = prefix
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let mut segments = key.rsplit('/').skip(1);
    segments.next() == Some(version) && key.matches('/').count() == prefix.matches('/').count()
}

async fn fetch_one(client: &Client, bucket: &str, key: String, folder: &Path) -> Result<Fetched> {
    let object = client.get_object().bucket(bucket).key(&key).send().await;
    let object = object.map_err(|error| refused("get", &key, &error))?;
    let body = object
        .body
        .collect()
        .await
        .map_err(|error| refused("get", &key, &error))?
        .into_bytes();
    let path = folder.join(local_name(&key));
    let bytes = body.len() as u64;
    write(&path, &body).map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(Fetched { key, bytes, path })
}

/// A key as a relative path: what DuckDB would take for a pattern, and what would lead out of the folder, is encoded.
fn local_name(key: &str) -> String {
    let mut name = key.trim_start_matches('/').replace("..", "%2E%2E");
    for pattern in ["*", "?", "[", "]"] {
        name = name.replace(pattern, &format!("%{:02X}", pattern.as_bytes()[0]));
    }
    name
}

fn write(path: &Path, body: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, body)
}

fn refused(operation: &'static str, name: &str, error: &dyn std::error::Error) -> Error {
    Error::Store {
        operation,
        name: name.to_owned(),
        message: DisplayErrorContext(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_dates_is_listed_from_its_literal_part() {
        assert_eq!(literal_part("a/b/v0000000000/"), "a/b/v0000000000/");
        assert_eq!(literal_part("a/year=%Y/%m/v0000000000/"), "a/");
        assert!(lies_below(
            "a/year=2026/11/v0000000000/x.parquet",
            "a/year=%Y/%m/v0000000000/"
        ));
        assert!(!lies_below(
            "a/other/v0000000000/x.parquet",
            "a/year=%Y/%m/v0000000000/"
        ));
        assert!(!lies_below(
            "a/year=2026/11/v0000000001/x.parquet",
            "a/year=%Y/%m/v0000000000/"
        ));
    }
}
