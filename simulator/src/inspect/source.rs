//! Where the files are: on this machine, or in a bucket, from which they are fetched.

use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use tempfile::TempDir;

use super::error::{Error, Result};
use crate::readback::fetch_one;
use crate::refusal::explain;
use crate::run::{Location, client};
use crate::staging::is_staged;

/// The ending of a Parquet file's name.
const EXTENSION: &str = "parquet";

/// What to look into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of this machine, or a folder with all its `.parquet` files but those that are staged.
    Local(PathBuf),
    /// An object of a bucket, or the `.parquet` objects below a prefix but those that are staged.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The key, or a prefix.
        prefix: String,
    },
}

impl Source {
    /// Reads `s3://bucket/prefix`, or a path.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("s3://") {
            Some(rest) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                Self::Bucket {
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                }
            }
            None => Self::Local(text.into()),
        }
    }
}

/// How much is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where buckets are.
    pub store: Option<Location>,
    /// The most files to look into; more are counted.
    pub files: usize,
    /// How many rows to show.
    pub rows: usize,
}

/// A file on this machine.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// What was found. Fetched files go when this is dropped.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) files: Vec<Found>,
    pub(super) more_files: u64,
    pub(super) more_bytes: u64,
    folders: Vec<TempDir>,
}

/// Finds the files, and fetches those that are in a bucket.
pub(super) async fn find(sources: &[Source], options: &Options) -> Result<Findings> {
    let mut findings = Findings::default();
    for source in sources {
        match source {
            Source::Local(path) => findings.local(path, options)?,
            Source::Bucket { bucket, prefix } => findings.bucket(bucket, prefix, options).await?,
        }
    }
    Ok(findings)
}

impl Findings {
    fn local(&mut self, path: &Path, options: &Options) -> Result<()> {
        let is_folder = fs::metadata(path)
            .map_err(|source| unreadable(path, source))?
            .is_dir();
        let paths = if is_folder {
            below(path)?
        } else {
            vec![path.to_owned()]
        };
        if paths.is_empty() {
            return Err(Error::Usage(format!(
                "the folder {} has no .{EXTENSION} files; to look into a file of another name, \
                 name the file",
                path.display()
            )));
        }
        for path in paths {
            if self.files.len() < options.files {
                let name = path.display().to_string();
                self.files.push(Found { name, path });
            } else {
                self.more_files += 1;
                self.more_bytes += fs::metadata(&path)
                    .map_err(|source| unreadable(&path, source))?
                    .len();
            }
        }
        Ok(())
    }

    async fn bucket(&mut self, bucket: &str, prefix: &str, options: &Options) -> Result<()> {
        let Some(store) = &options.store else {
            return Err(Error::Usage(
                "where is the bucket? Name its server with --s3 URL, and the credentials by the \
                 usual AWS variables"
                    .to_owned(),
            ));
        };
        let client = client(store);
        let objects = list(&client, bucket, prefix).await?;
        if objects.is_empty() {
            return Err(Error::Usage(format!(
                "s3://{bucket}/{prefix} at {} has no .{EXTENSION} objects",
                store.endpoint
            )));
        }
        let folder = TempDir::with_prefix("flow-sim-")
            .map_err(|source| unreadable(Path::new("a temporary folder"), source))?;
        for (key, bytes) in objects {
            if self.files.len() < options.files {
                let name = format!("s3://{bucket}/{key}");
                let fetched = fetch_one(&client, bucket, key, folder.path()).await?;
                self.files.push(Found {
                    name,
                    path: fetched.path,
                });
            } else {
                self.more_files += 1;
                self.more_bytes += bytes;
            }
        }
        self.folders.push(folder);
        Ok(())
    }
}

/// The `.parquet` files below a folder that are not staged, in the order of their paths.
fn below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))? {
            let path = entry.map_err(|source| unreadable(&folder, source))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if is_parquet(root, &path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file is Parquet by its name, and not in a folder of staged files below the root.
fn is_parquet(root: &Path, path: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    let name = path.extension();
    name.is_some_and(|extension| extension == EXTENSION) && !is_staged(&below.to_string_lossy())
}

/// The objects below a prefix that are Parquet by their names and not staged, or the one that is
/// named exactly, with their bytes.
async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<Vec<(String, u64)>> {
    let mut objects = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| Error::Bucket {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
                message: explain(&error),
            })?;
        for object in page.contents.unwrap_or_default() {
            let bytes = object.size.and_then(|size| u64::try_from(size).ok());
            let key = object.key.unwrap_or_default();
            let is_parquet = key
                .rsplit_once('.')
                .is_some_and(|(_, extension)| extension == EXTENSION);
            if (is_parquet && !is_staged(&key)) || key == prefix {
                objects.push((key, bytes.unwrap_or_default()));
            }
        }
        token = page.next_continuation_token;
        if token.is_none() {
            return Ok(objects);
        }
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}
