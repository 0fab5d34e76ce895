//! One write: what it reads, what it changes, and its commit.
//!
//! The writes of an office follow one another. A write knows the last entry of the office's
//! history before it reads anything; it commits as the next entry; and the history's primary key
//! lets only one write be that. So whatever a write has read is still true when it commits, on
//! both databases and with any number of processes. A write that loses begins again; it
//! then takes the office's turn from all other processes first, and so can't lose again.
mod entry;
mod tx;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use sea_orm::{QueryResult, Value};
use sha2::{Digest as _, Sha256};
use taizhang_contracts::{Context, Error, Office, Reason, Resource, Result, Write};
use tokio::sync::watch;

use crate::database::{Fault, Open, fault, refusal};
use crate::ledger::Ledger;
use crate::record::Record;
use crate::secret::Digest;
use crate::sql::{self, RowChange};
use entry::Entry;
pub(crate) use entry::{EntryParts, entry_mac};
use tx::Pending;
pub use tx::Tx;

/// How often a write begins again before it gives up as [`Reason::LostRace`].
const ATTEMPTS: usize = 20;

/// The last entry of an office's history, as far as this process knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    seq: i64,
    mac: Digest,
}

/// An office's turn, held by the write that is under way, and its news.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    head: tokio::sync::Mutex<Option<Head>>,
    /// Changes with every commit of this process.
    pub(crate) news: watch::Sender<()>,
}

/// The turns of all offices.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<Office, Arc<Turn>>>);

impl Heads {
    pub(crate) fn of(&self, office: &Office) -> Arc<Turn> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.entry(office.clone()).or_default().clone()
    }
}

/// What identifies a retry: who asks, under which id, for what.
pub(crate) struct RequestKey {
    method: &'static str,
    id: Option<String>,
    /// How many calls it makes, if it is a batch.
    calls: Option<usize>,
    digest: Digest,
    validate_only: bool,
}

impl RequestKey {
    pub(crate) fn of<Q: Write>(request: &Q) -> Self {
        let id = uuid::Uuid::try_parse(request.request_id())
            .ok()
            .map(|u| u.to_string());
        let digest = if id.is_some() {
            // Who only asks what would happen asks about the request in earnest.
            let mut request = request.clone();
            request.set_validate_only(false);
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
            calls: None,
            digest,
            validate_only: request.validate_only(),
        }
    }

    /// Of a batch of so many calls.
    pub(crate) fn of_batch<Q: Write>(request: &Q, calls: usize) -> Self {
        Self {
            calls: Some(calls),
            ..Self::of(request)
        }
    }

    /// The request ids of the calls' answers: the last bears the caller's own, those before it bear
    /// their index as well.
    fn ids(&self) -> Option<Vec<String>> {
        let id = self.id.as_ref()?;
        let last = self.calls.unwrap_or(1).saturating_sub(1);
        let mut ids: Vec<String> = (0..last).map(|call| format!("{id}/{call}")).collect();
        ids.push(id.clone());
        Some(ids)
    }
}

/// What a write answers.
pub(crate) trait Answer: Sized + Send {
    /// The name of the record that a call is answered with.
    fn name(&self, call: usize) -> &str;

    /// The answer again, from the records in the history.
    ///
    /// # Errors
    /// If they can't be read.
    fn again(bodies: Vec<Vec<u8>>) -> Result<Self>;
}

impl<R: Resource> Answer for R {
    fn name(&self, _call: usize) -> &str {
        self.stored().name
    }

    fn again(bodies: Vec<Vec<u8>>) -> Result<Self> {
        let body = bodies.into_iter().next().unwrap_or_default();
        R::decode(body.as_slice()).map_err(Error::internal)
    }
}

/// How one attempt ended.
enum Attempt<R> {
    Done(R),
    Lost,
    Refused(Error),
}

