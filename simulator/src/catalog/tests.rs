//! Catalogs from written files to built specifications.

use materialize_s3_parquet::protocol::materialize::response::Validated;
use materialize_s3_parquet::protocol::materialize::response::validated::constraint::Type;
use materialize_s3_parquet::protocol::materialize::response::validated::{
    Binding as Answer, Constraint, ProjectionConstraint,
};
use serde_json::json;

use super::*;
use crate::selection::{Algorithm, Recommended};

const ORDERS: &str = r#"
collections:
  acmeCo/orders:
    key: [/region, /id]
    schema:
      type: object
      required: [id, region]
      properties:
        id: {type: integer}
        region: {type: string, maxLength: 16}
        amount: {type: [number, "null"], minimum: 0}
        tags: {type: array, items: {type: string}}
        _meta: {type: object, properties: {op: {enum: [c, u, d]}}}
      reduce: {strategy: merge}
    projections:
      total: /amount
      area: {location: /region, partition: true}
materializations:
  acmeCo/mat:
    endpoint:
      local:
        command: [materialize-s3-parquet]
        config: {bucket: b}
        env: {FLOW_RUNTIME_CODEC: json}
        protobuf: false
    shards: {minTxnDuration: 0s, maxTxnDuration: 5m, logLevel: debug}
    bindings:
      - source: acmeCo/orders
        resource: {table: orders, _meta: {path: [orders]}}
        fields:
          recommended: true
          require: {amount: {ddl: "NUMERIC(18,2)"}}
          exclude: [_meta/flow_truncated]
      - source: {name: acmeCo/orders, notBefore: "2024-01-01T00:00:00Z"}
        resource: {table: orders_log, delta: true}
        priority: 1
        backfill: 2
        onIncompatibleSchemaChange: abort
        fields: {groupBy: [id], recommended: 1, include: {flow_published_at: {}}}
      - source: acmeCo/orders
        resource: {table: unused}
        disable: true
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

fn load(files: &[(&str, &str)]) -> Result<Catalog, CatalogError> {
    let folder = folder(files);
    Catalog::load(&folder.path().join("flow.yaml"))
}

