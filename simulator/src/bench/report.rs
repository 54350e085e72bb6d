//! What came of a benchmark: the samples, their medians, and whether they are what they must be.

use serde::Serialize;

use super::measure::Sample;
use super::shape::{PEAK_BYTES_MUST, Shape};
use super::variant::Variant;

/// The most by which ten times the documents may take longer: the cost is linear.
const WALL_GROWTH_MUST: f64 = 10.5;

/// The most by which ten times the documents may take more memory: it is flat.
const PEAK_GROWTH_MUST: f64 = 1.1;

/// What came of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this document's form.
    pub version: u32,
    /// The cores of the machine, on which connector, S3 server and feeder ran together.
    pub cores: usize,
    /// Each shape; where growth was asked for, each at the scale and then at ten times the scale.
    pub shapes: Vec<ShapeReport>,
    /// What ten times the documents cost. Empty where that was not asked for.
    pub growth: Vec<Growth>,
}

/// What ten times the documents cost a contender.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// The shape.
    pub docs: Shape,
    /// The contender.
    pub contender: String,
    /// How many documents: few, and ten times as many.
    pub documents: [u64; 2],
    /// How many times the wall time.
    pub wall_ratio: f64,
    /// How many times the peak memory.
    pub peak_ratio: f64,
    /// What must be reached.
    pub musts: Vec<Must>,
}

impl Growth {
    /// Of a shape that was played small and then ten times as large.
    pub(super) fn of(small: &ShapeReport, large: &ShapeReport) -> Vec<Self> {
        let pairs = small.contenders.iter().zip(&large.contenders);
        let growth = pairs.map(|(before, after)| {
            let wall_ratio = after.median.wall.as_secs_f64() / before.median.wall.as_secs_f64();
            let peak_ratio = after.median.peak_bytes as f64 / before.median.peak_bytes as f64;
            Self {
                docs: small.docs,
                contender: before.name.clone(),
                documents: [small.documents, large.documents],
                wall_ratio,
                peak_ratio,
                musts: vec![
                    Must::new("wallRatio", WALL_GROWTH_MUST, wall_ratio),
                    Must::new("peakRatio", PEAK_GROWTH_MUST, peak_ratio),
                ],
            }
        });
        growth.collect()
    }
}

/// What came of one shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShapeReport {
    /// The shape.
    pub docs: Shape,
    /// How many documents.
    pub documents: u64,
    /// Their length as JSON.
    pub document_bytes: u64,
    /// How many columns.
    pub columns: usize,
    /// How many rounds.
    pub rounds: usize,
    /// Each contender, DuckDB first if it took part.
    pub contenders: Vec<ContenderReport>,
}

/// What came of one contender.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContenderReport {
    /// `duckdb`, or the connector's codec and runtime.
    pub name: String,
    /// The median of each number.
    pub median: Sample,
    /// Documents' bytes per second of wall time, in millions.
    pub megabytes_per_second: f64,
    /// Rows per second of wall time.
    pub rows_per_second: f64,
    /// The wall time as a share of DuckDB's. None where DuckDB did not take part.
    pub ratio: Option<f64>,
    /// What must be reached; none of DuckDB.
    pub musts: Vec<Must>,
    /// Every round.
    pub samples: Vec<Sample>,
}

/// Something that must be reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Must {
    /// What is measured: `ratio`, `peakBytes`, `wallRatio` or `peakRatio`.
    pub of: &'static str,
    /// The most it may be.
    pub at_most: f64,
    /// What it is.
    pub found: f64,
    /// Whether that is enough.
    pub is_met: bool,
}

impl Must {
    fn new(of: &'static str, at_most: f64, found: f64) -> Self {
        Self {
            of,
            at_most,
            found,
            is_met: found <= at_most,
        }
    }
}

impl Report {
    /// Every must of every contender, with the names of both.
    pub fn musts(&self) -> impl Iterator<Item = (Shape, &str, &Must)> {
        let of_shapes = self.shapes.iter().flat_map(|shape| {
            shape.contenders.iter().flat_map(|contender| {
                let musts = contender.musts.iter();
                musts.map(|must| (shape.docs, contender.name.as_str(), must))
            })
        });
        let of_growth = self.growth.iter().flat_map(|growth| {
            let musts = growth.musts.iter();
            musts.map(|must| (growth.docs, growth.contender.as_str(), must))
        });
        of_shapes.chain(of_growth)
    }

