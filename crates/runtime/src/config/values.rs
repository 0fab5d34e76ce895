//! How values of the configuration are deserialized that serde does not know.

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, de};
use taizhang_contracts::caller::Secret;

pub(super) fn time_zone<'de, D: Deserializer<'de>>(from: D) -> Result<Tz, D::Error> {
    String::deserialize(from)?
        .parse()
        .map_err(de::Error::custom)
}

pub(super) fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret))
}

/// An empty text is none, as Compose sets a variable without a value to an empty one.
pub(super) fn non_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()))
}

pub(super) const fn source_deadline() -> u64 {
    10
}
