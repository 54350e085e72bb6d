//! A materialization and the connector's answers → what the connector is given: the Validate
//! request, then the built specification with each binding's selected fields (docs/protocol.md
//! §4.7, §7).

use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::flow::{self, MaterializationSpec, materialization_spec};
use materialize_s3_parquet::protocol::materialize::request;
use materialize_s3_parquet::protocol::materialize::response::Validated;
use materialize_s3_parquet::protocol::materialize::response::validated::{
    self, ProjectionConstraint,
};
use serde_json::Value;

use super::answer::{check, constraints};
use super::{Binding, Catalog, Endpoint, Materialization, OnIncompatibleSchemaChange, spec};
use crate::selection::{Algorithm, Input, Outcome, Selection, Verdict, select};

/// What a build is of: a task of a catalog, and what was built of it before.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The collections.
    pub catalog: &'a Catalog,
    /// The task's name.
    pub name: &'a str,
    /// The task, with its configuration filled in.
    pub task: &'a Materialization,
    /// The specification that was built last, with its version.
    pub last: Option<(&'a MaterializationSpec, &'a str)>,
    /// This build's id: 16 hex digits.
    pub version: &'a str,
}

/// What came of a build.
#[derive(Clone, Debug)]
pub struct Built {
    /// What the connector is given.
    pub spec: MaterializationSpec,
    /// Each active binding's selection, in the order of the specification's bindings.
    pub selections: Vec<BindingSelection>,
    /// What must change in the task so that the next build of it gives the same.
    pub changes: Vec<Change>,
}

/// The selection of one binding.
#[derive(Clone, Debug, PartialEq)]
pub struct BindingSelection {
    /// The binding's index in the task.
    pub binding: usize,
    /// Its resource path.
    pub resource_path: Vec<String>,
    /// What is materialized, and why.
    pub selection: Selection,
}

/// A change of the task that a build made because a field could not be materialized as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The binding starts again.
    Backfill {
        /// Its index in the task.
        binding: usize,
        /// Its backfill counter from now on.
        counter: u32,
    },
    /// The binding is disabled.
    DisableBinding {
        /// Its index in the task.
        binding: usize,
    },
    /// The task is disabled.
    DisableTask,
}

/// Why a task cannot be built from the connector's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The connector's answer breaks the protocol.
    #[error("the connector's Validated is wrong: {0}")]
    Connector(String),
    /// Fields that must be and cannot be materialized.
    #[error("binding of `{source_name}` at {place}: {}", explain(conflicts))]
    Conflicts {
        /// The collection.
        source_name: String,
        /// The binding's place in its file.
        place: String,
        /// The fields.
        conflicts: Vec<Outcome>,
    },
}

fn explain(conflicts: &[Outcome]) -> String {
    conflicts
        .iter()
        .map(Outcome::explain)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Materialization {
    /// Applies what a build changed.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match *change {
                Change::Backfill { binding, counter } => self.bindings[binding].backfill = counter,
                Change::DisableBinding { binding } => self.bindings[binding].disable = true,
                Change::DisableTask => self.shards.disable = true,
            }
        }
    }

    /// The bindings that are not disabled, with their indexes.
    pub fn active(&self) -> impl Iterator<Item = (usize, &Binding)> {
        self.bindings
            .iter()
            .enumerate()
            .filter(|(_, binding)| !binding.disable)
    }
}

/// The Validate request of a task.
pub fn validate(publication: &Publication<'_>) -> request::Validate {
    let task = publication.task;
    let binding = |binding: &Binding| request::validate::Binding {
        resource_config_json: resource_config(binding).to_string().into(),
        collection: Some(grouped(
            &publication.catalog.collections[&binding.source].spec,
            binding,
        )),
        field_config_json_map: field_config(&binding.fields.require),
        backfill: binding.backfill,
        group_by: group_by(
            &publication.catalog.collections[&binding.source].spec,
            binding,
        ),
        collection_index: 0,
    };
    request::Validate {
        name: publication.name.to_owned(),
        connector_type: connector_type(&task.endpoint).into(),
        config_json: task.endpoint.config().to_string().into(),
        bindings: task.active().map(|(_, active)| binding(active)).collect(),
        last_materialization: publication.last.map(|(spec, _)| spec.clone()),
        last_version: publication
            .last
            .map(|(_, version)| version.to_owned())
            .unwrap_or_default(),
        linked_collections: Vec::new(),
    }
}

