//! The classic algorithm: what the connector requires, and with `recommended` what it recommends;
//! one field per location.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;

use super::{Input, Outcome, Recommended, Reject, Select, Verdict, kind};

pub(super) fn outcomes(input: &Input<'_>) -> Vec<Outcome> {
    let mut outcomes = BTreeMap::new();
    let mut pointers = BTreeSet::new();
    let mut folds = BTreeSet::new();
    for field in in_order(input) {
        let (select, reject) = reasons(input, &field, &pointers, &folds);
        let verdict = verdict(select, reject);
        if verdict.is_selected() {
            pointers.extend(
                input
                    .projection(&field)
                    .map(|projection| projection.ptr.clone()),
            );
            folds.insert(input.fold(&field));
        }
        let reason = input.reason_of(&field);
        outcomes.insert(
            field.clone(),
            Outcome {
                field,
                select,
                reject,
                reason,
                verdict,
            },
        );
    }
    outcomes.into_values().collect()
}

/// The strongest reason first; of equals the user's own projections, so that they stand for their
/// location.
fn in_order(input: &Input<'_>) -> Vec<String> {
    let model = input
        .model
        .require
        .keys()
        .chain(&input.model.exclude)
        .cloned();
    let projected = input
        .projections
        .iter()
        .map(|projection| projection.field.clone());
    let all: BTreeSet<String> = input
        .group_by()
        .into_iter()
        .chain(model)
        .chain(projected)
        .collect();
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_by_key(|field| {
        let is_explicit = input
            .projection(field)
            .is_some_and(|projection| projection.explicit);
        (Reverse(wanted(input, field)), !is_explicit)
    });
    all
}

fn reasons(
    input: &Input<'_>,
    field: &str,
    pointers: &BTreeSet<String>,
    folds: &BTreeSet<String>,
) -> (Option<Select>, Option<Reject>) {
    let select = wanted(input, field);
    let Some(projection) = input.projection(field) else {
        return (select, Some(Reject::CollectionOmits));
    };
    let is_taken = pointers.contains(&projection.ptr);
    if is_taken
        && matches!(
            select,
            Some(Select::ConnectorRequiresLocation | Select::ConnectorRecommends)
        )
    {
        return (None, Some(Reject::DuplicateLocation));
    }
    let reject = unwanted(input, field);
    if reject.is_none() && select.is_some() && folds.contains(&input.fold(field)) {
        return (select, Some(Reject::DuplicateFold));
    }
    (
        select,
        reject.or_else(|| select.is_none().then_some(Reject::NotSelected)),
    )
}

fn wanted(input: &Input<'_>, field: &str) -> Option<Select> {
    if input.group_by().iter().any(|key| key == field) {
        return Some(Select::GroupByKey);
    }
    if input.model.require.contains_key(field) {
        return Some(Select::UserRequires);
    }
    let by_default = input.model.recommended != Recommended::None;
    let of_constraint = |kind| match kind {
        Type::FieldRequired => Some(Select::ConnectorRequires),
        Type::LocationRequired => Some(Select::ConnectorRequiresLocation),
        Type::LocationRecommended if by_default => Some(Select::ConnectorRecommends),
        _ => None,
    };
    input
        .constraints_of(field)
        .filter_map(|constraint| of_constraint(kind(constraint)))
        .max()
}

fn unwanted(input: &Input<'_>, field: &str) -> Option<Reject> {
    if input.model.exclude.contains(field) {
        return Some(Reject::UserExcludes);
    }
    let mut kinds = input.constraints_of(field).map(kind).peekable();
    if kinds.peek().is_none() {
        return Some(Reject::ConnectorOmits);
    }
    let of_constraint = |kind| match kind {
        Type::FieldForbidden => Some(Reject::ConnectorForbids),
        Type::Incompatible | Type::Unsatisfiable => Some(Reject::ConnectorIncompatible),
        _ => None,
    };
    kinds.filter_map(of_constraint).max()
}

fn verdict(select: Option<Select>, reject: Option<Reject>) -> Verdict {
    let Some(select) = select else {
        return Verdict::Rejected;
    };
    match reject {
        None => Verdict::Selected,
        Some(Reject::ConnectorIncompatible) => Verdict::Incompatible,
        Some(_) if select == Select::ConnectorRecommends => Verdict::Rejected,
        Some(_) => Verdict::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_support::{constraints, projections};
    use super::super::{Algorithm, Fields, Selection, select};
    use super::*;

    fn run(model: &Fields) -> Selection {
        let schema = json!({
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "integer"},
                "a": {"type": "string"},
                "b": {"type": "string"},
                "list": {"type": "array"},
                "needed": {"type": "string"},
                "never": {"type": "null"},
            },
        });
        let key = ["/id".to_owned()];
        let projections = projections(&schema, &key);
        let others = [
            ("a", Type::LocationRecommended),
            ("id", Type::LocationRequired),
            ("needed", Type::FieldRequired),
            ("never", Type::FieldForbidden),
        ];
        let constraints = constraints(&projections, &others);
        let input = Input {
            key: &key,
            projections: &projections,
            constraints: &constraints,
            case_insensitive_fields: false,
            model,
            live: None,
        };
        select(Algorithm::Classic, &input)
    }

    fn model(recommended: Recommended, require: &[&str], exclude: &[&str]) -> Fields {
        Fields {
            require: require
                .iter()
                .map(|field| ((*field).to_owned(), json!({})))
                .collect(),
            exclude: exclude.iter().map(|field| (*field).to_owned()).collect(),
            recommended,
            group_by: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_recommended_or_asked_for() {
        let table: [(Fields, &[&str]); 4] = [
            (model(Recommended::All, &[], &[]), &["a", "needed"]),
            (model(Recommended::None, &[], &[]), &["needed"]),
            (
                model(Recommended::All, &["list"], &["a"]),
                &["list", "needed"],
            ),
            (
                model(Recommended::None, &["b", "flow_published_at"], &[]),
                &["b", "flow_published_at", "needed"],
            ),
        ];
        for (fields, expected) in table {
            let selection = run(&fields);
            assert_eq!(selection.fields.values, expected, "{fields:?}");
            assert_eq!(selection.fields.keys, ["id"]);
            assert_eq!(selection.conflicts().count(), 0, "{fields:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_a_conflict() {
        let selection = run(&model(Recommended::All, &["never"], &["needed"]));
        let conflicts: Vec<_> = selection
            .conflicts()
            .map(|outcome| outcome.field.as_str())
            .collect();
        assert_eq!(conflicts, ["needed", "never"]);
    }
}
