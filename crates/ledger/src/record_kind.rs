//! A kind of record without its Rust type: what the ledger works on.

use sea_orm::sea_query::TableCreateStatement;
use sea_orm::{DbBackend, Value};
use taizhang_contracts::{Error, Office, Result};

use crate::column::{Field, Type};

/// A kind of record that a service keeps.
#[derive(Debug, Clone, Copy)]
pub struct RecordKind {
    /// Such as `Meeting`.
    pub(crate) type_name: &'static str,
    pub(crate) collection: &'static str,
    pub(crate) message: &'static str,
    /// Such as `offices/{office}/meetings/{meeting}`.
    pub(crate) pattern: &'static str,
    pub(crate) singleton: bool,
    /// The names of all columns.
    pub(crate) columns: &'static [&'static str],
    pub(crate) declared: &'static [Field],
    pub(crate) table: fn() -> &'static str,
    pub(crate) values: fn(&[u8]) -> Option<Vec<Value>>,
    pub(crate) title: fn(&[u8]) -> Option<String>,
    pub(crate) definition: fn(DbBackend) -> TableCreateStatement,
}

impl RecordKind {
    /// The table that keeps it.
    pub fn table(&self) -> &'static str {
        (self.table)()
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

    /// The fields that filters and orders of its lists can name: the declared ones and those that
    /// every record has.
    pub fn fields(&self) -> Vec<Field> {
        let instant = |path| Field {
            path,
            column: path,
            holds: Type::Instant,
        };
        let mut fields = self.declared.to_vec();
        fields.push(ID);
        fields.extend(["create_time", "update_time", "delete_time"].map(instant));
        fields
    }

    /// The table as its sea-orm entity defines it.
    pub fn definition(&self, backend: DbBackend) -> TableCreateStatement {
        (self.definition)(backend)
    }

    /// The name of the record with this id in an office.
    pub(crate) fn name(&self, office: &Office, id: &str) -> String {
        if self.singleton {
            format!("{office}/{}", self.collection)
        } else {
            format!("{office}/{}/{id}", self.collection)
        }
    }

    /// The values of a row after `office`, `id` and `version`, read from the record's message.
    ///
    /// # Errors
    /// INTERNAL if the message can't be decoded.
    pub(crate) fn values(&self, body: &[u8]) -> Result<Vec<Value>> {
        let unread = || Error::internal(format!("a stored {} can't be decoded", self.message));
        (self.values)(body).ok_or_else(unread)
    }

    /// A stored record's title; empty if it can't be decoded.
    pub(crate) fn title(&self, body: &[u8]) -> String {
        (self.title)(body).unwrap_or_default()
    }
}

/// The number of columns before those of [`RecordKind::values`]: `office`, `id`, `version`.
pub(crate) const VALUES: usize = 3;

/// The last part of a record's name.
pub(crate) const ID: Field = Field {
    path: "id",
    column: "id",
    holds: Type::Text,
};
