//! The Store request, read in place: it is on the hot path, so nothing is copied or allocated per
//! row. Where its parts are is found by [`super::FrameIndex`].

pub(super) mod json;
pub(super) mod proto;

use crate::protocol::Tuple;

/// One row: a delta update of one key of one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The index of its binding in Open's specification.
    pub binding: u32,
    /// The components of its key.
    pub key: Tuple<'a>,
    /// The values of the selected fields that are not keys.
    pub values: Tuple<'a>,
    /// The root document as JSON text, where it was selected.
    pub doc: Option<&'a [u8]>,
    /// Whether the reduced document is a deletion.
    pub delete: bool,
}
