//! From the model to built specifications.

use materialize_s3_parquet::protocol::materialize::response::Validated;
use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;
use materialize_s3_parquet::protocol::materialize::response::validated::{
    Binding as Answer, Constraint, ProjectionConstraint,
};

use super::*;
use crate::selection::Algorithm;

fn publication<'a>(
    catalog: &'a Catalog,
    last: Option<&'a flow::MaterializationSpec>,
) -> Publication<'a> {
    Publication {
        catalog,
        name: "acmeCo/mat",
        task: &catalog.materializations["acmeCo/mat"],
        last: last.map(|spec| (spec, "1111111111111111")),
        version: "2222222222222222",
    }
}

/// What a connector that takes everything answers, but for `others` of the first binding.
fn answer(publication: &Publication<'_>, others: &[(&str, Type)]) -> Validated {
    let asked = validate(publication);
    let bindings = asked.bindings.iter().enumerate().map(|(index, binding)| {
        let resource: Value = serde_json::from_slice(&binding.resource_config_json).expect("JSON");
        let kind = |field: &str| {
            let other = others
                .iter()
                .find(|(other, _)| index == 0 && *other == field);
            other.map_or(Type::FieldOptional, |(_, kind)| *kind)
        };
        let projections = &binding
            .collection
            .as_ref()
            .expect("a collection")
            .projections;
        let constraints = projections.iter().map(|projection| ProjectionConstraint {
            field: projection.field.clone(),
            constraint: Some(Constraint {
                r#type: kind(&projection.field).into(),
                ..Constraint::default()
            }),
        });
        Answer {
            resource_path: vec![resource["table"].as_str().expect("a table").to_owned()],
            delta_updates: true,
            projection_constraints: constraints.collect(),
            ..Answer::default()
        }
    });
    Validated {
        bindings: bindings.collect(),
    }
}

