//! From the projections of a collection to the constraints that steer Flow's field selection.
//!
//! The table is in `docs/mapping.md` §1. Two runtimes read it: the old one selects only what is
//! recommended by default, the new one every leaf that is not forbidden. What is to be skipped by
//! default under both is therefore forbidden, until the user names it under `fields.include`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use crate::config::TypeChanges;
use crate::error::Result;
use crate::mapping::{
    Change, ColumnType, EXACT_FIELD, JsonTypes, RESCUED_FIELD, Selected, applied_column_type,
    column_type, projections_by_field,
};
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
    /// The collection and selection that this binding was last materialized with, under the same
    /// path and backfill.
    pub last: Option<Selected<'a>>,
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
        let lookup = Lookup::of(self);
        self.collection
            .projections
            .iter()
            .map(|projection| lookup.constraint(projection))
            .collect()
    }
}

/// A candidate, with what is looked up for each of its projections: there may be a hundred
/// thousand.
struct Lookup<'a> {
    candidate: &'a Candidate<'a>,
    /// The pointers of all projections.
    pointers: BTreeSet<&'a str>,
    /// The fields that were last selected, and their projections then.
    last: HashMap<&'a str, Option<&'a flow::Projection>>,
}

impl<'a> Lookup<'a> {
    fn of(candidate: &'a Candidate<'a>) -> Self {
        let projections = candidate.collection.projections.iter();
        Self {
            candidate,
            pointers: projections
                .map(|projection| projection.ptr.as_str())
                .collect(),
            last: candidate
                .last
                .map(|(collection, selection)| last_selected(collection, selection))
                .unwrap_or_default(),
        }
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
            _ if self.candidate.rescues && field == RESCUED_FIELD => {
                (Type::FieldForbidden, rescued_name_is_taken())
            }
            // A task that had such a column before the name was reserved keeps it.
            _ if field == EXACT_FIELD && !self.last.contains_key(EXACT_FIELD) => {
                (Type::FieldForbidden, exact_name_is_taken())
            }
            None => (
                Type::FieldForbidden,
                "The schema allows no value but null here; give the location a type to \
                 materialize it."
                    .to_owned(),
            ),
            Some(column) if projection.is_primary_key => (
                Type::LocationRequired,
                format!("The key is always materialized, as {column}."),
            ),
            Some(_) if projection.ptr.is_empty() => (
                Type::FieldOptional,
                "The root document is materialized as JSON text where it is included by name."
                    .to_owned(),
            ),
            Some(column) if field.starts_with("_meta/") && field != "_meta/op" => (
                Type::FieldOptional,
                format!("Metadata of Flow; it is materialized as {column} where it is included."),
            ),
            Some(column) => match types {
                JsonTypes::OBJECT => self.object(projection),
                JsonTypes::ARRAY => self.array(field),
                _ => (
                    Type::LocationRecommended,
                    format!("The field is materialized as {column}."),
                ),
            },
        };
        Ok((kind, reason))
    }

    fn column_type(&self, projection: &flow::Projection) -> Result<Option<ColumnType>> {
        column_type(projection, self.candidate.field_config)
    }

    /// An object is materialized by its fields; one of which no fields are known would be lost
    /// without its JSON text.
    fn object(&self, projection: &flow::Projection) -> (Type, String) {
        let prefix = format!("{}/", projection.ptr);
        let mut from = self.pointers.range(prefix.as_str()..);
        let (kind, reason) = if from.next().is_some_and(|other| other.starts_with(&prefix)) {
            (
                Type::FieldOptional,
                "The fields of this object are materialized as columns of their own; include the \
                 object by name for its JSON text.",
            )
        } else {
            (
                Type::LocationRecommended,
                "The schema names no fields of this object to make columns of, so it is \
                 materialized as JSON text. A runtime that takes only leaves by default leaves it \
                 out: include it by name, or name its fields in the schema.",
            )
        };
        (kind, reason.to_owned())
    }

    /// An array is materialized where the user names it, or where the binding has it already.
    fn array(&self, field: &str) -> (Type, String) {
        if self.candidate.field_config.contains_key(field) || self.last.contains_key(field) {
            return (
                Type::FieldOptional,
                "The array is materialized as JSON text.".to_owned(),
            );
        }
        let include = "Arrays are left out by default; add the field under `fields.include` of \
                       the binding to materialize it as JSON text.";
        (Type::FieldForbidden, include.to_owned())
    }

    /// What to say of a field that is materialized already, and whose column would change.
    fn type_change(&self, projection: &flow::Projection) -> Result<Option<(Type, String)>> {
        let before = self.last.get(projection.field.as_str()).copied().flatten();
        let (Some((_, selection)), Some(before)) = (self.candidate.last, before) else {
            return Ok(None);
        };
        let from = applied_column_type(before, selection);
        let (Some(from), Some(to)) = (from, self.column_type(projection)?) else {
            return Ok(None);
        };
        let Some(change) = Change::between(from, to) else {
            return Ok(None);
        };
        let (kind, reason) = self.kind_and_reason(projection)?;
        Ok(Some(match self.candidate.type_changes {
            TypeChanges::Backfill => (
                Type::Incompatible,
                format!("The column changes {change}, and `typeChanges` asks for a backfill then."),
            ),
            TypeChanges::Continue => (
                kind,
                format!(
                    "{reason} The column changes {change} with the next file. {}",
                    change.consequence()
                ),
            ),
        }))
    }
}