/// The error of a catalog, without the temporary folder's name.
fn error_of(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = Catalog::load(&folder.path().join("flow.yaml")).expect_err("must be refused");
    error
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

fn orders() -> Catalog {
    load(&[("flow.yaml", ORDERS)]).expect("a valid catalog")
}

/// ORDERS with `from` replaced, which must occur.
fn edited(from: &str, to: &str) -> String {
    assert!(ORDERS.contains(from), "`{from}` does not occur");
    ORDERS.replacen(from, to, 1)
}

#[test]
fn a_catalog_as_people_write_it() {
    let catalog = orders();
    let task = &catalog.materializations["acmeCo/mat"];
    assert_eq!(task.endpoint.config(), &json!({"bucket": "b"}));
    assert!(
        matches!(&task.endpoint, Endpoint::Local { env, .. } if env["FLOW_RUNTIME_CODEC"] == "json")
    );
    assert_eq!(
        (
            task.shards.max_txn_duration.as_secs(),
            task.shards.log_level.as_str()
        ),
        (300, "debug")
    );
    assert_eq!(task.active().count(), 2);

    let [first, second, _] = &task.bindings[..] else {
        panic!("three bindings")
    };
    assert_eq!(
        first.fields.require["amount"],
        json!({"ddl": "NUMERIC(18,2)"})
    );
    assert_eq!(first.fields.recommended, Recommended::All);
    assert_eq!(
        second.not_before.expect("a time").to_string(),
        "2024-01-01T00:00:00Z"
    );
    assert_eq!((second.backfill, second.priority), (2, 1));
    assert_eq!(second.fields.recommended, Recommended::Depth(1));
    assert_eq!(second.place.line, 34);

    let collection = &catalog.collections["acmeCo/orders"].spec;
    assert_eq!(collection.partition_fields, ["area"]);
    let explicit = collection
        .projections
        .iter()
        .filter(|projection| projection.explicit);
    assert_eq!(
        explicit
            .map(|projection| projection.field.as_str())
            .collect::<Vec<_>>(),
        ["area", "total"]
    );
}

#[test]
fn errors_name_file_line_and_the_right_word() {
    let table = [
        (
            "    bindings:",
            "    bindngs:",
            "flow.yaml:27: unknown key `bindngs`; did you mean `bindings`?",
        ),
        (
            "key: [/region, /id]",
            "key: [region]",
            "flow.yaml:4: `region` is not a JSON pointer; write `/region`",
        ),
        (
            "key: [/region, /id]",
            "key: [/amount]",
            "flow.yaml:4: `/amount` cannot be part of a key: the schema allows null, number there; give it a type of \
             boolean, integer or string",
        ),
        (
            "source: acmeCo/orders",
            "source: acmeCo/order",
            "flow.yaml:28: there is no collection `acmeCo/order` in this catalog; did you mean `acmeCo/orders`?",
        ),
        (
            "exclude: [_meta/flow_truncated]",
            "exclude: [_meta/truncated]",
            "flow.yaml:33: the collection `acmeCo/orders` has no field `_meta/truncated`; did you mean \
             `_meta/flow_truncated`?",
        ),
        (
            "groupBy: [id]",
            "groupBy: [tags]",
            "flow.yaml:39: `tags` cannot be part of a key: it may be array; a key is boolean, integer or string",
        ),
        (
            "recommended: true",
            "recommended: yes!",
            "flow.yaml:31: `recommended` is true, false or a depth, but is \"yes!\"",
        ),
        (
            "maxTxnDuration: 5m",
            "maxTxnDuration: soon",
            "flow.yaml:26: `soon` is not a duration; write it like `5m` or `1h30m`",
        ),
        ("type: integer", "type: int", "did you mean `integer`?"),
        (
            "      local:",
            "      locl:",
            "flow.yaml:21: unknown word `locl`; did you mean `local`?",
        ),
        ("backfill: 2", "backfill: -2", "flow.yaml:37:"),
        (
            "schema:",
            "readSchema:",
            "either `schema`, or both `writeSchema` and `readSchema`",
        ),
    ];
    for (from, to, expected) in table {
        let error = error_of(&[("flow.yaml", &edited(from, to))]);
        assert!(error.contains(expected), "{to}: {error}");
    }
    let missing = load(&[("other.yaml", "")])
        .expect_err("no such file")
        .to_string();
    assert!(missing.contains("flow.yaml: cannot be read"), "{missing}");
}

#[test]
fn files_are_imported_once_and_relative_to_their_importer() {
    let files = [
        ("flow.yaml", "import: [a/one.yaml, a/b/two.yaml]"),
        (
            "a/one.yaml",
            "import: [b/two.yaml]\ncollections: {c1: {schema: c.json, key: [/k]}}",
        ),
        (
            "a/c.json",
            r#"{"type": "object", "properties": {"k": {"$ref": "b/defs.yaml#/$defs/key"}}}"#,
        ),
        (
            "a/b/defs.yaml",
            "$defs: {key: {$ref: '#/$defs/inner'}, inner: {type: string}}",
        ),
        (
            "a/b/two.yaml",
            "import: [../one.yaml]\ncollections: {c2: {schema: ../c.json, key: [/k]}}",
        ),
    ];
    let catalog = load(&files).expect("a valid catalog");
    assert_eq!(catalog.collections.keys().collect::<Vec<_>>(), ["c1", "c2"]);
    for collection in catalog.collections.values() {
        let key = collection
            .spec
            .projections
            .iter()
            .find(|projection| projection.is_primary_key);
        let inference = key
            .and_then(|key| key.inference.clone())
            .expect("an inferred key");
        assert_eq!(inference.types, ["string"]);
    }
    let twice = [
        (
            "flow.yaml",
            "import: [b.yaml]\ncollections: {c: {schema: true, key: [/k]}}",
        ),
        files[1],
    ];
    assert!(error_of(&twice).contains("there is no file `b.yaml` to import"));
}

#[test]
fn a_name_is_defined_once() {
    let collection = "collections: {c: {schema: {properties: {k: {type: string}}}, key: [/k]}}";
    let first = format!("import: [b.yaml]\n{collection}");
    let error = error_of(&[("flow.yaml", &first), ("b.yaml", collection)]);
    assert_eq!(
        error,
        "flow.yaml:2: the collection `c` is defined at b.yaml:1 already; give one of them another name"
    );
}

#[test]
fn read_schemas_may_refer_to_the_write_schema() {
    let catalog = load(&[(
        "flow.yaml",
        r"
collections:
  c:
    key: [/k]
    writeSchema: {properties: {k: {$ref: '#/$defs/k'}}, $defs: {k: {type: integer}}}
    readSchema:
      allOf: [{$ref: flow://write-schema}, {$ref: flow://inferred-schema}]
",
    )])
    .expect("a valid catalog");
    let spec = &catalog.collections["c"].spec;
    assert!(!spec.read_schema_json.is_empty());
    let key = spec
        .projections
        .iter()
        .find(|projection| projection.field == "k")
        .expect("k");
    assert_eq!(key.inference.as_ref().expect("inferred").types, ["integer"]);
}

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
