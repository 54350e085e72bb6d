//! Validate: which fields may and must be materialized, and whether the bucket takes what the task will write.

mod constraints;

use std::collections::BTreeMap;

use tokio::task::JoinSet;

pub use constraints::Candidate;

use crate::config::{EndpointConfig, PathPrefix, ResourceConfig, Unconvertible};
use crate::error::{Context, Error, Result};
use crate::keys::in_staging_folder;
use crate::parquet::codec;
use crate::protocol::flow;
use crate::protocol::materialize::{request, response};
use crate::protocol::{self};
use crate::store::{self, ObjectStore};
use crate::transactor::Environment;

/// The prefixes that are checked at once.
const CHECKS_AT_ONCE: usize = 16;

/// Answers Validate.
///
/// Errors where a configuration is wrong, two bindings share a prefix, or the bucket does not take an upload.
pub async fn validate<S: ObjectStore>(
    request: &request::Validate,
    endpoint: &EndpointConfig,
    store: &S,
    environment: &mut Environment,
) -> Result<response::Validated> {
    let mut prefixes = BTreeMap::new();
    let mut bindings = Vec::new();
    for binding in &request.bindings {
        let linked = &request.linked_collections;
        let collection = protocol::collection(
            binding.collection.as_ref(),
            binding.collection_index,
            linked,
        )?;
        let about = || format!("the binding of collection `{}`", collection.name);
        let resource = ResourceConfig::from_json(&binding.resource_config_json).context(about)?;
        codec(resource.compression, endpoint.advanced.compression_level).context(about)?;
        let path = resource.path_prefix.normalised().to_owned();
        let candidate = Candidate {
            collection,
            field_config: &binding.field_config_json_map,
            last: last_selection(
                request.last_materialization.as_ref(),
                &path,
                binding.backfill,
            ),
            rescues: endpoint.advanced.unconvertible == Unconvertible::Rescue,
            type_changes: endpoint.advanced.type_changes,
        };
        bindings.push(response::validated::Binding {
            resource_path: vec![path.clone()],
            delta_updates: true,
            projection_constraints: candidate.constraints().context(about)?,
            ..Default::default()
        });
        if let Some(other) = prefixes.insert(path, (collection.name.clone(), resource.path_prefix))
        {
            return Err(shared_prefix(&bindings, &other.0, &collection.name));
        }
    }
    let prefixes = prefixes.into_values().map(|(_, prefix)| prefix);
    check_prefixes(store, prefixes.collect(), environment).await?;
    Ok(response::Validated { bindings })
}

fn shared_prefix(bindings: &[response::validated::Binding], one: &str, other: &str) -> Error {
    let path = bindings
        .last()
        .map_or("", |binding| binding.resource_path[0].as_str());
    Error::config(format!(
        "the bindings of collections `{one}` and `{other}` have the same `/pathPrefix`, `{path}`; give each its own"
    ))
}

/// The selection that a binding was last materialized with, under the same path and backfill.
fn last_selection<'a>(
    last: Option<&'a flow::MaterializationSpec>,
    path: &str,
    backfill: u32,
) -> Option<(&'a flow::CollectionSpec, &'a flow::FieldSelection)> {
    let last = last?;
    let binding = last
        .bindings
        .iter()
        .find(|binding| binding.resource_path == [path] && binding.backfill == backfill)?;
    let linked = &last.linked_collections;
    let collection = protocol::collection(
        binding.collection.as_ref(),
        binding.collection_index,
        linked,
    )
    .ok()?;
    Some((collection, binding.field_selection.as_ref()?))
}

/// Creates and aborts an upload under each prefix: all that the task will need, and nothing that anybody can see.
pub async fn check_prefixes<S: ObjectStore>(
    store: &S,
    prefixes: Vec<PathPrefix>,
    environment: &mut Environment,
) -> Result<()> {
    let mut checks = JoinSet::new();
    let mut outcome = Ok(());
    for prefix in prefixes {
        let name = format!("{:016x}.check", environment.random.u64(..));
        let key = in_staging_folder(prefix.before_patterns(), &name);
        if checks.len() == CHECKS_AT_ONCE {
            outcome = outcome.and(joined(checks.join_next().await));
        }
        let store = store.clone();
        checks.spawn(async move { store::check(&store, &key).await });
    }
    // Each is waited for, so that none leaves an upload behind.
    while !checks.is_empty() {
        outcome = outcome.and(joined(checks.join_next().await));
    }
    outcome
}

fn joined(check: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match check {
        None => Ok(()),
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) => Err(Error::internal(
            "a check of the bucket broke off: please report this",
        )
        .with_source(error)),
    }
}