    /// Whether everything that must be reached is.
    pub fn is_met(&self) -> bool {
        self.musts().all(|(_, _, must)| must.is_met)
    }
}

impl ContenderReport {
    /// Of the samples of one contender; `variant` is none of DuckDB, whose median wall time is
    /// `duckdb`.
    pub(super) fn new(
        shape: Shape,
        (documents, bytes): (u64, u64),
        variant: Option<Variant>,
        duckdb: Option<&Sample>,
        samples: Vec<Sample>,
    ) -> Self {
        let median = Sample::median(&samples).unwrap_or_default();
        let wall = median.wall.as_secs_f64();
        let ratio = duckdb.map(|duckdb| wall / duckdb.wall.as_secs_f64());
        Self {
            name: variant.map_or("duckdb", Variant::name).to_owned(),
            median,
            megabytes_per_second: bytes as f64 / 1e6 / wall,
            rows_per_second: documents as f64 / wall,
            ratio,
            musts: variant.map_or_else(Vec::new, |variant| musts(shape, variant, &median, ratio)),
            samples,
        }
    }
}

fn musts(shape: Shape, variant: Variant, median: &Sample, ratio: Option<f64>) -> Vec<Must> {
    let at_most = match variant {
        Variant::Proto => Some(shape.musts().proto),
        Variant::JsonV1 => None,
        Variant::JsonV2 => Some(shape.musts().json),
    };
    let wall = at_most
        .zip(ratio)
        .map(|(at_most, ratio)| Must::new("ratio", at_most, ratio));
    let peak = Must::new(
        "peakBytes",
        PEAK_BYTES_MUST as f64,
        median.peak_bytes as f64,
    );
    wall.into_iter().chain([peak]).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(wall: u64, peak_bytes: u64) -> Sample {
        Sample {
            wall: Duration::from_millis(wall),
            peak_bytes,
            ..Sample::default()
        }
    }

    fn contender(variant: Variant, sample: Sample) -> ContenderReport {
        let duckdb = self::sample(1000, 0);
        let (shape, documents) = (Shape::Big, (1000, 4_000_000));
        ContenderReport::new(shape, documents, Some(variant), Some(&duckdb), vec![sample])
    }

    fn met(variant: Variant, sample: Sample) -> Vec<(&'static str, bool)> {
        let report = contender(variant, sample);
        report
            .musts
            .iter()
            .map(|must| (must.of, must.is_met))
            .collect()
    }

    #[test]
    fn a_must_is_met_up_to_its_value_and_missed_beyond_it() {
        let peak = PEAK_BYTES_MUST;
        assert_eq!(
            met(Variant::Proto, sample(350, peak)),
            [("ratio", true), ("peakBytes", true)]
        );
        assert_eq!(
            met(Variant::Proto, sample(351, peak + 1)),
            [("ratio", false), ("peakBytes", false)]
        );
        assert_eq!(met(Variant::JsonV1, sample(2000, 0)), [("peakBytes", true)]);
        assert_eq!(
            met(Variant::JsonV2, sample(601, 0)),
            [("ratio", false), ("peakBytes", true)]
        );
    }

    #[test]
    fn growth_is_linear_in_time_and_none_in_memory() {
        let shape = |documents, sample| ShapeReport {
            docs: Shape::Big,
            documents,
            document_bytes: 0,
            columns: 3,
            rounds: 1,
            contenders: vec![contender(Variant::Proto, sample)],
        };
        let met = |after| {
            let growth = Growth::of(&shape(4, sample(100, 100)), &shape(40, after));
            assert_eq!((growth.len(), growth[0].documents), (1, [4, 40]));
            let met = growth[0].musts.iter().map(|must| must.is_met);
            met.collect::<Vec<_>>()
        };
        assert_eq!(met(sample(1050, 110)), [true, true]);
        assert_eq!(met(sample(1051, 111)), [false, false]);
    }

    #[test]
    fn speed_is_that_of_the_documents() {
        let report = contender(Variant::Proto, sample(500, 0));
        assert_eq!(report.ratio, Some(0.5));
        assert!((report.megabytes_per_second - 8.0).abs() < 1e-9);
        assert!((report.rows_per_second - 2000.0).abs() < 1e-9);
    }
}