async fn rollback(open: Option<Arc<Open>>) {
    if let Some(open) = open {
        open.rollback().await;
    }
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
        let record = self
            .committed(context, RequestKey::of(request), work)
            .await?;
        self.shown(&context.office, record).await
    }

    /// Holds the office's turn from the first attempt to the last.
    pub(crate) async fn committed<'a, R, F>(
        &'a self,
        context: &'a Context,
        key: RequestKey,
        work: F,
    ) -> Result<R>
    where
        R: Answer,
        F: for<'t> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>> + Send + Sync,
    {
        let turn = self.heads.of(&context.office);
        let mut known = turn.head.lock().await;
        for attempt in 0..ATTEMPTS {
            // Taken out, so that a call dropped half-way leaves no stale head behind.
            let head = known.take();
            // A batch takes long enough to lose for certain.
            let open = if attempt > 0 || key.calls.is_some() {
                let open = Open::over(&self.database.writer, &context.office).await;
                Some(Arc::new(open.map_err(refusal)?))
            } else {
                None
            };
            let head = match (&open, head) {
                (None, Some(head)) => head,
                (None, None) => self.last_entry(&context.office).await?,
                (Some(open), _) => self.within(open).last_entry(&context.office).await?,
            };
            let attempt = self
                .attempt(context, &key, head, open, &mut known, &work)
                .await;
            let outcome = match attempt {
                Attempt::Done(record) => {
                    turn.news.send_replace(());
                    return Ok(record);
                }
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
        open: Option<Arc<Open>>,
        known: &mut Option<Head>,
        work: &F,
    ) -> Attempt<R>
    where
        R: Answer,
        F: for<'t> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>>,
    {
        let within = open.as_ref().map(|open| self.within(open));
        let mut tx = Tx {
            ledger: self,
            within: within.zip(open.clone()),
            put: 0,
            call: 0,
            method: key.method,
            context,
            at: self.moment(),
            changes: Vec::new(),
            places: HashMap::new(),
            numbers: HashMap::new(),
        };
        let done = work(&mut tx).await;
        let (changes, put) = (tx.changes, tx.put);
        drop(tx.within);
        let record = match done {
            Ok(record) => record,
            Err(error) => {
                rollback(open).await;
                // A batch may have written already what turned out to be taken.
                if key.calls.is_some() && error.reason() == Reason::LostRace {
                    return self.lost(key, &changes).await;
                }
                *known = Some(head);
                return Attempt::Refused(error);
            }
        };
        if key.validate_only {
            rollback(open).await;
            *known = Some(head);
            return match self.first_taken(key, &changes).await {
                Ok(None) => match self.answered::<R>(context, key).await {
                    Ok(first) => Attempt::Done(first.unwrap_or(record)),
                    Err(error) => Attempt::Refused(error),
                },
                Ok(Some(error)) | Err(error) => Attempt::Refused(error),
            };
        }
        let committed = match open {
            None => self.commit(context, key, head, &record, &changes).await,
            Some(open) => {
                for change in changes.iter().skip(put) {
                    open.put(&change.row).await;
                }
                let (head, entries) = self.entries(context, key, head, &record, &changes);
                let committed = open.commit(&entries).await;
                committed.map(|()| head).map_err(fault)
            }
        };
        match committed {
            Ok(head) => {
                *known = Some(head);
                Attempt::Done(record)
            }
            Err(Fault::Refused(error)) => Attempt::Refused(error),
            Err(Fault::Conflict) => self.lost(key, &changes).await,
        }
    }

    /// Why an attempt could not be written: an id is taken, or another write came first.
    async fn lost<R>(&self, key: &RequestKey, changes: &[Pending]) -> Attempt<R> {
        match self.first_taken(key, changes).await {
            Ok(None) => Attempt::Lost,
            Ok(Some(error)) | Err(error) => Attempt::Refused(error),
        }
    }

    /// The changes' entries of the history, and the new head.
    fn entries<R: Answer>(
        &self,
        context: &Context,
        key: &RequestKey,
        mut head: Head,
        answer: &R,
        changes: &[Pending],
    ) -> (Head, Vec<[Value; 12]>) {
        let now = self.clock.now();
        let ids = key.ids().unwrap_or_default();
        // The last change of the record that a call is answered with bears the call's request id.
        let mut answers = vec![None; ids.len()];
        for (i, change) in changes.iter().enumerate() {
            if change.name == answer.name(change.call)
                && let Some(answer) = answers.get_mut(change.call)
            {
                *answer = Some(i);
            }
        }
        let mut entries = Vec::with_capacity(changes.len());
        for (i, change) in changes.iter().enumerate() {
            let is_answer = answers.get(change.call) == Some(&Some(i));
            let request = ids.get(change.call).filter(|_| is_answer).cloned();
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
            entries.push(entry.row(head));
        }
        (head, entries)
    }

    /// Writes the changes and their history in one transaction; gives the new head.
    async fn commit<R: Answer>(
        &self,
        context: &Context,
        key: &RequestKey,
        head: Head,
        answer: &R,
        changes: &[Pending],
    ) -> Result<Head, Fault> {
        let (head, entries) = self.entries(context, key, head, answer, changes);
        let changes = changes
            .iter()
            .zip(entries)
            .map(|(change, entry)| RowChange {
                row: change.row.clone(),
                entry,
            });
        let written = self.database.writer.write(changes.collect()).await;
        written.map_err(fault)?;
        Ok(head)
    }

    /// An error if an id that the caller gave to a new record is taken.
    async fn first_taken(&self, key: &RequestKey, changes: &[Pending]) -> Result<Option<Error>> {
        for change in changes {
            let Some(exists) = change.exists.clone() else {
                continue;
            };
            if self
                .database
                .writer
                .one(exists)
                .await
                .map_err(refusal)?
                .is_some()
            {
                let error = tx::taken(change.resource_type, &change.name);
                let error = match key.calls {
                    Some(_) => error.in_call(change.call),
                    None => error,
                };
                return Ok(Some(error));
            }
        }
        Ok(None)
    }

    /// The answer that an earlier call with this request id got.
    async fn answered<R: Answer>(&self, context: &Context, key: &RequestKey) -> Result<Option<R>> {
        let (Some(id), Some(ids)) = (&key.id, key.ids()) else {
            return Ok(None);
        };
        let (office, caller) = (&context.office, &context.caller.system);
        let statement = sql::answered(self.backend(), office, caller, &ids);
        let rows = self.database.writer.all(statement).await.map_err(refusal)?;
        let mut bodies = HashMap::new();
        for row in &rows {
            let read = || -> Result<(String, Vec<u8>, Vec<u8>), sea_orm::DbErr> {
                Ok((
                    row.try_get_by_index(0)?,
                    row.try_get_by_index(1)?,
                    row.try_get_by_index(2)?,
                ))
            };
            let (id, digest, body) = read().map_err(refusal)?;
            bodies.insert(id, (digest, body));
        }
        match bodies.get(id) {
            None => return Ok(None),
            Some((digest, _)) if *digest != key.digest => {
                return Err(Error::new(Reason::RequestIdReused).with("request_id", id.clone()));
            }
            Some(_) => {}
        }
        let bodies = ids.iter().filter_map(|id| bodies.remove(id));
        R::again(bodies.map(|(_, body)| body).collect()).map(Some)
    }

    async fn last_entry(&self, office: &Office) -> Result<Head> {
        let statement = sql::last_entry(self.backend(), office);
        let row = self.database.writer.one(statement).await.map_err(refusal)?;
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
