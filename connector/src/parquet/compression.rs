//! The user's compression as Parquet's codecs.

use ::parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};

use super::PAGE_BYTES;
use crate::config::Compression;
use crate::error::{Error, Result};

/// The codec of a binding's files. `level` is the endpoint's; codecs without levels do not look at
/// it.
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

/// The most bytes that a page of small values has before it is compressed, in which a compressor
/// looks for repetitions.
const WINDOW_BYTES: usize = 2 * PAGE_BYTES;

/// What Zstandard's two fresh contexts touch of the memory that they allocate: measured.
const ZSTANDARD_IDLE_BYTES: usize = 13 << 10;

/// The bytes of memory that the compressor of one column holds on to, in arrow-rs's hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompressorMemory {
    /// From the beginning of a row group.
    pub idle: usize,
    /// Besides, from the column's first page until the row group ends.
    pub busy: usize,
}

impl CompressorMemory {
    /// What `codec` takes.
    ///
    /// Zstandard's contexts depend on the level and the size of a page, so a page is compressed to
    /// see. Snappy has hash tables of 16,384 and 1,024 entries of two bytes, for each
    /// direction. The other codecs hold nothing between pages.
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::ZSTD(level) => {
                let mut context = zstd_safe::CCtx::create();
                let mut compressed = Vec::with_capacity(zstd_safe::compress_bound(WINDOW_BYTES));
                let page = vec![0; WINDOW_BYTES];
                // What counts is the memory that this has taken, whether it went well or not.
                let _ = context.compress(&mut compressed, &page, level.compression_level());
                Self {
                    idle: ZSTANDARD_IDLE_BYTES,
                    busy: context.sizeof(),
                }
            }
            Codec::SNAPPY => Self {
                idle: 0,
                busy: 2 * ((16 << 10) + (1 << 10)),
            },
            _ => Self::default(),
        }
    }
}

/// Remembers what compressors take: to measure one costs as much as to compress a megabyte, and a
/// session may have thousands of bindings.
#[derive(Debug, Default)]
pub struct CompressorMemories {
    measured: Vec<(Codec, CompressorMemory)>,
}

impl CompressorMemories {
    /// Tells what `codec` takes, and measures it where that was not asked for before.
    pub fn of(&mut self, codec: Codec) -> CompressorMemory {
        self.of_by(codec, CompressorMemory::of)
    }

    fn of_by(
        &mut self,
        codec: Codec,
        measure: impl FnOnce(Codec) -> CompressorMemory,
    ) -> CompressorMemory {
        let known = self.measured.iter().find(|(known, _)| *known == codec);
        if let Some((_, memory)) = known {
            return *memory;
        }
        let memory = measure(codec);
        self.measured.push((codec, memory));
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_each_codec_and_level_is_measured_once() {
        let mut memories = CompressorMemories::default();
        let mut measured = Vec::new();
        let zstd = |level| Codec::ZSTD(ZstdLevel::try_new(level).unwrap());
        for codec in [zstd(3), Codec::SNAPPY, zstd(19), zstd(3), Codec::SNAPPY] {
            let memory = memories.of_by(codec, |codec| {
                measured.push(codec);
                CompressorMemory::of(codec)
            });
            assert_eq!(memory, CompressorMemory::of(codec));
        }
        assert_eq!(measured, [zstd(3), Codec::SNAPPY, zstd(19)]);
    }

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
    fn a_higher_level_of_zstandard_needs_more_memory() {
        let memory = |codec| CompressorMemory::of(codec).busy;
        let bytes = |level| memory(Codec::ZSTD(ZstdLevel::try_new(level).unwrap()));
        assert!(bytes(1) > 100_000, "{}", bytes(1));
        assert!(bytes(19) > 4 * bytes(1), "{} and {}", bytes(19), bytes(1));
        assert_eq!(memory(Codec::UNCOMPRESSED), 0);
    }

    #[test]
    fn a_level_is_taken_where_there_are_levels() {
        let zstd = codec(Compression::Zstd, Some(7)).unwrap();
        assert_eq!(zstd, Codec::ZSTD(ZstdLevel::try_new(7).unwrap()));
        assert_eq!(codec(Compression::Snappy, Some(7)).unwrap(), Codec::SNAPPY);
        assert!(codec(Compression::Gzip, Some(22)).is_err());
    }
}