#[test]
fn validate_asks_about_active_bindings() {
    let catalog = orders();
    let asked = validate(&publication(&catalog, None));
    let [first, second] = &asked.bindings[..] else {
        panic!("two bindings")
    };
    assert_eq!(&first.resource_config_json[..], br#"{"table":"orders"}"#);
    assert_eq!(first.group_by, ["region", "id"]);
    assert_eq!(
        &first.field_config_json_map["amount"][..],
        br#"{"ddl":"NUMERIC(18,2)"}"#
    );
    let grouped = second.collection.as_ref().expect("a collection");
    assert_eq!(
        (&second.group_by[..], &grouped.key[..]),
        (&["id".to_owned()][..], &["/id".to_owned()][..])
    );
    let keys = grouped
        .projections
        .iter()
        .filter(|projection| projection.is_primary_key);
    assert_eq!(
        keys.map(|key| key.field.as_str()).collect::<Vec<_>>(),
        ["id"]
    );
    assert_eq!(second.backfill, 2);
}

#[test]
fn a_built_specification() {
    let catalog = orders();
    let publication = publication(&catalog, None);
    let answer = answer(&publication, &[("tags", Type::FieldForbidden)]);
    let built = build(&publication, &answer, Algorithm::Current).expect("builds");
    let [first, second] = &built.spec.bindings[..] else {
        panic!("two bindings")
    };
    let selected = first.field_selection.as_ref().expect("a selection");
    assert_eq!(selected.keys, ["region", "id"]);
    assert_eq!(
        selected.values,
        ["_meta/op", "amount", "area", "flow_published_at", "total"]
    );
    assert_eq!(
        (first.state_key.as_str(), second.state_key.as_str()),
        ("orders", "orders_log.v2")
    );
    assert_eq!(
        second.journal_read_suffix,
        "materialize/acmeCo/mat/orders_log.v2"
    );
    assert!(built.changes.is_empty() && built.spec.inactive_bindings.is_empty());
    let explained = built.selections[0].explain();
    assert!(
        explained.contains("- `tags` is left: it cannot be taken by the connector"),
        "{explained}"
    );
    assert!(
        explained.contains("+ `amount` is taken: it is listed under `fields: require`"),
        "{explained}"
    );
}

#[test]
fn an_incompatible_field_starts_the_binding_again() {
    let mut catalog = orders();
    let first = publication(&catalog, None);
    let before = build(&first, &answer(&first, &[]), Algorithm::Current)
        .expect("builds")
        .spec;
    let incompatible = [("tags", Type::Incompatible)];
    let second = publication(&catalog, Some(&before));
    let built =
        build(&second, &answer(&second, &incompatible), Algorithm::Current).expect("builds");
    assert_eq!(
        built.changes,
        [Change::Backfill {
            binding: 0,
            counter: 1
        }]
    );
    assert_eq!(
        (
            built.spec.bindings[0].backfill,
            built.spec.bindings[0].state_key.as_str()
        ),
        (1, "orders.v1")
    );

    let task = catalog
        .materializations
        .get_mut("acmeCo/mat")
        .expect("the task");
    task.apply(&built.changes);
    assert_eq!(task.bindings[0].backfill, 1);
    task.on_incompatible_schema_change = OnIncompatibleSchemaChange::Abort;
    let third = publication(&catalog, Some(&before));
    let aborted =
        build(&third, &answer(&third, &incompatible), Algorithm::Current).expect_err("aborts");
    assert!(
        aborted.to_string().contains("`tags` is in conflict"),
        "{aborted}"
    );
}

#[test]
fn a_binding_that_is_gone_is_inactive() {
    let mut catalog = orders();
    let first = publication(&catalog, None);
    let before = build(&first, &answer(&first, &[]), Algorithm::Current)
        .expect("builds")
        .spec;
    catalog
        .materializations
        .get_mut("acmeCo/mat")
        .expect("the task")
        .bindings[0]
        .disable = true;
    let second = publication(&catalog, Some(&before));
    let built = build(&second, &answer(&second, &[]), Algorithm::Current).expect("builds");
    let inactive: Vec<_> = built
        .spec
        .inactive_bindings
        .iter()
        .map(|binding| &binding.state_key)
        .collect();
    assert_eq!(inactive, ["orders"]);
}

/// Makes a good answer wrong.
type Edit = fn(&mut Validated);

#[test]
fn what_a_connector_may_not_answer() {
    let catalog = orders();
    let publication = publication(&catalog, None);
    let good = answer(&publication, &[]);
    let edits: [(&str, Edit); 6] = [
        ("asked about 2 bindings and answered about 1", |answer| {
            answer.bindings.truncate(1);
        }),
        ("no or an empty component", |answer| {
            answer.bindings[0].resource_path = Vec::new();
        }),
        ("which another binding has", |answer| {
            answer.bindings[1] = answer.bindings[0].clone();
        }),
        ("must name its field", |answer| {
            answer.bindings[0].projection_constraints[0].field = String::new();
        }),
        ("has no constraint", |answer| {
            answer.bindings[0].projection_constraints[0].constraint = None;
        }),
        ("has no type", |answer| {
            answer.bindings[0].projection_constraints[0].constraint = Some(Constraint::default());
        }),
    ];
    for (expected, edit) in edits {
        let mut wrong = good.clone();
        edit(&mut wrong);
        let error = build(&publication, &wrong, Algorithm::Current)
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn older_connectors_answer_with_a_map() {
    let catalog = orders();
    let publication = publication(&catalog, None);
    let mut answer = answer(&publication, &[]);
    for binding in &mut answer.bindings {
        let list = std::mem::take(&mut binding.projection_constraints);
        binding.constraints = list
            .into_iter()
            .filter_map(|entry| Some((entry.field, entry.constraint?)))
            .collect();
    }
    let built = build(&publication, &answer, Algorithm::Current).expect("builds");
    assert!(
        built.selections[0]
            .selection
            .fields
            .values
            .contains(&"tags".to_owned())
    );
}
