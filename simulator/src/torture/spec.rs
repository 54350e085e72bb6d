//! The task's specification, made by hand: what Validate and field selection come to is tested
//! elsewhere.

use materialize_s3_parquet::protocol::flow::materialization_spec::{self, ConnectorType};
use materialize_s3_parquet::protocol::flow::{
    CollectionSpec, FieldSelection, Inference, MaterializationSpec, Projection,
};
use serde_json::json;

use super::plan::{Binding, Commit, Plan};

/// The fields that are not keys, ascending.
pub(super) const VALUES: [&str; 3] = ["generation", "payload", "row"];

/// The only key.
pub(super) const KEY: &str = "id";

/// Where a task writes, and with which options.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The S3 server's URL.
    pub(super) url: String,
    /// The bucket.
    pub(super) bucket: String,
    /// The access key's id.
    pub(super) access_key_id: String,
    /// Its secret.
    pub(super) secret_access_key: String,
}

/// What a user sets, and may set otherwise later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// `advanced.commit`.
    pub(super) commit: Commit,
    /// Whether the store is reached by its other address.
    pub(super) is_proxied: bool,
    /// Whether files go to the second bucket.
    pub(super) is_second_bucket: bool,
    /// Whether files that are lost are skipped, as a user wants it after the connector has said
    /// so.
    pub(super) skips_missing: bool,
    /// `uploadIntervalInSeconds`.
    pub(super) upload_interval: u32,
}

/// A binding of the plan as the task has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// Its place in the plan.
    pub(super) index: usize,
    /// Its backfill counter.
    pub(super) backfill: u32,
    /// Whether it is part of the task.
    pub(super) active: bool,
}

/// The key of a binding's driver state.
pub(super) fn state_key(binding: &Binding, backfill: u32) -> String {
    let path = binding.prefix.replace('/', "%2F");
    match backfill {
        0 => path,
        backfill => format!("{path}.v{backfill}"),
    }
}

/// The specification of a task with this configuration and these bindings.
pub(super) fn specification(
    name: &str,
    config: &serde_json::Value,
    plan: &Plan,
    bound: &[Bound],
) -> MaterializationSpec {
    let spec = |bound: &Bound| binding_spec(&plan.bindings[bound.index], bound.backfill);
    let (active, inactive): (Vec<&Bound>, Vec<&Bound>) =
        bound.iter().partition(|bound| bound.active);
    MaterializationSpec {
        name: name.to_owned(),
        connector_type: ConnectorType::Local.into(),
        config_json: config.to_string().into(),
        bindings: active.into_iter().map(spec).collect(),
        inactive_bindings: inactive.into_iter().map(spec).collect(),
        ..MaterializationSpec::default()
    }
}

/// The endpoint's configuration.
pub(super) fn config(plan: &Plan, endpoint: &Endpoint, settings: Settings) -> serde_json::Value {
    let mut config = json!({
        "awsAccessKeyId": endpoint.access_key_id,
        "awsSecretAccessKey": endpoint.secret_access_key,
        "bucket": endpoint.bucket,
        "region": "us-east-1",
        "uploadIntervalInSeconds": settings.upload_interval,
        "advanced": {
            "endpoint": endpoint.url,
            "fileSizeLimit": plan.file_size_limit,
            "missingUploads": if settings.skips_missing { "skip" } else { "fail" },
            "commit": settings.commit.name(),
        },
    });
    if let Some(prefix) = &plan.staging_prefix {
        config["advanced"]["stagingPrefix"] = json!(prefix);
    }
    config
}

fn binding_spec(binding: &Binding, backfill: u32) -> materialization_spec::Binding {
    let projections = [
        projection(KEY, "integer", true),
        projection("generation", "integer", false),
        projection("payload", "string", false),
        projection("row", "integer", false),
        Projection {
            ptr: String::new(),
            ..projection("flow_document", "object", false)
        },
    ];
    let collection = CollectionSpec {
        name: format!("torture/{}", binding.prefix),
        key: vec![format!("/{KEY}")],
        projections: projections.into(),
        ..CollectionSpec::default()
    };
    let selection = FieldSelection {
        keys: vec![KEY.to_owned()],
        values: VALUES.map(str::to_owned).into(),
        document: if binding.document {
            "flow_document".to_owned()
        } else {
            String::new()
        },
        ..FieldSelection::default()
    };
    let resource = json!({"pathPrefix": binding.prefix, "compressionType": binding.compression});
    materialization_spec::Binding {
        resource_config_json: resource.to_string().into(),
        resource_path: vec![binding.prefix.clone()],
        collection: Some(collection),
        field_selection: Some(selection),
        delta_updates: true,
        backfill,
        state_key: state_key(binding, backfill),
        ..materialization_spec::Binding::default()
    }
}

fn projection(field: &str, kind: &str, is_primary_key: bool) -> Projection {
    Projection {
        ptr: format!("/{field}"),
        field: field.to_owned(),
        is_primary_key,
        inference: Some(Inference {
            types: vec![kind.to_owned()],
            ..Inference::default()
        }),
        ..Projection::default()
    }
}
