//! The user's compression as Parquet's codecs.

use ::parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};

use crate::config::Compression;
use crate::error::{Error, Result};

/// The codec of a binding's files. `level` is the endpoint's; codecs without levels do not look at it.
///
/// Errors where the codec does not have that level.
pub fn codec(compression: Compression, level: Option<i32>) -> Result<Codec> {
    let level = compression.level(level)?;
    let unknown = |error| Error::internal("a compression level was not checked").with_source(error);
    Ok(match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Lz4 => Codec::LZ4_RAW,
        Compression::Gzip => Codec::GZIP(match level {
            None => GzipLevel::default(),
            Some(level) => GzipLevel::try_new(level.unsigned_abs()).map_err(unknown)?,
        }),
        Compression::Zstd => Codec::ZSTD(match level {
            None => ZstdLevel::default(),
            Some(level) => ZstdLevel::try_new(level).map_err(unknown)?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compression_has_its_codec_and_lz4_is_the_raw_one() {
        for (compression, expected) in [
            (Compression::None, Codec::UNCOMPRESSED),
            (Compression::Snappy, Codec::SNAPPY),
            (Compression::Lz4, Codec::LZ4_RAW),
            (Compression::Gzip, Codec::GZIP(GzipLevel::default())),
            (Compression::Zstd, Codec::ZSTD(ZstdLevel::default())),
        ] {
            assert_eq!(codec(compression, None).unwrap(), expected);
        }
    }

    #[test]
    fn a_level_is_taken_where_there_are_levels() {
        let zstd = codec(Compression::Zstd, Some(7)).unwrap();
        assert_eq!(zstd, Codec::ZSTD(ZstdLevel::try_new(7).unwrap()));
        assert_eq!(codec(Compression::Snappy, Some(7)).unwrap(), Codec::SNAPPY);
        assert!(codec(Compression::Gzip, Some(22)).is_err());
    }
}
