//! What is written → the model: imports followed, schemas bundled, read and inferred, names
//! checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::{CatalogError, Place};
use super::{Catalog, Collection, Endpoint, Materialization, Shards, bindings, files, raw, spec};
use crate::schema::{ExplicitProjection, Schema, Shape, Types};

/// How a read schema refers to the write schema, and to the schema that Flow infers of the
/// documents.
const WRITE_SCHEMA: &str = "flow://write-schema";
const INFERRED_SCHEMA: &str = "flow://inferred-schema";

pub(super) fn load(file: &Path) -> Result<Catalog, CatalogError> {
    let mut loader = Loader {
        catalog: Catalog::default(),
        seen: BTreeSet::new(),
    };
    let materializations = loader.load(file)?;
    let mut catalog = loader.catalog;
    for (name, at, materialization) in materializations {
        let place = at.clone();
        let materialization = self::materialization(materialization, at, &catalog)?;
        if let Some(other) = catalog
            .materializations
            .insert(name.clone(), materialization)
        {
            return Err(defined_twice(
                "materialization",
                &name,
                &place,
                &other.place,
            ));
        }
    }
    Ok(catalog)
}

/// A materialization that waits until all collections are known.
type Waiting = (String, Place, raw::Materialization);

struct Loader {
    catalog: Catalog,
    seen: BTreeSet<PathBuf>,
}

impl Loader {
    fn load(&mut self, file: &Path) -> Result<Vec<Waiting>, CatalogError> {
        let identity = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        if !self.seen.insert(identity) {
            return Ok(Vec::new());
        }
        let written: raw::File = files::read(file)?;
        let file: Arc<Path> = file.into();
        let mut waiting = Vec::new();
        for import in &written.import {
            let place = place(&file, import);
            let target = files::beside(&file, &import.value);
            if !target.is_file() {
                return Err(
                    place.error(format!("there is no file `{}` to import", target.display()))
                );
            }
            waiting.extend(self.load(&target)?);
        }
        for (name, written) in written.collections {
            let at = place(&file, &written);
            let collection = collection(&name, written.value, at.clone())?;
            if let Some(other) = self.catalog.collections.insert(name.clone(), collection) {
                return Err(defined_twice("collection", &name, &at, &other.place));
            }
        }
        let written = written.materializations.into_iter();
        waiting
            .extend(written.map(|(name, written)| (name, place(&file, &written), written.value)));
        Ok(waiting)
    }
}

pub(super) fn place<T>(file: &Arc<Path>, spanned: &Spanned<T>) -> Place {
    Place {
        file: Arc::clone(file),
        line: spanned.referenced.line(),
    }
}

fn defined_twice(kind: &str, name: &str, place: &Place, other: &Place) -> CatalogError {
    place.error(format!(
        "the {kind} `{name}` is defined at {other} already; give one of them another name"
    ))
}

fn collection(name: &str, written: raw::Collection, at: Place) -> Result<Collection, CatalogError> {
    let file = Arc::clone(&at.file);
    let (write_schema, read_schema) =
        match (written.schema, written.write_schema, written.read_schema) {
            (Some(schema), None, None) => (schema, None),
            (None, Some(write), Some(read)) => (write, Some(read)),
            _ => {
                return Err(at.error(
                    "a collection has either `schema`, or both `writeSchema` and `readSchema`",
                ));
            }
        };
    let (write_schema, schema_place) = schema_of(write_schema, &file)?;
    let (read_schema, schema_place) = match read_schema {
        None => (None, schema_place),
        Some(read) => {
            let (read, place) = schema_of(read, &file)?;
            (Some(with_flow_schemas(read, &write_schema)), place)
        }
    };
    let schema = Schema::parse(read_schema.as_ref().unwrap_or(&write_schema))
        .map_err(|error| schema_place.error(error.to_string()))?;
    let shape = schema.shape();
    check_key(&written.key, &shape, &file)?;
    let key: Vec<String> = written
        .key
        .value
        .into_iter()
        .map(|pointer| pointer.value)
        .collect();
    let projections = written
        .projections
        .into_iter()
        .map(|(field, written)| explicit(field, &written, &file));
    let explicit = projections.collect::<Result<Vec<_>, _>>()?;
    let spec = spec::collection(
        name,
        key,
        &explicit,
        &shape,
        &write_schema,
        read_schema.as_ref(),
    );
    Ok(Collection {
        spec,
        schema,
        place: at,
    })
}

