//! Apply: there is nothing to create before files are written, so it checks that they can be, and
//! tells what will change.

mod names;

use std::collections::HashMap;

use crate::config::{EndpointConfig, ResourceConfig};
use crate::error::{Context, Result};
use crate::keys::version_folder;
use crate::mapping::{Selected, changes};
use crate::protocol;
use crate::protocol::flow::{MaterializationSpec, materialization_spec};
use crate::store::ObjectStore;
use crate::transactor::Environment;
use crate::validate::Places;

/// Checks the bucket wherever `last` has not shown already what it does, and the names that readers
/// see; describes what is new or changes since `last`: empty where nothing does.
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
    names::check(materialization, last)?;
    let prefixes = resources.iter().map(|resource| &resource.path_prefix);
    Places::new(prefixes, endpoint.advanced.staging_prefix.as_ref())
        .not_shown_by(last, &materialization.config_json)
        .check(store, endpoint, environment)
        .await?;

    let bucket = &store.location().bucket;
    let applied: HashMap<_, _> = last
        .iter()
        .flat_map(|last| {
            last.bindings
                .iter()
                .map(move |binding| (identity(binding), (*last, binding)))
        })
        .collect();
    let mut lines = Vec::new();
    for (binding, resource) in materialization.bindings.iter().zip(&resources) {
        let folder = version_folder(&resource.path_prefix, binding.backfill);
        let files = format!("s3://{bucket}/{folder}/");
        match applied.get(&identity(binding)) {
            None => lines.push(format!("write files to {files}")),
            Some(&(last, before)) => {
                let (before, after) = (selected(last, before), selected(materialization, binding));
                let Some((before, after)) = before.zip(after) else {
                    continue;
                };
                let changed = changes(before, after).context(|| path(binding))?;
                lines.extend(changed.into_iter().map(|(field, change)| {
                    format!("change the column `{field}` of the next files in {files} {change}")
                }));
            }
        }
    }
    Ok(lines.join("\n"))
}

/// The collection of a binding, and what is selected of it; none where the runtime has not said
/// both.
fn selected<'a>(
    materialization: &'a MaterializationSpec,
    binding: &'a materialization_spec::Binding,
) -> Option<Selected<'a>> {
    let linked = &materialization.linked_collections;
    let inline = binding.collection.as_ref();
    let collection = protocol::collection(inline, binding.collection_index, linked).ok()?;
    Some((collection, binding.field_selection.as_ref()?))
}

fn path(binding: &materialization_spec::Binding) -> String {
    binding.resource_path.join("/")
}

/// What makes a binding's files its own.
fn identity(binding: &materialization_spec::Binding) -> (&[String], u32) {
    (&binding.resource_path, binding.backfill)
}
