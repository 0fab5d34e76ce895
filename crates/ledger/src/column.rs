//! The types of declared columns, in filters and in the database.

use std::fmt::Debug;
use std::marker::PhantomData;

use chrono::{DateTime, SubsecRound, Utc};
use prost_types::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, Value};
use taizhang_contracts::common::Date;
use taizhang_contracts::date::instant;

/// The type of a field, which determines how a filter can compare it.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// A string.
    Text,
    /// An integer.
    Number,
    /// A boolean.
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
    /// Its type.
    pub holds: Type,
}

/// A column of an enum of the contracts, stored as its number; beside sea-orm's own typed columns,
/// such as [`StringColumn`](sea_orm::StringColumn).
pub struct EnumColumn<E: EntityTrait, V>(pub E::Column, PhantomData<fn() -> V>);

impl<E: EntityTrait, V: Into<i32>> EnumColumn<E, V> {
    /// The typed column over sea-orm's.
    pub const fn new(column: E::Column) -> Self {
        Self(column, PhantomData)
    }

    /// `column = value`.
    pub fn eq(&self, value: V) -> Expr {
        self.0.eq(number(value))
    }

    /// `column <> value`.
    pub fn ne(&self, value: V) -> Expr {
        self.0.ne(number(value))
    }

    /// `column IN (values)`.
    pub fn is_in(&self, values: impl IntoIterator<Item = V>) -> Expr {
        self.0.is_in(values.into_iter().map(number))
    }

    /// `column NOT IN (values)`.
    pub fn is_not_in(&self, values: impl IntoIterator<Item = V>) -> Expr {
        self.0.is_not_in(values.into_iter().map(number))
    }
}

fn number(value: impl Into<i32>) -> i64 {
    value.into().into()
}

impl<E: EntityTrait, V> Debug for EnumColumn<E, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The value of a day's column.
pub fn day(date: Option<Date>) -> Value {
    Value::ChronoDate(date.and_then(|date| date.naive()))
}

/// The value of an instant's column, in the microseconds that all databases keep.
pub fn time(timestamp: Option<Timestamp>) -> Value {
    Value::ChronoDateTimeUtc(timestamp.as_ref().and_then(instant).map(micros))
}

/// An instant in the microseconds that all databases keep.
pub fn micros(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.trunc_subsecs(6)
}
