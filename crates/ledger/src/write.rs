//! One write: what it reads, what it changes, and its commit.
//!
//! The writes of an office follow one another. A write knows the last entry of the office's
//! history before it reads anything; it commits as the next entry; and the history's primary key
//! lets only one write be that. So whatever a write has read is still true when it commits, on
//! both databases and with any number of processes. A write that loses begins again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::sea_query::Condition;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TransactionTrait, Value};
use sha2::{Digest as _, Sha256};
use taizhang_contracts::{
    Context, Error, Name, Office, Reason, Resource, Result, Stored, Write, date,
};

use crate::column::utc;
use crate::database::{Fault, fault, refusal};
use crate::ledger::Ledger;
use crate::record::{Moment, Record};
use crate::secret::Digest;
use crate::sql;

/// How often a write begins again before it gives up as [`Reason::LostRace`].
const ATTEMPTS: usize = 20;

/// The last entry of an office's history, as far as this process knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    seq: i64,
    mac: Digest,
}

/// The heads of all offices. The lock of an office is held by the write that is under way.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<Office, Arc<tokio::sync::Mutex<Option<Head>>>>>);

impl Heads {
    fn of(&self, office: &Office) -> Arc<tokio::sync::Mutex<Option<Head>>> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(office.clone()).or_default().clone()
    }
}

/// What identifies a retry: who asks, under which id, for what.
pub(crate) struct RequestKey {
    method: &'static str,
    id: Option<String>,
    digest: Digest,
    validate_only: bool,
}

impl RequestKey {
    pub(crate) fn of<Q: Write>(request: &Q) -> Self {
        let id = uuid::Uuid::try_parse(request.request_id())
            .ok()
            .map(|u| u.to_string());
        let digest = if id.is_some() {
            let mut hasher = Sha256::new();
            hasher.update(Q::METHOD);
            hasher.update(request.encode_to_vec());
            hasher.finalize().into()
        } else {
            Digest::default()
        };
        Self {
            method: Q::METHOD,
            id,
            digest,
            validate_only: request.validate_only(),
        }
    }
}

/// A write under way: reads at once, and keeps its changes for the commit. It does not read what
/// it has itself changed.
pub struct Tx<'a, S> {
    ledger: &'a Ledger<S>,
    context: &'a Context,
    at: Moment,
    changes: Vec<Pending>,
}

/// A change that waits for the commit.
struct Pending {
    statement: Statement,
    record: (&'static str, String),
    resource_type: &'static str,
    name: String,
    exists: Option<Statement>,
    version: i64,
    body: Vec<u8>,
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

    /// Reads a record, also a deleted one.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn find<R: Record<S>>(&self, name: &Name<R>) -> Result<Option<R>> {
        self.ledger.find(self.office(), name.id()).await
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
            _ => Err(Error::not_found(R::TYPE, name)),
        }
    }

    /// The records that fulfil a condition over declared columns, deleted ones aside, in the order
    /// of their ids; at most `limit`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn select<R: Record<S>>(&self, condition: Condition, limit: u64) -> Result<Vec<R>> {
        self.ledger.select(self.office(), condition, limit).await
    }

    /// One value of the record's table, such as a greatest number; see [`sql::scalar`].
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
            .ledger
            .database
            .writer
            .query_one_raw(statement)
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
        Box::pin(record.settle(None, self)).await?;
        let statement =
            sql::insert::<S, _>(self.ledger.backend(), self.office(), name.id(), &record);
        let exists = id.map(|id| sql::get::<S, R>(self.ledger.backend(), self.office(), id));
        self.push(statement, name.id(), 1, &record, exists);
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
        Box::pin(record.settle(Some(before), self)).await?;
        let id = Name::<R>::parse(stored.name)
            .ok_or_else(|| Error::internal("a stored record without a name"))?;
        let statement = sql::update::<S, _>(
            self.ledger.backend(),
            self.office(),
            id.id(),
            version,
            &record,
        );
        self.push(statement, id.id(), version, &record, None);
        Ok(record)
    }

    fn push<R: Record<S>>(
        &mut self,
        statement: Statement,
        id: &str,
        version: i64,
        record: &R,
        exists: Option<Statement>,
    ) {
        self.changes.push(Pending {
            statement,
            record: (R::COLLECTION, id.to_owned()),
            resource_type: R::TYPE,
            name: record.stored().name.to_owned(),
            exists,
            version,
            body: record.encode_to_vec(),
        });
    }
}

/// The etag of a version.
fn etag(version: i64) -> String {
    format!("v{version}")
}

