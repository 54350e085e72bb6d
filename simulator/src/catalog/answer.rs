//! What a connector may answer to Validate, whatever the task (docs/protocol.md §2.3, §7.5).

use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::materialize::response::Validated;
use materialize_s3_parquet::protocol::materialize::response::validated::{
    self, ProjectionConstraint, constraint,
};

use super::{Binding, BuildError};

/// The constraints of an answer: the list, or where there is none what older connectors send
/// instead.
pub(super) fn constraints(answer: &validated::Binding) -> Vec<ProjectionConstraint> {
    if !answer.projection_constraints.is_empty() {
        return answer.projection_constraints.clone();
    }
    let entry = |(field, constraint): (&String, &validated::Constraint)| ProjectionConstraint {
        field: field.clone(),
        constraint: Some(constraint.clone()),
    };
    answer.constraints.iter().map(entry).collect()
}

/// Checks that an answer is about the bindings that were asked about, each with a path and
/// constraints of its own.
pub(super) fn check(active: &[(usize, &Binding)], validated: &Validated) -> Result<(), BuildError> {
    let (asked, answered) = (active.len(), validated.bindings.len());
    let wrong = |message: String| Err(BuildError::Connector(message));
    if asked != answered {
        return wrong(format!(
            "it was asked about {asked} bindings and answered about {answered}"
        ));
    }
    let mut paths = BTreeSet::new();
    for ((index, binding), answer) in active.iter().zip(&validated.bindings) {
        let name = format!("binding {index} (`{}`)", binding.source);
        let path = &answer.resource_path;
        if path.is_empty() || path.iter().any(String::is_empty) {
            return wrong(format!(
                "{name} has the resource path {path:?}, which has no or an empty component"
            ));
        }
        if !paths.insert(path) {
            return wrong(format!(
                "{name} has the resource path {path:?}, which another binding has"
            ));
        }
        check_constraints(&name, &constraints(answer))?;
    }
    Ok(())
}

fn check_constraints(
    binding: &str,
    constraints: &[ProjectionConstraint],
) -> Result<(), BuildError> {
    let mut folds: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in constraints {
        let field = entry.field.as_str();
        let wrong = |what: &str| {
            Err(BuildError::Connector(format!(
                "{binding}, field `{field}`: {what}"
            )))
        };
        if field.is_empty() {
            return wrong("a constraint must name its field");
        }
        let Some(constraint) = &entry.constraint else {
            return wrong("it has no constraint");
        };
        if matches!(constraint.r#type(), constraint::Type::Invalid) {
            return wrong("its constraint has no type");
        }
        let folded = folds.entry(field).or_insert(&constraint.folded_field);
        if *folded != constraint.folded_field {
            return wrong("its constraints differ in `foldedField`");
        }
    }
    Ok(())
}
