//! Fetches a binding's files into a local folder, where DuckDB can read them.

use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;

use super::error::{Error, Result};
use crate::refusal::{causes, explain};
use crate::staging::is_staged;
use crate::whole_file;

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

/// Fetches every object of the table below `prefix` into `folder`, whose folders are the keys'. In
/// the order in which they were written: a file's name begins with its shard and a counter.
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
            .map_err(|error| refused("list", prefix, explain(&error)))?;
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

/// Whether a key of the table lies directly below a prefix, which may hold date patterns.
fn lies_below(key: &str, prefix: &str) -> bool {
    !is_staged(key) && after_pattern(key, prefix).is_some_and(|name| !name.contains('/'))
}

/// What follows the beginning of `text` that `pattern` describes; none where it begins otherwise.
fn after_pattern<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    let (mut text, mut pattern) = (text, pattern);
    while let Some((literal, rest)) = pattern.split_once('%') {
        text = text.strip_prefix(literal)?;
        let letter = rest.chars().next()?;
        text = match letter {
            'Y' => after_digits(text, 4)?,
            'm' | 'd' | 'H' | 'M' | 'S' => after_digits(text, 2)?,
            other => text.strip_prefix(other)?,
        };
        pattern = &rest[letter.len_utf8()..];
    }
    text.strip_prefix(pattern)
}

fn after_digits(text: &str, count: usize) -> Option<&str> {
    let (digits, rest) = text.split_at_checked(count)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(rest)
}

/// Fetches one object into `folder`.
pub(crate) async fn fetch_one(
    client: &Client,
    bucket: &str,
    key: String,
    folder: &Path,
) -> Result<Fetched> {
    let object = client.get_object().bucket(bucket).key(&key).send().await;
    let object = object.map_err(|error| refused("get", &key, explain(&error)))?;
    let body = object
        .body
        .collect()
        .await
        .map_err(|error| refused("get", &key, causes(&error)))?;
    let body = body.into_bytes();
    let path = folder.join(local_name(&key));
    let bytes = body.len() as u64;
    write(&path, &body).map_err(|source| Error::File {
        path: path.display().to_string(),
        source,
    })?;
    Ok(Fetched { key, bytes, path })
}

/// A key as a relative path: what DuckDB would take for a pattern, and what would lead out of the
/// folder, is encoded.
fn local_name(key: &str) -> String {
    encoded(key.trim_start_matches('/'))
}

fn encoded(key: &str) -> String {
    let mut name = key.replace("..", "%2E%2E");
    for pattern in ["*", "?", "[", "]"] {
        name = name.replace(pattern, &format!("%{:02X}", pattern.as_bytes()[0]));
    }
    name
}

/// The pattern, relative to the folder that they were fetched into, of the files below a prefix,
/// which may hold date patterns.
pub fn local_glob(prefix: &str) -> String {
    let mut glob = String::new();
    let mut rest = prefix.trim_start_matches('/');
    while let Some((literal, pattern)) = rest.split_once('%') {
        glob.push_str(&encoded(literal));
        let mut letters = pattern.chars();
        match letters.next() {
            Some(letter @ ('Y' | 'm' | 'd' | 'H' | 'M' | 'S')) => {
                let digits = if letter == 'Y' { 4 } else { 2 };
                glob.push_str(&"[0-9]".repeat(digits));
            }
            other => glob.extend(other),
        }
        rest = letters.as_str();
    }
    glob.push_str(&encoded(rest));
    glob.push_str("*.parquet");
    with_wildcards_for_backslashes(&glob)
}

/// DuckDB takes a backslash in a pattern for a slash, so another wildcard stands for it.
fn with_wildcards_for_backslashes(pattern: &str) -> String {
    pattern.replace('\\', "?")
}

fn write(path: &Path, body: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    whole_file::write(path, body)
}

fn refused(operation: &'static str, name: &str, message: String) -> Error {
    Error::Store {
        operation,
        name: name.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_dates_is_listed_from_its_literal_part() {
        assert_eq!(literal_part("a/b/v0000000000/"), "a/b/v0000000000/");
        assert_eq!(literal_part("a/v0000000000/year=%Y/%m/"), "a/v0000000000/");
        assert_eq!(literal_part("v0000000000/%Y/"), "v0000000000/");
    }

    #[test]
    fn a_prefix_with_dates_has_only_its_own_files() {
        let dated = "a/v0000000000/year=%Y/%m%%/";
        let table = [
            ("a/v0000000000/year=2026/11%/x.parquet", true),
            ("a/v0000000000/year=2026/11%/deeper/x.parquet", false),
            ("a/v0000000000/year=26/11%/x.parquet", false),
            ("a/v0000000000/other/11%/x.parquet", false),
            ("a/v0000000001/year=2026/11%/x.parquet", false),
        ];
        for (key, expected) in table {
            assert_eq!(lies_below(key, dated), expected, "{key}");
        }
        assert!(lies_below("p/v0000000000/x", "p/v0000000000/"));
        assert!(!lies_below(
            "p/_staged/00000000-0a1b2c3d.receipt",
            "p/_staged/"
        ));
    }

    #[test]
    fn a_pattern_names_the_copies_of_one_prefix() {
        assert_eq!(
            local_glob("a/[b]/v0000000000/"),
            "a/%5Bb%5D/v0000000000/*.parquet"
        );
        assert_eq!(
            local_glob("v0000000000/y-%Y/%m%%/"),
            "v0000000000/y-[0-9][0-9][0-9][0-9]/[0-9][0-9]%/*.parquet"
        );
    }

    #[test]
    fn a_copy_stays_within_its_folder() {
        assert_eq!(
            local_name("/a/../[x]*.parquet"),
            "a/%2E%2E/%5Bx%5D%2A.parquet"
        );
    }
}
