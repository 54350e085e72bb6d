//! How each column of a row group is encoded, decided by the first rows that it gets: a dictionary
//! where it will fit and pay, compression where it saves something.
//!
//! Both save the time of work that would come to nothing. What is decided wrongly, because later
//! rows are unlike the first ones, costs one row group some bytes: the next one is decided anew.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::basic::Compression;
use parquet::file::properties::{
    DEFAULT_DICTIONARY_PAGE_SIZE_LIMIT, EnabledStatistics, WriterPropertiesBuilder,
};
use parquet::schema::types::ColumnPath;

/// The values of a column that are looked at, at most.
const SAMPLE_VALUES: usize = 4096;
/// The values from which on something can be said of all.
const ENOUGH_VALUES: usize = 1024;
/// The most distinct values of a row group that a dictionary is begun for: more are not much fewer
/// than its rows.
const DICTIONARY_VALUES: usize = 32 << 10;
/// The bytes of a column that are compressed to see what that saves.
const SAMPLE_BYTES: usize = 64 << 10;
/// The bytes from which on something can be said of all.
const ENOUGH_BYTES: usize = 16 << 10;
/// The average length in bytes from which on a minimum and a maximum help nobody; and writers hold
/// several whole ones in memory.
const LONG_BYTES: usize = 64 << 10;

/// Adds to `properties` what differs from column to column, by the values in `sample`. Zstandard
/// and gzip are asked for because of the size, and find something in nearly everything; so they are
/// never left out.
pub(super) fn choose(
    properties: WriterPropertiesBuilder,
    sample: &RecordBatch,
    compression: Compression,
) -> WriterPropertiesBuilder {
    let may_leave_out = matches!(compression, Compression::SNAPPY | Compression::LZ4_RAW);
    let mut compressor = snap::raw::Encoder::new();
    let schema = sample.schema();
    let columns = schema.fields().iter().zip(sample.columns());
    columns.fold(properties, |properties, (field, column)| {
        let Some(sample) = Sample::of(column) else {
            return properties;
        };
        if sample.dictionary_pays() {
            return properties;
        }
        let path = || ColumnPath::from(vec![field.name().clone()]);
        let mut properties = properties.set_column_dictionary_enabled(path(), false);
        if sample.is_long() {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
        if may_leave_out && !sample.compresses(&mut compressor) {
            return properties.set_column_compression(path(), Compression::UNCOMPRESSED);
        }
        properties
    })
}

/// Some values of a column, in Parquet's plain encoding.
struct Sample {
    values: usize,
    distinct: usize,
    bytes: usize,
    plain: Vec<u8>,
}

impl Sample {
    /// Of the first values that are not null; none for types that have no dictionary.
    fn of(column: &ArrayRef) -> Option<Self> {
        let mut sampler = Sampler::default();
        match column.data_type() {
            DataType::Utf8 => sampler.take_all(
                column
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::as_bytes),
                true,
            ),
            DataType::Binary => sampler.take_all(column.as_binary::<i32>().iter().flatten(), true),
            DataType::Int64 => sampler.take_all(
                column
                    .as_primitive::<Int64Type>()
                    .iter()
                    .flatten()
                    .map(i64::to_le_bytes),
                false,
            ),
            DataType::Float64 => sampler.take_all(
                column
                    .as_primitive::<Float64Type>()
                    .iter()
                    .flatten()
                    .map(f64::to_le_bytes),
                false,
            ),
            DataType::Date32 => sampler.take_all(
                column
                    .as_primitive::<Date32Type>()
                    .iter()
                    .flatten()
                    .map(i32::to_le_bytes),
                false,
            ),
            DataType::Timestamp(..) => sampler.take_all(
                column
                    .as_primitive::<TimestampMicrosecondType>()
                    .iter()
                    .flatten()
                    .map(i64::to_le_bytes),
                false,
            ),
            _ => return None,
        }
        Some(sampler.finish())
    }

    /// Whether a dictionary will have few values, and fit into its page. What cannot be told is
    /// tried.
    fn dictionary_pays(&self) -> bool {
        if self.values < ENOUGH_VALUES && self.bytes < DEFAULT_DICTIONARY_PAGE_SIZE_LIMIT {
            return true;
        }
        let Some(distinct) = self.expected_distinct() else {
            return false;
        };
        distinct <= DICTIONARY_VALUES
            && distinct * self.bytes / self.values <= DEFAULT_DICTIONARY_PAGE_SIZE_LIMIT
    }

    /// The distinct values that there are in all, if each is as frequent as the others: so many
    /// pairs of equal ones would be among those looked at (the birthday problem). None where
    /// there is no such pair.
    fn expected_distinct(&self) -> Option<usize> {
        if self.distinct * 2 <= self.values {
            return Some(self.distinct);
        }
        let pairs = self.values.checked_mul(self.values)? / 2;
        pairs.checked_div(self.values - self.distinct)
    }

    /// Whether these are whole documents rather than values.
    fn is_long(&self) -> bool {
        self.bytes >= LONG_BYTES * self.values.max(1)
    }

    /// Whether compression saves at least a tenth. What cannot be told is tried.
    fn compresses(&self, compressor: &mut snap::raw::Encoder) -> bool {
        if self.plain.len() < ENOUGH_BYTES {
            return true;
        }
        match compressor.compress_vec(&self.plain) {
            Ok(compressed) => compressed.len() * 10 <= self.plain.len() * 9,
            Err(_) => true,
        }
    }
}

