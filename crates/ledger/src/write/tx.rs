//! The reads and changes of a write.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::sea_query::{Condition, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, NumericColumn, Value};
use taizhang_contracts::{
    Context, Error, Name, Office, Reason, Resource, Result, Stored, Violations, date,
};

use crate::database::{BatchTransaction, refusal};
use crate::ledger::{self, Ledger};
use crate::record::{Moment, Record};
use crate::record_kind::RecordKind;
use crate::row::Row;

/// A write in progress: reads immediately, and collects its changes for the commit.
///
/// Within one call, reads by name see the call's own changes, and a number is assigned once; queries
/// over columns see the records as they were before the call. In a batch, both see the changes of
/// the calls before.
pub struct Tx<'a> {
    ledger: &'a Ledger,
    /// In a batch: the ledger as seen from within its transaction, and the transaction.
    batch: Option<(Ledger, Arc<BatchTransaction>)>,
    /// How many of the changes have been written to that transaction.
    flushed: usize,
    /// The index of the current call of a batch; 0 outside of one.
    call: usize,
    /// The method of the current call.
    method: &'static str,
    context: &'a Context,
    at: Moment,
    changes: Vec<Pending>,
    /// The index of each record's last change.
    indexes: HashMap<(&'static str, String), usize>,
    /// The last number assigned, by the query for the greatest.
    numbers: HashMap<String, i64>,
}

/// A change that is not committed yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) row: Arc<Row>,
    pub(super) call: usize,
    pub(super) method: &'static str,
    pub(super) name: String,
    /// Whether the record is new and its id was given by the caller, so may be taken.
    pub(super) id_given: bool,
    pub(super) version: i64,
    pub(super) body: Vec<u8>,
}

/// The answer of one call of a write.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The record's name; empty in the answer of a retry.
    pub(crate) name: String,
    /// The encoded record.
    pub(crate) body: Vec<u8>,
}

/// A record being written, without its Rust type.
pub(crate) trait Draft: Send {
    /// Its kind.
    fn kind(&self) -> &'static RecordKind;
    /// Its name.
    fn name(&self) -> String;
    /// The common fields; those of the version before, if it is changed.
    fn stored(&self) -> Stored<'_>;
    /// When it was deleted, if it is.
    fn delete_time(&self) -> Option<prost_types::Timestamp>;
    /// Sets the common fields.
    fn stamp(&mut self, stored: Stored<'_>);
    /// Applies [`Behavior::settle`](crate::Behavior::settle).
    fn settle<'s>(&'s mut self, tx: &'s mut Tx<'_>) -> BoxFuture<'s, Result<()>>;
    /// The message, and what a row holds after `office`, `id` and `version`.
    fn encode(&self) -> (Vec<u8>, Vec<Value>);
}

impl<'a> Tx<'a> {
    pub(super) fn begin(
        ledger: &'a Ledger,
        context: &'a Context,
        method: &'static str,
        batch: Option<(Ledger, Arc<BatchTransaction>)>,
    ) -> Self {
        Self {
            ledger,
            batch,
            flushed: 0,
            call: 0,
            method,
            context,
            at: ledger.moment(),
            changes: Vec::new(),
            indexes: HashMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// The changes, and how many of them have been written to the batch transaction.
    pub(super) fn into_changes(self) -> (Vec<Pending>, usize) {
        (self.changes, self.flushed)
    }

    /// The time of the write.
    pub fn at(&self) -> Moment {
        self.at
    }

    /// The office that it writes to.
    pub fn office(&self) -> &'a Office {
        &self.context.office
    }

    /// The ledger, for reads that are the same within a write and outside.
    pub fn ledger(&self) -> &Ledger {
        self.batch
            .as_ref()
            .map_or(self.ledger, |(ledger, _)| ledger)
    }

    /// Begins the next call of a batch: all reads see the changes of the calls before.
    pub(crate) async fn begin_call(&mut self, call: usize, method: &'static str) {
        if let Some((_, transaction)) = &self.batch {
            for change in self.changes.iter().skip(self.flushed) {
                transaction.put(&change.row).await;
            }
            self.flushed = self.changes.len();
        }
        (self.call, self.method) = (call, method);
    }

    /// The encoded record of this id, also a deleted one.
    pub(crate) async fn body(&self, kind: &RecordKind, id: &str) -> Result<Option<Vec<u8>>> {
        match self.pending(kind, id) {
            Some(change) => Ok(Some(change.body.clone())),
            // Unchanged in this batch, and the office's lock is held, so it is as committed. Read
            // outside of the batch transaction, which would have to write its pending rows first.
            None => self.ledger.body(kind, self.office(), id).await,
        }
    }

    /// Reads a record, also a deleted one.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn find<E: Record>(&self, name: &Name<E::Message>) -> Result<Option<E::Message>> {
        let body = self.body(E::KIND, name.id()).await?;
        body.map(|body| ledger::decode(&body)).transpose()
    }

