//! From the projections of a collection to the constraints that steer Flow's field selection.
//!
//! The table is `design.md` §4. Two runtimes read it: the old one selects only what is recommended by default, the new one
//! every leaf that is not forbidden. What is to be skipped by default under both is therefore forbidden, until the user
//! names it under `fields.include`.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::config::TypeChanges;
use crate::error::Result;
use crate::mapping::{ColumnType, JsonTypes, RESCUED_FIELD, casts_to_string};
use crate::protocol::flow;
use crate::protocol::materialize::response::validated::constraint::Type;
use crate::protocol::materialize::response::validated::{Constraint, ProjectionConstraint};

/// A binding as it is validated.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The collection with its projections.
    pub collection: &'a flow::CollectionSpec,
    /// What the user says of each field under `fields.include`.
    pub field_config: &'a BTreeMap<String, Bytes>,
    /// The collection and selection that this binding was last materialized with, under the same path and backfill.
    pub last: Option<(&'a flow::CollectionSpec, &'a flow::FieldSelection)>,
    /// Whether misfits are rescued, into a column whose name is then taken.
    pub rescues: bool,
    /// What becomes of a field whose column changes its type.
    pub type_changes: TypeChanges,
}

impl Candidate<'_> {
    /// The constraint of every projection of the collection, in its order.
    ///
    /// Errors where a field's configuration is not known.
    pub fn constraints(&self) -> Result<Vec<ProjectionConstraint>> {
        self.collection
            .projections
            .iter()
            .map(|projection| self.constraint(projection))
            .collect()
    }

    fn constraint(&self, projection: &flow::Projection) -> Result<ProjectionConstraint> {
        let (kind, reason) = match self.type_change(projection)? {
            Some((kind, reason)) => (kind, reason),
            None => self.kind_and_reason(projection)?,
        };
        Ok(ProjectionConstraint {
            field: projection.field.clone(),
            constraint: Some(Constraint {
                r#type: kind.into(),
                reason,
                folded_field: String::new(),
            }),
        })
    }

    fn kind_and_reason(&self, projection: &flow::Projection) -> Result<(Type, String)> {
        let types = JsonTypes::of(projection);
        let column = self.column_type(projection)?;
        let field = &projection.field;
        let (kind, reason) = match column {
            _ if self.rescues && field == RESCUED_FIELD => (Type::FieldForbidden, rescued_name_is_taken()),
            None => (
                Type::FieldForbidden,
                "The schema allows no value but null here; give the location a type to materialize it.".to_owned(),
            ),
            Some(column) if projection.is_primary_key => {
                (Type::LocationRequired, format!("The key is always materialized, as {column}."))
            }
            Some(_) if projection.ptr.is_empty() => (
                Type::FieldOptional,
                "The root document is materialized as JSON text where it is included by name.".to_owned(),
            ),
            Some(column) if field.starts_with("_meta/") && field != "_meta/op" => {
                (Type::FieldOptional, format!("Metadata of Flow; it is materialized as {column} where it is included."))
            }
            Some(column) => match types {
                JsonTypes::OBJECT => (Type::FieldOptional, self.object_reason(projection)),
                JsonTypes::ARRAY => self.array(field),
                _ => (Type::LocationRecommended, format!("The field is materialized as {column}.")),
            },
        };
        Ok((kind, reason))
    }

    fn column_type(&self, projection: &flow::Projection) -> Result<Option<ColumnType>> {
        column_type(projection, self.field_config)
    }

    fn object_reason(&self, projection: &flow::Projection) -> String {
        let prefix = format!("{}/", projection.ptr);
        let has_children = self
            .collection
            .projections
            .iter()
            .any(|other| other.ptr.starts_with(&prefix));
        if has_children {
            "The fields of this object are materialized as columns of their own; include the object by name for its JSON \
             text."
                .to_owned()
        } else {
            "The schema names no fields of this object, so that no column carries it; include it by name for its JSON text."
                .to_owned()
        }
    }

    /// An array is materialized where the user names it, or where the binding has it already.
    fn array(&self, field: &str) -> (Type, String) {
        let was_selected = self
            .last
            .is_some_and(|(_, selection)| is_selected(selection, field));
        if self.field_config.contains_key(field) || was_selected {
            return (
                Type::FieldOptional,
                "The array is materialized as JSON text.".to_owned(),
            );
        }
        let include = "Arrays are left out by default; add the field under `fields.include` of the binding to materialize it \
                       as JSON text.";
        (Type::FieldForbidden, include.to_owned())
    }

    /// What to say of a field that is materialized already, and whose column would change.
    fn type_change(&self, projection: &flow::Projection) -> Result<Option<(Type, String)>> {
        let Some((collection, selection)) = self.last else {
            return Ok(None);
        };
        let field = &projection.field;
        let before = collection
            .projections
            .iter()
            .find(|before| before.field == *field);
        let Some(before) = before.filter(|_| is_selected(selection, field)) else {
            return Ok(None);
        };
        let from = column_type(before, &selection.field_config_json_map)?;
        let (Some(from), Some(to)) = (from, self.column_type(projection)?) else {
            return Ok(None);
        };
        if from.has_form_of(to) {
            return Ok(None);
        }
        let (kind, reason) = self.kind_and_reason(projection)?;
        Ok(Some(match self.type_changes {
            TypeChanges::Backfill => (
                Type::Incompatible,
                format!(
                    "The column changes from {from} to {to}, and `typeChanges` asks for a backfill then."
                ),
            ),
            TypeChanges::Continue => (
                kind,
                format!("{reason} The column changes from {from} to {to} with the next file."),
            ),
        }))
    }
}

fn column_type(
    projection: &flow::Projection,
    field_config: &BTreeMap<String, Bytes>,
) -> Result<Option<ColumnType>> {
    let column_type = ColumnType::of(projection);
    let casts = casts_to_string(field_config.get(&projection.field))
        .map_err(|error| error.context(format_args!("field `{}`", projection.field)))?;
    Ok(if casts && column_type.is_some() {
        Some(ColumnType::CastToString)
    } else {
        column_type
    })
}

fn is_selected(selection: &flow::FieldSelection, field: &str) -> bool {
    let document = std::iter::once(&selection.document);
    selection
        .keys
        .iter()
        .chain(&selection.values)
        .chain(document)
        .any(|selected| selected == field)
}

fn rescued_name_is_taken() -> String {
    format!(
        "The column `{RESCUED_FIELD}` holds the values that do not fit their own columns; project this location under another \
         name, or set `unconvertible` to `fail`."
    )
}