/// Collects a [`Sample`].
#[derive(Default)]
struct Sampler {
    hashes: Vec<u32>,
    bytes: usize,
    plain: Vec<u8>,
}

impl Sampler {
    /// Takes values until there are enough. Those of varying length have their length before them.
    fn take_all<V: AsRef<[u8]>>(&mut self, values: impl Iterator<Item = V>, varying: bool) {
        for value in values.take(SAMPLE_VALUES) {
            let value = value.as_ref();
            if varying {
                self.take(&(value.len() as u32).to_le_bytes());
            }
            self.take(value);
            self.hashes.push(crc32fast::hash(value));
            if self.bytes >= 2 * DEFAULT_DICTIONARY_PAGE_SIZE_LIMIT {
                return;
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let room = SAMPLE_BYTES.saturating_sub(self.plain.len());
        self.plain
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(mut self) -> Sample {
        let values = self.hashes.len();
        self.hashes.sort_unstable();
        self.hashes.dedup();
        Sample {
            values,
            distinct: self.hashes.len(),
            bytes: self.bytes,
            plain: self.plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};

    use super::*;

    /// What is chosen for a column of these values.
    fn chosen(column: ArrayRef, compression: Compression) -> Chosen {
        let sample = RecordBatch::try_from_iter([("value", column)]).unwrap();
        let properties = WriterProperties::builder().set_compression(compression);
        Chosen(Arc::new(choose(properties, &sample, compression).build()))
    }

    struct Chosen(WriterPropertiesPtr);

    impl Chosen {
        fn path() -> ColumnPath {
            ColumnPath::from("value")
        }

        fn has_dictionary(&self) -> bool {
            self.0.dictionary_enabled(&Self::path())
        }

        fn compression(&self) -> Compression {
            self.0.compression(&Self::path())
        }

        fn has_statistics(&self) -> bool {
            self.0.statistics_enabled(&Self::path()) != EnabledStatistics::None
        }
    }

    fn texts(texts: impl IntoIterator<Item = String>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(texts))
    }

    fn random_texts(count: usize, length: usize) -> ArrayRef {
        let mut random = fastrand::Rng::with_seed(3);
        texts((0..count).map(|_| (0..length).map(|_| random.alphanumeric()).collect()))
    }

    #[test]
    fn values_that_come_again_get_a_dictionary() {
        let few = chosen(
            texts((0..5000).map(|row| format!("status {}", row % 7))),
            Compression::SNAPPY,
        );
        assert!(few.has_dictionary());
        assert_eq!(few.compression(), Compression::SNAPPY);
    }

    #[test]
    fn values_that_rarely_come_again_here_but_often_in_all_get_one_too() {
        let mut random = fastrand::Rng::with_seed(1);
        let ids = Int64Array::from_iter_values((0..8000).map(|_| random.i64(0..10_000)));
        assert!(chosen(Arc::new(ids), Compression::SNAPPY).has_dictionary());
    }

    #[test]
    fn values_that_never_come_again_get_none() {
        let mut random = fastrand::Rng::with_seed(1);
        let numbers = Int64Array::from_iter_values((0..5000).map(|_| random.i64(..)));
        let numbers = chosen(Arc::new(numbers), Compression::SNAPPY);
        assert!(!numbers.has_dictionary());
        assert_eq!(numbers.compression(), Compression::UNCOMPRESSED);
        assert!(numbers.has_statistics());

        let sentences = chosen(
            texts((0..5000).map(|row| format!("the very same sentence with the number {row}"))),
            Compression::SNAPPY,
        );
        assert!(!sentences.has_dictionary());
        assert_eq!(sentences.compression(), Compression::SNAPPY);
    }

    #[test]
    fn a_dictionary_that_would_not_fit_into_its_page_is_not_begun() {
        let long = (0..4096).map(|row| format!("{:0>900}", row % 2000));
        assert!(!chosen(texts(long), Compression::SNAPPY).has_dictionary());
    }

    #[test]
    fn what_is_asked_for_because_of_the_size_is_never_left_out() {
        let zstd = Compression::ZSTD(parquet::basic::ZstdLevel::default());
        let random = chosen(random_texts(5000, 40), zstd);
        assert!(!random.has_dictionary());
        assert_eq!(random.compression(), zstd);
    }

    #[test]
    fn a_few_values_say_nothing() {
        let few = chosen(random_texts(100, 40), Compression::SNAPPY);
        assert!(few.has_dictionary());
        assert_eq!(few.compression(), Compression::SNAPPY);
    }

    #[test]
    fn whole_documents_get_neither_statistics_nor_a_dictionary() {
        let documents = chosen(random_texts(3, 1 << 20), Compression::LZ4_RAW);
        assert!(!documents.has_dictionary() && !documents.has_statistics());
        assert_eq!(documents.compression(), Compression::UNCOMPRESSED);
    }

    #[test]
    fn nulls_alone_say_nothing() {
        let nulls: ArrayRef = Arc::new(StringArray::new_null(5000));
        assert!(chosen(nulls, Compression::SNAPPY).has_dictionary());
    }
}
