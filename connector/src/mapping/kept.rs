//! The columns that keep what the column of a field does not: of each row one JSON object, or null.

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;

use super::json_text;
use crate::protocol::Value;

/// The builder of such a column.
#[derive(Debug)]
pub(super) struct KeptValues {
    builder: StringBuilder,
    object: Vec<u8>,
}

impl Default for KeptValues {
    fn default() -> Self {
        Self {
            // An idle binding holds no memory for it.
            builder: StringBuilder::with_capacity(0, 0),
            object: Vec::new(),
        }
    }
}

impl KeptValues {
    /// Begins a batch of about as many rows.
    pub(super) fn begin(&mut self, rows: usize) {
        self.builder = StringBuilder::with_capacity(rows, 0);
    }

    /// Adds the value of a field to the row that is being built.
    pub(super) fn add(&mut self, field: &str, value: &Value<'_>) {
        self.object
            .push(if self.object.is_empty() { b'{' } else { b',' });
        json_text::write_string(&mut self.object, field);
        self.object.push(b':');
        json_text::write_exact(&mut self.object, value);
    }

    /// Ends the row: its object, or null where nothing was added.
    pub(super) fn end_row(&mut self) {
        if self.object.is_empty() {
            self.builder.append_null();
            return;
        }
        self.object.push(b'}');
        // Bytes that are no Unicode cannot stand in a STRING; what can be read of them can.
        self.builder
            .append_value(String::from_utf8_lossy(&self.object));
        self.object.clear();
    }

    /// The bytes of text that the batch has so far.
    pub(super) fn bytes(&self) -> usize {
        self.builder.values_slice().len() + self.object.len()
    }

    /// Takes the rows out.
    pub(super) fn finish(&mut self) -> StringArray {
        self.object = Vec::new();
        self.builder.finish()
    }
}
