//! One value into one column.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::Buffer;
use arrow_schema::ArrowError;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::column::ColumnType;
use super::number::{self, NotAnInteger};
use super::rescue::Misfit;
use super::{format, json_text};
use crate::protocol::{Elements, Value};

/// Base64 with or without its padding: JSON schema's `contentEncoding` does not ask for it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The most bytes of text that a column makes room for at once, because its last batch had as many: where a large batch is followed
/// by a few rows, they hold no more.
const ROOM_BYTES: usize = 1 << 20;

/// The values of one column of a batch. Text is held as bytes: that it is Unicode is checked once for a whole batch.
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
        decoded: Vec<u8>,
    },
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
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
    /// Makes an empty column with room for a batch like the last one, so that it need not grow little by little.
    pub(super) fn new(column_type: ColumnType, room: Room) -> Self {
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
                decoded: Vec::new(),
            },
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(values)),
            ColumnType::Timestamp => Self::Timestamp(timestamps(values)),
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

    /// Takes the next element off a tuple where it is null, or just what the column is made for: the usual case, without any
    /// detour. Otherwise takes nothing and returns false.
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
            Self::Timestamp(builder) => elements
                .take_plain_string(format::parse_date_time)
                .map(|microseconds| builder.append_value(microseconds)),
            Self::Date(builder) => elements
                .take_plain_string(format::parse_date)
                .map(|days| builder.append_value(days)),
            Self::Binary { .. } | Self::Json { .. } => None,
        }
        .is_some()
    }

    /// Appends `value`; where it does not fit, appends null and says why.
    pub(super) fn append(&mut self, value: &Value<'_>) -> Result<(), Misfit> {
        if *value == Value::Null {
            self.append_null();
            return Ok(());
        }
        let appended = match self {
            Self::Boolean(builder) => boolean(value).map(|boolean| builder.append_value(boolean)),
            Self::Integer { builder, strings } => {
                integer(value, *strings).map(|integer| builder.append_value(integer))
            }
            Self::Number { builder, strings } => {
                number(value, *strings).map(|number| builder.append_value(number))
            }
            Self::String(builder) => {
                string(value).map(|text| builder.append_value(text.as_bytes()))
            }
            Self::Binary { builder, decoded } => {
                binary(value, decoded).map(|()| builder.append_value(decoded))
            }
            Self::Date(builder) => date(value).map(|days| builder.append_value(days)),
            Self::Timestamp(builder) => timestamp(value).map(|micros| builder.append_value(micros)),
            Self::CastToString { builder, text } => match value {
                Value::String(text) => {
                    builder.append_value(text.as_bytes());
                    Ok(())
                }
                other => append_json(builder, text, other),
            },
            Self::Json { builder, text } => append_json(builder, text, value),
        };
        if appended.is_err() {
            self.append_null();
        }
        appended
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Integer { builder, .. } => builder.append_null(),
            Self::Number { builder, .. } => builder.append_null(),
            Self::Binary { builder, .. } => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::String(builder)
            | Self::CastToString { builder, .. }
            | Self::Json { builder, .. } => {
                builder.append_null();
            }
        }
    }

    /// Makes an array of the values. Errors where a text is not Unicode, which only a packed tuple can bring here.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let array: ArrayRef = match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Integer { mut builder, .. } => Arc::new(builder.finish()),
            Self::Number { mut builder, .. } => Arc::new(builder.finish()),
            Self::Binary { mut builder, .. } => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
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
    /// For an array like `array`, and an eighth more: one that is a little too small is doubled, and copied.
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

fn boolean(value: &Value<'_>) -> Result<bool, Misfit> {
    match value {
        Value::Boolean(boolean) => Ok(*boolean),
        _ => Err(Misfit::UnexpectedType),
    }
}

fn integer(value: &Value<'_>, strings: bool) -> Result<i64, Misfit> {
    let integer = match value {
        Value::Integer(integer) => return Ok(*integer),
        Value::Unsigned(_) => Err(NotAnInteger::OutOfRange),
        Value::Double(double) => number::integer_of_double(*double),
        Value::Number(text) => number::integer_of_number(text),
        Value::String(text) if strings => number::integer_of_text(text),
        _ => return Err(Misfit::UnexpectedType),
    };
    integer.map_err(|reason| match reason {
        NotAnInteger::NotANumber => Misfit::NotANumber,
        NotAnInteger::Fraction => Misfit::Fraction,
        NotAnInteger::OutOfRange => Misfit::IntegerOutOfRange,
    })
}

fn number(value: &Value<'_>, strings: bool) -> Result<f64, Misfit> {
    match value {
        Value::Integer(integer) => Ok(*integer as f64),
        Value::Unsigned(integer) => Ok(*integer as f64),
        Value::Double(double) => Ok(*double),
        Value::Number(text) => number::double_of_text(text).ok_or(Misfit::NumberOutOfRange),
        Value::String(text) if strings => number::double_of_string(text).ok_or(Misfit::NotANumber),
        _ => Err(Misfit::UnexpectedType),
    }
}

fn string<'a>(value: &'a Value<'_>) -> Result<&'a str, Misfit> {
    match value {
        Value::String(text) => Ok(text),
        // A string of the JSON codec that no Unicode text is equal to.
        Value::Json(json) if json.starts_with(b"\"") => Err(Misfit::NotUnicode),
        _ => Err(Misfit::UnexpectedType),
    }
}

fn binary(value: &Value<'_>, decoded: &mut Vec<u8>) -> Result<(), Misfit> {
    decoded.clear();
    BASE64
        .decode_vec(string(value)?, decoded)
        .map_err(|_| Misfit::NotBase64)
}

fn date(value: &Value<'_>) -> Result<i32, Misfit> {
    format::parse_date(string(value)?.as_bytes()).ok_or(Misfit::NotADate)
}

fn timestamp(value: &Value<'_>) -> Result<i64, Misfit> {
    format::parse_date_time(string(value)?.as_bytes()).ok_or(Misfit::NotADateTime)
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
