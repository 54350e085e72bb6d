//! Catalogs from written files to the model.

use super::*;
use crate::selection::Recommended;

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

/// What to replace in ORDERS, by what, and the error that follows.
fn check(table: &[(&str, &str, &str)]) {
    for (from, to, expected) in table {
        let error = error_of(&[("flow.yaml", &edited(from, to))]);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn errors_name_file_line_and_the_right_word() {
    check(&[
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
            "flow.yaml:4: `/amount` cannot be part of a key: the schema allows null, number \
             there; give it a type of boolean, integer or string",
        ),
        (
            "source: acmeCo/orders",
            "source: acmeCo/order",
            "flow.yaml:28: there is no collection `acmeCo/order` in this catalog; did you mean \
             `acmeCo/orders`?",
        ),
        (
            "exclude: [_meta/flow_truncated]",
            "exclude: [_meta/truncated]",
            "flow.yaml:33: the collection `acmeCo/orders` has no field `_meta/truncated`; did you \
             mean `_meta/flow_truncated`?",
        ),
    ]);
    let missing = load_files(&[("other.yaml", "")])
        .expect_err("no such file")
        .to_string();
    assert!(missing.contains("flow.yaml: cannot be read"), "{missing}");
}

#[test]
fn a_number_that_is_no_integer_is_no_key_and_called_as_flow_calls_it() {
    let narrow = edited("{type: [number, \"null\"], minimum: 0}", "{const: 1.5}");
    let grouped = narrow.replace("groupBy: [id]", "groupBy: [amount]");
    let error = error_of(&[("flow.yaml", &grouped)]);
    assert!(
        error.contains("`amount` cannot be part of a key: it may be fractional;"),
        "{error}"
    );
}

#[test]
fn values_of_the_wrong_kind_say_what_belongs_there() {
    check(&[
        (
            "groupBy: [id]",
            "groupBy: [tags]",
            "flow.yaml:39: `tags` cannot be part of a key: it may be array; a key is boolean, \
             integer or string",
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
        (
            "key: [/region, /id]",
            "key: /id",
            "flow.yaml:4: here belongs a list, such as `[one, two]`",
        ),
        (
            "fields:",
            "fields: 3 #",
            "here belong keys with values, such as `key: value`",
        ),
        (
            "    shards:",
            "    bindings: []\n    shards:",
            "the key `bindings` stands here twice",
        ),
    ]);
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
    let catalog = load_files(&files).expect("a valid catalog");
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
        "flow.yaml:2: the collection `c` is defined at b.yaml:1 already; give one of them another \
         name"
    );
}

#[test]
fn read_schemas_may_refer_to_the_write_schema() {
    let catalog = load_files(&[(
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
