//! Field selection: which of a collection's fields a binding materializes, and why
//! (docs/protocol.md §7.2–7.6).
//!
//! Two algorithms: the current one, where every leaf that is not forbidden is taken by default, and
//! the classic one, where only what the connector requires or recommends is.

mod classic;
mod current;
mod reason;

use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::flow;
use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;
use materialize_s3_parquet::protocol::materialize::response::validated::{
    Constraint, ProjectionConstraint,
};
use serde_json::Value;

pub use reason::{Reject, Select};

/// Which algorithm selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Everything down to the wanted depth, unless something speaks against it.
    #[default]
    Current,
    /// Only what the connector requires or recommends.
    Classic,
}

/// How deep fields are taken by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recommended {
    /// `false` or `0`: none.
    None,
    /// `N`: down to this many components, where an object stands for what is below it.
    Depth(usize),
    /// `true`: all leaves.
    #[default]
    All,
}

/// A binding's `fields`, as the user wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// The fields that are the key, in order; none = those of the collection's own key.
    pub group_by: Vec<String>,
    /// Fields to take, each with the connector's own configuration for it.
    pub require: BTreeMap<String, Value>,
    /// Fields to leave.
    pub exclude: BTreeSet<String>,
    /// What to take besides.
    pub recommended: Recommended,
}

/// Everything a selection depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The collection's key, JSON pointers.
    pub key: &'a [String],
    /// The collection's fields.
    pub projections: &'a [flow::Projection],
    /// What the connector's Validated says of them.
    pub constraints: &'a [ProjectionConstraint],
    /// Whether the destination takes names that differ in case for the same.
    pub case_insensitive_fields: bool,
    /// What the user says of them.
    pub model: &'a Fields,
    /// The fields materialized already, under the same resource path and backfill counter.
    pub live: Option<&'a flow::FieldSelection>,
}

/// What came of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The field.
    pub field: String,
    /// The strongest reason to take it.
    pub select: Option<Select>,
    /// The strongest reason to leave it.
    pub reject: Option<Reject>,
    /// What the connector says of it, empty when it says nothing.
    pub reason: String,
    /// What weighed more.
    pub verdict: Verdict,
}

/// Whether a field is materialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Selected,
    /// It is not.
    Rejected,
    /// It is, but only after a backfill.
    Incompatible,
    /// It must be and cannot be: an error.
    Conflict,
}

impl Verdict {
    /// Whether the field is part of the selection.
    pub fn is_selected(self) -> bool {
        matches!(self, Self::Selected | Self::Incompatible)
    }
}

impl Outcome {
    /// A sentence that says what came of the field and why.
    pub fn explain(&self) -> String {
        let verb = match self.verdict {
            Verdict::Selected => "taken",
            Verdict::Rejected => "left",
            Verdict::Incompatible | Verdict::Conflict => "in conflict",
        };
        let reason = if self.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.reason)
        };
        format!("`{}` is {verb}: it {}{reason}", self.field, self.why())
    }

    /// Why, as the end of a sentence that begins with the field.
    pub fn why(&self) -> String {
        let select = self.select.map(Select::sentence);
        let reject = self.reject.map(Reject::sentence);
        let why = match self.verdict {
            Verdict::Selected => select.map(str::to_owned),
            Verdict::Rejected => reject.map(str::to_owned),
            Verdict::Incompatible | Verdict::Conflict => select
                .zip(reject)
                .map(|(select, reject)| format!("{select}, but {reject}")),
        };
        why.unwrap_or_default()
    }
}

/// A selection, with what came of every field, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What is materialized.
    pub fields: flow::FieldSelection,
    /// Every field of the collection, of the model and of the live selection, and what came of it.
    pub outcomes: Vec<Outcome>,
}

impl Selection {
    /// The fields that must be and cannot be materialized: each is an error.
    pub fn conflicts(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Conflict)
    }

    /// The fields that need a backfill.
    pub fn incompatible(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Incompatible)
    }
}

/// Selects the fields of a binding.
pub fn select(algorithm: Algorithm, input: &Input<'_>) -> Selection {
    let outcomes = match algorithm {
        Algorithm::Current => current::outcomes(input),
        Algorithm::Classic => classic::outcomes(input),
    };
    Selection {
        fields: fields(input, &outcomes),
        outcomes,
    }
}

