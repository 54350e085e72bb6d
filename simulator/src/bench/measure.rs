//! What is measured of one round, and the median of several.

use std::time::Duration;

use serde::Serialize;

/// What one contender took in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// From the first byte of the first document until everything is written and visible.
    #[serde(rename = "wallSeconds", serialize_with = "seconds")]
    pub wall: Duration,
    /// The processor time of its process meanwhile.
    #[serde(rename = "cpuSeconds", serialize_with = "seconds")]
    pub cpu: Duration,
    /// The most memory its process ever had, in bytes.
    pub peak_bytes: u64,
    /// The length of the files it wrote.
    pub file_bytes: u64,
    /// How many files it wrote.
    pub files: u64,
    /// From the start of the process until it could take documents.
    #[serde(rename = "startSeconds", serialize_with = "seconds")]
    pub start: Duration,
    /// The processor time of the S3 server meanwhile, on the same cores.
    #[serde(rename = "serverCpuSeconds", serialize_with = "seconds")]
    pub server_cpu: Duration,
    /// The processor time of whoever feeds it meanwhile, on the same cores.
    #[serde(rename = "feederCpuSeconds", serialize_with = "seconds")]
    pub feeder_cpu: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Sample {
    /// The median of each number on its own. None of no samples.
    pub fn median(samples: &[Self]) -> Option<Self> {
        if samples.is_empty() {
            return None;
        }
        let duration = |pick: fn(&Self) -> Duration| middle(samples.iter().map(pick).collect());
        let number = |pick: fn(&Self) -> u64| middle(samples.iter().map(pick).collect());
        Some(Self {
            wall: duration(|sample| sample.wall),
            cpu: duration(|sample| sample.cpu),
            peak_bytes: number(|sample| sample.peak_bytes),
            file_bytes: number(|sample| sample.file_bytes),
            files: number(|sample| sample.files),
            start: duration(|sample| sample.start),
            server_cpu: duration(|sample| sample.server_cpu),
            feeder_cpu: duration(|sample| sample.feeder_cpu),
        })
    }
}

/// The one in the middle; of an even number the lower one of two.
fn middle<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_a_median_of_its_own() {
        let sample = |wall, peak_bytes| Sample {
            wall: Duration::from_millis(wall),
            peak_bytes,
            ..Sample::default()
        };
        let median = Sample::median(&[sample(5, 1), sample(1, 3), sample(3, 2)]).unwrap();
        assert_eq!(
            (median.wall, median.peak_bytes),
            (Duration::from_millis(3), 2)
        );
        assert_eq!(Sample::median(&[]), None);
    }
}
