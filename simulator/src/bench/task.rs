//! The task of a benchmark: one collection, one binding, all fields by default, into the bucket of
//! a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use materialize_s3_parquet::protocol::flow::MaterializationSpec;
use materialize_s3_parquet::protocol::materialize::request;
use serde_json::json;

use super::column;
use super::error::{Error, Result};
use super::shape::Shape;
use super::variant::Variant;
use crate::catalog::{Catalog, Publication, build, validate};
use crate::run::{Bucket, Location, Store};
use crate::runtime::{Incarnations, Level, LocalCommand, Runtime};
use crate::selection::Algorithm;

/// How long the connector may take for any answer. A build without optimization is slow.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// The id of the one build there is.
pub(super) const VERSION: &str = "0000000000000001";

/// The connector, and the catalog that it is played by.
pub(super) struct Task {
    connector: Vec<String>,
    log_level: Level,
    shape: Shape,
    catalog: PathBuf,
}

/// A task built for one server and one variant.
pub(super) struct Built {
    pub(super) bucket: Bucket,
    pub(super) spec: MaterializationSpec,
}

impl Task {
    /// Writes the catalog into `folder`.
    pub(super) fn write(
        folder: &Path,
        shape: Shape,
        connector: &[String],
        log_level: Level,
    ) -> Result<Self> {
        let catalog = folder.join("flow.yaml");
        let text = yaml(shape, connector).to_string();
        std::fs::write(&catalog, text).map_err(Error::file(&catalog))?;
        Ok(Self {
            connector: connector.to_vec(),
            log_level,
            shape,
            catalog,
        })
    }

    /// How the connector is started. `seed` decides what is random in it.
    pub(super) fn command(&self, variant: Variant, seed: u64) -> LocalCommand {
        LocalCommand {
            command: self.connector.clone(),
            env: image_environment(),
            codec: variant.codec(),
            log_level: self.log_level,
            seed,
        }
    }

    /// Validates, selects fields, builds and applies, as Flow would.
    pub(super) async fn build(&self, server: &Location, variant: Variant) -> Result<Built> {
        let bucket = Bucket::open(&Store::At(server.clone()), None, 0).await?;
        let catalog = Catalog::load(&self.catalog)?;
        let name = name(self.shape);
        let mut task = catalog.materializations[&name].clone();
        bucket.configure(task.endpoint.config_mut())?;
        let prefix = format!("{name}/{}", variant.slug());
        task.bindings[0].resource = json!({"pathPrefix": prefix});
        let publication = Publication {
            catalog: &catalog,
            name: &name,
            task: &task,
            last: None,
            version: VERSION,
        };
        let command = self.command(variant, 0);
        let mut incarnations = Incarnations::new(&command, PATIENCE);
        let validated = incarnations
            .validate(validate(&publication), &mut ())
            .await?;
        let algorithm = match variant.runtime() {
            Runtime::V1 => Algorithm::Classic,
            Runtime::V2 => Algorithm::Current,
        };
        let spec = build(&publication, &validated, algorithm)?.spec;
        self.require_all_fields(&spec)?;
        let apply = request::Apply {
            materialization: Some(spec.clone()),
            version: VERSION.to_owned(),
            ..request::Apply::default()
        };
        incarnations.apply(apply, &mut ()).await?;
        Ok(Built { bucket, spec })
    }

    /// Both sides must do the same work.
    fn require_all_fields(&self, spec: &MaterializationSpec) -> Result<()> {
        let selection = spec
            .bindings
            .first()
            .and_then(|binding| binding.field_selection.as_ref());
        let found = selection.map_or(0, |selection| selection.keys.len() + selection.values.len());
        let expected = self.shape.columns().len();
        if found == expected {
            return Ok(());
        }
        Err(Error::Fields {
            shape: self.shape.name(),
            found,
            expected,
        })
    }
}

/// What the connector's image sets: it is measured as it runs in Flow.
fn image_environment() -> BTreeMap<String, String> {
    let stages = include_str!("../../../Dockerfile").split("\nFROM ");
    let base = stages.skip(1).take(1).flat_map(str::lines);
    base.filter_map(|line| line.strip_prefix("ENV ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn name(shape: Shape) -> String {
    format!("bench/{}", shape.name())
}

/// A catalog, in the part of YAML that is JSON. The bucket, its place and the prefix are filled in
/// later.
fn yaml(shape: Shape, connector: &[String]) -> serde_json::Value {
    let name = name(shape);
    json!({
        "collections": {
            &name: {
                "key": [format!("/{}", shape.key())],
                "schema": column::schema(shape.columns(), shape.key()),
            },
        },
        "materializations": {
            &name: {
                "endpoint": {
                    "local": {
                        "command": connector,
                        "config": {"uploadIntervalInSeconds": 0},
                    },
                },
                "bindings": [{
                    "source": &name,
                    "resource": {"pathPrefix": &name},
                    // DuckDB is not given a UUID to take apart, so neither is the connector.
                    "fields": {"recommended": true, "exclude": ["flow_published_at"]},
                }],
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connector_has_the_environment_of_its_image_and_not_of_what_builds_it() {
        let expected = ("_RJEM_MALLOC_CONF", "narenas:1,thp:always");
        let environment = image_environment();
        let environment = environment.iter().map(|(name, value)| (&**name, &**value));
        assert!(environment.eq([expected]));
    }
}
