//! What a request is about, read from its first lines alone: the identity that the journal and the
//! faults go by.

use std::fmt;

use hyper::{HeaderMap, Method, Uri};
use serde::{Deserialize, Serialize};

/// An operation of S3 that the server implements, or [`Operation::Unsupported`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of S3")]
pub enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    DeleteBucket,
    ListObjectsV2,
    DeleteObjects,
    ListMultipartUploads,
    PutObject,
    GetObject,
    HeadObject,
    DeleteObject,
    CopyObject,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    /// Anything else: answered with 501 once its signature is found right.
    Unsupported,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The operation.
    pub operation: Operation,
    /// The bucket; `None` when listing buckets.
    pub bucket: Option<String>,
    /// The object's key, for operations on one object.
    pub key: Option<String>,
    /// The upload it belongs to, for operations on one multipart upload.
    pub upload_id: Option<String>,
    /// The part's number, for `UploadPart`.
    pub part: Option<u32>,
    /// The version it names, for operations on one version of an object.
    pub version: Option<String>,
    /// What is copied, for `CopyObject`.
    pub copy_source: Option<CopySource>,
}

/// The source of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version, if one is named.
    pub version: Option<String>,
}

impl CopySource {
    /// Reads the header `x-amz-copy-source`: a percent-encoded path, and perhaps a version.
    fn parse(header: &str) -> Option<Self> {
        let (path, version) = match header.split_once("?versionId=") {
            Some((path, version)) => (path, Some(decode(version))),
            None => (header, None),
        };
        let path = decode(path);
        let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/')?;
        Some(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version,
        })
    }
}

impl Target {
    /// Reads the target of a path-style request.
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = decode(uri.path());
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = Query::parse(uri.query().unwrap_or_default());
        let source = headers.get("x-amz-copy-source");
        let operation = match (bucket, key) {
            ("", _) => server_operation(method, &query),
            (_, "") => bucket_operation(method, &query),
            _ if source.is_some() => copy_operation(method, &query),
            _ => object_operation(method, &query),
        };
        let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            operation,
            bucket: named(bucket),
            key: named(key),
            upload_id: query.get("uploadId").and_then(named),
            part: query.get("partNumber").and_then(|text| text.parse().ok()),
            version: query.get("versionId").and_then(named),
            copy_source: source
                .and_then(|source| source.to_str().ok())
                .and_then(CopySource::parse),
        }
    }
}

fn server_operation(method: &Method, query: &Query) -> Operation {
    match *method {
        Method::GET if query.is_plain() => Operation::ListBuckets,
        _ => Operation::Unsupported,
    }
}

fn bucket_operation(method: &Method, query: &Query) -> Operation {
    match *method {
        Method::GET if query.has("uploads") => Operation::ListMultipartUploads,
        Method::GET if query.get("list-type") == Some("2") => Operation::ListObjectsV2,
        Method::POST if query.has("delete") => Operation::DeleteObjects,
        Method::PUT if query.is_plain() => Operation::CreateBucket,
        Method::HEAD if query.is_plain() => Operation::HeadBucket,
        Method::DELETE if query.is_plain() => Operation::DeleteBucket,
        _ => Operation::Unsupported,
    }
}

fn object_operation(method: &Method, query: &Query) -> Operation {
    let upload = query.has("uploadId");
    match *method {
        Method::PUT if upload && query.has("partNumber") => Operation::UploadPart,
        Method::POST if upload => Operation::CompleteMultipartUpload,
        Method::POST if query.has("uploads") => Operation::CreateMultipartUpload,
        Method::DELETE if upload => Operation::AbortMultipartUpload,
        Method::GET if upload => Operation::ListParts,
        Method::PUT if query.is_plain() => Operation::PutObject,
        Method::GET if query.is_of_object() => Operation::GetObject,
        Method::HEAD if query.is_of_object() => Operation::HeadObject,
        Method::DELETE if query.is_of_object() => Operation::DeleteObject,
        _ => Operation::Unsupported,
    }
}

/// A copy into a part of an upload is another operation.
fn copy_operation(method: &Method, query: &Query) -> Operation {
    match *method {
        Method::PUT if query.is_plain() => Operation::CopyObject,
        _ => Operation::Unsupported,
    }
}

struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(
            query
                .split('&')
                .filter(|part| !part.is_empty())
                .map(pair)
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether it names no sub-resource (`?acl`, `?tagging` …), which would make it another
    /// operation.
    fn is_plain(&self) -> bool {
        self.0.iter().all(|(name, _)| is_harmless(name))
    }

    /// Whether it names no sub-resource, but perhaps a version of the object.
    fn is_of_object(&self) -> bool {
        let is_version = |name: &str| name == "versionId";
        self.0
            .iter()
            .all(|(name, _)| is_harmless(name) || is_version(name))
    }
}

fn is_harmless(name: &str) -> bool {
    name == "x-id" || name.starts_with("X-Amz-") || name.starts_with("response-")
}

/// Undoes percent-encoding. What is no valid encoding stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let encoded = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        decoded.push(encoded.unwrap_or(bytes[at]));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &Method, uri: &str) -> Target {
        Target::of(method, &uri.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_part_is_named_by_bucket_key_upload_and_number() {
        let target = target(
            &Method::PUT,
            "/b/a%20b/%C3%A9?x-id=UploadPart&partNumber=3&uploadId=u%2B1",
        );
        assert_eq!(target.operation, Operation::UploadPart);
        assert_eq!(target.bucket.as_deref(), Some("b"));
        assert_eq!(target.key.as_deref(), Some("a b/é"));
        assert_eq!(target.upload_id.as_deref(), Some("u+1"));
        assert_eq!(target.part, Some(3));
    }

    #[test]
    fn sub_resources_are_unsupported() {
        for uri in [
            "/b?acl",
            "/b?location",
            "/b/k?tagging",
            "/b/k?acl&versionId=1",
        ] {
            assert_eq!(
                target(&Method::GET, uri).operation,
                Operation::Unsupported,
                "{uri}"
            );
        }
    }

    #[test]
    fn a_version_is_named() {
        let target = target(&Method::DELETE, "/b/k?versionId=1%2B1");
        assert_eq!(target.operation, Operation::DeleteObject);
        assert_eq!(target.version.as_deref(), Some("1+1"));
    }

    #[test]
    fn a_copy_names_its_source_and_a_copied_part_is_unsupported() {
        let copy = |uri, source| {
            let headers = HeaderMap::from_iter([(
                hyper::header::HeaderName::from_static("x-amz-copy-source"),
                hyper::header::HeaderValue::from_static(source),
            )]);
            Target::of(&Method::PUT, &Uri::from_static(uri), &headers)
        };
        let target = copy("/b/k", "/c/a%20b/%C3%A9%3Fx?versionId=7%2B");
        assert_eq!(target.operation, Operation::CopyObject);
        let source = CopySource {
            bucket: "c".to_owned(),
            key: "a b/é?x".to_owned(),
            version: Some("7+".to_owned()),
        };
        assert_eq!(target.copy_source, Some(source));
        let plain = copy("/b/k", "c/d").copy_source.unwrap();
        assert_eq!((plain.key.as_str(), plain.version), ("d", None));
        let part = copy("/b/k?partNumber=1&uploadId=u", "c/d");
        assert_eq!(part.operation, Operation::Unsupported);
    }

    #[test]
    fn bad_percent_encoding_does_no_harm() {
        for text in ["%", "%4", "%zz", "é%é", "%é"] {
            assert_eq!(decode(text), text);
        }
    }
}
