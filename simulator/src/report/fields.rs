//! What became of each field of a binding: from the schema over the constraint to the column, with
//! the reasons.

use materialize_s3_parquet::protocol::flow::{FieldSelection, Projection, materialization_spec};
use materialize_s3_parquet::protocol::materialize::response::validated;

use super::document::Field;
use crate::selection::{Outcome, Selection, Verdict};

/// What became of each field: those that are materialized first, in the order of the columns, then
/// the others by name. `columns` are those of a file, with their types; none are known before there
/// is one.
pub fn fields(
    binding: &materialization_spec::Binding,
    answer: Option<&validated::Binding>,
    selection: &Selection,
    columns: &[(String, String)],
) -> Vec<Field> {
    let projections = binding
        .collection
        .as_ref()
        .map(|collection| &collection.projections[..]);
    let mut fields: Vec<Field> = selection
        .outcomes
        .iter()
        .map(|outcome| {
            let projection = projections
                .unwrap_or_default()
                .iter()
                .find(|projection| projection.field == outcome.field);
            let column = columns.iter().find(|(name, _)| *name == outcome.field);
            Field {
                column: column.map(|(_, kind)| kind.clone()),
                constraint: answer.and_then(|answer| constraint(answer, &outcome.field)),
                role: role(&selection.fields, &outcome.field),
                ..of_outcome(outcome, projection)
            }
        })
        .collect();
    fields.sort_by_key(|field| place(&selection.fields, &field.field));
    fields
}

fn of_outcome(outcome: &Outcome, projection: Option<&Projection>) -> Field {
    let inference = projection.and_then(|projection| projection.inference.as_ref());
    Field {
        field: outcome.field.clone(),
        pointer: projection.map(|projection| projection.ptr.clone()),
        types: inference
            .map(|inference| inference.types.clone())
            .unwrap_or_default(),
        role: None,
        constraint: None,
        reason: outcome.reason.clone(),
        verdict: match outcome.verdict {
            Verdict::Selected => "selected",
            Verdict::Rejected => "rejected",
            Verdict::Incompatible => "incompatible",
            Verdict::Conflict => "conflict",
        },
        why: outcome.why(),
        column: None,
    }
}

/// The first constraint of a field, by its name in the protocol.
fn constraint(answer: &validated::Binding, field: &str) -> Option<String> {
    let listed = answer
        .projection_constraints
        .iter()
        .find(|entry| entry.field == field)
        .and_then(|entry| entry.constraint.as_ref());
    let constraint = listed.or_else(|| answer.constraints.get(field))?;
    Some(constraint.r#type().as_str_name().to_owned())
}

fn role(selection: &FieldSelection, field: &str) -> Option<&'static str> {
    if selection.keys.iter().any(|key| key == field) {
        Some("key")
    } else if selection.values.iter().any(|value| value == field) {
        Some("value")
    } else {
        (selection.document == field).then_some("document")
    }
}

/// The place of a field's column; all that have none come after.
fn place(selection: &FieldSelection, field: &str) -> usize {
    let columns = selection
        .keys
        .iter()
        .chain(&selection.values)
        .chain([&selection.document]);
    columns
        .enumerate()
        .find(|(_, column)| *column == field)
        .map_or(usize::MAX, |(place, _)| place)
}
