//! Manners: what real servers answer differently, as data. One table, one line for each difference,
//! with where it is known from.

use serde::{Deserialize, Serialize};

/// Whose manners a server has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Manners {
    /// Those of Amazon S3.
    #[default]
    Aws,
    /// Those of MinIO, as its sources of 2026-02-12 are, and as it was seen.
    Minio,
    /// Those of Ceph's gateway, as release 18.2.7 was seen.
    Ceph,
    /// Those of Google Cloud Storage's XML API.
    Gcs,
}

impl Manners {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Aws, Self::Minio, Self::Ceph, Self::Gcs];

    /// The name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Minio => "minio",
            Self::Ceph => "ceph",
            Self::Gcs => "gcs",
        }
    }

    /// Returns the rules that a server with these manners goes by.
    pub fn rules(self) -> Rules {
        match self {
            Self::Aws => aws(),
            Self::Minio => minio(),
            Self::Ceph => ceph(),
            Self::Gcs => gcs(),
        }
    }
}

fn aws() -> Rules {
    Rules {
        // Reported by its users: 200 again, for a while.
        recompletion: Recompletion::Accepted,
        // In every answer that one has seen.
        server: Some("AmazonS3"),
        ..Rules::default()
    }
}

fn minio() -> Rules {
    Rules {
        // Seen: 404 NoSuchUpload.
        recompletion: Recompletion::NoSuchUpload,
        // Seen: a prefix lists nothing, an exact key its uploads, no prefix the whole bucket.
        upload_listing: UploadListing::ExactKey,
        // Seen: a request that is signed for another region is taken.
        any_region: true,
        // Its sources, cmd/api-headers.go, `setCommonHeaders`.
        server: Some("MinIO"),
        // Its sources, cmd/api-response.go, `writeErrorResponseHeadersOnly`: what has no body.
        error_headers: Some("x-minio-error"),
        // Its sources, cmd/erasure-multipart.go, `CompleteMultipartUpload`: the parts' metadata are
        // removed (`cleanupMultipartPath`), and then the data is renamed under the request's
        // context. Seen: of 100 completions whose clients went away within 20 ms, 54 were lost.
        completing: Completing {
            milliseconds: 20,
            lost_per_mille: 500,
        },
        ..Rules::default()
    }
}

fn ceph() -> Rules {
    Rules {
        // Seen: 200 while the object is there.
        recompletion: Recompletion::WhileVisible,
        // Seen: 500 InternalError, "already in progress", for every upload that it does not have.
        unknown_completion: UnknownCompletion::InternalError,
        // Seen: a completion with If-None-Match: * writes over what is there.
        conditional_completion: false,
        // Seen: a wrong CRC-32 is taken, in headers, trailers and completions.
        verifies_checksums: false,
        // Seen: a request that is signed for another region is taken.
        any_region: true,
        ..Rules::default()
    }
}

fn gcs() -> Rules {
    Rules {
        // The XML API's page of completing a multipart upload: the upload and its parts no longer
        // exist.
        recompletion: Recompletion::NoSuchUpload,
        // The same page: no condition is among its headers.
        conditional_completion: false,
        // Reported by users of several SDKs: 411 to a CreateMultipartUpload without Content-Length.
        requires_length: true,
        // In every answer that one has seen.
        server: Some("UploadServer"),
        ..Rules::default()
    }
}

/// What a server answers where real ones differ, and how strict it is. By default it is as strict
/// as any of them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a difference of its own, and any combination may be wanted"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Every part but the last must have at least this many bytes. 5 MiB everywhere.
    pub minimum_part_bytes: u64,
    /// Every part but the last must have the same length, and the last may not be longer: the rule
    /// of R2.
    pub equal_parts: bool,
    /// The answer to a second completion of the same upload.
    pub recompletion: Recompletion,
    /// The answer to the completion of an upload that is not there.
    pub unknown_completion: UnknownCompletion,
    /// Which uploads a prefix lists.
    pub upload_listing: UploadListing,
    /// Whether a completion with `If-None-Match: *` spares a key that is there.
    pub conditional_completion: bool,
    /// Whether user metadata (`x-amz-meta-…`) are kept.
    pub keeps_metadata: bool,
    /// Whether a checksum that is wrong, or was announced and is missing, is refused.
    pub verifies_checksums: bool,
    /// Whether requests may be signed for any region, whatever the server's own.
    pub any_region: bool,
    /// Whether a POST needs a Content-Length, even if it has no body: 411 without.
    pub requires_length: bool,
    /// Whether every bucket keeps the versions of its objects.
    pub versioned: bool,
    /// What the server calls itself in the header `Server`.
    pub server: Option<&'static str>,
    /// What the names of headers begin with that carry `-code` and `-desc` of an error in answers
    /// to HEAD.
    pub error_headers: Option<&'static str>,
    /// How a completion goes on, and what it comes to if its client goes away meanwhile.
    pub completing: Completing,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            minimum_part_bytes: 5 * 1024 * 1024,
            equal_parts: false,
            recompletion: Recompletion::NoSuchUpload,
            unknown_completion: UnknownCompletion::NoSuchUpload,
            upload_listing: UploadListing::Prefix,
            conditional_completion: true,
            keeps_metadata: true,
            verifies_checksums: true,
            any_region: false,
            requires_length: false,
            versioned: false,
            server: None,
            error_headers: None,
            completing: Completing::default(),
        }
    }
}

/// The answer to a second completion of the same upload. Other parts than the first time are always
/// `NoSuchUpload`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recompletion {
    /// The upload is gone.
    #[default]
    NoSuchUpload,
    /// The same parts are accepted again with the same answer.
    Accepted,
    /// The same parts are accepted again as long as the object that they made is there.
    WhileVisible,
}

/// The answer to the completion of an upload that was never created, or is completed, aborted or
/// expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownCompletion {
    /// 404 `NoSuchUpload`.
    #[default]
    NoSuchUpload,
    /// 500 `InternalError`, which could as well be trouble that passes.
    InternalError,
}

/// Which uploads `ListMultipartUploads` finds by a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadListing {
    /// Those whose key starts with it.
    #[default]
    Prefix,
    /// Those whose key equals it. An empty prefix lists the whole bucket.
    ExactKey,
}

/// How a completion goes on. By default it takes no time, and is carried through whether its client
/// is there or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completing {
    /// How long it takes.
    pub milliseconds: u64,
    /// How many of a thousand are lost whose client is gone by the end of that time: the parts are
    /// no more, and the object is never made. Which ones, the server's seed, the key and the
    /// attempt decide.
    pub lost_per_mille: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manners_are_data_and_their_rules_differ() {
        for (index, manners) in Manners::ALL.into_iter().enumerate() {
            let text = serde_json::to_string(&manners).unwrap();
            assert_eq!(text, format!("{:?}", manners.name()));
            assert_eq!(serde_json::from_str::<Manners>(&text).unwrap(), manners);
            for other in &Manners::ALL[index + 1..] {
                assert_ne!(manners.rules(), other.rules());
            }
        }
    }
}