fn schema_of(written: Spanned<Value>, file: &Arc<Path>) -> Result<(Value, Place), CatalogError> {
    let at = place(file, &written);
    let (schema, place) = files::inline_or_file(written.value, at)?;
    Ok((files::bundle(schema, &place)?, place))
}

/// Puts the schemas that Flow provides into a read schema that refers to them. Nothing is inferred
/// of documents here, so the inferred schema allows everything.
fn with_flow_schemas(mut read: Value, write: &Value) -> Value {
    let text = read.to_string();
    if text.contains(WRITE_SCHEMA) {
        files::embed(&mut read, WRITE_SCHEMA, write.clone());
    }
    if text.contains(INFERRED_SCHEMA) {
        files::embed(&mut read, INFERRED_SCHEMA, Value::Bool(true));
    }
    read
}

fn check_key(
    key: &Spanned<Vec<Spanned<String>>>,
    shape: &Shape,
    file: &Arc<Path>,
) -> Result<(), CatalogError> {
    if key.value.is_empty() {
        return Err(place(file, key)
            .error("a collection's key has at least one JSON pointer, such as `[/id]`"));
    }
    for pointer in &key.value {
        let at = place(file, pointer);
        check_pointer(&pointer.value, &at)?;
        let types = shape.locate(&pointer.value).shape.types;
        if types == Types::NONE || !types.is_within(Types::KEYABLE) {
            return Err(at.error(format!(
                "`{}` cannot be part of a key: the schema allows {} there; give it a type of \
                 boolean, integer or string",
                pointer.value,
                listed(&types.names()),
            )));
        }
    }
    Ok(())
}

pub(super) fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

fn check_pointer(pointer: &str, at: &Place) -> Result<(), CatalogError> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    Err(at.error(format!(
        "`{pointer}` is not a JSON pointer; write `/{pointer}`"
    )))
}

fn explicit(
    field: String,
    written: &Spanned<raw::Projection>,
    file: &Arc<Path>,
) -> Result<ExplicitProjection, CatalogError> {
    let raw::Projection {
        location,
        partition,
    } = &written.value;
    check_pointer(location, &place(file, written))?;
    Ok(ExplicitProjection {
        field,
        location: location.clone(),
        partition: *partition,
    })
}

fn materialization(
    written: raw::Materialization,
    at: Place,
    catalog: &Catalog,
) -> Result<Materialization, CatalogError> {
    let file = Arc::clone(&at.file);
    let bindings = written
        .bindings
        .into_iter()
        .map(|binding| bindings::binding(binding, &file, catalog));
    Ok(Materialization {
        endpoint: endpoint(written.endpoint.value, &file)?,
        bindings: bindings.collect::<Result<_, _>>()?,
        shards: shards(written.shards, &file)?,
        on_incompatible_schema_change: written.on_incompatible_schema_change.unwrap_or_default(),
        sync_schedule: written.sync_schedule,
        triggers: written.triggers,
        place: at,
    })
}

fn endpoint(written: raw::Endpoint, file: &Arc<Path>) -> Result<Endpoint, CatalogError> {
    let config = |config: Spanned<Value>| {
        let at = place(file, &config);
        files::inline_or_file(config.value, at).map(|(config, _)| config)
    };
    Ok(match written {
        raw::Endpoint::Local(local) => {
            if local.command.value.is_empty() {
                return Err(place(file, &local.command).error("`command` names no program"));
            }
            Endpoint::Local {
                command: local.command.value,
                config: config(local.config)?,
                env: local.env,
                protobuf: local.protobuf,
            }
        }
        raw::Endpoint::Connector(connector) => Endpoint::Connector {
            image: connector.image,
            config: config(connector.config)?,
        },
    })
}

fn shards(written: raw::Shards, file: &Arc<Path>) -> Result<Shards, CatalogError> {
    let duration = |written: Option<Spanned<String>>, default: SignedDuration| match written {
        None => Ok(default),
        Some(text) => text.value.parse().map_err(|_| {
            let message = format!(
                "`{}` is not a duration; write it like `5m` or `1h30m`",
                text.value
            );
            place(file, &text).error(message)
        }),
    };
    Ok(Shards {
        disable: written.disable,
        min_txn_duration: duration(written.min_txn_duration, SignedDuration::ZERO)?,
        max_txn_duration: duration(written.max_txn_duration, SignedDuration::from_mins(20))?,
        log_level: written.log_level.unwrap_or_else(|| "info".to_owned()),
        hot_standbys: written.hot_standbys,
        ring_buffer_size: written.ring_buffer_size.unwrap_or(65_536),
        read_channel_size: written.read_channel_size.unwrap_or(4_096),
    })
}
