//! The fields of a record that stand in columns of their own: those that callers filter and order
//! by, and those that figures are counted from.

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use prost_types::Timestamp;
use sea_orm::Value;
use taizhang_contracts::common::Date;
use taizhang_contracts::date::instant;

/// What a field holds, and so how a filter may compare it.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// Yes or no.
    Bool,
    /// An enum: its proto name, such as `MeetingKind`, and the number of a value's full name, such
    /// as `MEETING_KIND_ON_SITE`.
    Enum(&'static str, fn(&str) -> Option<i32>),
    /// A local day.
    Day,
    /// An instant.
    Instant,
}

/// A field that a filter or an order can name.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its path in the contract, such as `source.kind`.
    pub path: &'static str,
    /// Its column in the table, such as `source_kind`.
    pub column: &'static str,
    /// What it holds.
    pub holds: Type,
}

/// A declared column of the record `R`: the field, and how it is read from the record.
#[derive(Debug)]
pub struct Column<R> {
    /// The field.
    pub field: Field,
    /// The value of a record.
    pub read: fn(&R) -> Value,
}

impl<R> Clone for Column<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Column<R> {}

impl<R> Column<R> {
    /// A text.
    pub const fn text(path: &'static str, read: fn(&R) -> Value) -> Self {
        Self::new(path, Type::Text, read)
    }

    /// A whole number.
    pub const fn number(path: &'static str, read: fn(&R) -> Value) -> Self {
        Self::new(path, Type::Number, read)
    }

    /// Yes or no.
    pub const fn bool(path: &'static str, read: fn(&R) -> Value) -> Self {
        Self::new(path, Type::Bool, read)
    }

    /// An enum: `name` is its proto name, `parse` the `from_str_name` of its values.
    pub const fn enumeration(
        path: &'static str,
        name: &'static str,
        parse: fn(&str) -> Option<i32>,
        read: fn(&R) -> Value,
    ) -> Self {
        Self::new(path, Type::Enum(name, parse), read)
    }

    /// A local day; see [`day`].
    pub const fn day(path: &'static str, read: fn(&R) -> Value) -> Self {
        Self::new(path, Type::Day, read)
    }

    /// An instant; see [`time`].
    pub const fn instant(path: &'static str, read: fn(&R) -> Value) -> Self {
        Self::new(path, Type::Instant, read)
    }

    const fn new(path: &'static str, holds: Type, read: fn(&R) -> Value) -> Self {
        Self {
            field: Field {
                path,
                column: path,
                holds,
            },
            read,
        }
    }

    /// Gives the column another name than its path, which may have dots.
    #[must_use]
    pub const fn named(mut self, column: &'static str) -> Self {
        self.field.column = column;
        self
    }
}

/// The value of a day's column.
pub fn day(date: Option<&Date>) -> Value {
    Value::ChronoDate(date.and_then(Date::naive))
}

/// The value of an instant's column, in the microseconds that all databases keep.
pub fn time(timestamp: Option<&Timestamp>) -> Value {
    Value::ChronoDateTimeUtc(timestamp.and_then(instant).map(micros))
}

/// An instant in the microseconds that all databases keep.
pub(crate) fn micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.trunc_subsecs(6)
}

/// The value of an instant's column.
pub fn utc(instant: DateTime<Utc>) -> Value {
    Value::ChronoDateTimeUtc(Some(instant))
}

/// The value of a day's column.
pub fn naive(day: NaiveDate) -> Value {
    Value::ChronoDate(Some(day))
}
