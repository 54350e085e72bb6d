//! The run itself, step by step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::{request, response};
use serde_json::{Value, json};

use super::bucket::Bucket;
use super::command::local_command;
use super::documents::Documents;
use super::error::{Error, Result};
use super::folder::Folder;
use super::narrator::{Event, Narrator, Progress, Published};
use super::options::Options;
use super::report::{BindingReport, FileReport, Report};
use super::rows::RowMaker;
use super::sessions::{Sessions, Theatre};
use super::supply::Supply;
use crate::catalog::{Catalog, Materialization, Publication, build, validate};
use crate::readback::{Duck, Expected, Fetched, Knobs, compare, fetch, prefix};
use crate::runtime::{
    Incarnations, KeyRange, LocalCommand, Runtime, Shard, Transaction, incarnation_seed,
};
use crate::selection::Algorithm;

/// Plays a catalog from end to end, then reads the bucket back and compares.
pub async fn run(options: &Options, progress: &mut dyn Progress) -> Result<Report> {
    let catalog = Catalog::load(&options.catalog)?;
    let (name, mut task) = choose_task(options, &catalog)?;
    progress.event(Event::Loaded {
        task: name.clone(),
        bindings: task.active().count(),
    });
    let documents = Documents::read(options, progress)?;
    let folder = Folder::new(options.output.as_deref())?;
    let bucket = Bucket::open(&options.store, options.bucket.as_deref(), options.seed).await?;
    progress.event(Event::Bucket {
        name: bucket.name.clone(),
        endpoint: bucket.location.endpoint.clone(),
    });
    configure(options, &bucket, &mut task);

    let played = Play {
        options,
        catalog: &catalog,
        name: &name,
        task: &task,
        bucket: &bucket,
        folder: &folder,
    };
    // Boxed, because it is large, and so is whatever awaits it.
    let report = Box::pin(played.play(documents, progress)).await?;
    bucket.close().await?;
    Ok(report)
}

/// The materialization that the options name, or the only one there is.
fn choose_task(options: &Options, catalog: &Catalog) -> Result<(String, Materialization)> {
    let names: Vec<&str> = catalog
        .materializations
        .keys()
        .map(String::as_str)
        .collect();
    let name = match (&options.task, names.as_slice()) {
        (Some(name), _) => name.as_str(),
        (None, [name]) => name,
        (None, []) => {
            return Err(Error::Usage(
                "the catalog has no materialization to play".to_owned(),
            ));
        }
        (None, _) => {
            return Err(Error::Usage(format!(
                "the catalog has several materializations, name one with --name: {}",
                names.join(", ")
            )));
        }
    };
    let task = catalog.materializations.get(name).ok_or_else(|| {
        Error::Usage(format!(
            "the catalog has no materialization `{name}`, but: {}",
            names.join(", ")
        ))
    })?;
    Ok((name.to_owned(), task.clone()))
}

/// Fills the store, and the interval if the options have one, into the endpoint's configuration.
fn configure(options: &Options, bucket: &Bucket, task: &mut Materialization) {
    let config = task.endpoint.config_mut();
    bucket.configure(config);
    if let (Some(interval), Value::Object(members)) = (options.interval, config) {
        members.insert("uploadIntervalInSeconds".to_owned(), json!(interval));
    }
}

/// How long the connector may take to answer: it may hold an Acknowledged back for the upload interval.
fn patience(options: &Options, config: &Value) -> Duration {
    let interval = config
        .get("uploadIntervalInSeconds")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    options
        .patience
        .saturating_add(Duration::from_secs(interval))
}

/// Everything that stands once a run is ready to begin.
struct Play<'a> {
    options: &'a Options,
    catalog: &'a Catalog,
    name: &'a str,
    task: &'a Materialization,
    bucket: &'a Bucket,
    folder: &'a Folder,
}

/// What the connector was asked and given, and what came of it.
struct Conversation<'a> {
    spec: response::Spec,
    published: Published,
    maker: RowMaker<'a>,
    /// What every shard has committed.
    committed: Vec<Arc<Transaction>>,
    sessions: Sessions,
}

impl<'a> Play<'a> {
    async fn play(&self, documents: Documents, progress: &mut dyn Progress) -> Result<Report> {
        let narrator = Narrator::new(progress, self.options.shards);
        let conversation = self.converse(documents, &narrator).await;
        narrator.event(Event::Requests(self.bucket.requests()));
        let Conversation {
            spec,
            published,
            maker,
            committed,
            sessions,
        } = conversation?;
        let bindings = self
            .read_back(&published.built, &maker, &committed, &narrator)
            .await?;
        Ok(Report {
            task: self.name.to_owned(),
            bucket: self.bucket.name.clone(),
            endpoint: self.bucket.location.endpoint.clone(),
            is_ephemeral: self.bucket.is_ephemeral(),
            spec,
            validated: published.validated,
            built: published.built,
            selections: published.selections,
            bindings,
            sessions: sessions.count,
            recovery: sessions.logs,
            logs: narrator.logs(),
            unsupported_requests: self.bucket.unsupported_requests(),
        })
    }

