//! One write: its attempts, its commit, and its answer.
//!
//! The writes of an office are serialized by optimistic locking. A write reads the last `seq` of the
//! office's history before anything else and commits the next one, which the history's primary key
//! lets only one write do. So whatever a write has read is unchanged when it commits, on both
//! databases and with any number of processes. A write that loses this race is retried within a
//! transaction that holds the office's lock against all processes, and so can't lose again.

mod request_key;
mod tx;

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use taizhang_contracts::{Context, Error, Office, Reason, Result};

use crate::database::{BatchTransaction, Fault, fault, refusal};
use crate::history;
use crate::ledger::Ledger;
use crate::office_lock::Head;
use crate::row::RowChange;
pub(crate) use request_key::RequestKey;
use tx::Pending;
pub use tx::Tx;
pub(crate) use tx::{Answer, Draft, taken};

/// The most attempts of a write before it fails with [`Reason::LostRace`].
const ATTEMPTS: usize = 20;

/// The work of a write: reads and changes through the [`Tx`], and returns the answer of each call. It
/// may run more than once, each time from the start.
pub(crate) type Work<'a> =
    dyn for<'t> Fn(&'t mut Tx<'a>) -> BoxFuture<'t, Result<Vec<Answer>>> + Send + Sync + 'a;

/// How one attempt ended.
enum Attempt {
    Done(Vec<Answer>),
    Lost,
    Refused(Error),
}

/// The state that an attempt begins with.
struct Begun {
    head: Head,
    /// The batch transaction, and the ledger that reads through it.
    batch: Option<(Ledger, Arc<BatchTransaction>)>,
}

