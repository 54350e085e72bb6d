//! The benchmark itself: record, check once, then round by round everybody in turn.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::{Error, Result};
use super::files::{self, Sizes};
use super::measure::Sample;
use super::recording::{Recording, record, stores};
use super::report::{ContenderReport, Growth, Report, ShapeReport};
use super::server::ServerProcess;
use super::shape::Shape;
use super::task::{Built, Task};
use super::variant::Variant;
use super::{duck, session};
use crate::runtime::{Level, Log, Observer};

/// What is measured, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The shapes of documents.
    pub shapes: Vec<Shape>,
    /// How many rounds are measured. At least 1.
    pub rounds: usize,
    /// The share of each shape's documents that is played; 1 is the whole.
    pub scale: f64,
    /// How the connector is spoken to.
    pub variants: Vec<Variant>,
    /// The connector's program and arguments.
    pub connector: Vec<String>,
    /// `flow-sim` itself, which is the S3 server and DuckDB too.
    pub program: PathBuf,
    /// Whether DuckDB takes part.
    pub duckdb: bool,
    /// Whether each shape is played a second time, with ten times the documents.
    pub growth: bool,
    /// The least important logs that the connector writes.
    pub log_level: Level,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Documents are being made.
    Recording {
        /// Their shape.
        shape: Shape,
        /// How many.
        documents: u64,
    },
    /// A contender's files hold what was sent.
    Checked {
        /// The contender.
        contender: &'static str,
    },
    /// A connector has logged something.
    Log {
        /// The contender.
        contender: &'static str,
        /// What.
        log: Log,
    },
    /// A contender was measured.
    Measured {
        /// The round, from 1.
        round: usize,
        /// The contender.
        contender: &'static str,
        /// What it took.
        sample: Sample,
    },
}

/// Measures each shape, one after the other.
pub async fn bench(options: &Options, hear: &mut (dyn FnMut(Event) + Send)) -> Result<Report> {
    let (mut shapes, mut growth) = (Vec::new(), Vec::new());
    for shape in &options.shapes {
        let small = bench_shape(options, *shape, options.scale, hear).await?;
        if options.growth {
            let large = bench_shape(options, *shape, options.scale * 10.0, hear).await?;
            growth.extend(Growth::of(&small, &large));
            shapes.extend([small, large]);
        } else {
            shapes.push(small);
        }
    }
    Ok(Report {
        version: 1,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        shapes,
        growth,
    })
}

async fn bench_shape(
    options: &Options,
    shape: Shape,
    scale: f64,
    hear: &mut (dyn FnMut(Event) + Send),
) -> Result<ShapeReport> {
    let folder =
        TempDir::with_prefix("flow-sim-bench-").map_err(Error::file(&std::env::temp_dir()))?;
    let task = Task::write(folder.path(), shape, &options.connector, options.log_level)?;
    let mut play = Play {
        options,
        shape,
        folder: folder.path(),
        task,
        recording: Recording::default(),
        kept: Vec::new(),
        hear,
    };
    play.record_and_check(shape.count(scale)).await?;
    let samples = play.rounds().await?;
    Ok(play.report(samples))
}

struct Play<'a> {
    options: &'a Options,
    shape: Shape,
    folder: &'a Path,
    task: Task,
    recording: Recording,
    /// The files of each variant that were read back.
    kept: Vec<Sizes>,
    hear: &'a mut (dyn FnMut(Event) + Send),
}

/// The samples of DuckDB, which is no variant, and of each variant.
type Samples = Vec<(Option<Variant>, Vec<Sample>)>;

