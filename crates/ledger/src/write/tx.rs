//! What a write has read, and what it changes.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::sea_query::Condition;
use taizhang_contracts::{Context, Error, Name, Office, Reason, Result, Stored, date};

use crate::database::{Open, refusal};
use crate::ledger::Ledger;
use crate::record::{Moment, Record};
use crate::sql::{self, Row};

/// A write under way: reads at once, and keeps its changes for the commit. Reading by name sees
/// what the write has itself changed, and a number is given once; whatever looks for records by
/// their columns sees them as they were before.
pub struct Tx<'a, S> {
    pub(super) ledger: &'a Ledger<S>,
    /// The transaction that it is made in if that is open already, as for a batch, and the ledger
    /// as seen from within, where a batch's calls before have left it.
    pub(super) within: Option<(Ledger<S>, Arc<Open>)>,
    /// So many changes are in that transaction.
    pub(super) put: usize,
    /// Which call of a batch is under way; 0 outside of one.
    pub(super) call: usize,
    /// The method that is under way.
    pub(super) method: &'static str,
    pub(super) context: &'a Context,
    pub(super) at: Moment,
    pub(super) changes: Vec<Pending>,
    /// The last change of each record.
    pub(super) places: HashMap<(String, String), usize>,
    /// The last number given, for each way to number that was asked for.
    pub(super) numbers: HashMap<String, i64>,
}

/// A change that waits for the commit.
pub(super) struct Pending {
    pub(super) row: Arc<Row>,
    pub(super) call: usize,
    pub(super) method: &'static str,
    pub(super) record: (&'static str, String),
    pub(super) resource_type: &'static str,
    pub(super) name: String,
    pub(super) exists: Option<sea_orm::Statement>,
    pub(super) version: i64,
    pub(super) body: Vec<u8>,
}

impl<'a, S: 'static> Tx<'a, S> {
    /// When the write takes place.
    pub fn at(&self) -> Moment {
        self.at
    }

