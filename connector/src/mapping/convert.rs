//! One value into one column.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::Buffer;
use arrow_schema::ArrowError;

use super::column::ColumnType;
use super::number::Fit;
use super::rescue::Misfit;
use super::{format, json_text, scalar};
use crate::protocol::{Elements, Value};

/// The most bytes of text that a column makes room for at once, because its last batch had as many:
/// where a large batch is followed by a few rows, they hold no more.
const ROOM_BYTES: usize = 1 << 20;

/// The values of one column of a batch. Text is held as bytes: that it is Unicode is checked once
/// for a whole batch.
#[derive(Debug)]
pub(super) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Integer {
        builder: Int64Builder,
        strings: bool,
    },
    Number {
        builder: Float64Builder,
        strings: bool,
    },
    String(BinaryBuilder),
    Binary {
        builder: BinaryBuilder,
        base64: scalar::Base64,
    },
    Date(Date32Builder),
    Timestamp {
        builder: TimestampMicrosecondBuilder,
        /// Whether values that microseconds do not give back are told: two keys must not become
        /// one.
        is_key: bool,
    },
    CastToString {
        builder: BinaryBuilder,
        text: Vec<u8>,
    },
    Json {
        builder: BinaryBuilder,
        text: Vec<u8>,
    },
}

impl ColumnBuilder {
    /// Makes an empty column, of a key or of other values, with room for a batch like the last one,
    /// so that it need not grow little by little.
    pub(super) fn new(column_type: ColumnType, is_key: bool, room: Room) -> Self {
        let Room { values, bytes } = room;
        let texts = || BinaryBuilder::with_capacity(values, bytes.min(ROOM_BYTES));
        match column_type {
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(values)),
            ColumnType::Integer { strings } => Self::Integer {
                builder: Int64Builder::with_capacity(values),
                strings,
            },
            ColumnType::Number { strings } => Self::Number {
                builder: Float64Builder::with_capacity(values),
                strings,
            },
            ColumnType::String => Self::String(texts()),
            ColumnType::Binary => Self::Binary {
                builder: texts(),
                base64: scalar::Base64::default(),
            },
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(values)),
            ColumnType::Timestamp => Self::Timestamp {
                builder: timestamps(values),
                is_key,
            },
            ColumnType::CastToString => Self::CastToString {
                builder: texts(),
                text: Vec::new(),
            },
            ColumnType::Json => Self::Json {
                builder: texts(),
                text: Vec::new(),
            },
        }
    }

    /// Takes the next element off a tuple where it is null, or just what the column is made for and
    /// gives back: the usual case, without any detour. Otherwise takes nothing and returns
    /// false.
    #[inline]
    pub(super) fn take<'a>(&mut self, elements: &mut impl Elements<'a>) -> bool {
        if elements.take_null() {
            self.append_null();
            return true;
        }
        match self {
            Self::Boolean(builder) => elements
                .take_boolean()
                .map(|boolean| builder.append_value(boolean)),
            Self::Integer { builder, .. } => elements
                .take_integer()
                .map(|integer| builder.append_value(integer)),
            Self::Number { builder, .. } => elements
                .take_double()
                .map(|double| builder.append_value(double)),
            Self::String(builder) | Self::CastToString { builder, .. } => elements
                .take_plain_string(Some)
                .map(|text| builder.append_value(text)),
            Self::Timestamp { builder, is_key } => elements
                .take_plain_string(|text| {
                    let (micros, fit) = format::parse_date_time(text)?;
                    (fit == Fit::Exact || !*is_key).then_some(micros)
                })
                .map(|micros| builder.append_value(micros)),
            Self::Date(builder) => elements
                .take_plain_string(format::parse_date)
                .map(|days| builder.append_value(days)),
            Self::Binary { .. } | Self::Json { .. } => None,
        }
        .is_some()
    }

    /// Appends `value`, and tells whether the column gives it back; where it does not fit, appends
    /// null and says why.
    pub(super) fn append(&mut self, value: &Value<'_>) -> Result<Fit, Misfit> {
        if *value == Value::Null {
            self.append_null();
            return Ok(Fit::Exact);
        }
        let appended = self.append_fitting(value);
        if appended.is_err() {
            self.append_null();
        }
        appended
    }

    fn append_fitting(&mut self, value: &Value<'_>) -> Result<Fit, Misfit> {
        match self {
            Self::Boolean(builder) => builder.append_value(scalar::boolean(value)?),
            Self::Integer { builder, strings } => {
                let (integer, fit) = scalar::integer(value, *strings)?;
                builder.append_value(integer);
                return Ok(fit);
            }
            Self::Number { builder, strings } => {
                let (double, fit) = scalar::number(value, *strings)?;
                builder.append_value(double);
                return Ok(fit);
            }
            Self::String(builder) => builder.append_value(scalar::string(value)?),
            Self::Binary { builder, base64 } => {
                builder.append_value(base64.decode(scalar::string(value)?)?);
            }
            Self::Date(builder) => builder.append_value(scalar::date(value)?),
            Self::Timestamp { builder, is_key } => {
                let (micros, fit) = scalar::timestamp(value)?;
                builder.append_value(micros);
                return Ok(if *is_key { fit } else { Fit::Exact });
            }
            Self::CastToString { builder, text } => match value {
                Value::String(text) => builder.append_value(text.as_bytes()),
                other => append_json(builder, text, other)?,
            },
            Self::Json { builder, text } => append_json(builder, text, value)?,
        }
        Ok(Fit::Exact)
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Integer { builder, .. } => builder.append_null(),
            Self::Number { builder, .. } => builder.append_null(),
            Self::Binary { builder, .. } => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp { builder, .. } => builder.append_null(),
            Self::String(builder)
            | Self::CastToString { builder, .. }
            | Self::Json { builder, .. } => {
                builder.append_null();
            }
        }
    }

    /// Makes an array of the values. Errors where a text is not Unicode, which only a packed tuple
    /// can bring here.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let array: ArrayRef = match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Integer { mut builder, .. } => Arc::new(builder.finish()),
            Self::Number { mut builder, .. } => Arc::new(builder.finish()),
            Self::Binary { mut builder, .. } => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp { mut builder, .. } => Arc::new(builder.finish()),
            Self::String(mut builder)
            | Self::CastToString { mut builder, .. }
            | Self::Json { mut builder, .. } => {
                Arc::new(StringArray::try_from_binary(builder.finish())?)
            }
        };
        Ok(array)
    }
}

/// The values of a column in a batch, and the bytes of their text, to make room for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    /// The values to make room for.
    pub(super) fn values(self) -> usize {
        self.values
    }

    /// For an array like `array`, and an eighth more: one that is a little too small is doubled,
    /// and copied.
    pub(super) fn like(array: &dyn Array) -> Self {
        let text = array.to_data().buffers().get(1).map_or(0, Buffer::len);
        Self {
            values: array.len() + array.len() / 8,
            bytes: text + text / 8,
        }
    }
}

fn timestamps(values: usize) -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(values)
        .with_data_type(ColumnType::Timestamp.data_type())
}

fn append_json(
    builder: &mut BinaryBuilder,
    text: &mut Vec<u8>,
    value: &Value<'_>,
) -> Result<(), Misfit> {
    let json = if let Value::Json(json) = value {
        json
    } else {
        text.clear();
        json_text::write(text, value);
        &text[..]
    };
    std::str::from_utf8(json).map_err(|_| Misfit::NotUnicode)?;
    builder.append_value(json);
    Ok(())
}