    /// Everything between the runtime and the connector: Spec, Validate, and the sessions.
    async fn converse(
        &self,
        documents: Documents,
        narrator: &Narrator<'_>,
    ) -> Result<Conversation<'a>> {
        let command = local_command(self.options, &self.task.endpoint);
        let mut incarnations = Incarnations::new(
            &command,
            patience(self.options, self.task.endpoint.config()),
        );
        let version = format!("{:016x}", incarnation_seed(self.options.seed, u64::MAX - 1));
        let spec = incarnations
            .spec(self.spec_request(), &mut narrator.first())
            .await?;
        let published = self
            .publish(&version, &command, &mut incarnations, narrator)
            .await?;
        let maker = RowMaker::new(self.catalog, &published.built)?;
        let (lengths, source) = (documents.sessions.clone(), documents.source.clone());
        let supply = Supply::new(&maker, documents)?;
        let is_live = supply.is_live().await;
        if !is_live {
            let made = supply.made().await;
            let rows = made.iter();
            let rows = rows.map(|transaction| transaction.rows.len() as u64);
            let rows = rows.collect();
            narrator.event(Event::Combined { rows });
        }
        let theatre = Theatre {
            options: self.options,
            spec: &published.built,
            version: &version,
            maker: &maker,
            supply: &supply,
            narrator,
        };
        let sessions = theatre.play(&lengths, incarnations).await?;
        let mut committed = supply.made().await;
        if is_live {
            narrator.event(Event::Documents {
                documents: supply.live_documents().await,
                transactions: committed.len(),
                source,
            });
        }
        committed.truncate(sessions.committed()? as usize);
        Ok(Conversation {
            spec,
            published,
            maker,
            committed,
            sessions,
        })
    }

    fn spec_request(&self) -> request::Spec {
        request::Spec {
            config_json: self.task.endpoint.config().to_string().into(),
            ..request::Spec::default()
        }
    }

    /// Asks the connector, selects fields, builds.
    async fn publish(
        &self,
        version: &str,
        command: &LocalCommand,
        incarnations: &mut Incarnations<'_>,
        narrator: &Narrator<'_>,
    ) -> Result<Published> {
        let publication = Publication {
            catalog: self.catalog,
            name: self.name,
            task: self.task,
            last: None,
            version,
        };
        let validated = incarnations
            .validate(validate(&publication), &mut narrator.first())
            .await?;
        let algorithm = match self.options.runtime {
            Runtime::V1 => Algorithm::Classic,
            Runtime::V2 => Algorithm::Current,
        };
        let built = build(&publication, &validated, algorithm)?;
        let published = Published {
            command: command.command.clone(),
            codec: command.codec.name(),
            validated,
            built: built.spec,
            selections: built.selections,
        };
        narrator.event(Event::Built(Box::new(published.clone())));
        for (binding, selection) in published.built.bindings.iter().zip(&published.selections) {
            let outcomes = &selection.selection.outcomes;
            narrator.event(Event::Selected {
                collection: binding.collection.clone().unwrap_or_default().name,
                prefix: prefix(binding),
                selected: outcomes
                    .iter()
                    .filter(|outcome| outcome.verdict.is_selected())
                    .count(),
                fields: outcomes.len(),
            });
            self.bucket.require_empty(&prefix(binding)).await?;
        }
        Ok(published)
    }

    async fn read_back(
        &self,
        spec: &MaterializationSpec,
        maker: &RowMaker<'_>,
        committed: &[Arc<Transaction>],
        narrator: &Narrator<'_>,
    ) -> Result<Vec<BindingReport>> {
        let duck = Duck::start()?;
        let knobs = Knobs::of(self.task.endpoint.config());
        let ranges: Vec<KeyRange> = Shard::split(self.options.shards)
            .iter()
            .map(|shard| shard.range)
            .collect();
        let transactions = committed.iter().map(AsRef::as_ref);
        let expected = Expected::of(spec, &ranges, transactions, knobs)?;
        let mut reports = Vec::with_capacity(expected.len());
        for (index, expected) in expected.iter().enumerate() {
            let files = fetch(
                self.bucket.client(),
                &self.bucket.name,
                &expected.prefix,
                self.folder.path(),
            )
            .await?;
            narrator.event(Event::Comparing {
                prefix: expected.prefix.clone(),
                files: files.len(),
                rows: expected.rows(),
            });
            let mut report = self.compare(&duck, expected, &files)?;
            let source = maker.source(index);
            let read = committed
                .iter()
                .filter_map(|transaction| transaction.read.get(source))
                .sum::<i64>();
            report.documents = read.unsigned_abs();
            reports.push(report);
        }
        Ok(reports)
    }

    fn compare(
        &self,
        duck: &Duck,
        expected: &Expected<'_>,
        files: &[Fetched],
    ) -> Result<BindingReport> {
        let compared = compare(duck, expected, files)?;
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        let rows_of = |key: &str| {
            compared
                .file_rows
                .iter()
                .find(|(other, _)| other == key)
                .map(|(_, rows)| *rows)
        };
        // The files are in the order in which the rows were sent.
        let mut rows_sent = expected.shards.values().flatten();
        let mut json_bytes = |rows: u64| -> u64 {
            let own = rows_sent.by_ref().take(rows as usize);
            own.map(|row| row.document_bytes).sum()
        };
        let file = |file: &Fetched| {
            let rows = rows_of(&file.key);
            FileReport {
                key: file.key.clone(),
                bytes: file.bytes,
                rows,
                json_bytes: rows.map(&mut json_bytes),
            }
        };
        Ok(BindingReport {
            collection: expected.collection.clone(),
            prefix: expected.prefix.clone(),
            documents: 0,
            rows: expected.rows() as u64,
            json_bytes: expected
                .shards
                .values()
                .flatten()
                .map(|row| row.document_bytes)
                .sum(),
            columns: match paths.first() {
                Some(path) => duck.describe(path)?,
                None => Vec::new(),
            },
            files: files.iter().map(file).collect(),
            preview: duck.preview(&paths, self.options.preview_rows)?,
            equal_rows: compared.equal_rows,
            difference: compared.difference,
        })
    }
}
