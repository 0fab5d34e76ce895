//! How kinds of record depend on other records, and how typed records are written.

use std::future::Future;

use futures::future::BoxFuture;
use sea_orm::Value;
use taizhang_contracts::{Encoded, Office, Resource, Result, Stored};

use crate::column::time;
use crate::ledger::{Ledger, decode};
use crate::record::{Moment, Record};
use crate::record_kind::RecordKind;
use crate::write::{Answer, Draft, Tx};

/// How a kind of record depends on and changes other records. By default not at all.
pub trait Behavior: Record {
    /// Validates a change against other records and changes them, in the same transaction. `before`
    /// is `None` when the record is new.
    ///
    /// # Errors
    /// Whatever refuses the change.
    fn settle(
        _record: &mut Self::Message,
        _before: Option<&Self::Message>,
        _tx: &mut Tx<'_>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Whether answers have fields that depend on the time of reading; see [`Behavior::show`].
    const SHOWS: bool = false;

    /// Fills in what depends on the time of reading and is not stored, for all records of one
    /// answer at once, so that what they need of the office is read once.
    ///
    /// # Errors
    /// If the database is unavailable.
    fn show(
        _records: &mut [Self::Message],
        _at: Moment,
        _ledger: &Ledger,
        _office: &Office,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// A record being written, and the record before if it is changed.
pub(crate) struct TypedDraft<E: Record> {
    pub(crate) before: Option<E::Message>,
    pub(crate) after: E::Message,
}

impl<E: Behavior> Draft for TypedDraft<E> {
    fn kind(&self) -> &'static RecordKind {
        E::KIND
    }

    fn name(&self) -> String {
        self.after.stored().name.to_owned()
    }

    fn stored(&self) -> Stored<'_> {
        self.before.as_ref().unwrap_or(&self.after).stored()
    }

    fn delete_time(&self) -> Option<prost_types::Timestamp> {
        self.after.stored().delete_time
    }

    fn stamp(&mut self, stored: Stored<'_>) {
        self.after.set_stored(stored);
    }

    // Boxed: it may change records of its own kind, and so come back here.
    fn settle<'s>(&'s mut self, tx: &'s mut Tx<'_>) -> BoxFuture<'s, Result<()>> {
        Box::pin(E::settle(&mut self.after, self.before.as_ref(), tx))
    }

    fn encode(&self) -> (Vec<u8>, Vec<Value>) {
        let stored = self.after.stored();
        let body = self.after.to_bytes();
        let mut values = vec![
            time(stored.create_time),
            time(stored.update_time),
            time(stored.delete_time),
            body.clone().into(),
        ];
        values.extend(E::values(&self.after));
        (body, values)
    }
}

impl Tx<'_> {
    /// Creates a record under the id that the caller gave, or else one of our own. Its fields have
    /// been checked; its output-only ones are dropped.
    ///
    /// # Errors
    /// ALREADY_EXISTS; what [`Behavior::settle`] refuses.
    pub async fn create<E: Behavior>(
        &mut self,
        id: Option<&str>,
        record: E::Message,
    ) -> Result<E::Message> {
        let record = prepared::<E>(record, self.at());
        self.insert::<E>(id, record).await
    }

    /// Like [`Tx::create`], with the output-only fields as the caller of this function set them.
    ///
    /// # Errors
    /// ALREADY_EXISTS; what [`Behavior::settle`] refuses.
    pub async fn insert<E: Behavior>(
        &mut self,
        id: Option<&str>,
        record: E::Message,
    ) -> Result<E::Message> {
        let mut draft = TypedDraft::<E> {
            before: None,
            after: record,
        };
        self.insert_draft(id, &mut draft).await?;
        Ok(draft.after)
    }

    /// Updates a record that was read in this write.
    ///
    /// # Errors
    /// What [`Behavior::settle`] refuses.
    pub async fn update<E: Behavior>(
        &mut self,
        before: &E::Message,
        record: E::Message,
    ) -> Result<E::Message> {
        let mut draft = TypedDraft::<E> {
            before: Some(before.clone()),
            after: record,
        };
        self.update_draft(&mut draft).await?;
        Ok(draft.after)
    }

    /// The answer of a call that ends with this record.
    pub(crate) fn answer_with<E: Record>(&self, record: &E::Message) -> Answer {
        let name = record.stored().name;
        self.answer(E::KIND, name).unwrap_or_else(|| Answer {
            name: name.to_owned(),
            body: record.to_bytes(),
        })
    }
}

/// A new record without the caller's output-only fields, and with its initial values.
pub(crate) fn prepared<E: Record>(mut record: E::Message, at: Moment) -> E::Message {
    record.keep_output_only(&E::Message::default());
    E::initial(&mut record, at);
    record
}

/// Fills in the records of an answer, if their kind does so.
pub(crate) async fn show<E: Behavior>(
    ledger: &Ledger,
    office: &Office,
    records: &mut [E::Message],
) -> Result<()> {
    if E::SHOWS && !records.is_empty() {
        E::show(records, ledger.moment(), ledger, office).await?;
    }
    Ok(())
}

/// Decodes the record of an answer, and fills in the fields that depend on the time of reading.
pub(crate) async fn shown<E: Behavior>(
    ledger: &Ledger,
    office: &Office,
    body: &[u8],
) -> Result<E::Message> {
    let mut record = decode::<E::Message>(body)?;
    show::<E>(ledger, office, std::slice::from_mut(&mut record)).await?;
    Ok(record)
}
