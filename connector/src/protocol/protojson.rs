//! Protobuf's JSON mapping, as Flow speaks it: the serde functions that `build.rs` puts on each
//! field of the messages.
//!
//! Fields at their default are omitted, `null` reads as the default, 64-bit integers are strings,
//! bytes are base64, enums are names, and a `*_json` field embeds its JSON text as it is.

use serde::{Deserialize, Deserializer};

/// Whether a field stands at its default and is therefore left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a field whose JSON may be `null`, which means its default.
pub(super) fn nullable<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// JSON text, embedded byte for byte.
pub(super) mod raw {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
    use serde_json::value::RawValue;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        embed(value)
            .map_err(ser::Error::custom)?
            .serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let value = Option::<Box<RawValue>>::deserialize(deserializer)?;
        Ok(value.map(owned).unwrap_or_default())
    }

    /// The text of a JSON value as the bytes of a `*_json` field.
    pub(super) fn owned(value: Box<RawValue>) -> Bytes {
        Bytes::from(String::from(Box::<str>::from(value)))
    }

    /// The bytes of a `*_json` field as a JSON value; an error where they are not JSON.
    pub(super) fn embed(value: &[u8]) -> serde_json::Result<&RawValue> {
        serde_json::from_slice(value)
    }
}

/// A list of JSON texts.
pub(super) mod raw_list {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, ser};
    use serde_json::value::RawValue;

    use super::raw;

    pub(in super::super) fn serialize<S: Serializer>(
        values: &[Bytes],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let embedded = values
            .iter()
            .map(|value| raw::embed(value))
            .collect::<Result<Vec<_>, _>>();
        serializer.collect_seq(embedded.map_err(ser::Error::custom)?)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Bytes>, D::Error> {
        let values = Option::<Vec<Box<RawValue>>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(values.into_iter().map(raw::owned).collect())
    }
}

/// A map of names to JSON texts.
pub(super) mod raw_map {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, ser};
    use serde_json::value::RawValue;

    use super::raw;

    pub(in super::super) fn serialize<S: Serializer>(
        values: &BTreeMap<String, Bytes>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let embedded = values
            .iter()
            .map(|(name, value)| Ok((name, raw::embed(value)?)))
            .collect::<serde_json::Result<Vec<_>>>();
        serializer.collect_map(embedded.map_err(ser::Error::custom)?)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Bytes>, D::Error> {
        let values = Option::<BTreeMap<String, Box<RawValue>>>::deserialize(deserializer)?
            .unwrap_or_default();
        Ok(values
            .into_iter()
            .map(|(name, value)| (name, raw::owned(value)))
            .collect())
    }
}

/// Bytes as standard base64 with padding.
pub(super) mod base64 {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&BASE64_STANDARD.encode(value))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        BASE64_STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(de::Error::custom)
    }
}

/// A map of names to bytes.
pub(super) mod base64_map {
    use std::collections::BTreeMap;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
        values: &BTreeMap<String, Bytes>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            values
                .iter()
                .map(|(name, value)| (name, BASE64_STANDARD.encode(value))),
        )
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Bytes>, D::Error> {
        let values =
            Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
        values
            .into_iter()
            .map(|(name, text)| {
                Ok((
                    name,
                    BASE64_STANDARD
                        .decode(text)
                        .map_err(de::Error::custom)?
                        .into(),
                ))
            })
            .collect()
    }
}

/// A 64-bit integer: written as a string, read from a string or a number.
pub(super) mod integer64 {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TextOrNumber<T> {
        Text(String),
        Number(T),
    }

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Default + Deserialize<'de> + FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        match Option::deserialize(deserializer)? {
            None => Ok(T::default()),
            Some(TextOrNumber::Number(number)) => Ok(number),
            Some(TextOrNumber::Text(text)) => text.parse().map_err(de::Error::custom),
        }
    }
}

/// An enum: written as its name, read from its name or its number.
pub(super) mod enumeration {
    use serde::{Deserialize, Deserializer, Serializer, ser};

    use crate::protocol::{flow, gazette, materialize};

    /// An enum of the protocol, by the names that protobuf gives its values.
    pub(in super::super) trait Enumeration: Sized {
        fn name(number: i32) -> Option<&'static str>;
        fn number(name: &str) -> Option<i32>;
    }

    macro_rules! enumerations {
        ($($kind:ty),+ $(,)?) => {$(
            impl Enumeration for $kind {
                fn name(number: i32) -> Option<&'static str> {
                    Self::try_from(number).ok().map(|value| value.as_str_name())
                }

                fn number(name: &str) -> Option<i32> {
                    Self::from_str_name(name).map(i32::from)
                }
            }
        )+};
    }

    enumerations!(
        flow::materialization_spec::ConnectorType,
        flow::inference::Exists,
        flow::inference::Reduce,
        flow::inference::Redact,
        gazette::CompressionCodec,
        materialize::response::validated::constraint::Type,
    );

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NameOrNumber {
        Name(String),
        Number(i32),
    }

    pub(in super::super) fn serialize<E: Enumeration, S: Serializer>(
        number: &i32,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let name = E::name(*number)
            .ok_or_else(|| ser::Error::custom(format!("unknown enum value {number}")))?;
        serializer.serialize_str(name)
    }

    pub(in super::super) fn deserialize<'de, E: Enumeration, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<i32, D::Error> {
        match Option::deserialize(deserializer)? {
            None => Ok(0),
            Some(NameOrNumber::Number(number)) => Ok(number),
            // A name of a newer runtime is no more than the number that protobuf would send.
            Some(NameOrNumber::Name(name)) => Ok(E::number(&name).unwrap_or_default()),
        }
    }
}

/// A point in time as RFC 3339.
pub(super) mod timestamp {
    use prost_types::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Some(value) = value else {
            return serializer.serialize_none();
        };
        let instant =
            jiff::Timestamp::new(value.seconds, value.nanos).map_err(ser::Error::custom)?;
        serializer.collect_str(&instant.display_with_offset(jiff::tz::Offset::UTC))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let instant: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        let nanos = instant.as_nanosecond().rem_euclid(1_000_000_000) as i32;
        let seconds = instant.as_nanosecond().div_euclid(1_000_000_000) as i64;
        Ok(Some(Timestamp { seconds, nanos }))
    }
}

/// A span of time as seconds with an `s`: `300s`, `62.250s`.
pub(super) mod duration {
    use prost_types::Duration;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            None => serializer.serialize_none(),
            // prost-types writes a duration just as protobuf's JSON mapping does.
            Some(value) => serializer.collect_str(value),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}
