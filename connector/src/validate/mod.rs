//! Validate: which fields may and must be materialized, and whether the bucket takes what the task
//! will write.

mod bucket;
mod constraints;

use std::collections::BTreeMap;

pub use bucket::Places;
pub use constraints::Candidate;

use crate::config::{EndpointConfig, ResourceConfig, Unconvertible};
use crate::error::{Context, Error, Result};
use crate::parquet::codec;
use crate::protocol::flow;
use crate::protocol::materialize::{request, response};
use crate::protocol::{self};
use crate::store::ObjectStore;
use crate::transactor::Environment;

/// Answers Validate.
///
/// Errors where a configuration is wrong, two bindings share a prefix, or the bucket does not do
/// what the task will ask of it.
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
    let prefixes = prefixes.values().map(|(_, prefix)| prefix);
    Places::new(prefixes, endpoint.advanced.staging_prefix.as_ref())
        .check(store, endpoint, environment)
        .await?;
    Ok(response::Validated { bindings })
}

fn shared_prefix(bindings: &[response::validated::Binding], one: &str, other: &str) -> Error {
    let path = bindings
        .last()
        .map_or("", |binding| binding.resource_path[0].as_str());
    Error::config(format!(
        "the bindings of collections `{one}` and `{other}` have the same `/pathPrefix`, `{path}`; \
         give each its own"
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