impl Ledger {
    /// Runs a write; holds the office's lock from the first attempt to the last.
    ///
    /// # Errors
    /// What `work` refuses; REQUEST_ID_REUSED; LOST_RACE; if the database is unavailable.
    pub(crate) async fn commit<'a>(
        &'a self,
        context: &'a Context,
        key: RequestKey,
        work: &Work<'a>,
    ) -> Result<Vec<Answer>> {
        let lock = self.locks.of(&context.office);
        let mut known = lock.lock().await;
        for attempt in 0..ATTEMPTS {
            // Taken out, so that a cancelled call leaves no stale head behind. A batch takes so
            // long that without the lock it would lose the race.
            let in_batch = attempt > 0 || key.is_batch();
            let begun = self.begin(&context.office, known.take(), in_batch).await?;
            let attempt = self.attempt(context, &key, begun, &mut known, work).await;
            let outcome = match attempt {
                Attempt::Done(answers) => {
                    lock.committed();
                    return Ok(answers);
                }
                Attempt::Refused(error) => Err(error),
                Attempt::Lost => Ok(()),
            };
            // The cause may be an identical call that was committed first.
            if let Some(answers) = self.answered(context, &key).await? {
                return Ok(answers);
            }
            outcome?;
        }
        Err(Error::new(Reason::LostRace))
    }

    async fn begin(&self, office: &Office, known: Option<Head>, in_batch: bool) -> Result<Begun> {
        if in_batch {
            let (database, batch) = self.database.begin_batch(office).await.map_err(refusal)?;
            let within = self.within(database);
            let head = within.last_entry(office).await?;
            let batch = Some((within, batch));
            return Ok(Begun { head, batch });
        }
        let head = match known {
            Some(head) => head,
            None => self.last_entry(office).await?,
        };
        Ok(Begun { head, batch: None })
    }

    async fn attempt<'a>(
        &'a self,
        context: &'a Context,
        key: &RequestKey,
        Begun { head, batch }: Begun,
        known: &mut Option<Head>,
        work: &Work<'a>,
    ) -> Attempt {
        let transaction = batch.as_ref().map(|(_, transaction)| transaction.clone());
        let mut tx = Tx::begin(self, context, key.method(), batch);
        let done = work(&mut tx).await;
        let (changes, flushed) = tx.into_changes();
        let answers = match done {
            Ok(answers) => answers,
            Err(error) => {
                rollback(transaction).await;
                // The batch may have failed after it wrote the conflicting row itself.
                if key.is_batch() && error.reason() == Reason::LostRace {
                    return self.lost(context, key, &changes).await;
                }
                *known = Some(head);
                return Attempt::Refused(error);
            }
        };
        if key.validate_only() {
            rollback(transaction).await;
            *known = Some(head);
            return self.validated(context, key, &changes, answers).await;
        }
        let (next, entries) = self.entries(context, key, head, &answers, &changes);
        let committed = match transaction {
            None => {
                let changes = changes.iter().zip(entries);
                let changes = changes.map(|(change, entry)| RowChange {
                    row: change.row.clone(),
                    entry,
                });
                self.database.writer.write(changes.collect()).await
            }
            Some(transaction) => {
                for change in changes.iter().skip(flushed) {
                    transaction.put(&change.row).await;
                }
                transaction.commit(entries).await
            }
        };
        match committed.map_err(fault) {
            Ok(()) => {
                *known = Some(next);
                Attempt::Done(answers)
            }
            Err(Fault::Refused(error)) => Attempt::Refused(error),
            Err(Fault::Conflict) => self.lost(context, key, &changes).await,
        }
    }

    /// Ends a `validate_only` call as the real one would end.
    async fn validated(
        &self,
        context: &Context,
        key: &RequestKey,
        changes: &[Pending],
        answers: Vec<Answer>,
    ) -> Attempt {
        match self.first_taken(context, key, changes).await {
            Ok(None) => match self.answered(context, key).await {
                Ok(first) => Attempt::Done(first.unwrap_or(answers)),
                Err(error) => Attempt::Refused(error),
            },
            Ok(Some(error)) | Err(error) => Attempt::Refused(error),
        }
    }

    /// Why an attempt could not be committed: an id is taken, or another write came first.
    async fn lost(&self, context: &Context, key: &RequestKey, changes: &[Pending]) -> Attempt {
        match self.first_taken(context, key, changes).await {
            Ok(None) => Attempt::Lost,
            Ok(Some(error)) | Err(error) => Attempt::Refused(error),
        }
    }

    /// The changes' entries of the history, and the new head.
    fn entries(
        &self,
        context: &Context,
        key: &RequestKey,
        mut head: Head,
        answers: &[Answer],
        changes: &[Pending],
    ) -> (Head, Vec<history::Model>) {
        let time = self.clock.now();
        let ids = key.ids().unwrap_or_default();
        // The call's request id is stored with the last change of the record that is its answer.
        let mut answering = vec![None; ids.len()];
        for (i, change) in changes.iter().enumerate() {
            let answer = answers.get(change.call).map_or("", |answer| &answer.name);
            if change.name == answer
                && let Some(index) = answering.get_mut(change.call)
            {
                *index = Some(i);
            }
        }
        let mut entries = Vec::with_capacity(changes.len());
        for (i, change) in changes.iter().enumerate() {
            let is_answer = answering.get(change.call) == Some(&Some(i));
            let request_id = ids.get(change.call).filter(|_| is_answer).cloned();
            let mut entry = history::Model {
                office: context.office.id().to_owned(),
                seq: head.seq + 1,
                time,
                caller: context.caller.system.clone(),
                method: change.method.to_owned(),
                collection: change.row.kind.collection().to_owned(),
                id: change.row.id.clone(),
                version: change.version,
                body: change.body.clone(),
                request_digest: request_id.as_ref().map(|_| key.digest().to_vec()),
                request_id,
                mac: Vec::new(),
            };
            head = Head {
                seq: entry.seq,
                mac: entry.digest(&self.key, &head.mac),
            };
            entry.mac = head.mac.to_vec();
            entries.push(entry);
        }
        (head, entries)
    }

    /// An error if the id of a new record, given by the caller, is taken.
    async fn first_taken(
        &self,
        context: &Context,
        key: &RequestKey,
        changes: &[Pending],
    ) -> Result<Option<Error>> {
        for change in changes.iter().filter(|change| change.id_given) {
            let (kind, id) = (change.row.kind, &change.row.id);
            let found = self.database.writer.body(kind, &context.office, id).await;
            if found.map_err(refusal)?.is_some() {
                let error = taken(kind, &change.name);
                return Ok(Some(match key.is_batch() {
                    true => error.in_call(change.call),
                    false => error,
                }));
            }
        }
        Ok(None)
    }

    /// The answers of an earlier request with this request id.
    async fn answered(&self, context: &Context, key: &RequestKey) -> Result<Option<Vec<Answer>>> {
        let Some(ids) = key.ids() else {
            return Ok(None);
        };
        let entries = history::Entity::find()
            .select_only()
            .columns([
                history::Column::RequestId,
                history::Column::RequestDigest,
                history::Column::Body,
            ])
            .filter(history::Column::Office.eq(context.office.id()))
            .filter(history::Column::Caller.eq(context.caller.system.as_str()))
            .filter(history::Column::RequestId.is_in(ids.iter().map(String::as_str)))
            .into_tuple::<(String, Vec<u8>, Vec<u8>)>()
            .all(&self.database.writer);
        let entries = entries.await.map_err(refusal)?;
        let mut bodies: HashMap<String, (Vec<u8>, Vec<u8>)> = HashMap::new();
        for (id, digest, body) in entries {
            bodies.insert(id, (digest, body));
        }
        let Some(last) = ids.last() else {
            return Ok(None);
        };
        match bodies.get(last) {
            None => return Ok(None),
            Some((digest, _)) if digest != key.digest() => {
                return Err(Error::new(Reason::RequestIdReused).with("request_id", last.clone()));
            }
            Some(_) => {}
        }
        let answers = ids.iter().filter_map(|id| bodies.remove(id));
        let answers = answers.map(|(_, body)| Answer {
            name: String::new(),
            body,
        });
        Ok(Some(answers.collect()))
    }

    async fn last_entry(&self, office: &Office) -> Result<Head> {
        let last = history::Entity::find()
            .select_only()
            .columns([history::Column::Seq, history::Column::Mac])
            .filter(history::Column::Office.eq(office.id()))
            .order_by_desc(history::Column::Seq)
            .limit(1)
            .into_tuple::<(i64, Vec<u8>)>()
            .one(&self.database.writer);
        let last = last.await.map_err(refusal)?;
        Ok(last.map_or_else(Head::default, |(seq, mac)| Head {
            seq,
            mac: mac.try_into().unwrap_or_default(),
        }))
    }
}

async fn rollback(transaction: Option<Arc<BatchTransaction>>) {
    if let Some(transaction) = transaction {
        transaction.rollback().await;
    }
}
