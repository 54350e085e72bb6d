//! The ways in which a session is recorded and played: a codec, and the runtime whose messages it
//! carries.

use materialize_s3_parquet::protocol::Codec;

use crate::runtime::{Runtime, Tuples};

/// A codec, and the runtime whose messages it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// Protobuf with packed tuples; both runtimes send the same.
    Proto,
    /// JSON as the long-standing runtime sends it: packed tuples in base64.
    JsonV1,
    /// JSON as the new runtime sends it: arrays.
    JsonV2,
}

impl Variant {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Proto, Self::JsonV1, Self::JsonV2];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::JsonV1 => "json v1",
            Self::JsonV2 => "json v2",
        }
    }

    /// Its codec.
    pub fn codec(self) -> Codec {
        match self {
            Self::Proto => Codec::Proto,
            Self::JsonV1 | Self::JsonV2 => Codec::Json,
        }
    }

    /// Whether a runtime sends it.
    pub fn is_of(self, runtime: Runtime) -> bool {
        self == Self::Proto || self.runtime() == runtime
    }

    /// The runtime that plays it.
    pub(super) fn runtime(self) -> Runtime {
        match self {
            Self::Proto | Self::JsonV1 => Runtime::V1,
            Self::JsonV2 => Runtime::V2,
        }
    }

    pub(super) fn tuples(self) -> Tuples {
        self.runtime().tuples(self.codec())
    }

    /// A name for files and prefixes.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Proto => "proto",
            Self::JsonV1 => "json-v1",
            Self::JsonV2 => "json-v2",
        }
    }
}