/// Builds a task's specification from what the connector said of it.
pub fn build(
    publication: &Publication<'_>,
    validated: &Validated,
    algorithm: Algorithm,
) -> Result<Built, BuildError> {
    let task = publication.task;
    let active: Vec<(usize, &Binding)> = task.active().collect();
    check(&active, validated)?;

    let mut built = Built {
        spec: of_task(publication),
        selections: Vec::new(),
        changes: Vec::new(),
    };
    for ((index, binding), answer) in active.into_iter().zip(&validated.bindings) {
        let selection = select_fields(publication, binding, answer, algorithm)?;
        let change = change(publication, (index, binding), &selection)?;
        built.changes.extend(change);
        if matches!(change, Some(Change::DisableBinding { .. })) {
            continue;
        }
        let backfill = match change {
            Some(Change::Backfill { counter, .. }) => counter,
            _ => binding.backfill,
        };
        built.spec.bindings.push(of_binding(
            publication,
            binding,
            answer,
            &selection,
            backfill,
        ));
        let resource_path = answer.resource_path.clone();
        built.selections.push(BindingSelection {
            binding: index,
            resource_path,
            selection,
        });
    }
    built.spec.inactive_bindings = inactive(publication, &built.spec.bindings);
    Ok(built)
}

fn of_task(publication: &Publication<'_>) -> MaterializationSpec {
    let Publication {
        name,
        task,
        version,
        ..
    } = *publication;
    let json = |value: &Option<Value>| value.as_ref().map(|value| value.to_string().into());
    MaterializationSpec {
        name: name.to_owned(),
        connector_type: connector_type(&task.endpoint).into(),
        config_json: task.endpoint.config().to_string().into(),
        shard_template: Some(spec::shard_template(name, version, &task.shards)),
        recovery_log_template: Some(spec::recovery_log_template(name)),
        triggers_json: json(&task.triggers).unwrap_or_default(),
        sync_schedule_json: json(&task.sync_schedule).unwrap_or_default(),
        ..MaterializationSpec::default()
    }
}

fn of_binding(
    publication: &Publication<'_>,
    binding: &Binding,
    answer: &validated::Binding,
    selection: &Selection,
    backfill: u32,
) -> materialization_spec::Binding {
    let state_key = spec::state_key(&answer.resource_path, backfill);
    materialization_spec::Binding {
        resource_config_json: resource_config(binding).to_string().into(),
        resource_path: answer.resource_path.clone(),
        collection: Some(grouped(
            &publication.catalog.collections[&binding.source].spec,
            binding,
        )),
        field_selection: Some(selection.fields.clone()),
        delta_updates: answer.delta_updates,
        partition_selector: Some(spec::partition_selector(
            &binding.source,
            &binding.partitions,
        )),
        journal_read_suffix: spec::journal_read_suffix(publication.name, &state_key),
        priority: binding.priority,
        not_before: binding.not_before.map(spec::timestamp),
        not_after: binding.not_after.map(spec::timestamp),
        backfill,
        state_key,
        ser_policy: answer.ser_policy,
        ..materialization_spec::Binding::default()
    }
}

fn connector_type(endpoint: &Endpoint) -> materialization_spec::ConnectorType {
    match endpoint {
        Endpoint::Local { .. } => materialization_spec::ConnectorType::Local,
        Endpoint::Connector { .. } => materialization_spec::ConnectorType::Image,
    }
}

/// The resource's configuration without `_meta`, which is Flow's own.
fn resource_config(binding: &Binding) -> Value {
    let mut config = binding.resource.clone();
    if let Value::Object(members) = &mut config {
        members.remove("_meta");
    }
    config
}

fn field_config(require: &BTreeMap<String, Value>) -> BTreeMap<String, bytes::Bytes> {
    require
        .iter()
        .map(|(field, config)| (field.clone(), config.to_string().into()))
        .collect()
}

/// The fields that are the binding's key.
fn group_by(collection: &flow::CollectionSpec, binding: &Binding) -> Vec<String> {
    input(collection, binding, &[], false, None).group_by()
}