impl Input<'_> {
    /// The fields that are the key, in order.
    pub fn group_by(&self) -> Vec<String> {
        if !self.model.group_by.is_empty() {
            return self.model.group_by.clone();
        }
        self.key.iter().map(|pointer| canonical(pointer)).collect()
    }

    fn projection(&self, field: &str) -> Option<&flow::Projection> {
        self.projections
            .iter()
            .find(|projection| projection.field == field)
    }

    fn constraints_of(&self, field: &str) -> impl Iterator<Item = &Constraint> {
        let of_field = self
            .constraints
            .iter()
            .filter(move |constraint| constraint.field == field);
        of_field.filter_map(|constraint| constraint.constraint.as_ref())
    }

    /// The connector's reason for what it says of a field: the first that is given.
    fn reason_of(&self, field: &str) -> String {
        let mut reasons = self
            .constraints_of(field)
            .map(|constraint| &constraint.reason);
        reasons
            .find(|reason| !reason.is_empty())
            .cloned()
            .unwrap_or_default()
    }

    /// The field's name in the destination.
    fn fold(&self, field: &str) -> String {
        let folded = self
            .constraints_of(field)
            .next()
            .map(|constraint| constraint.folded_field.as_str());
        let folded = folded.filter(|folded| !folded.is_empty()).unwrap_or(field);
        if self.case_insensitive_fields {
            folded.to_lowercase()
        } else {
            folded.to_owned()
        }
    }
}

/// The field that Flow itself gives to the location at `pointer`.
fn canonical(pointer: &str) -> String {
    pointer.strip_prefix('/').unwrap_or(pointer).to_owned()
}

/// Puts the fields that were taken in the order of docs/protocol.md §7.3.
fn fields(input: &Input<'_>, outcomes: &[Outcome]) -> flow::FieldSelection {
    let selected = outcomes
        .iter()
        .filter(|outcome| outcome.verdict.is_selected());
    let selected: BTreeSet<&str> = selected.map(|outcome| outcome.field.as_str()).collect();
    let is_root = |field: &str| {
        input
            .projection(field)
            .is_some_and(|projection| projection.ptr.is_empty())
    };

    let keys: Vec<String> = input
        .group_by()
        .into_iter()
        .filter(|key| selected.contains(key.as_str()))
        .collect();
    let roots = selected.iter().copied().filter(|field| is_root(field));
    let strength = |field: &str| {
        let outcome = outcomes.iter().find(|outcome| outcome.field == field);
        outcome.and_then(|outcome| outcome.select)
    };
    let document = roots.reduce(|first, next| {
        if strength(next) > strength(first) {
            next
        } else {
            first
        }
    });
    let is_value = |field: &&str| Some(*field) != document && !keys.iter().any(|key| key == field);
    let values = selected
        .iter()
        .copied()
        .filter(is_value)
        .map(str::to_owned)
        .collect();
    let config = |(field, config): (&String, &Value)| (field.clone(), config.to_string().into());
    flow::FieldSelection {
        document: document.unwrap_or_default().to_owned(),
        values,
        keys,
        field_config_json_map: input.model.require.iter().map(config).collect(),
    }
}

/// The constraint's type; `Invalid` for a number this protocol does not know.
fn kind(constraint: &Constraint) -> Type {
    Type::try_from(constraint.r#type).unwrap_or(Type::Invalid)
}

#[cfg(test)]
pub(crate) mod test_support {
    use super::*;
    use crate::schema::{Schema, project};

    pub(crate) fn projections(schema: &Value, key: &[String]) -> Vec<flow::Projection> {
        project(
            &Schema::parse(schema).expect("a valid schema").shape(),
            key,
            &[],
        )
    }

    pub(crate) fn constraint(field: &str, kind: Type) -> ProjectionConstraint {
        let constraint = Constraint {
            r#type: kind.into(),
            ..Constraint::default()
        };
        ProjectionConstraint {
            field: field.to_owned(),
            constraint: Some(constraint),
        }
    }

    /// Every field optional, but for those named.
    pub(crate) fn constraints(
        projections: &[flow::Projection],
        others: &[(&str, Type)],
    ) -> Vec<ProjectionConstraint> {
        let kind = |field: &str| {
            let other = others.iter().find(|(other, _)| *other == field);
            other.map_or(Type::FieldOptional, |(_, kind)| *kind)
        };
        projections
            .iter()
            .map(|projection| constraint(&projection.field, kind(&projection.field)))
            .collect()
    }
}
