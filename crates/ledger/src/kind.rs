//! A kind of record without its type, for what treats all kinds alike.

use sea_orm::Value;

use crate::column::{Field, time};
use crate::record::Record;

/// Columns and what they hold.
pub(crate) type Values = Vec<(&'static str, Value)>;

/// A kind of record that a service keeps.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub(crate) table: &'static str,
    pub(crate) collection: &'static str,
    pub(crate) message: &'static str,
    pub(crate) singleton: bool,
    /// The columns that are read from a record, and their values in a stored body.
    pub(crate) columns: fn(&[u8]) -> Option<Values>,
    fields: fn() -> Vec<Field>,
}

impl Kind {
    /// The kind of record that `R` is.
    pub const fn of<S: 'static, R: Record<S>>() -> Self {
        Self {
            table: R::TABLE,
            collection: R::COLLECTION,
            message: R::MESSAGE,
            singleton: R::SINGLETON,
            columns: |body| {
                let record = R::decode(body).ok()?;
                let stored = record.stored();
                let times = [
                    ("create_time", stored.create_time),
                    ("update_time", stored.update_time),
                    ("delete_time", stored.delete_time),
                ];
                let times = times.map(|(column, instant)| (column, time(instant.as_ref())));
                let declared = R::COLUMNS
                    .iter()
                    .map(|c| (c.field.column, (c.read)(&record)));
                Some(times.into_iter().chain(declared).collect())
            },
            fields: crate::listing::fields::<S, R>,
        }
    }

    /// The table that keeps it.
    pub const fn table(&self) -> &'static str {
        self.table
    }

    /// The part of its names after the office, such as `meetings`.
    pub const fn collection(&self) -> &'static str {
        self.collection
    }

    /// Its message in the contract, such as `taizhang.meetings.v1.Meeting`.
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// Whether an office has exactly one (AIP-156), which is not listed.
    pub const fn is_singleton(&self) -> bool {
        self.singleton
    }

    /// The fields that filters and orders of its lists can name.
    pub fn fields(&self) -> Vec<Field> {
        (self.fields)()
    }
}
