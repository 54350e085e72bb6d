//! The run itself, step by step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use materialize_s3_parquet::protocol::materialize::{request, response};
use serde_json::Value;

use super::bucket::{Bucket, Opening};
use super::command::local_command;
use super::documents::Documents;
use super::endpoint::{Place, Replaced, configure, program, put_below};
use super::error::{Error, Result};
use super::folder::Folder;
use super::narrator::{Event, Narrator, Progress, Published};
use super::options::{Options, Store};
use super::read_back::ReadBack;
use super::report::{Report, Unplayed};
use super::rows::RowMaker;
use super::sessions::{Sessions, Theatre};
use super::supply::Supply;
use crate::catalog::{Catalog, Materialization, Publication, build, validate};
use crate::readback::prefix;
use crate::runtime::{Incarnations, LocalCommand, Runtime, Transaction, incarnation_seed};
use crate::selection::Algorithm;

/// Plays a catalog from end to end, then reads the bucket back and compares.
pub async fn run(options: &Options, progress: &mut dyn Progress) -> Result<Report> {
    let catalog = Catalog::load(&options.catalog)?;
    let (name, mut task) = choose_task(options, &catalog)?;
    progress.event(Event::Loaded {
        task: name.clone(),
        bindings: task.active().count(),
    });
    let documents = Documents::read(options, &catalog, progress)?;
    let folder = Folder::new(options.output.as_deref())?;
    let prefix = options.prefix.as_deref();
    let mut replaced: Vec<Replaced> = prefix
        .map(|prefix| put_below(prefix, &mut task))
        .transpose()?
        .into_iter()
        .collect();
    let bucket = open_bucket(options, task.endpoint.config()).await?;
    if let Some(bucket) = &bucket {
        progress.event(Event::Bucket {
            name: bucket.name.clone(),
            endpoint: bucket.location.endpoint.clone(),
        });
    }
    // The catalog's own configuration stays as it is.
    let filled_in = bucket.as_ref().filter(|_| options.store != Store::Catalog);
    replaced.extend(configure(options, filled_in, &mut task)?);
    let command = local_command(options, &task.endpoint).command;
    replaced.extend(program(options, &task.endpoint, &command));
    progress.event(Event::Replaced(replaced.clone()));

    let played = Play {
        options,
        catalog: &catalog,
        name: &name,
        task: &task,
        bucket: bucket.as_ref(),
        folder: &folder,
        replaced,
    };
    // Boxed, because it is large, and so is whatever awaits it.
    let report = Box::pin(played.play(documents, progress)).await?;
    if let Some(bucket) = bucket {
        bucket.close().await?;
    }
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

/// Opens the bucket of a run; none where the connector writes wherever it likes.
async fn open_bucket(options: &Options, config: &Value) -> Result<Option<Bucket>> {
    let opening = Opening {
        manners: options.manners,
        makes_bucket: options.make_bucket,
        ..Opening::new(&options.store, options.bucket.as_deref(), options.seed)
    };
    let bucket = match &options.store {
        Store::None => return Ok(None),
        Store::Catalog => {
            let place = Place::of(config)?;
            let store = Store::At(place.location);
            Bucket::open_as(&Opening {
                store: &store,
                name: Some(&place.bucket),
                path_style: place.path_style,
                is_catalogs: true,
                ..opening
            })
            .await?
        }
        _ => Bucket::open_as(&opening).await?,
    };
    Ok(Some(bucket))
}

/// Adds counts up, name by name.
fn sum<'c>(all: impl Iterator<Item = &'c BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in all.flatten() {
        *sums.entry(name.clone()).or_default() += count;
    }
    sums
}

/// How long the connector may take to answer: it may hold an Acknowledged back for the upload
/// interval.
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
    /// None where nothing is known of the connector's store.
    bucket: Option<&'a Bucket>,
    folder: &'a Folder,
    /// What is not as the catalog has it.
    replaced: Vec<Replaced>,
}

/// What the connector was asked and given, and what came of it.
struct Conversation<'a> {
    spec: response::Spec,
    published: Published,
    maker: RowMaker<'a>,
    /// What every shard has committed.
    committed: Vec<Arc<Transaction>>,
    /// What no session has played.
    unplayed: Unplayed,
    sessions: Sessions,
}

impl<'a> Play<'a> {
    async fn play(&self, documents: Documents, progress: &mut dyn Progress) -> Result<Report> {
        let narrator = Narrator::new(progress, self.options.shards);
        let conversation = self.converse(documents, &narrator).await;
        let requests = self.bucket.map(Bucket::requests);
        narrator.event(Event::Requests(requests.unwrap_or_default()));
        let Conversation {
            spec,
            published,
            maker,
            committed,
            unplayed,
            sessions,
        } = conversation?;
        let read_back = ReadBack {
            options: self.options,
            config: self.task.endpoint.config(),
            bucket: self.bucket,
            folder: self.folder,
            loaded: &sessions.loaded,
        };
        let bindings = read_back
            .bindings(&published.built, &maker, &committed, &narrator)
            .await?;
        let bucket = self.bucket;
        let name = bucket.map(|bucket| bucket.name.clone());
        let endpoint = bucket.map(|bucket| bucket.location.endpoint.clone());
        Ok(Report {
            task: self.name.to_owned(),
            replaced: self.replaced.clone(),
            bucket: name.unwrap_or_default(),
            endpoint: endpoint.unwrap_or_default(),
            is_ephemeral: bucket.is_some_and(Bucket::is_ephemeral),
            spec,
            validated: published.validated,
            built: published.built,
            selections: published.selections,
            bindings,
            sessions: sessions.count,
            unplayed,
            without_binding: sum(committed.iter().map(|one| &one.without_binding)),
            recovery: sessions.logs,
            logs: narrator.logs(),
            unsupported_requests: bucket.map(Bucket::unsupported_requests).unwrap_or_default(),
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
        let maker = RowMaker::new(
            self.catalog,
            &published.built,
            self.options.checks_documents,
        )?;
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
        let left_over = committed.split_off(sessions.committed()? as usize);
        let unplayed = Unplayed::of(&left_over, supply.is_live().await);
        Ok(Conversation {
            spec,
            published,
            maker,
            committed,
            unplayed,
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
                prefix: match self.bucket {
                    Some(_) => prefix(binding),
                    None => binding.resource_path.join("/"),
                },
                selected: outcomes
                    .iter()
                    .filter(|outcome| outcome.verdict.is_selected())
                    .count(),
                fields: outcomes.len(),
            });
            if let Some(bucket) = self.bucket {
                bucket.require_empty(&prefix(binding)).await?;
            }
        }
        Ok(published)
    }
}
