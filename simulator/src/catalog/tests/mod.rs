//! Catalogs from written files to built specifications.

mod build;
mod features;
mod load;

use serde_json::json;

use super::*;

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

fn load_files(files: &[(&str, &str)]) -> Result<Catalog, CatalogError> {
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
    load_files(&[("flow.yaml", ORDERS)]).expect("a valid catalog")
}

/// ORDERS with `from` replaced, which must occur.
fn edited(from: &str, to: &str) -> String {
    assert!(ORDERS.contains(from), "`{from}` does not occur");
    ORDERS.replacen(from, to, 1)
}
