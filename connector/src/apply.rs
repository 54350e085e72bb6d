//! Apply: there is nothing to create before files are written, so it checks that they can be, and tells what will change.

use std::collections::HashSet;

use crate::config::{EndpointConfig, ResourceConfig};
use crate::error::{Context, Result};
use crate::protocol::flow::{MaterializationSpec, materialization_spec};
use crate::store::ObjectStore;
use crate::transactor::Environment;
use crate::validate::Places;

/// Checks the bucket wherever `last` has not shown already what it does, and describes what is new since `last`: empty where nothing is.
pub async fn apply<S: ObjectStore>(
    materialization: &MaterializationSpec,
    last: Option<&MaterializationSpec>,
    endpoint: &EndpointConfig,
    store: &S,
    environment: &mut Environment,
) -> Result<String> {
    let resources = materialization
        .bindings
        .iter()
        .map(|binding| {
            ResourceConfig::from_json(&binding.resource_config_json).context(|| path(binding))
        })
        .collect::<Result<Vec<_>>>()?;
    let prefixes = resources.iter().map(|resource| &resource.path_prefix);
    Places::new(prefixes, endpoint.advanced.staging_prefix.as_ref())
        .not_shown_by(last, &materialization.config_json)
        .check(store, endpoint, environment)
        .await?;

    let applied: HashSet<_> = last
        .iter()
        .flat_map(|last| &last.bindings)
        .map(identity)
        .collect();
    let new = materialization
        .bindings
        .iter()
        .filter(|binding| !applied.contains(&identity(binding)));
    let bucket = &store.location().bucket;
    let lines = new.map(|binding| {
        format!(
            "write files to s3://{bucket}/{}/v{:010}/",
            path(binding),
            binding.backfill
        )
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn path(binding: &materialization_spec::Binding) -> String {
    binding.resource_path.join("/")
}

/// What makes a binding's files its own.
fn identity(binding: &materialization_spec::Binding) -> (&[String], u32) {
    (&binding.resource_path, binding.backfill)
}