/// The version that an etag stands for; 0 for one that is not ours.
pub(crate) fn version(etag: &str) -> i64 {
    etag.strip_prefix('v')
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

/// How one attempt ended.
enum Attempt<R> {
    Done(R),
    Lost,
    Refused(Error),
}

impl<S: 'static> Ledger<S> {
    /// Runs one write: `work` reads and changes through the [`Tx`] and returns the record that is
    /// the answer. It may run more than once, each time from the start.
    ///
    /// # Errors
    /// What `work` refuses; REQUEST_ID_REUSED; LOST_RACE; if the database is away.
    pub async fn write<'a, Q, R, F>(
        &'a self,
        context: &'a Context,
        request: &'a Q,
        work: F,
    ) -> Result<R>
    where
        Q: Write,
        R: Record<S>,
        F: for<'t> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>> + Send + Sync,
    {
        let record = self.committed(context, RequestKey::of(request), work).await?;
        self.shown(&context.office, record).await
    }

    /// Holds the office's turn from the first attempt to the last.
    async fn committed<'a, R, F>(
        &'a self,
        context: &'a Context,
        key: RequestKey,
        work: F,
    ) -> Result<R>
    where
        R: Record<S>,
        F: for<'t> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>> + Send + Sync,
    {
        let lock = self.heads.of(&context.office);
        let mut known = lock.lock().await;
        for _ in 0..ATTEMPTS {
            // Taken out, so that a call dropped half-way leaves no stale head behind.
            let head = match known.take() {
                Some(head) => head,
                None => self.last_entry(&context.office).await?,
            };
            let attempt = self.attempt(context, &key, head, &mut known, &work).await;
            let outcome = match attempt {
                Attempt::Done(record) => return Ok(record),
                Attempt::Refused(error) => Err(error),
                Attempt::Lost => Ok(()),
            };
            // The first of two identical calls may be why this one failed.
            if let Some(record) = self.answered(context, &key).await? {
                return Ok(record);
            }
            outcome?;
        }
        Err(Error::new(Reason::LostRace))
    }

    async fn attempt<'a, R, F>(
        &'a self,
        context: &'a Context,
        key: &RequestKey,
        head: Head,
        known: &mut Option<Head>,
        work: &F,
    ) -> Attempt<R>
    where
        R: Record<S>,
        F: for<'t> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>>,
    {
        let mut tx = Tx {
            ledger: self,
            context,
            at: self.moment(),
            changes: Vec::new(),
        };
        let done = work(&mut tx).await;
        let changes = tx.changes;
        let record = match done {
            Ok(record) => record,
            Err(error) => {
                *known = Some(head);
                return Attempt::Refused(error);
            }
        };
        if key.validate_only {
            *known = Some(head);
            return match self.first_taken(&changes).await {
                Ok(None) => match self.answered::<R>(context, key).await {
                    Ok(first) => Attempt::Done(first.unwrap_or(record)),
                    Err(error) => Attempt::Refused(error),
                },
                Ok(Some(error)) | Err(error) => Attempt::Refused(error),
            };
        }
        match self
            .commit(context, key, head, record.stored().name, &changes)
            .await
        {
            Ok(head) => {
                *known = Some(head);
                Attempt::Done(record)
            }
            Err(Fault::Refused(error)) => Attempt::Refused(error),
            Err(Fault::Conflict) => match self.first_taken(&changes).await {
                Ok(None) => Attempt::Lost,
                Ok(Some(error)) | Err(error) => Attempt::Refused(error),
            },
        }
    }

    /// Writes the changes and their history in one transaction; gives the new head.
    async fn commit(
        &self,
        context: &Context,
        key: &RequestKey,
        mut head: Head,
        answer: &str,
        changes: &[Pending],
    ) -> Result<Head, Fault> {
        let now = self.clock.now();
        let mut statements = Vec::with_capacity(changes.len() * 2);
        let answer = changes.iter().rposition(|change| change.name == answer);
        for (i, change) in changes.iter().enumerate() {
            let request = if answer == Some(i) {
                key.id.as_deref()
            } else {
                None
            };
            let entry = Entry {
                context,
                key,
                request,
                time: now,
                change,
            };
            head = Head {
                seq: head.seq + 1,
                mac: entry.mac(&self.key, head),
            };
            sql::with_history(
                self.backend(),
                &change.statement,
                entry.row(head),
                &mut statements,
            );
        }
        let writer = &self.database.writer;
        // A statement is a transaction of its own.
        if let [only] = statements.as_slice() {
            writer.execute_raw(only.clone()).await.map_err(fault)?;
            return Ok(head);
        }
        let transaction = writer.begin().await.map_err(fault)?;
        for statement in statements {
            transaction.execute_raw(statement).await.map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        Ok(head)
    }

    /// An error if an id that the caller gave to a new record is taken.
    async fn first_taken(&self, changes: &[Pending]) -> Result<Option<Error>> {
        for change in changes {
            let Some(exists) = change.exists.clone() else {
                continue;
            };
            if self
                .database
                .writer
                .query_one_raw(exists)
                .await
                .map_err(refusal)?
                .is_some()
            {
                let error = Error::new(Reason::AlreadyExists)
                    .saying(
                        format!("编号已存在：{}", change.name),
                        format!("{} already exists", change.name),
                    )
                    .about(change.resource_type, change.name.clone());
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// The answer that an earlier call with this request id got.
    async fn answered<R: Resource>(
        &self,
        context: &Context,
        key: &RequestKey,
    ) -> Result<Option<R>> {
        let Some(id) = &key.id else { return Ok(None) };
        let statement = sql::answered(self.backend(), &context.office, &context.caller.system, id);
        let Some(row) = self
            .database
            .writer
            .query_one_raw(statement)
            .await
            .map_err(refusal)?
        else {
            return Ok(None);
        };
        let digest: Vec<u8> = row.try_get_by_index(0).map_err(refusal)?;
        if digest != key.digest {
            return Err(Error::new(Reason::RequestIdReused).with("request_id", id.clone()));
        }
        let body: Vec<u8> = row.try_get_by_index(1).map_err(refusal)?;
        R::decode(body.as_slice())
            .map(Some)
            .map_err(Error::internal)
    }

    async fn last_entry(&self, office: &Office) -> Result<Head> {
        let statement = sql::last_entry(self.backend(), office);
        let row = self
            .database
            .writer
            .query_one_raw(statement)
            .await
            .map_err(refusal)?;
        let Some(row) = row else {
            return Ok(Head {
                seq: 0,
                mac: Digest::default(),
            });
        };
        let read = |row: &QueryResult| -> Result<Head, sea_orm::DbErr> {
            let mac: Vec<u8> = row.try_get_by_index(1)?;
            let mac = mac.try_into().unwrap_or_default();
            Ok(Head {
                seq: row.try_get_by_index(0)?,
                mac,
            })
        };
        read(&row).map_err(refusal)
    }
}

/// One entry of the history, before it is written.
struct Entry<'a> {
    context: &'a Context,
    key: &'a RequestKey,
    request: Option<&'a str>,
    time: DateTime<Utc>,
    change: &'a Pending,
}

impl Entry<'_> {
    fn mac(&self, key: &crate::secret::Key, before: Head) -> Digest {
        let (collection, id) = &self.change.record;
        entry_mac(
            key,
            &before.mac,
            &EntryParts {
                office: self.context.office.id(),
                seq: before.seq + 1,
                time: self.time,
                caller: &self.context.caller.system,
                method: self.key.method,
                collection,
                id,
                version: self.change.version,
                body: &self.change.body,
                request_id: self.request,
                request_digest: self.request.map(|_| self.key.digest.as_slice()),
            },
        )
    }

    fn row(&self, head: Head) -> [Value; 12] {
        let (collection, id) = &self.change.record;
        [
            self.context.office.id().into(),
            head.seq.into(),
            utc(self.time),
            self.context.caller.system.as_str().into(),
            self.key.method.into(),
            (*collection).into(),
            id.as_str().into(),
            self.change.version.into(),
            self.change.body.clone().into(),
            self.request.map(str::to_owned).into(),
            self.request.map(|_| self.key.digest.to_vec()).into(),
            head.mac.to_vec().into(),
        ]
    }
}

/// Everything that an entry's digest covers.
pub(crate) struct EntryParts<'a> {
    pub(crate) office: &'a str,
    pub(crate) seq: i64,
    pub(crate) time: DateTime<Utc>,
    pub(crate) caller: &'a str,
    pub(crate) method: &'a str,
    pub(crate) collection: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: i64,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: Option<&'a str>,
    pub(crate) request_digest: Option<&'a [u8]>,
}

/// The digest of an entry and of all before it.
pub(crate) fn entry_mac(key: &crate::secret::Key, before: &Digest, e: &EntryParts<'_>) -> Digest {
    key.history(&[
        before,
        e.office.as_bytes(),
        &e.seq.to_be_bytes(),
        &e.time.timestamp_micros().to_be_bytes(),
        e.caller.as_bytes(),
        e.method.as_bytes(),
        e.collection.as_bytes(),
        e.id.as_bytes(),
        &e.version.to_be_bytes(),
        e.body,
        e.request_id.unwrap_or_default().as_bytes(),
        e.request_digest.unwrap_or_default(),
    ])
}
