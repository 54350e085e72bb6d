//! The benchmark itself: record, check once, then round by round everybody in turn.

use std::path::PathBuf;

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
    /// Whether each shape is played with ten times the documents too, round by round.
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
        /// How many documents it took.
        documents: u64,
        /// What that cost.
        sample: Sample,
    },
}

/// Measures each shape, one after the other.
pub async fn bench(options: &Options, hear: &mut (dyn FnMut(Event) + Send)) -> Result<Report> {
    let mut scales = vec![options.scale];
    if options.growth {
        scales.push(options.scale * 10.0);
    }
    let (mut shapes, mut growth) = (Vec::new(), Vec::new());
    for shape in &options.shapes {
        // It is a large future, which need not lie within those of all who call this.
        let reports = Box::pin(bench_shape(options, *shape, &scales, hear)).await?;
        if let [small, large] = &reports[..] {
            growth.extend(Growth::of(small, large));
        }
        shapes.extend(reports);
    }
    Ok(Report {
        version: 1,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        shapes,
        growth,
    })
}

/// Measures a shape at each of the scales, in turn: a machine that is slow for a while is so for
/// all of them.
async fn bench_shape(
    options: &Options,
    shape: Shape,
    scales: &[f64],
    hear: &mut (dyn FnMut(Event) + Send),
) -> Result<Vec<ShapeReport>> {
    let server = ServerProcess::start(&options.program, true).await?;
    let mut plays = Vec::new();
    for scale in scales {
        let documents = shape.count(*scale);
        let play = Play::prepare(options, shape, documents, &server, hear);
        plays.push(Box::pin(play).await?);
    }
    for round in 1..=options.rounds {
        for play in &mut plays {
            play.round(round, server.pid, hear).await?;
        }
    }
    Ok(plays.into_iter().map(Play::report).collect())
}

/// So many documents of a shape, and who has taken them.
struct Play<'a> {
    options: &'a Options,
    shape: Shape,
    folder: TempDir,
    task: Task,
    recording: Recording,
    duckdb: Vec<Sample>,
    ours: Vec<Ours>,
}

/// The connector, spoken to in one way.
struct Ours {
    variant: Variant,
    /// Its task, on the server of what is measured.
    built: Built,
    /// Its files that were read back.
    kept: Sizes,
    samples: Vec<Sample>,
}

impl<'a> Play<'a> {
    /// Records, and plays one round into a server that keeps the files: what is measured later, on
    /// `measured`, writes the same.
    async fn prepare(
        options: &'a Options,
        shape: Shape,
        documents: u64,
        measured: &ServerProcess,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Self> {
        let folder =
            TempDir::with_prefix("flow-sim-bench-").map_err(Error::file(&std::env::temp_dir()))?;
        let task = Task::write(folder.path(), shape, &options.connector, options.log_level)?;
        hear(Event::Recording { shape, documents });
        let keeping = ServerProcess::start(&options.program, false).await?;
        let mut built = Vec::new();
        for variant in &options.variants {
            built.push((*variant, task.build(&keeping.location, *variant).await?));
        }
        let specs: Vec<_> = built
            .iter()
            .map(|(variant, built)| (*variant, built.spec.clone()))
            .collect();
        let recording = record(folder.path(), shape, documents, &specs).await?;
        let mut play = Self {
            options,
            shape,
            folder,
            task,
            recording,
            duckdb: Vec::new(),
            ours: Vec::new(),
        };
        for (variant, built) in &built {
            let ours = Ours {
                variant: *variant,
                built: play.task.build(&measured.location, *variant).await?,
                kept: play.check(built, *variant, keeping.pid, hear).await?,
                samples: Vec::new(),
            };
            play.ours.push(ours);
        }
        Ok(play)
    }

    /// One round into a server that keeps the files, which must hold what was sent.
    async fn check(
        &self,
        built: &Built,
        variant: Variant,
        server: u32,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Sizes> {
        self.connector(built, variant, 0, server, hear).await?;
        let (documents, contender) = (&self.recording.documents, variant.name());
        files::check(self.folder.path(), self.shape, documents, built, contender).await?;
        // Once they are read, the server's memory is worth more.
        let sizes = files::take(built).await?;
        hear(Event::Checked { contender });
        Ok(sizes)
    }

    /// Everybody in turn.
    async fn round(
        &mut self,
        round: usize,
        server: u32,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<()> {
        let documents = self.recording.count;
        let measured = |contender, sample| Event::Measured {
            round,
            contender,
            documents,
            sample,
        };
        if self.options.duckdb {
            let sample = self.duckdb().await?;
            hear(measured("duckdb", sample));
            self.duckdb.push(sample);
        }
        for index in 0..self.ours.len() {
            let Ours {
                variant,
                built,
                kept,
                ..
            } = &self.ours[index];
            let sample = self
                .connector(built, *variant, round as u64, server, hear)
                .await?;
            let sizes = files::take(built).await?;
            files::require_alike(*kept, sizes, variant.name())?;
            let sample = Sample {
                files: sizes.files,
                file_bytes: sizes.bytes,
                ..sample
            };
            hear(measured(variant.name(), sample));
            self.ours[index].samples.push(sample);
        }
        Ok(())
    }

    async fn connector(
        &self,
        built: &Built,
        variant: Variant,
        seed: u64,
        server: u32,
        hear: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Sample> {
        let stores = stores(self.folder.path(), variant);
        let contender = variant.name();
        let mut ear = Ear { contender, hear };
        let launch = self.task.command(variant, seed);
        session::measure(&launch, built, variant, &stores, server, &mut ear).await
    }

    async fn duckdb(&self) -> Result<Sample> {
        let output = self.folder.path().join("duckdb.parquet");
        let documents = &self.recording.documents;
        let sample = duck::measure(&self.options.program, self.shape, documents, &output).await?;
        std::fs::remove_file(&output).map_err(Error::file(&output))?;
        Ok(sample)
    }

    fn report(self) -> ShapeReport {
        let median = Sample::median(&self.duckdb);
        let size = (self.recording.count, self.recording.bytes);
        let duckdb = (!self.duckdb.is_empty()).then_some((None, self.duckdb));
        let ours = self.ours.into_iter();
        let contenders = duckdb
            .into_iter()
            .chain(ours.map(|ours| (Some(ours.variant), ours.samples)))
            .map(|(variant, samples)| {
                ContenderReport::new(self.shape, size, variant, median.as_ref(), samples)
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
