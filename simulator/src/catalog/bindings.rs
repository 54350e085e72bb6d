//! A binding as it is written → the model: its collection, and the fields it names, must be there.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use materialize_s3_parquet::protocol::flow;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::{CatalogError, Place};
use super::load::{listed, place};
use super::{Binding, Catalog, Partitions, files, raw};
use crate::schema::Types;
use crate::selection::Fields;
use crate::suggest::did_you_mean;

pub(super) fn binding(
    written: Spanned<raw::Binding>,
    file: &Arc<Path>,
    catalog: &Catalog,
) -> Result<Binding, CatalogError> {
    let at = place(file, &written);
    let written = written.value;
    let source_place = place(file, &written.source);
    let source = written.source.value;
    let collection = catalog.collections.get(&source.name).ok_or_else(|| {
        let near = did_you_mean(&source.name, catalog.collections.keys().map(String::as_str));
        source_place.error(format!(
            "there is no collection `{}` in this catalog{near}",
            source.name
        ))
    })?;
    let partitions = match source.partitions {
        None => Partitions::default(),
        Some(written) => partitions(&place(file, &written), written.value, &collection.spec)?,
    };
    let timestamp = |written: Option<Spanned<String>>| match written {
        None => Ok(None),
        Some(text) => text.value.parse::<Timestamp>().map(Some).map_err(|_| {
            let message = format!(
                "`{}` is not a time; write it like `2024-01-01T00:00:00Z`",
                text.value
            );
            place(file, &text).error(message)
        }),
    };
    let (resource, _) = files::inline_or_file(
        written.resource.value.clone(),
        place(file, &written.resource),
    )?;
    Ok(Binding {
        not_before: timestamp(source.not_before)?,
        not_after: timestamp(source.not_after)?,
        partitions,
        source: source.name,
        resource,
        fields: fields(written.fields, &collection.spec, file)?,
        backfill: written.backfill,
        disable: written.disable,
        priority: written.priority,
        on_incompatible_schema_change: written.on_incompatible_schema_change,
        place: at,
    })
}

fn partitions(
    at: &Place,
    written: raw::Partitions,
    collection: &flow::CollectionSpec,
) -> Result<Partitions, CatalogError> {
    for (field, values) in written.include.iter().chain(&written.exclude) {
        if !collection.partition_fields.contains(field) {
            let known = &collection.partition_fields;
            let near = did_you_mean(field, known.iter().map(String::as_str));
            return Err(at.error(format!(
                "`{}` is not partitioned by `{field}`: none of its projections of that name has \
                 `partition: true`{near}",
                collection.name
            )));
        }
        if let Some(value) = values.iter().find(|value| !is_partition_value(value)) {
            return Err(at.error(format!(
                "`{field}` is partitioned by booleans, integers or strings, and {value} is none"
            )));
        }
    }
    Ok(Partitions {
        include: written.include,
        exclude: written.exclude,
    })
}

fn is_partition_value(value: &Value) -> bool {
    value.is_boolean() || value.is_i64() || value.is_u64() || value.is_string()
}

fn fields(
    written: Option<raw::Fields>,
    collection: &flow::CollectionSpec,
    file: &Arc<Path>,
) -> Result<Fields, CatalogError> {
    let Some(written) = written else {
        return Ok(Fields::default());
    };
    let named = written.group_by.iter().chain(&written.exclude);
    let named = named.map(|field| (&field.value, place(file, field)));
    let required = written
        .require
        .iter()
        .map(|(field, config)| (field, place(file, config)));
    for (field, at) in named.chain(required) {
        known_field(field, collection, &at)?;
    }
    for field in &written.group_by {
        check_group_by(field, collection, file)?;
    }
    Ok(Fields {
        group_by: written
            .group_by
            .into_iter()
            .map(|field| field.value)
            .collect(),
        require: written
            .require
            .into_iter()
            .map(|(field, config)| (field, config.value))
            .collect(),
        exclude: written
            .exclude
            .into_iter()
            .map(|field| field.value)
            .collect(),
        recommended: written.recommended,
    })
}

fn known_field<'a>(
    field: &str,
    collection: &'a flow::CollectionSpec,
    at: &Place,
) -> Result<&'a flow::Projection, CatalogError> {
    let projections = &collection.projections;
    projections
        .iter()
        .find(|projection| projection.field == field)
        .ok_or_else(|| {
            let near = did_you_mean(
                field,
                projections
                    .iter()
                    .map(|projection| projection.field.as_str()),
            );
            at.error(format!(
                "the collection `{}` has no field `{field}`{near}",
                collection.name
            ))
        })
}

fn check_group_by(
    field: &Spanned<String>,
    collection: &flow::CollectionSpec,
    file: &Arc<Path>,
) -> Result<(), CatalogError> {
    let at = place(file, field);
    let projection = known_field(&field.value, collection, &at)?;
    let types = projection
        .inference
        .iter()
        .flat_map(|inference| &inference.types);
    let types = types
        .filter_map(|name| Types::named(name))
        .fold(Types::NONE, |all, one| all | one);
    if types != Types::NONE && types.is_within(Types::KEYABLE) {
        return Ok(());
    }
    let names = listed(&types.names());
    Err(at.error(format!(
        "`{}` cannot be part of a key: it may be {names}; a key is boolean, integer or string",
        field.value
    )))
}
