//! The standard methods, one implementation for every kind of record, and custom methods that change
//! one record by a rule.
//!
//! A request becomes a [`RecordWrite`], which runs without the Rust types of request and record;
//! only the rules are typed.

use std::sync::Arc;

use futures::future::BoxFuture;
use taizhang_contracts::{
    Admit, Change, Context, Create, Error, Get, Reason, Resource, Result, Stored, Update,
    Violations, Write, date,
};
use tonic::{Request, Response, Status};

use crate::behavior::{Behavior, TypedDraft, prepared, show, shown};
use crate::ledger::{Ledger, decode, default_singleton, own_id};
use crate::record::{Moment, Record};
use crate::record_kind::RecordKind;
use crate::write::{Answer, Draft, RequestKey, Tx, Work};

/// The write of one call to one record.
pub(crate) struct RecordWrite {
    kind: &'static RecordKind,
    target: Target,
    draft: MakeDraft,
}

/// The record that a call writes.
enum Target {
    /// A new record, with the id from the request if there is one.
    New(Option<String>),
    /// An existing record, by its name in a field of the request.
    Stored { field: &'static str, name: String },
}

/// Computes the new version of the record from the stored one, if there is one.
type MakeDraft = Box<dyn Fn(Option<&[u8]>, Moment) -> Result<Box<dyn Draft>> + Send + Sync>;

impl RecordWrite {
    /// Runs the call within a write. It may run more than once.
    pub(crate) async fn run(&self, tx: &mut Tx<'_>) -> Result<Answer> {
        let kind = self.kind;
        let (given, stored) = match &self.target {
            Target::New(id) => (id.clone(), None),
            Target::Stored { field, name } => {
                let id = own_id(kind, field, name)?;
                let stored = tx.body(kind, &id).await?;
                if stored.is_none() && !kind.singleton {
                    return Err(Error::not_found(kind.message, name));
                }
                (Some(id), stored)
            }
        };
        let mut draft = (self.draft)(stored.as_deref(), tx.at())?;
        match stored {
            Some(_) => tx.update_draft(&mut *draft).await?,
            None => tx.insert_draft(given.as_deref(), &mut *draft).await?,
        }
        let name = draft.name();
        tx.answer(kind, &name)
            .ok_or_else(|| Error::internal("a write made no change"))
    }
}

impl Ledger {
    /// AIP-133. Refuses an id that is taken.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`].
    pub async fn create<E, Q>(&self, request: Request<Q>) -> Result<Response<E::Message>, Status>
    where
        E: Behavior,
        Q: Create<Resource = E::Message>,
    {
        self.write_record::<E, Q>(request, create::<E, Q>).await
    }

    /// AIP-131. A deleted record can be read by its name (AIP-164).
    ///
    /// # Errors
    /// Those of [`Context::enter`]; NOT_FOUND.
    pub async fn get<E, Q>(&self, request: Request<Q>) -> Result<Response<E::Message>, Status>
    where
        E: Behavior,
        Q: Get<Resource = E::Message>,
    {
        let (context, request) = Context::enter(request)?;
        let record = self.read::<E>(&context, request.name()).await?;
        Ok(Response::new(record))
    }

    /// AIP-134: changes the fields of the mask.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`]; INVALID_ARGUMENT for an unknown path or a
    /// changed immutable field; NOT_FOUND; ABORTED for a stale etag.
    pub async fn update<E, Q>(&self, request: Request<Q>) -> Result<Response<E::Message>, Status>
    where
        E: Behavior,
        Q: Update<Resource = E::Message>,
    {
        self.update_with::<E, Q>(request, |_, _, _| Ok(())).await
    }

