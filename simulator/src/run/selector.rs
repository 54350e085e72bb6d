//! Which documents of its collection a binding reads: those of some partitions, published within
//! some time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use materialize_s3_parquet::protocol::flow::{CollectionSpec, materialization_spec};
use materialize_s3_parquet::protocol::gazette::LabelSet;
use serde_json::Value;

use crate::catalog::{field_of_label, partition_value};
use crate::fixture::Document;

/// Which documents of its collection a binding reads, from its built specification.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    /// The values that are read, by the location of their field.
    include: BTreeMap<String, BTreeSet<String>>,
    /// The values that are not.
    exclude: BTreeMap<String, BTreeSet<String>>,
}

impl Selector {
    /// That of a binding.
    pub(super) fn of(binding: &materialization_spec::Binding, collection: &CollectionSpec) -> Self {
        let time = |written: &Option<prost_types::Timestamp>| {
            let written = written.as_ref()?;
            Timestamp::new(written.seconds, written.nanos).ok()
        };
        let selector = binding.partition_selector.clone().unwrap_or_default();
        Self {
            not_before: time(&binding.not_before),
            not_after: time(&binding.not_after),
            include: values(&selector.include.unwrap_or_default(), collection),
            exclude: values(&selector.exclude.unwrap_or_default(), collection),
        }
    }

    /// Whether a document is read. One that does not say when it was published is published by the
    /// run, and read.
    pub(super) fn reads(&self, document: &Document) -> bool {
        let Self {
            not_before,
            not_after,
            include,
            exclude,
        } = self;
        let is_in_time = document.published.is_none_or(|published| {
            not_before.is_none_or(|first| published >= first)
                && not_after.is_none_or(|last| published <= last)
        });
        let has = |(pointer, values): (&String, &BTreeSet<String>)| {
            let value = document.document.pointer(pointer).unwrap_or(&Value::Null);
            values.contains(&partition_value(value))
        };
        is_in_time && include.iter().all(has) && !exclude.iter().any(has)
    }
}

/// The values of the labels of fields, by their locations.
fn values(labels: &LabelSet, collection: &CollectionSpec) -> BTreeMap<String, BTreeSet<String>> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for label in &labels.labels {
        let projection = field_of_label(&label.name).and_then(|field| {
            let mut projections = collection.projections.iter();
            projections.find(|projection| projection.field == field)
        });
        if let Some(projection) = projection {
            let known = values.entry(projection.ptr.clone()).or_default();
            known.insert(label.value.clone());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use materialize_s3_parquet::protocol::flow::Projection;
    use materialize_s3_parquet::protocol::gazette::{Label, LabelSelector};
    use serde_json::json;

    use super::*;

    fn binding(include: &[Value], exclude: &[Value]) -> materialization_spec::Binding {
        let labels = |values: &[Value]| {
            let label = |value: &Value| Label {
                name: "estuary.dev/field/area".to_owned(),
                value: partition_value(value),
                prefix: false,
            };
            Some(LabelSet {
                labels: values.iter().map(label).collect(),
            })
        };
        let seconds = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        materialization_spec::Binding {
            not_before: seconds(1_685_570_000),
            not_after: seconds(1_685_580_000),
            partition_selector: Some(LabelSelector {
                include: labels(include),
                exclude: labels(exclude),
            }),
            ..materialization_spec::Binding::default()
        }
    }

    fn reads(include: &[Value], exclude: &[Value], document: Value) -> bool {
        let area = Projection {
            field: "area".to_owned(),
            ptr: "/region".to_owned(),
            ..Projection::default()
        };
        let collection = CollectionSpec {
            projections: vec![area],
            ..CollectionSpec::default()
        };
        let selector = Selector::of(&binding(include, exclude), &collection);
        selector.reads(&Document::new("c", document))
    }

    #[test]
    fn partitions_are_read_by_their_values() {
        let (eu, us) = (json!({"region": "eu"}), json!({"region": "us"}));
        assert!(reads(&[], &[], eu.clone()) && reads(&[], &[], json!({})));
        assert!(reads(&[json!("eu")], &[], eu.clone()) && !reads(&[json!("eu")], &[], us.clone()));
        assert!(reads(&[json!("us"), json!("eu")], &[], us.clone()));
        assert!(!reads(&[], &[json!("us")], us) && reads(&[], &[json!("us")], eu));
        // What is no text is not taken for it.
        assert!(!reads(&[json!("7")], &[], json!({"region": 7})));
        assert!(reads(&[json!(7)], &[], json!({"region": 7})));
        assert!(!reads(&[json!("eu")], &[], json!({})));
    }

    #[test]
    fn documents_that_say_when_they_were_published_are_read_in_time() {
        // 2023-05-31T22:10:49, which is 1,685,571,049 s.
        let of = |uuid: &str| json!({"_meta": {"uuid": uuid}});
        assert!(reads(&[], &[], of("00000000-0000-11ee-8400-071353030311")));
        assert!(!reads(&[], &[], of("00000000-0000-11ed-8400-071353030311")));
        assert!(!reads(&[], &[], of("00000000-0000-11ef-8400-071353030311")));
        assert!(reads(&[], &[], of("no version 1 UUID")));
    }
}
