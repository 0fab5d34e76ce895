//! The history of an office's records: one row per change, append-only.
//!
//! The primary key `(office, seq)` serializes the writes of an office: of two that have read the
//! same last entry only one can insert the next.

use sea_orm::entity::prelude::*;
use sea_orm::{Iterable, Value};

use crate::secret::{Digest, Key};

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub struct Model {
    /// The office.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub office: String,
    /// The entry's number in the office, from 1 without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// When the change was made.
    pub time: ChronoDateTimeUtc,
    /// The calling system.
    #[sea_orm(column_type = "Text")]
    pub caller: String,
    /// The method that made it.
    #[sea_orm(column_type = "Text")]
    pub method: String,
    /// The record's collection.
    #[sea_orm(column_type = "Text")]
    pub collection: String,
    /// The record's id.
    #[sea_orm(column_type = "Text")]
    pub id: String,
    /// The record's version after the change, from 1.
    pub version: i64,
    /// The record after the change.
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
    /// The caller's id of the request, on the entry whose record was the answer.
    #[sea_orm(column_type = "Text", nullable)]
    pub request_id: Option<String>,
    /// The digest of that request.
    #[sea_orm(column_type = "Blob", nullable)]
    pub request_digest: Option<Vec<u8>>,
    /// The HMAC over this entry and the `mac` of the one before.
    #[sea_orm(column_type = "Blob")]
    pub mac: Vec<u8>,
}

/// The history refers to records by name only.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The digest of this entry and of all before it.
    pub(crate) fn digest(&self, key: &Key, before: &Digest) -> Digest {
        key.history(&[
            before,
            self.office.as_bytes(),
            &self.seq.to_be_bytes(),
            &self.time.timestamp_micros().to_be_bytes(),
            self.caller.as_bytes(),
            self.method.as_bytes(),
            self.collection.as_bytes(),
            self.id.as_bytes(),
            &self.version.to_be_bytes(),
            &self.body,
            self.request_id.as_deref().unwrap_or_default().as_bytes(),
            self.request_digest.as_deref().unwrap_or_default(),
        ])
    }

    /// What its columns hold, in their order.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> + '_ {
        Column::iter().map(|column| self.get(column))
    }
}