    /// Like [`Ledger::update`], with a rule on the record before and after the change.
    ///
    /// # Errors
    /// Those of [`Ledger::update`], and what `rule` refuses.
    pub async fn update_with<E, Q>(
        &self,
        request: Request<Q>,
        rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Response<Q::Resource>, Status>
    where
        E: Behavior,
        Q: Update<Resource = E::Message>,
    {
        self.write_record::<E, Q>(request, |q| update::<E, Q>(q, rule))
            .await
    }

    /// AIP-135 and 164: marks as deleted. A record that is deleted already is NOT_FOUND.
    ///
    /// # Errors
    /// Those of [`Ledger::change`].
    pub async fn delete<E, Q>(&self, request: Request<Q>) -> Result<Response<E::Message>, Status>
    where
        E: Behavior,
        Q: Change<Resource = E::Message>,
    {
        self.write_record::<E, Q>(request, delete::<E, Q>).await
    }

    /// AIP-164: restores a deleted record. A record that is not deleted is ALREADY_EXISTS.
    ///
    /// # Errors
    /// Those of [`Ledger::change`].
    pub async fn undelete<E, Q>(&self, request: Request<Q>) -> Result<Response<E::Message>, Status>
    where
        E: Behavior,
        Q: Change<Resource = E::Message>,
    {
        self.write_record::<E, Q>(request, undelete::<E, Q>).await
    }

    /// A custom method that changes one record by a pure rule (AIP-136). A deleted record can't be
    /// changed.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`]; NOT_FOUND; ABORTED for a stale etag; and
    /// what `rule` refuses.
    pub async fn change<E, Q>(
        &self,
        request: Request<Q>,
        rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Response<Q::Resource>, Status>
    where
        E: Behavior,
        Q: Change<Resource = E::Message>,
    {
        self.write_record::<E, Q>(request, |q| change::<E, Q>(q, rule))
            .await
    }

    /// [`Ledger::change`] for a request that has been entered.
    ///
    /// # Errors
    /// Those of [`Ledger::change`].
    pub async fn change_entered<E, Q>(
        &self,
        context: &Context,
        request: Q,
        rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Q::Resource>
    where
        E: Behavior,
        Q: Change<Resource = E::Message>,
    {
        self.write_entered::<E, Q>(context, request, |q| change::<E, Q>(q, rule))
            .await
    }

    /// [`Ledger::update_with`] for a request that has been entered.
    ///
    /// # Errors
    /// Those of [`Ledger::update_with`].
    pub async fn update_entered<E, Q>(
        &self,
        context: &Context,
        request: Q,
        rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Q::Resource>
    where
        E: Behavior,
        Q: Update<Resource = E::Message>,
    {
        self.write_entered::<E, Q>(context, request, |q| update::<E, Q>(q, rule))
            .await
    }

    /// Runs one write: `work` reads and changes through the [`Tx`] and returns the record that is
    /// the answer. It may run more than once, each time from the start.
    ///
    /// # Errors
    /// What `work` refuses; REQUEST_ID_REUSED; LOST_RACE; if the database is unavailable.
    pub async fn write<'a, E, Q, F>(
        &'a self,
        context: &'a Context,
        request: &Q,
        work: F,
    ) -> Result<E::Message>
    where
        E: Behavior,
        Q: Write,
        F: for<'t> Fn(&'t mut Tx<'a>) -> BoxFuture<'t, Result<E::Message>> + Send + Sync + 'a,
    {
        let work = Arc::new(work);
        let work: Box<Work<'a>> = Box::new(move |tx| {
            let work = work.clone();
            Box::pin(async move {
                let record = work(tx).await?;
                Ok(vec![tx.answer_with::<E>(&record)])
            })
        });
        let key = RequestKey::of(request);
        let body = only(self.commit(context, key, &work).await?);
        shown::<E>(self, &context.office, &body).await
    }

    /// Reads one record by its name in a request; a singleton that was never written has its
    /// defaults.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn read<E: Behavior>(&self, context: &Context, name: &str) -> Result<E::Message> {
        let office = &context.office;
        match self.stored(E::KIND, context, name).await? {
            Some(body) => shown::<E>(self, office, &body).await,
            None => {
                let mut record = default_singleton::<E>(office, self.moment());
                show::<E>(self, office, std::slice::from_mut(&mut record)).await?;
                Ok(record)
            }
        }
    }

    /// The record of this name; `None` for a singleton that was never written.
    async fn stored(
        &self,
        kind: &RecordKind,
        context: &Context,
        name: &str,
    ) -> Result<Option<Vec<u8>>> {
        let id = own_id(kind, "name", name)?;
        match self.body(kind, &context.office, &id).await? {
            None if !kind.singleton => Err(Error::not_found(kind.message, name)),
            body => Ok(body),
        }
    }

    async fn write_record<E: Behavior, Q: Write>(
        &self,
        request: Request<Q>,
        write: impl FnOnce(Q) -> Result<RecordWrite>,
    ) -> Result<Response<E::Message>, Status> {
        let (context, q) = Context::enter(request)?;
        let key = RequestKey::of(&q);
        let record = self.commit_record::<E>(&context, key, write(q)?).await?;
        Ok(Response::new(record))
    }