/// The collection as the binding sees it: its key is what the binding groups by.
fn grouped(collection: &flow::CollectionSpec, binding: &Binding) -> flow::CollectionSpec {
    let mut collection = collection.clone();
    let pointer = |field: &String| {
        let found = collection
            .projections
            .iter()
            .find(|projection| projection.field == *field);
        found.map(|projection| projection.ptr.clone())
    };
    let key: Vec<String> = group_by(&collection, binding)
        .iter()
        .filter_map(pointer)
        .collect();
    for projection in &mut collection.projections {
        projection.is_primary_key = key.contains(&projection.ptr);
    }
    collection.key = key;
    collection
}

fn input<'a>(
    collection: &'a flow::CollectionSpec,
    binding: &'a Binding,
    constraints: &'a [ProjectionConstraint],
    case_insensitive_fields: bool,
    live: Option<&'a flow::FieldSelection>,
) -> Input<'a> {
    Input {
        key: &collection.key,
        projections: &collection.projections,
        constraints,
        case_insensitive_fields,
        model: &binding.fields,
        live,
    }
}

fn select_fields(
    publication: &Publication<'_>,
    binding: &Binding,
    answer: &validated::Binding,
    algorithm: Algorithm,
) -> Result<Selection, BuildError> {
    let collection = &publication.catalog.collections[&binding.source].spec;
    let constraints = constraints(answer);
    let live = live(publication, binding, answer);
    let folds = answer.case_insensitive_fields;
    let selection = select(
        algorithm,
        &input(collection, binding, &constraints, folds, live),
    );
    let conflicts: Vec<Outcome> = selection.conflicts().cloned().collect();
    conflict(binding, conflicts).map_or(Ok(selection), Err)
}

fn conflict(binding: &Binding, conflicts: Vec<Outcome>) -> Option<BuildError> {
    let (source_name, place) = (binding.source.clone(), binding.place.to_string());
    (!conflicts.is_empty()).then_some(BuildError::Conflicts {
        source_name,
        place,
        conflicts,
    })
}

/// What is materialized into the same resource now, unless the binding starts again.
fn live<'a>(
    publication: &Publication<'a>,
    binding: &Binding,
    answer: &validated::Binding,
) -> Option<&'a flow::FieldSelection> {
    let (last, _) = publication.last?;
    let mut bindings = last.bindings.iter();
    let same = bindings.find(|live| {
        live.resource_path == answer.resource_path && live.backfill == binding.backfill
    });
    same?.field_selection.as_ref()
}

/// What happens because of fields that cannot be materialized as they are any more.
fn change(
    publication: &Publication<'_>,
    (index, binding): (usize, &Binding),
    selection: &Selection,
) -> Result<Option<Change>, BuildError> {
    let incompatible: Vec<Outcome> = selection.incompatible().cloned().collect();
    if incompatible.is_empty() {
        return Ok(None);
    }
    let of_task = publication.task.on_incompatible_schema_change;
    Ok(Some(
        match binding.on_incompatible_schema_change.unwrap_or(of_task) {
            OnIncompatibleSchemaChange::Backfill => Change::Backfill {
                binding: index,
                counter: binding.backfill + 1,
            },
            OnIncompatibleSchemaChange::DisableBinding => Change::DisableBinding { binding: index },
            OnIncompatibleSchemaChange::DisableTask => Change::DisableTask,
            OnIncompatibleSchemaChange::Abort => {
                return conflict(binding, incompatible).map_or(Ok(None), Err);
            }
        },
    ))
}

/// The bindings that were, and are not any more.
fn inactive(
    publication: &Publication<'_>,
    active: &[materialization_spec::Binding],
) -> Vec<materialization_spec::Binding> {
    let Some((last, _)) = publication.last else {
        return Vec::new();
    };
    let active: BTreeSet<&[String]> = active
        .iter()
        .map(|binding| &binding.resource_path[..])
        .collect();
    let before = last.bindings.iter().chain(&last.inactive_bindings);
    before
        .filter(|binding| !active.contains(&binding.resource_path[..]))
        .cloned()
        .collect()
}

impl BindingSelection {
    /// One line for every field: what came of it, and why.
    pub fn explain(&self) -> String {
        let lines = self.selection.outcomes.iter().map(|outcome| {
            let mark = match outcome.verdict {
                Verdict::Selected => '+',
                Verdict::Rejected => '-',
                Verdict::Incompatible | Verdict::Conflict => '!',
            };
            format!("{mark} {}", outcome.explain())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