    /// The office that it is about.
    pub fn office(&self) -> &'a Office {
        &self.context.office
    }

    /// The ledger, for what is read the same way inside of a write and outside.
    pub fn ledger(&self) -> &Ledger<S> {
        self.within
            .as_ref()
            .map_or(self.ledger, |(ledger, _)| ledger)
    }

    /// Begins another call of a batch: from now on all reading sees what those before have changed.
    pub(crate) async fn begin_call(&mut self, call: usize, method: &'static str) {
        if let Some((_, open)) = &self.within {
            let before = self.changes.iter().skip(self.put);
            for change in before {
                open.put(&change.row).await;
            }
            self.put = self.changes.len();
        }
        (self.call, self.method) = (call, method);
    }

    /// Reads a record, also a deleted one.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn find<R: Record<S>>(&self, name: &Name<R>) -> Result<Option<R>> {
        let key = (R::COLLECTION.to_owned(), name.id().to_owned());
        let place = self.places.get(&key);
        match place.and_then(|place| self.changes.get(*place)) {
            Some(change) => R::decode(change.body.as_slice())
                .map(Some)
                .map_err(Error::internal),
            None => self.ledger.find(self.office(), name.id()).await,
        }
    }

    /// The office's only record of this type, or its defaults, as it was before the write.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn singleton<R: Record<S>>(&self) -> Result<R> {
        self.ledger().singleton(self.office()).await
    }

    /// Reads a record that must be there and not deleted; `field` names it in the request.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if the field is no such name of this office, NOT_FOUND.
    pub async fn refer<R: Record<S>>(&self, field: &str, name: &str) -> Result<R> {
        let bad = |zh: &str, en: &str| taizhang_contracts::Violations::of(field, zh, en);
        let parsed = Name::<R>::parse(name)
            .filter(|n| n.office() == self.office())
            .ok_or_else(|| bad("应为本单位的资源名", "must be a name in the same office"))?;
        match self.find(&parsed).await? {
            Some(record) if record.stored().delete_time.is_none() => Ok(record),
            _ => Err(Error::not_found(R::MESSAGE, name)),
        }
    }

    /// The records that fulfil a condition over declared columns, deleted ones aside, in the order
    /// of their ids; at most `limit`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn select<R: Record<S>>(&self, condition: Condition, limit: u64) -> Result<Vec<R>> {
        self.ledger().select(self.office(), condition, limit).await
    }

    /// Like [`Ledger::each`].
    ///
    /// # Errors
    /// If the database is away.
    pub async fn each<R: Record<S>>(
        &self,
        condition: Condition,
        page: u64,
        take: impl FnMut(R) + Send,
    ) -> Result<()> {
        self.ledger()
            .each(self.office(), condition, page, take)
            .await
    }

    /// The next number of a column among the records that fulfil a condition, deleted ones
    /// included, from 1 without gaps: the writes of an office follow one another.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn next_number<R: Record<S>>(
        &mut self,
        column: &'static str,
        within: Condition,
    ) -> Result<i32> {
        let (backend, office) = (self.ledger.backend(), self.office());
        let asked = sql::greatest::<S, R>(backend, office, column, within.clone()).to_string();
        let last = match self.numbers.get(&asked) {
            Some(last) => *last,
            None => self.greatest::<R>(column, within).await?,
        };
        self.numbers.insert(asked, last + 1);
        i32::try_from(last + 1).map_err(Error::internal)
    }

    /// The greatest value of a number's column; 0 if there is no record.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn greatest<R: Record<S>>(
        &self,
        column: &'static str,
        condition: Condition,
    ) -> Result<i64> {
        let statement =
            sql::greatest::<S, R>(self.ledger.backend(), self.office(), column, condition);
        let row = self
            .ledger()
            .database
            .writer
            .one(statement)
            .await
            .map_err(refusal)?;
        Ok(row
            .and_then(|r| r.try_get_by_index::<Option<i64>>(0).ok().flatten())
            .unwrap_or(0))
    }

    /// Takes a new record in under an id of the caller's, or else one of ours. Its fields have been
    /// checked.
    ///
    /// # Errors
    /// What [`Record::settle`] refuses.
    pub async fn create<R: Record<S>>(&mut self, id: Option<&str>, mut record: R) -> Result<R> {
        record.keep_output_only(&R::default());
        record.initial(self.at);
        self.insert(id, record).await
    }

    /// Like [`Tx::create`], with the output-only fields as the caller of this function set them.
    ///
    /// # Errors
    /// What [`Record::settle`] refuses.
    pub async fn insert<R: Record<S>>(&mut self, id: Option<&str>, mut record: R) -> Result<R> {
        let name = match id {
            Some(id) => Name::<R>::new(self.office(), id),
            None => Name::new(self.office(), &uuid::Uuid::now_v7().to_string()),
        };
        let now = date::timestamp(self.at.now);
        record.set_stored(Stored {
            name: &name.to_string(),
            etag: &etag(1),
            create_time: Some(now),
            update_time: Some(now),
            delete_time: None,
        });
        if id.is_some() && self.has(R::COLLECTION, name.id()) {
            return Err(taken(R::MESSAGE, &name.to_string()));
        }
        settled(&mut record, None, self).await?;
        let exists = id.map(|id| sql::body(self.ledger.backend(), R::TABLE, self.office(), id));
        self.push(name.id(), 1, &record, exists);
        Ok(record)
    }

    /// Keeps the change of a record that was read in this write.
    ///
    /// # Errors
    /// What [`Record::settle`] refuses.
    pub async fn update<R: Record<S>>(&mut self, before: &R, mut record: R) -> Result<R> {
        let version = version(before.stored().etag) + 1;
        let stored = before.stored();
        let delete_time = record.stored().delete_time;
        record.set_stored(Stored {
            etag: &etag(version),
            update_time: Some(date::timestamp(self.at.now)),
            delete_time,
            ..stored
        });
        settled(&mut record, Some(before), self).await?;
        let id = Name::<R>::parse(stored.name)
            .ok_or_else(|| Error::internal("a stored record without a name"))?;
        self.push(id.id(), version, &record, None);
        Ok(record)
    }

    /// Whether the write has changed a record.
    fn has(&self, collection: &str, id: &str) -> bool {
        self.places
            .contains_key(&(collection.to_owned(), id.to_owned()))
    }

    fn push<R: Record<S>>(
        &mut self,
        id: &str,
        version: i64,
        record: &R,
        exists: Option<sea_orm::Statement>,
    ) {
        let key = (R::COLLECTION.to_owned(), id.to_owned());
        self.places.insert(key, self.changes.len());
        self.changes.push(Pending {
            row: Arc::new(Row::of::<S, _>(self.office(), id, version, record)),
            call: self.call,
            method: self.method,
            record: (R::COLLECTION, id.to_owned()),
            resource_type: R::MESSAGE,
            name: record.stored().name.to_owned(),
            exists,
            version,
            body: record.encode_to_vec(),
        });
    }
}

/// [`Record::settle`], which may change records of its own kind, and so come back here.
fn settled<'s, S: 'static, R: Record<S>>(
    record: &'s mut R,
    before: Option<&'s R>,
    tx: &'s mut Tx<'_, S>,
) -> BoxFuture<'s, Result<()>> {
    Box::pin(record.settle(before, tx))
}

/// An id that a caller gave to a new record is taken.
pub(super) fn taken(resource_type: &str, name: &str) -> Error {
    Error::new(Reason::AlreadyExists)
        .saying(
            format!("编号已存在：{name}"),
            format!("{name} already exists"),
        )
        .about(resource_type, name)
}

/// The etag of a version.
fn etag(version: i64) -> String {
    format!("v{version}")
}

/// The version that an etag stands for; 0 for one that is not ours.
pub(super) fn version(etag: &str) -> i64 {
    etag.strip_prefix('v')
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}
