//! Projections become constraints, and what the constraints allow becomes a schema: for any
//! collection, any field configuration, and any selection of the past.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use materialize_s3_parquet::config::{JsonColumns, TypeChanges};
use materialize_s3_parquet::mapping::{ColumnType, EXACT_FIELD, RESCUED_FIELD, Schema};
use materialize_s3_parquet::protocol::flow;
use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;
use materialize_s3_parquet::validate::Candidate;

use crate::generate;

/// Makes a collection of `data`.
pub fn run(data: &[u8]) {
    // Too few bytes make no collection.
    let _ = check(&mut Unstructured::new(data));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let collection = generate::collection(input)?;
    let (field_config, is_known) = generate::field_config(input, &collection)?;
    let past = generate::collection(input)?;
    let past_selection = generate::past_selection(input, &past)?;
    let candidate = Candidate {
        collection: &collection,
        field_config: &field_config,
        last: input.ratio(1, 2)?.then_some((&past, &past_selection)),
        rescues: input.arbitrary()?,
        type_changes: *input.choose(&[TypeChanges::Continue, TypeChanges::Backfill])?,
    };
    match candidate.constraints() {
        Err(error) => assert!(!is_known, "{error}"),
        Ok(_) => assert!(is_known, "a configuration that nobody knows is let through"),
    }
    if is_known {
        constraints_follow_the_table(&candidate);
        what_is_allowed_has_a_schema(&candidate);
    }
    Ok(())
}

/// The kinds of constraints of all projections.
pub(crate) fn kinds(candidate: &Candidate<'_>) -> Vec<Type> {
    let constraints = candidate
        .constraints()
        .expect("the field configuration is known");
    let kind = |constraint: Option<_>| {
        let constraint: materialize_s3_parquet::protocol::materialize::response::validated::Constraint =
            constraint.expect("a constraint that is one");
        assert!(constraint.reason.ends_with('.'), "{constraint:?}");
        constraint.r#type()
    };
    let fields = constraints.iter().map(|constraint| &constraint.field);
    assert!(
        fields.eq(candidate
            .collection
            .projections
            .iter()
            .map(|projection| &projection.field)),
        "one constraint for each projection, in order"
    );
    constraints
        .into_iter()
        .map(|constraint| kind(constraint.constraint))
        .collect()
}

fn constraints_follow_the_table(candidate: &Candidate<'_>) {
    let projections = &candidate.collection.projections;
    for (projection, kind) in projections.iter().zip(kinds(candidate)) {
        let may_be_incompatible =
            candidate.type_changes == TypeChanges::Backfill && was_selected(candidate, projection);
        if kind == Type::Incompatible {
            assert!(may_be_incompatible, "{projection:?}");
        } else {
            assert_eq!(kind, expected(candidate, projection), "{projection:?}");
        }
    }
}

/// The constraint of a projection by the table of the design, where its column has not changed.
fn expected(candidate: &Candidate<'_>, projection: &flow::Projection) -> Type {
    let field = projection.field.as_str();
    let types = |wanted: &[&str]| {
        let types = projection
            .inference
            .iter()
            .flat_map(|inference| &inference.types);
        let mut types = types
            .map(String::as_str)
            .filter(|name| *name != "null")
            .peekable();
        types.peek().is_some() && types.all(|name| wanted.contains(&name))
    };
    // A type whose name is not known is one too: its values are JSON in any case.
    let any = [
        "array", "boolean", "integer", "number", "object", "string", "unknown",
    ];
    let is_reserved = candidate.rescues && field == RESCUED_FIELD
        || field == EXACT_FIELD && !was_selected(candidate, projection);
    if !types(&any) || is_reserved {
        return Type::FieldForbidden;
    }
    if projection.is_primary_key {
        return Type::LocationRequired;
    }
    if projection.ptr.is_empty() || field.starts_with("_meta/") && field != "_meta/op" {
        return Type::FieldOptional;
    }
    let below = format!("{}/", projection.ptr);
    let mut others = candidate.collection.projections.iter();
    if types(&["object"]) && others.any(|other| other.ptr.starts_with(&below)) {
        return Type::FieldOptional;
    }
    if !types(&["array"]) {
        return Type::LocationRecommended;
    }
    if candidate.field_config.contains_key(field) || was_selected(candidate, projection) {
        Type::FieldOptional
    } else {
        Type::FieldForbidden
    }
}

fn was_selected(candidate: &Candidate<'_>, projection: &flow::Projection) -> bool {
    candidate
        .last
        .is_some_and(|(_, selection)| selection.values.contains(&projection.field))
}

/// Whatever is not forbidden may be selected, and is then a column.
fn what_is_allowed_has_a_schema(candidate: &Candidate<'_>) {
    let selection = select(
        candidate.collection,
        &kinds(candidate),
        candidate.field_config,
    );
    for json_columns in [JsonColumns::String, JsonColumns::Json] {
        let schema = Schema::new(
            candidate.collection,
            &selection,
            json_columns,
            candidate.rescues,
        )
        .expect("every allowed field has a column");
        columns_follow_the_selection(&schema, &selection);
        for column in schema.columns() {
            let projection = projection_of(candidate.collection, &column.field);
            let by_type = ColumnType::of(projection).expect("an allowed field has a type");
            assert!(
                [by_type, ColumnType::CastToString].contains(&column.column_type),
                "{column:?}"
            );
        }
    }
}

fn columns_follow_the_selection(schema: &Schema, selection: &flow::FieldSelection) {
    let document = Some(&selection.document).filter(|document| !document.is_empty());
    let fields = selection.keys.iter().chain(&selection.values);
    let (rescued, exact) = (RESCUED_FIELD.to_owned(), EXACT_FIELD.to_owned());
    let expected: Vec<&String> = fields
        .chain(document)
        .chain(schema.rescues().then_some(&rescued))
        .chain(schema.keeps_exact().then_some(&exact))
        .collect();
    let arrow = schema.arrow();
    let fields = arrow.fields();
    let found: Vec<&String> = fields.iter().map(|field| field.name()).collect();
    assert_eq!(found, expected);
    assert_eq!(schema.key_columns(), selection.keys.len());
    assert_eq!(schema.has_document(), document.is_some());
    assert!(
        fields.iter().all(|field| field.is_nullable()),
        "every column is OPTIONAL"
    );
}

fn projection_of<'a>(collection: &'a flow::CollectionSpec, field: &str) -> &'a flow::Projection {
    let mut projections = collection.projections.iter();
    projections
        .find(|projection| projection.field == field)
        .expect("a column comes of a projection")
}

/// Everything that may be selected: keys, values, and one root document.
pub(crate) fn select(
    collection: &flow::CollectionSpec,
    kinds: &[Type],
    field_config: &BTreeMap<String, Bytes>,
) -> flow::FieldSelection {
    let mut selection = flow::FieldSelection {
        field_config_json_map: field_config.clone(),
        ..Default::default()
    };
    for (projection, kind) in collection.projections.iter().zip(kinds) {
        let field = projection.field.clone();
        match kind {
            Type::FieldForbidden => {}
            _ if projection.is_primary_key => selection.keys.push(field),
            _ if projection.ptr.is_empty() && selection.document.is_empty() => {
                selection.document = field;
            }
            _ => selection.values.push(field),
        }
    }
    selection
}