    /// The singleton of this type, or its defaults, as before the write.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn singleton<E: Record>(&self) -> Result<E::Message> {
        self.ledger().singleton::<E>(self.office()).await
    }

    /// Reads a record that must be there and not deleted; `field` names it in the request.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the field is no such name of this office, NOT_FOUND.
    pub async fn refer<E: Record>(&self, field: &str, name: &str) -> Result<E::Message> {
        let bad = |zh: &str, en: &str| Violations::of(field, zh, en);
        let parsed = Name::<E::Message>::parse(name)
            .filter(|n| n.office() == self.office())
            .ok_or_else(|| bad("应为本单位的资源名", "must be a name in the same office"))?;
        match self.find::<E>(&parsed).await? {
            Some(record) if record.stored().delete_time.is_none() => Ok(record),
            _ => Err(Error::not_found(E::KIND.message(), name)),
        }
    }

    /// Like [`Ledger::select`].
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn select<E: Record>(
        &self,
        condition: Condition,
        limit: u64,
    ) -> Result<Vec<E::Message>> {
        let (ledger, office) = (self.ledger(), self.office());
        ledger.select::<E>(office, condition, limit).await
    }

    /// Like [`Ledger::each`].
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn each<E: Record>(
        &self,
        condition: Condition,
        page: u64,
        take: impl FnMut(E::Message) + Send,
    ) -> Result<()> {
        let (ledger, office) = (self.ledger(), self.office());
        ledger.each::<E>(office, condition, page, take).await
    }

    /// The next number of a column among the records that meet a condition, deleted ones included,
    /// from 1 without gaps, since the writes of an office are serialized.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn next_number<E: EntityTrait>(
        &mut self,
        column: NumericColumn<E>,
        within: Condition,
    ) -> Result<i32> {
        let select = ledger::greatest(self.office(), column, within);
        self.next_after(select).await
    }

    async fn next_after(&mut self, select: SelectStatement) -> Result<i32> {
        let query = DbBackend::Sqlite.build(&select).to_string();
        let last = match self.numbers.get(&query) {
            Some(last) => *last,
            None => self.number(&select).await?,
        };
        self.numbers.insert(query, last + 1);
        i32::try_from(last + 1).map_err(Error::internal)
    }

    /// The greatest value of a number's column; 0 if there is no record.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn greatest<E: EntityTrait>(
        &self,
        column: NumericColumn<E>,
        condition: Condition,
    ) -> Result<i64> {
        self.number(&ledger::greatest(self.office(), column, condition))
            .await
    }

    async fn number(&self, select: &SelectStatement) -> Result<i64> {
        let row = self.ledger().database.writer.query_one(select).await;
        let number = row.map_err(refusal)?.map(|row| row.try_get_by_index(0));
        let number: Option<Option<i64>> = number.transpose().map_err(refusal)?;
        Ok(number.flatten().unwrap_or(0))
    }

    /// Stamps and settles a new record and adds it to the changes. The id is the caller's or a new
    /// UUIDv7.
    pub(crate) async fn insert_draft(
        &mut self,
        id: Option<&str>,
        draft: &mut dyn Draft,
    ) -> Result<()> {
        let kind = draft.kind();
        // A singleton that another write made first is updated by the next attempt.
        let id_given = id.is_some() && !kind.singleton;
        let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
        let name = kind.name(self.office(), &id);
        let now = date::timestamp(self.at.now);
        draft.stamp(Stored {
            name: &name,
            etag: &etag(1),
            create_time: Some(now),
            update_time: Some(now),
            delete_time: None,
        });
        if id_given && self.pending(kind, &id).is_some() {
            return Err(taken(kind, &name));
        }
        draft.settle(self).await?;
        self.push(id, id_given, 1, name, draft);
        Ok(())
    }

    /// Stamps and settles a changed record and adds it to the changes.
    pub(crate) async fn update_draft(&mut self, draft: &mut dyn Draft) -> Result<()> {
        let before = draft.stored();
        let (version, name) = (version(before.etag) + 1, before.name.to_owned());
        let create_time = before.create_time;
        let delete_time = draft.delete_time();
        draft.stamp(Stored {
            name: &name,
            etag: &etag(version),
            create_time,
            update_time: Some(date::timestamp(self.at.now)),
            delete_time,
        });
        draft.settle(self).await?;
        let id = name.rsplit('/').next().unwrap_or_default().to_owned();
        self.push(id, false, version, name, draft);
        Ok(())
    }

    /// The answer of a call that ends with this record.
    pub(crate) fn answer(&self, kind: &RecordKind, name: &str) -> Option<Answer> {
        let id = name.rsplit('/').next().unwrap_or_default();
        self.pending(kind, id).map(|change| Answer {
            name: name.to_owned(),
            body: change.body.clone(),
        })
    }

    /// The write's last change of a record.
    fn pending(&self, kind: &RecordKind, id: &str) -> Option<&Pending> {
        let index = self.indexes.get(&(kind.collection(), id.to_owned()))?;
        self.changes.get(*index)
    }

    fn push(&mut self, id: String, id_given: bool, version: i64, name: String, draft: &dyn Draft) {
        let kind = draft.kind();
        let (body, values) = draft.encode();
        let row = Row::new(kind, self.office().id(), &id, version, values);
        self.indexes
            .insert((kind.collection(), id), self.changes.len());
        self.changes.push(Pending {
            row: Arc::new(row),
            call: self.call,
            method: self.method,
            name,
            id_given,
            version,
            body,
        });
    }
}

/// The error that the id of a new record is taken.
pub(crate) fn taken(kind: &RecordKind, name: &str) -> Error {
    Error::new(Reason::AlreadyExists)
        .saying(
            format!("编号已存在：{name}"),
            format!("{name} already exists"),
        )
        .about(kind.message(), name)
}

/// The etag of a version.
fn etag(version: i64) -> String {
    format!("v{version}")
}

/// The version of an etag; 0 for one that is malformed.
fn version(etag: &str) -> i64 {
    etag.strip_prefix('v')
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}
