//! The benchmark itself: record, check once, then round by round everybody in turn.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::{Error, Result};
use super::files;
use super::measure::Sample;
use super::recording::{Recording, record, stores};
use super::report::{ContenderReport, Growth, Report, ShapeReport};
use super::server::ServerProcess;
use super::shape::Shape;
use super::task::{Built, Task};
use super::variant::Variant;
use super::{duck, session};

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

/// Somebody who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    DuckDb,
    Connector(usize),
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
    let task = Task::write(folder.path(), shape, &options.connector)?;
    let count = shape.count(scale);
    hear(Event::Recording {
        shape,
        documents: count,
    });
    let mut play = Play {
        options,
        shape,
        folder: folder.path(),
        task,
        recording: Recording::default(),
    };
    play.record_and_check(count, hear).await?;
    let samples = play.rounds(hear).await?;
    Ok(play.report(samples))
}

struct Play<'a> {
    options: &'a Options,
    shape: Shape,
    folder: &'a Path,
    task: Task,
    recording: Recording,
}

impl Play<'_> {
    /// Records, and plays one round into a server that keeps the files: what is measured later writes the same.
    async fn record_and_check(
        &mut self,
        count: u64,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<()> {
        let server = ServerProcess::start(&self.options.program, false).await?;
        let built = self.build(&server).await?;
        let specs: Vec<_> = built
            .iter()
            .map(|(variant, built)| (*variant, built.spec.clone()))
            .collect();
        self.recording = record(self.folder, self.shape, count, &specs).await?;
        for (variant, built) in &built {
            self.connector(built, *variant, 0, server.pid).await?;
            let documents = &self.recording.documents;
            files::check(self.folder, self.shape, documents, built, variant.name()).await?;
            // The server's memory is the machine's.
            files::take(built).await?;
            hear(Event::Checked {
                contender: variant.name(),
            });
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

    /// Everybody in turn, round by round. Returns the samples of DuckDB and of each variant.
    async fn rounds(
        &self,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Vec<(Option<Variant>, Vec<Sample>)>> {
        let server = ServerProcess::start(&self.options.program, true).await?;
        let built = self.build(&server).await?;
        let mut contenders: Vec<Contender> = (0..built.len()).map(Contender::Connector).collect();
        if self.options.duckdb {
            contenders.insert(0, Contender::DuckDb);
        }
        let mut samples = vec![Vec::new(); contenders.len()];
        for round in 1..=self.options.rounds {
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                let (name, sample) = match *contender {
                    Contender::DuckDb => ("duckdb", self.duckdb().await?),
                    Contender::Connector(index) => {
                        let (variant, built) = &built[index];
                        let seed = round as u64;
                        let sample = self.connector(built, *variant, seed, server.pid).await?;
                        (variant.name(), with_sizes(sample, built).await?)
                    }
                };
                samples.push(sample);
                hear(Event::Measured {
                    round,
                    contender: name,
                    sample,
                });
            }
        }
        let variants = contenders.iter().map(|contender| match *contender {
            Contender::DuckDb => None,
            Contender::Connector(index) => Some(built[index].0),
        });
        Ok(variants.zip(samples).collect())
    }

    async fn connector(
        &self,
        built: &Built,
        variant: Variant,
        seed: u64,
        server: u32,
    ) -> Result<Sample> {
        let stores = stores(self.folder, variant);
        session::measure(&self.task, built, variant, &stores, seed, server).await
    }

    async fn duckdb(&self) -> Result<Sample> {
        let output = self.folder.join("duckdb.parquet");
        let documents = &self.recording.documents;
        let sample = duck::measure(&self.options.program, self.shape, documents, &output).await?;
        std::fs::remove_file(&output).map_err(Error::file(&output))?;
        Ok(sample)
    }

    fn report(&self, samples: Vec<(Option<Variant>, Vec<Sample>)>) -> ShapeReport {
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

async fn with_sizes(sample: Sample, built: &Built) -> Result<Sample> {
    let sizes = files::take(built).await?;
    Ok(Sample {
        files: sizes.files,
        file_bytes: sizes.bytes,
        ..sample
    })
}
