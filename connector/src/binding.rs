//! A binding as a session works with it: what the specification and the configurations say, in one
//! place.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::config::{EndpointConfig, ResourceConfig, Unconvertible};
use crate::error::{Context, Error, Result};
use crate::mapping::Schema;
use crate::parquet::{CompressorMemories, FileOptions, codec};
use crate::protocol::{Materialization, flow};

/// A binding of a session.
#[derive(Debug)]
pub struct Binding {
    /// The name of its collection.
    pub collection: String,
    /// The key of its driver state.
    pub state_key: String,
    /// Its backfill counter.
    pub backfill: u32,
    /// Where its files go, and how they are compressed.
    pub resource: ResourceConfig,
    /// The columns of its files.
    pub schema: Arc<Schema>,
    /// How its files are written.
    pub options: FileOptions,
}

impl Binding {
    /// Reads the bindings of `materialization`, one after the other: decoded, they would all
    /// together take much memory.
    ///
    /// Errors where a configuration is wrong, or a selection does not fit its collection.
    pub fn all(
        materialization: &Materialization,
        endpoint: &EndpointConfig,
        key_range: &RangeInclusive<u32>,
    ) -> Result<Vec<Self>> {
        let mut memories = CompressorMemories::default();
        let bindings = materialization.bindings.iter();
        bindings
            .map(|binding| {
                Self::new(
                    materialization,
                    binding?,
                    endpoint,
                    key_range,
                    &mut memories,
                )
            })
            .collect()
    }

    fn new(
        materialization: &Materialization,
        mut binding: flow::materialization_spec::Binding,
        endpoint: &EndpointConfig,
        key_range: &RangeInclusive<u32>,
        memories: &mut CompressorMemories,
    ) -> Result<Self> {
        let collection = materialization.take_collection(&mut binding)?;
        let about = || format!("the binding of collection `{}`", collection.name);
        let selection = binding.field_selection.as_ref();
        let selection = selection
            .ok_or_else(|| Error::protocol("no field selection"))
            .context(about)?;
        let resource = ResourceConfig::from_json(&binding.resource_config_json).context(about)?;
        let advanced = &endpoint.advanced;
        let rescues = advanced.unconvertible == Unconvertible::Rescue;
        let schema =
            Schema::new(&collection, selection, advanced.json_columns, rescues).context(about)?;
        let metadata = [
            ("collection", collection.name.clone()),
            ("materialization", materialization.name.clone()),
            ("stateKey", binding.state_key.clone()),
            ("keyBegin", format!("{:08x}", key_range.start())),
            ("keyEnd", format!("{:08x}", key_range.end())),
            (
                "writer",
                concat!("materialize-s3-parquet ", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
        ];
        let compression = codec(resource.compression, advanced.compression_level).context(about)?;
        let options = FileOptions {
            compression,
            compressor_memory: memories.of(compression),
            row_group_rows: advanced.row_group_row_limit,
            row_group_bytes: advanced.row_group_byte_limit,
            metadata: metadata
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        };
        Ok(Self {
            collection: collection.name,
            state_key: binding.state_key,
            backfill: binding.backfill,
            resource,
            schema: Arc::new(schema),
            options,
        })
    }
}