    async fn write_entered<E: Behavior, Q: Write>(
        &self,
        context: &Context,
        q: Q,
        write: impl FnOnce(Q) -> Result<RecordWrite>,
    ) -> Result<E::Message> {
        let key = RequestKey::of(&q);
        self.commit_record::<E>(context, key, write(q)?).await
    }

    /// Commits a write of one record; returns the record of the answer.
    async fn commit_record<E: Behavior>(
        &self,
        context: &Context,
        key: RequestKey,
        write: RecordWrite,
    ) -> Result<E::Message> {
        let body = self.commit_encoded(context, key, write).await?;
        shown::<E>(self, &context.office, &body).await
    }

    async fn commit_encoded(
        &self,
        context: &Context,
        key: RequestKey,
        write: RecordWrite,
    ) -> Result<Vec<u8>> {
        let write = Arc::new(write);
        let work: Box<Work<'_>> = Box::new(move |tx| {
            let write = write.clone();
            Box::pin(async move { Ok(vec![write.run(tx).await?]) })
        });
        Ok(only(self.commit(context, key, &work).await?))
    }
}

/// The body of a write's only answer.
fn only(answers: Vec<Answer>) -> Vec<u8> {
    let mut answers = answers.into_iter();
    answers.next().map(|answer| answer.body).unwrap_or_default()
}

/// The write of [`Ledger::create`].
pub(crate) fn create<E, Q>(mut q: Q) -> Result<RecordWrite>
where
    E: Behavior,
    Q: Create<Resource = E::Message>,
{
    let record = checked::<E>(Q::FIELD, q.take())?;
    let id = Some(q.id().to_owned()).filter(|id| !id.is_empty());
    Ok(RecordWrite {
        kind: E::KIND,
        target: Target::New(id),
        draft: Box::new(move |_, at| {
            Ok(Box::new(TypedDraft::<E> {
                before: None,
                after: prepared::<E>(record.clone(), at),
            }))
        }),
    })
}

/// The write of [`Ledger::update_with`]. A singleton that was never written has its defaults.
pub(crate) fn update<E, Q>(
    mut q: Q,
    rule: impl Fn(&E::Message, &E::Message, Moment) -> Result<()> + Send + Sync + 'static,
) -> Result<RecordWrite>
where
    E: Behavior,
    Q: Update<Resource = E::Message>,
{
    let mask = q.mask().map(|mask| mask.paths.clone()).unwrap_or_default();
    let given = q.take();
    let given = given.ok_or_else(|| Violations::of(Q::FIELD, "必填", "is required"))?;
    let default = E::Message::default();
    let paths = fields_of_mask(
        &mask,
        E::Message::SETTABLE,
        E::Message::OUTPUT_ONLY,
        &|field| !given.same_field(&default, field),
    )?;
    Ok(RecordWrite {
        kind: E::KIND,
        target: Target::Stored {
            field: Q::PLACE,
            name: given.stored().name.to_owned(),
        },
        draft: Box::new(move |stored, at| {
            let before = match stored {
                Some(body) => {
                    let record = decode::<E::Message>(body)?;
                    refuse_deleted(&record)?;
                    record
                }
                None => {
                    let mut record = E::Message::default();
                    E::initial(&mut record, at);
                    record
                }
            };
            check_etag(&before, given.stored().etag)?;
            let after = merged::<E>(Q::FIELD, &before, &given, &paths)?;
            rule(&before, &after, at)?;
            Ok(Box::new(TypedDraft::<E> {
                before: stored.map(|_| before),
                after,
            }))
        }),
    })
}

/// The write of [`Ledger::change`].
pub(crate) fn change<E, Q>(
    q: Q,
    rule: impl Fn(&mut E::Message, &Q, Moment) -> Result<()> + Send + Sync + 'static,
) -> Result<RecordWrite>
where
    E: Behavior,
    Q: Change<Resource = E::Message>,
{
    Ok(change_any::<E, Q>(
        q,
        move |record: &mut E::Message, q: &Q, at| {
            refuse_deleted(record)?;
            rule(record, q, at)
        },
    ))
}

/// The write of [`Ledger::delete`].
pub(crate) fn delete<E, Q>(q: Q) -> Result<RecordWrite>
where
    E: Behavior,
    Q: Change<Resource = E::Message>,
{
    Ok(change_any::<E, Q>(q, |record: &mut E::Message, _, at| {
        let stored = record.stored();
        if stored.delete_time.is_some() {
            return Err(Error::not_found(E::Message::MESSAGE, stored.name));
        }
        set_delete_time(record, Some(date::timestamp(at.now)));
        Ok(())
    }))
}