impl Play<'_> {
    /// Records, and plays one round into a server that keeps the files: what is measured later writes the same.
    async fn record_and_check(&mut self, documents: u64) -> Result<()> {
        (self.hear)(Event::Recording {
            shape: self.shape,
            documents,
        });
        let server = ServerProcess::start(&self.options.program, false).await?;
        let built = self.build(&server).await?;
        let specs: Vec<_> = built
            .iter()
            .map(|(variant, built)| (*variant, built.spec.clone()))
            .collect();
        self.recording = record(self.folder, self.shape, documents, &specs).await?;
        for (variant, built) in &built {
            self.connector(built, *variant, 0, server.pid).await?;
            let (documents, contender) = (&self.recording.documents, variant.name());
            files::check(self.folder, self.shape, documents, built, contender).await?;
            // Once they are read, the server's memory is worth more.
            self.kept.push(files::take(built).await?);
            (self.hear)(Event::Checked { contender });
        }
        Ok(())
    }

    async fn build(&self, server: &ServerProcess) -> Result<Vec<(Variant, Built)>> {
        let mut built = Vec::new();
        for variant in &self.options.variants {
            let task = self.task.build(&server.location, *variant).await?;
            built.push((*variant, task));
        }
        Ok(built)
    }

    /// Everybody in turn, round by round.
    async fn rounds(&mut self) -> Result<Samples> {
        let server = ServerProcess::start(&self.options.program, true).await?;
        let built = self.build(&server).await?;
        let mut duckdb = Vec::new();
        let mut ours = vec![Vec::new(); built.len()];
        for round in 1..=self.options.rounds {
            if self.options.duckdb {
                let sample = self.duckdb().await?;
                duckdb.push(self.measured(round, "duckdb", sample));
            }
            for (index, (variant, built)) in built.iter().enumerate() {
                let sample = self
                    .connector(built, *variant, round as u64, server.pid)
                    .await?;
                let sizes = files::take(built).await?;
                files::require_alike(self.kept[index], sizes, variant.name())?;
                let sample = Sample {
                    files: sizes.files,
                    file_bytes: sizes.bytes,
                    ..sample
                };
                ours[index].push(self.measured(round, variant.name(), sample));
            }
        }
        let variants = built.iter().map(|(variant, _)| Some(*variant));
        let duckdb = self.options.duckdb.then_some((None, duckdb));
        Ok(duckdb.into_iter().chain(variants.zip(ours)).collect())
    }

    fn measured(&mut self, round: usize, contender: &'static str, sample: Sample) -> Sample {
        (self.hear)(Event::Measured {
            round,
            contender,
            sample,
        });
        sample
    }

    async fn connector(
        &mut self,
        built: &Built,
        variant: Variant,
        seed: u64,
        server: u32,
    ) -> Result<Sample> {
        let stores = stores(self.folder, variant);
        let mut ear = Ear {
            contender: variant.name(),
            hear: self.hear,
        };
        let launch = self.task.command(variant, seed);
        session::measure(&launch, built, variant, &stores, server, &mut ear).await
    }

    async fn duckdb(&self) -> Result<Sample> {
        let output = self.folder.join("duckdb.parquet");
        let documents = &self.recording.documents;
        let sample = duck::measure(&self.options.program, self.shape, documents, &output).await?;
        std::fs::remove_file(&output).map_err(Error::file(&output))?;
        Ok(sample)
    }

    fn report(&self, samples: Samples) -> ShapeReport {
        let duckdb = samples
            .iter()
            .find(|(variant, _)| variant.is_none())
            .and_then(|(_, samples)| Sample::median(samples));
        let size = (self.recording.count, self.recording.bytes);
        let contenders = samples.into_iter().map(|(variant, samples)| {
            ContenderReport::new(self.shape, size, variant, duckdb.as_ref(), samples)
        });
        ShapeReport {
            docs: self.shape,
            documents: self.recording.count,
            document_bytes: self.recording.bytes,
            columns: self.shape.columns().len(),
            rounds: self.options.rounds,
            contenders: contenders.collect(),
        }
    }
}

/// Hears what a connector logs.
struct Ear<'a> {
    contender: &'static str,
    hear: &'a mut (dyn FnMut(Event) + Send),
}

impl Observer for Ear<'_> {
    fn log(&mut self, log: &Log) {
        (self.hear)(Event::Log {
            contender: self.contender,
            log: log.clone(),
        });
    }
}