/// The fields of a selection, each with its projection, where it has one.
fn last_selected<'a>(
    collection: &'a flow::CollectionSpec,
    selection: &'a flow::FieldSelection,
) -> HashMap<&'a str, Option<&'a flow::Projection>> {
    let projections = projections_by_field(collection);
    let document = std::iter::once(&selection.document);
    let fields = selection.keys.iter().chain(&selection.values);
    fields
        .chain(document)
        .map(|field| (field.as_str(), projections.get(field.as_str()).copied()))
        .collect()
}

fn rescued_name_is_taken() -> String {
    format!(
        "The column `{RESCUED_FIELD}` holds the values that do not fit their own columns; project \
         this location under another name, or set `unconvertible` to `fail`."
    )
}

fn exact_name_is_taken() -> String {
    format!(
        "The column `{EXACT_FIELD}` holds exact values beside the nearest ones of other columns; \
         project this location under another name."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::scale::assert_no_search;

    fn projection(field: &str, types: &[&str]) -> flow::Projection {
        let ptr = if field == "flow_document" {
            String::new()
        } else {
            format!("/{field}")
        };
        let inference = flow::Inference {
            types: types.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        };
        flow::Projection {
            ptr,
            field: field.to_owned(),
            inference: Some(inference),
            ..Default::default()
        }
    }

    fn string(field: &str, format: &str, content_encoding: &str) -> flow::Projection {
        let mut projection = projection(field, &["string", "null"]);
        let string = flow::inference::String {
            format: format.to_owned(),
            content_encoding: content_encoding.to_owned(),
            ..Default::default()
        };
        projection.inference.as_mut().unwrap().string = Some(string);
        projection
    }

    fn key(mut projection: flow::Projection) -> flow::Projection {
        projection.is_primary_key = true;
        projection
    }

    fn collection(projections: Vec<flow::Projection>) -> flow::CollectionSpec {
        flow::CollectionSpec {
            projections,
            ..Default::default()
        }
    }

    fn config(fields: &[(&str, &'static str)]) -> BTreeMap<String, Bytes> {
        fields
            .iter()
            .map(|&(field, json)| (field.to_owned(), Bytes::from_static(json.as_bytes())))
            .collect()
    }

    fn candidate<'a>(
        collection: &'a flow::CollectionSpec,
        field_config: &'a BTreeMap<String, Bytes>,
    ) -> Candidate<'a> {
        Candidate {
            collection,
            field_config,
            last: None,
            rescues: true,
            type_changes: TypeChanges::Continue,
        }
    }

    fn only(candidate: &Candidate<'_>, field: &str) -> (Type, String) {
        let constraints = candidate.constraints().unwrap();
        let constraint = constraints
            .into_iter()
            .find(|constraint| constraint.field == field)
            .unwrap();
        let constraint = constraint.constraint.unwrap();
        (constraint.r#type(), constraint.reason)
    }

    /// The constraint of one field in a collection of its own.
    fn constraint(projection: flow::Projection) -> (Type, String) {
        let field = projection.field.clone();
        let collection = collection(vec![projection]);
        only(&candidate(&collection, &BTreeMap::new()), &field)
    }

    fn check_constraint(projection: flow::Projection, expected: Type, says: &str) {
        let field = projection.field.clone();
        let (found, reason) = constraint(projection);
        assert_eq!(found, expected, "{field}: {reason}");
        assert!(reason.contains(says), "{field}: {reason}");
        assert!(reason.ends_with('.'), "{field}: {reason}");
    }

    #[test]
    fn keys_documents_and_metadata_have_constraints_of_their_own() {
        use Type::{FieldForbidden, FieldOptional, LocationRecommended, LocationRequired};
        let key_of = |field, types| key(projection(field, types));
        check_constraint(key_of("id", &["integer"]), LocationRequired, "INT64");
        check_constraint(key_of("_meta/id", &["string"]), LocationRequired, "STRING");
        check_constraint(key(string("id", "integer", "")), LocationRequired, "STRING");
        let of = projection;
        check_constraint(of("flow_document", &["object"]), FieldOptional, "JSON text");
        check_constraint(of("_meta/source", &["string"]), FieldOptional, "STRING");
        check_constraint(of("_meta/list", &["array"]), FieldOptional, "JSON text");
        check_constraint(of("_meta/op", &["string"]), LocationRecommended, "STRING");
        for reserved in ["flow_rescued", "flow_exact"] {
            check_constraint(of(reserved, &["string"]), FieldForbidden, "another name");
        }
    }

    #[test]
    fn other_fields_have_the_constraints_of_their_types() {
        use Type::{FieldForbidden, LocationRecommended};
        let check = |types: &[&str], expected, says| {
            check_constraint(projection("field", types), expected, says);
        };
        check(&[], FieldForbidden, "no value but null");
        check(&["null"], FieldForbidden, "no value but null");
        check(&["boolean", "null"], LocationRecommended, "BOOLEAN");
        check(&["fractional", "null"], LocationRecommended, "DOUBLE");
        check(&["fractional", "string"], LocationRecommended, "JSON text");
        check(&["decimal"], LocationRecommended, "JSON text");
        check(&["decimal", "integer"], LocationRecommended, "JSON text");
        check(&["integer", "string"], LocationRecommended, "JSON text");
        check(&["integer", "object"], LocationRecommended, "JSON text");
        check(&["array", "string"], LocationRecommended, "JSON text");
        check(&["array", "object"], LocationRecommended, "JSON text");
        check(&["object", "null"], LocationRecommended, "names no fields");
        check(&["array", "null"], FieldForbidden, "fields.include");
    }

    #[test]
    fn each_row_of_the_table_of_columns() {
        for (projection, column) in [
            (projection("f", &["boolean"]), "BOOLEAN"),
            (projection("f", &["integer", "null"]), "INT64"),
            (string("f", "integer", ""), "INT64"),
            (projection("f", &["number"]), "DOUBLE"),
            (projection("f", &["integer", "number"]), "DOUBLE"),
            (projection("f", &["fractional"]), "DOUBLE"),
            (projection("f", &["fractional", "integer"]), "DOUBLE"),
            (string("f", "number", ""), "DOUBLE"),
            (string("f", "", ""), "STRING"),
            (string("f", "", "base64"), "BYTE_ARRAY"),
            (string("f", "date", ""), "DATE"),
            (string("f", "date-time", ""), "TIMESTAMP(MICROS, UTC)"),
            (
                string("flow_published_at", "date-time", "uuid"),
                "TIMESTAMP(MICROS, UTC)",
            ),
            (string("f", "time", ""), "STRING"),
            (string("f", "uuid", ""), "STRING"),
            (string("f", "duration", ""), "STRING"),
            (projection("f", &["boolean", "string"]), "JSON text"),
        ] {
            let (_, reason) = constraint(projection.clone());
            assert!(
                reason.contains(&format!("as {column}.")),
                "{projection:?}: {reason}"
            );
        }
    }

    #[test]
    fn numbers_mixed_with_strings_of_their_format_are_numbers_but_not_in_keys() {
        for (numeric, format, column) in [
            ("integer", "integer", "INT64"),
            ("integer", "number", "DOUBLE"),
            ("number", "number", "DOUBLE"),
            ("number", "integer", "JSON text"),
            ("fractional", "number", "DOUBLE"),
            ("fractional", "integer", "JSON text"),
        ] {
            let mut mixed = string("f", format, "");
            mixed.inference.as_mut().unwrap().types = vec![numeric.to_owned(), "string".to_owned()];
            assert!(
                constraint(mixed.clone())
                    .1
                    .contains(&format!("as {column}.")),
                "{numeric} {format}"
            );
            assert!(
                constraint(key(mixed)).1.contains("as JSON text."),
                "{numeric} {format}"
            );
        }
    }

    #[test]
    fn an_array_is_optional_where_the_user_names_it_or_the_binding_has_it() {
        let arrays = collection(vec![projection("tags", &["array"])]);
        let named = config(&[("tags", "{}")]);
        assert_eq!(
            only(&candidate(&arrays, &named), "tags").0,
            Type::FieldOptional
        );

        let selection = flow::FieldSelection {
            values: vec!["tags".to_owned()],
            ..Default::default()
        };
        let unnamed = BTreeMap::new();
        let selected = Candidate {
            last: Some((&arrays, &selection)),
            ..candidate(&arrays, &unnamed)
        };
        assert_eq!(only(&selected, "tags").0, Type::FieldOptional);
        let deselected = flow::FieldSelection::default();
        let dropped = Candidate {
            last: Some((&arrays, &deselected)),
            ..candidate(&arrays, &unnamed)
        };
        assert_eq!(only(&dropped, "tags").0, Type::FieldForbidden);
    }

    #[test]
    fn an_object_says_whether_its_fields_carry_it() {
        let nested = collection(vec![
            projection("user", &["object"]),
            projection("user/id", &["integer"]),
        ]);
        assert!(
            only(&candidate(&nested, &BTreeMap::new()), "user")
                .1
                .contains("columns of their own")
        );
        let sibling = collection(vec![
            projection("user", &["object"]),
            projection("username", &["string"]),
        ]);
        assert!(
            only(&candidate(&sibling, &BTreeMap::new()), "user")
                .1
                .contains("names no fields")
        );
    }

    #[test]
    fn cast_to_string_makes_any_field_a_string_and_anything_else_is_an_error() {
        let fields = collection(vec![
            key(projection("id", &["integer"])),
            projection("tags", &["array"]),
            projection("null", &["null"]),
        ]);
        let cast = r#"{"castToString": true}"#;
        let casts = config(&[("id", cast), ("tags", cast), ("null", cast)]);
        assert!(
            only(&candidate(&fields, &casts), "id")
                .1
                .contains("as STRING")
        );
        assert_eq!(
            only(&candidate(&fields, &casts), "tags").0,
            Type::FieldOptional
        );
        assert_eq!(
            only(&candidate(&fields, &casts), "null").0,
            Type::FieldForbidden
        );

        let typo = config(&[("id", r#"{"castTostring": true}"#)]);
        let error = candidate(&fields, &typo)
            .constraints()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("field `id`") && error.contains("castToString"),
            "{error}"
        );
    }

    #[test]
    fn a_column_that_changes_its_type_says_from_what_to_what_or_is_incompatible() {
        let before = collection(vec![
            projection("amount", &["integer"]),
            projection("other", &["integer"]),
        ]);
        let after = collection(vec![
            projection("amount", &["number"]),
            projection("other", &["number"]),
        ]);
        let selection = flow::FieldSelection {
            values: vec!["amount".to_owned()],
            ..Default::default()
        };
        let none = BTreeMap::new();
        let going_on = Candidate {
            last: Some((&before, &selection)),
            ..candidate(&after, &none)
        };
        let (kind, reason) = only(&going_on, "amount");
        assert_eq!(kind, Type::LocationRecommended);
        assert!(reason.contains("from INT64 to DOUBLE"), "{reason}");
        assert!(
            !only(&going_on, "other").1.contains("changes"),
            "was not selected"
        );

        let backfill = Candidate {
            type_changes: TypeChanges::Backfill,
            ..going_on
        };
        let (kind, reason) = only(&backfill, "amount");
        assert_eq!(kind, Type::Incompatible);
        assert!(reason.contains("from INT64 to DOUBLE"), "{reason}");
        assert_eq!(only(&backfill, "other").0, Type::LocationRecommended);
    }

    #[test]
    fn a_configuration_of_the_last_specification_that_is_not_known_is_no_change_and_no_error() {
        let fields = collection(vec![projection("amount", &["integer"])]);
        let mut selection = flow::FieldSelection {
            values: vec!["amount".to_owned()],
            ..Default::default()
        };
        selection.field_config_json_map = config(&[(
            "amount",
            r#"{"castToString": true, "ofANewerConnector": 1}"#,
        )]);
        let none = BTreeMap::new();
        let backfill = Candidate {
            last: Some((&fields, &selection)),
            type_changes: TypeChanges::Backfill,
            ..candidate(&fields, &none)
        };
        assert_eq!(only(&backfill, "amount").0, Type::LocationRecommended);
    }

    #[test]
    fn a_text_that_changes_its_form_is_a_change_and_other_changes_of_the_schema_are_none() {
        let selection = flow::FieldSelection {
            values: vec!["f".to_owned()],
            ..Default::default()
        };
        let none = BTreeMap::new();
        for (before, after, changes) in [
            (
                projection("f", &["string"]),
                projection("f", &["string", "integer"]),
                true,
            ),
            (
                projection("f", &["integer"]),
                string("f", "integer", ""),
                false,
            ),
            (string("f", "uuid", ""), string("f", "", ""), false),
            (
                projection("f", &["integer"]),
                projection("f", &["integer", "null"]),
                false,
            ),
            (string("f", "date", ""), string("f", "date-time", ""), true),
        ] {
            let (before, after) = (collection(vec![before]), collection(vec![after]));
            let candidate = Candidate {
                last: Some((&before, &selection)),
                type_changes: TypeChanges::Backfill,
                ..candidate(&after, &none)
            };
            assert_eq!(
                only(&candidate, "f").0 == Type::Incompatible,
                changes,
                "{before:?} {after:?}"
            );
        }
    }

    /// The constraints of a task with `count` fields, each of which changes its type.
    fn change_every_field(count: usize) {
        let fields = |types: &[&str]| {
            let fields = (0..count).map(|index| format!("f{index:06}"));
            collection(fields.map(|field| projection(&field, types)).collect())
        };
        let (before, after) = (fields(&["string"]), fields(&["object"]));
        let selection = flow::FieldSelection {
            values: before
                .projections
                .iter()
                .map(|projection| projection.field.clone())
                .collect(),
            ..Default::default()
        };
        let none = BTreeMap::new();
        let candidate = Candidate {
            last: Some((&before, &selection)),
            ..candidate(&after, &none)
        };
        for constraint in candidate.constraints().unwrap() {
            let constraint = constraint.constraint.unwrap();
            assert!(constraint.reason.contains("STRING to JSON text"));
        }
    }

    #[test]
    fn many_fields_are_looked_up_and_not_searched() {
        assert_no_search(change_every_field);
    }

    #[test]
    fn a_field_that_had_the_name_of_the_exact_column_before_it_was_reserved_keeps_it() {
        let fields = collection(vec![projection("flow_exact", &["string"])]);
        let selection = flow::FieldSelection {
            values: vec!["flow_exact".to_owned()],
            ..Default::default()
        };
        let none = BTreeMap::new();
        let known = Candidate {
            last: Some((&fields, &selection)),
            ..candidate(&fields, &none)
        };
        assert_eq!(only(&known, "flow_exact").0, Type::LocationRecommended);
    }

    #[test]
    fn without_rescue_its_column_name_is_free() {
        let fields = collection(vec![projection("flow_rescued", &["string"])]);
        let none = BTreeMap::new();
        let failing = Candidate {
            rescues: false,
            ..candidate(&fields, &none)
        };
        assert_eq!(only(&failing, "flow_rescued").0, Type::LocationRecommended);
    }
}