/// The write of [`Ledger::undelete`].
pub(crate) fn undelete<E, Q>(q: Q) -> Result<RecordWrite>
where
    E: Behavior,
    Q: Change<Resource = E::Message>,
{
    Ok(change_any::<E, Q>(q, |record: &mut E::Message, _, _| {
        let stored = record.stored();
        if stored.delete_time.is_none() {
            let error = Error::new(Reason::AlreadyExists)
                .saying("记录未被删除", "the record is not deleted")
                .about(E::Message::MESSAGE, stored.name);
            return Err(error);
        }
        set_delete_time(record, None);
        Ok(())
    }))
}

fn change_any<E, Q>(
    q: Q,
    rule: impl Fn(&mut E::Message, &Q, Moment) -> Result<()> + Send + Sync + 'static,
) -> RecordWrite
where
    E: Behavior,
    Q: Change<Resource = E::Message>,
{
    RecordWrite {
        kind: E::KIND,
        target: Target::Stored {
            field: Q::PLACE,
            name: q.name().to_owned(),
        },
        draft: Box::new(move |stored, at| {
            let before = match stored {
                Some(body) => decode::<E::Message>(body)?,
                None => return Err(Error::not_found(E::Message::MESSAGE, q.name())),
            };
            check_etag(&before, q.etag())?;
            let mut after = before.clone();
            rule(&mut after, &q, at)?;
            Ok(Box::new(TypedDraft::<E> {
                before: Some(before),
                after,
            }))
        }),
    }
}

/// A new record that passes [`Record::check`]; its fields were validated with the request.
fn checked<E: Record>(field: &str, record: Option<E::Message>) -> Result<E::Message> {
    let mut v = Violations::default();
    let record = record.unwrap_or_default();
    v.within(field, |v| E::check(&record, v));
    v.finish()?;
    Ok(record)
}

/// The fields to change: those of the mask, or the populated ones if there is none.
fn fields_of_mask(
    mask: &[String],
    settable: &'static [&'static str],
    output_only: &[&str],
    populated: &dyn Fn(&str) -> bool,
) -> Result<Vec<&'static str>> {
    if mask.is_empty() {
        let fields = settable.iter().copied();
        return Ok(fields.filter(|field| populated(field)).collect());
    }
    if mask.iter().any(|path| path == "*") {
        return Ok(settable.to_vec());
    }
    let mut paths = Vec::new();
    let mut v = Violations::default();
    for path in mask {
        let stored = ["name", "etag", "create_time", "update_time", "delete_time"];
        if let Some(field) = settable.iter().find(|f| *f == path) {
            paths.push(*field);
        } else if !output_only.contains(&path.as_str()) && !stored.contains(&path.as_str()) {
            v.add(
                "update_mask",
                format!("没有字段{path}"),
                format!("has no field {path}"),
            );
        }
    }
    v.finish()?;
    Ok(paths)
}

fn merged<E: Record>(
    field: &str,
    before: &E::Message,
    given: &E::Message,
    paths: &[&'static str],
) -> Result<E::Message> {
    let mut after = before.clone();
    for path in paths {
        after.copy_field(given, path);
    }
    let mut v = Violations::default();
    v.within(field, |v| {
        for path in E::Message::IMMUTABLE {
            if !after.same_field(before, path) {
                v.add(path, "创建后不可更改", "can't change after creation");
            }
        }
        after.admit(v);
        E::check(&after, v);
    });
    v.finish()?;
    Ok(after)
}

fn check_etag<R: Resource>(record: &R, etag: &str) -> Result<()> {
    let stored = record.stored();
    if etag.is_empty() || etag == stored.etag {
        return Ok(());
    }
    Err(Error::new(Reason::EtagMismatch)
        .with("etag", stored.etag)
        .about(R::MESSAGE, stored.name))
}

fn refuse_deleted<R: Resource>(record: &R) -> Result<()> {
    let stored = record.stored();
    if stored.delete_time.is_none() {
        return Ok(());
    }
    Err(Error::new(Reason::WrongState)
        .saying(
            "记录已删除，请先恢复",
            "the record is deleted; undelete it first",
        )
        .about(R::MESSAGE, stored.name))
}

fn set_delete_time<R: Resource>(record: &mut R, time: Option<prost_types::Timestamp>) {
    let before = record.clone();
    record.set_stored(Stored {
        delete_time: time,
        ..before.stored()
    });
}
