//! The checksums S3 knows beside the `ETag`, and the one it makes of a multipart object.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{self, Checksum as _};

/// A checksum algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name S3 gives it in `x-amz-checksum-algorithm`, e.g. `CRC32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A checksum: what was hashed is whoever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The digest in base64; of a multipart object followed by `-` and the number of parts.
    pub value: String,
}

impl Checksum {
    /// The checksum of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut digest = Digest::new(algorithm);
        digest.update(bytes);
        digest.finish()
    }

    /// The composite checksum of a multipart object: that of its parts' digests, and their number.
    /// `None` if a part has none, or one of another algorithm.
    pub(super) fn composite<'a>(
        algorithm: Algorithm,
        parts: impl Iterator<Item = Option<&'a Self>>,
    ) -> Option<Self> {
        let mut digests = Vec::new();
        let mut count = 0;
        for part in parts {
            let part = part.filter(|part| part.algorithm == algorithm)?;
            digests.extend(STANDARD.decode(&part.value).ok()?);
            count += 1;
        }
        let whole = Self::of(algorithm, &digests);
        Some(Self {
            algorithm,
            value: format!("{}-{count}", whole.value),
        })
    }

    /// Whether it is of a multipart object.
    pub fn is_composite(&self) -> bool {
        self.value.contains('-')
    }
}

/// A checksum in the making, fed piece by piece.
pub(crate) enum Digest {
    Crc32(crypto::Crc32),
    Crc32c(crypto::Crc32c),
    Crc64Nvme(crypto::Crc64Nvme),
    Sha1(crypto::Sha1),
    Sha256(crypto::Sha256),
}

impl Digest {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crypto::Crc32::new()),
            Algorithm::Crc32c => Self::Crc32c(crypto::Crc32c::new()),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(crypto::Crc64Nvme::new()),
            Algorithm::Sha1 => Self::Sha1(crypto::Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(crypto::Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(digest) => digest.update(bytes),
            Self::Crc32c(digest) => digest.update(bytes),
            Self::Crc64Nvme(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc32(digest) => (Algorithm::Crc32, STANDARD.encode(digest.finalize())),
            Self::Crc32c(digest) => (Algorithm::Crc32c, STANDARD.encode(digest.finalize())),
            Self::Crc64Nvme(digest) => (Algorithm::Crc64Nvme, STANDARD.encode(digest.finalize())),
            Self::Sha1(digest) => (Algorithm::Sha1, STANDARD.encode(digest.finalize())),
            Self::Sha256(digest) => (Algorithm::Sha256, STANDARD.encode(digest.finalize())),
        };
        Checksum { algorithm, value }
    }
}
