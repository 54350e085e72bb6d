//! Listings, page by page: objects, pending uploads, parts. Always sorted, so a page never depends
//! on luck.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::{Object, Part, Store, StoreError, Upload, UploadRef};
use crate::s3::manners::UploadListing;

/// Which objects to list.
#[derive(Clone, Debug, Default)]
pub struct ObjectQuery {
    /// Only keys that start with it.
    pub prefix: String,
    /// Keys that hold it after the prefix are rolled up into common prefixes.
    pub delimiter: Option<String>,
    /// Only keys, and common prefixes, after this one.
    pub after: Option<String>,
    /// How many keys and common prefixes a page holds at most.
    pub limit: usize,
}

/// One page of objects.
#[derive(Debug)]
pub struct ObjectPage<'a> {
    /// The keys of this page.
    pub objects: Vec<(&'a str, &'a Object)>,
    /// The common prefixes of this page.
    pub common_prefixes: BTreeSet<String>,
    /// Where the next page begins (`ObjectQuery::after`); `None` at the end.
    pub next: Option<String>,
}

/// Which pending uploads to list.
#[derive(Clone, Debug, Default)]
pub struct UploadQuery {
    /// Only keys that start with it (or equal it, by the rules of the store).
    pub prefix: String,
    /// Only uploads after this key, and after this upload id of it if one is given.
    pub after: Option<(String, Option<String>)>,
    /// How many uploads a page holds at most.
    pub limit: usize,
}

/// One page of pending uploads.
#[derive(Debug)]
pub struct UploadPage<'a> {
    /// Key, upload id and upload.
    pub uploads: Vec<(&'a str, &'a str, &'a Upload)>,
    /// Whether there are more.
    pub truncated: bool,
}

/// One page of an upload's parts.
#[derive(Debug)]
pub struct PartPage<'a> {
    /// Number and part.
    pub parts: Vec<(i32, &'a Part)>,
    /// Whether there are more.
    pub truncated: bool,
}

impl Store {
    /// One page of a bucket's objects.
    pub fn list_objects(
        &self,
        bucket: &str,
        query: &ObjectQuery,
    ) -> Result<ObjectPage<'_>, StoreError> {
        let mut page = ObjectPage {
            objects: Vec::new(),
            common_prefixes: BTreeSet::new(),
            next: None,
        };
        let mut last = None;
        for (key, object) in self.bucket(bucket)?.objects.range(first_key(query)..) {
            if !key.starts_with(&query.prefix) {
                break;
            }
            let rolled_up = common_prefix(key, query);
            let entry = rolled_up.as_ref().unwrap_or(key);
            if Some(entry) <= query.after.as_ref() || Some(entry) == last.as_ref() {
                continue;
            }
            if page.objects.len() + page.common_prefixes.len() >= query.limit {
                page.next = last;
                break;
            }
            last = Some(entry.clone());
            match rolled_up {
                Some(prefix) => drop(page.common_prefixes.insert(prefix)),
                None => page.objects.push((key, object)),
            }
        }
        Ok(page)
    }

    /// One page of a bucket's pending uploads.
    pub fn list_uploads(
        &self,
        bucket: &str,
        query: &UploadQuery,
    ) -> Result<UploadPage<'_>, StoreError> {
        let listing = self.rules.upload_listing;
        let wanted = |key: &str| match listing {
            UploadListing::ExactKey if !query.prefix.is_empty() => key == query.prefix,
            _ => key.starts_with(&query.prefix),
        };
        let after = |key: &str, id: &str| match &query.after {
            None => true,
            Some((marker, None)) => key > marker.as_str(),
            Some((marker, Some(upload_id))) => (key, id) > (marker.as_str(), upload_id.as_str()),
        };
        let mut matching = self
            .uploads(bucket)?
            .filter(|(key, id, _)| wanted(key) && after(key, id));
        Ok(UploadPage {
            uploads: matching.by_ref().take(query.limit).collect(),
            truncated: matching.next().is_some(),
        })
    }

    /// One page of an upload's parts: at most `limit` with numbers after `after`.
    pub fn list_parts(
        &self,
        upload: UploadRef<'_>,
        after: i32,
        limit: usize,
    ) -> Result<PartPage<'_>, StoreError> {
        let parts = &self.upload(upload)?.parts;
        let mut matching = parts
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(number, part)| (*number, part));
        Ok(PartPage {
            parts: matching.by_ref().take(limit).collect(),
            truncated: matching.next().is_some(),
        })
    }
}

/// Where the walk over the keys begins: no key before it can be in the page.
fn first_key(query: &ObjectQuery) -> String {
    let after = query.after.clone().unwrap_or_default();
    after.max(query.prefix.clone())
}

fn common_prefix(key: &str, query: &ObjectQuery) -> Option<String> {
    let delimiter = query.delimiter.as_deref().filter(|text| !text.is_empty())?;
    let rest = &key[query.prefix.len()..];
    let end = rest.find(delimiter)? + delimiter.len();
    Some(key[..query.prefix.len() + end].to_owned())
}
