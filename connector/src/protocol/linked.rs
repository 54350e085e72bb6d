//! Collections of bindings: inline, or by index in a table that the bindings share (newest
//! runtimes).

use crate::error::{Error, Result};
use crate::protocol::flow;

/// The collection of a binding. Errors where it is neither inline nor in the table of linked
/// collections.
pub fn collection<'a>(
    inline: Option<&'a flow::CollectionSpec>,
    index: u32,
    linked: &'a [flow::CollectionSpec],
) -> Result<&'a flow::CollectionSpec> {
    inline
        .or_else(|| linked.get(index as usize))
        .ok_or_else(|| no_collection(index, linked.len()))
}

/// Says that a binding names no collection.
pub(super) fn no_collection(index: u32, linked: usize) -> Error {
    Error::protocol(format!(
        "a binding has no collection: none inline, and none at index {index} of {linked} linked \
         collections"
    ))
}
