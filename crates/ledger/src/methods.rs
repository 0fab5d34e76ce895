//! The standard methods, once for every kind of record, and the custom ones that change one record
//! by a rule.

use std::sync::Arc;

use futures::future::BoxFuture;
use taizhang_contracts::{
    Change, Context, Create, Error, Get, Reason, Resource, Result, Stored, Update, Violations,
    Write, date,
};
use tonic::{Request, Response, Status};

use crate::ledger::{Ledger, own_name};
use crate::record::{Moment, Record};
use crate::write::{RequestKey, Tx};

/// What a request does within a write. It may run more than once, each time from the start.
pub(crate) type Work<S, R> =
    Box<dyn for<'t, 'a> Fn(&'t mut Tx<'a, S>) -> BoxFuture<'t, Result<R>> + Send + Sync>;

impl<S: 'static> Ledger<S> {
    /// AIP-133. Refuses an id that is taken.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`].
    pub async fn create<Q: Create>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.run(request, create).await
    }

    /// AIP-131. A deleted record can be read by its name (AIP-164).
    ///
    /// # Errors
    /// Those of [`Context::enter`]; NOT_FOUND.
    pub async fn get<Q: Get>(&self, request: Request<Q>) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        let (context, request) = Context::enter(request)?;
        Ok(Response::new(
            self.read::<Q::Resource>(&context, request.name()).await?,
        ))
    }

    /// AIP-134.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`]; INVALID_ARGUMENT for an unknown path or a
    /// changed immutable field; NOT_FOUND; ABORTED for a stale etag.
    pub async fn update<Q: Update>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.update_with(request, |_, _, _| Ok(())).await
    }

    /// Like [`Ledger::update`], with a rule on the record before and after the change.
    ///
    /// # Errors
    /// Those of [`Ledger::update`], and what `rule` refuses.
    pub async fn update_with<Q: Update>(
        &self,
        request: Request<Q>,
        rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.run(request, |q| update(q, rule)).await
    }

    /// AIP-135 and 164: marks as deleted. A record that is deleted already is NOT_FOUND.
    ///
    /// # Errors
    /// Those of [`Ledger::change`].
    pub async fn delete<Q: Change>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.run(request, |q| Ok(change_any(q, mark_deleted))).await
    }

    /// AIP-164: takes a deletion back. A record that is not deleted is ALREADY_EXISTS.
    ///
    /// # Errors
    /// Those of [`Ledger::change`].
    pub async fn undelete<Q: Change>(
        &self,
        request: Request<Q>,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.run(request, |q| Ok(change_any(q, take_back))).await
    }

    /// A custom method that changes one record by a pure rule (AIP-136). A deleted record can't be
    /// changed.
    ///
    /// # Errors
    /// Those of [`Context::enter`] and [`Ledger::write`]; NOT_FOUND; ABORTED for a stale etag; and
    /// what `rule` refuses.
    pub async fn change<Q: Change>(
        &self,
        request: Request<Q>,
        rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.run(request, |q| Ok(change(q, rule))).await
    }

    /// Runs the work of a request as a write of its own.
    async fn run<Q: Write, R: Record<S>>(
        &self,
        request: Request<Q>,
        work: impl FnOnce(Q) -> Result<Work<S, R>>,
    ) -> Result<Response<R>, Status> {
        let (context, q) = Context::enter(request)?;
        let key = RequestKey::of(&q);
        let work = work(q)?;
        let record = self.committed(&context, key, |tx| work(tx)).await?;
        Ok(Response::new(self.shown(&context.office, record).await?))
    }
}

/// The work of [`Ledger::create`].
pub(crate) fn create<S: 'static, Q: Create>(mut q: Q) -> Result<Work<S, Q::Resource>>
where
    Q::Resource: Record<S>,
{
    let record = checked::<S, _>(Q::FIELD, q.take())?;
    let made = Arc::new((q.id().to_owned(), record));
    Ok(Box::new(move |tx| {
        let made = made.clone();
        Box::pin(async move {
            let (id, record) = &*made;
            let id = Some(id.as_str()).filter(|id| !id.is_empty());
            tx.create(id, record.clone()).await
        })
    }))
}

/// The work of [`Ledger::update_with`].
pub(crate) fn update<S: 'static, Q: Update>(
    q: Q,
    rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Send + Sync + 'static,
) -> Result<Work<S, Q::Resource>>
where
    Q::Resource: Record<S>,
{
    let given = q
        .clone()
        .take()
        .ok_or_else(|| Violations::of(Q::FIELD, "必填", "is required"))?;
    let paths = masked(&q, &given)?;
    let asked = Arc::new((given, paths, rule));
    Ok(Box::new(move |tx| {
        let asked = asked.clone();
        Box::pin(async move {
            let (given, paths, rule) = &*asked;
            let (before, stored) =
                current::<S, Q::Resource>(tx, Q::PLACE, given.stored().name).await?;
            check_etag(&before, given.stored().etag)?;
            let after = merged::<S, _>(Q::FIELD, &before, given, paths)?;
            rule(&before, &after, tx.at())?;
            if stored {
                tx.update(&before, after).await
            } else {
                tx.insert(Some(<Q::Resource as Resource>::COLLECTION), after)
                    .await
            }
        })
    }))
}

/// The work of [`Ledger::change`].
pub(crate) fn change<S: 'static, Q: Change>(
    q: Q,
    rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync + 'static,
) -> Work<S, Q::Resource>
where
    Q::Resource: Record<S>,
{
    change_any(q, move |record: &mut Q::Resource, q: &Q, at| {
        refuse_deleted(record)?;
        rule(record, q, at)
    })
}

/// The work of every method that changes one record by a rule.
pub(crate) fn change_any<S: 'static, Q: Change>(
    q: Q,
    rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync + 'static,
) -> Work<S, Q::Resource>
where
    Q::Resource: Record<S>,
{
    let asked = Arc::new((q, rule));
    Box::new(move |tx| {
        let asked = asked.clone();
        Box::pin(async move {
            let (q, rule) = &*asked;
            let name = own_name::<Q::Resource>(Q::PLACE, q.name())?;
            let before = tx
                .find(&name)
                .await?
                .ok_or_else(|| Error::not_found(Q::Resource::MESSAGE, q.name()))?;
            check_etag(&before, q.etag())?;
            let mut after = before.clone();
            rule(&mut after, q, tx.at())?;
            tx.update(&before, after).await
        })
    })
}

/// The rule of [`Ledger::delete`].
pub(crate) fn mark_deleted<R: Resource, Q>(record: &mut R, _q: &Q, at: Moment) -> Result<()> {
    let stored = record.stored();
    if stored.delete_time.is_some() {
        return Err(Error::not_found(R::MESSAGE, stored.name));
    }
    set_delete_time(record, Some(date::timestamp(at.now)));
    Ok(())
}

/// The rule of [`Ledger::undelete`].
pub(crate) fn take_back<R: Resource, Q>(record: &mut R, _q: &Q, _at: Moment) -> Result<()> {
    let stored = record.stored();
    if stored.delete_time.is_none() {
        let error = Error::new(Reason::AlreadyExists)
            .saying("记录未被删除", "the record is not deleted")
            .about(R::MESSAGE, stored.name);
        return Err(error);
    }
    set_delete_time(record, None);
    Ok(())
}

/// A new record that is good as a whole; its fields were admitted with the request.
fn checked<S: 'static, R: Record<S>>(field: &str, record: Option<R>) -> Result<R> {
    let mut v = Violations::default();
    let record = record.unwrap_or_default();
    v.within(field, |v| record.check(v));
    v.finish()?;
    Ok(record)
}

/// The fields to change: those of the mask, or the populated ones if there is none.
fn masked<Q: Update>(request: &Q, given: &Q::Resource) -> Result<Vec<&'static str>> {
    let settable = Q::Resource::SETTABLE;
    let Some(mask) = request.mask().filter(|m| !m.paths.is_empty()) else {
        let default = Q::Resource::default();
        return Ok(settable
            .iter()
            .copied()
            .filter(|f| !given.same_field(&default, f))
            .collect());
    };
    if mask.paths.iter().any(|path| path == "*") {
        return Ok(settable.to_vec());
    }
    let mut paths = Vec::new();
    let mut v = Violations::default();
    for path in &mask.paths {
        let stored = ["name", "etag", "create_time", "update_time", "delete_time"];
        if let Some(field) = settable.iter().find(|f| *f == path) {
            paths.push(*field);
        } else if !Q::Resource::OUTPUT_ONLY.contains(&path.as_str())
            && !stored.contains(&path.as_str())
        {
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

/// The record before, and whether it is stored: a singleton begins with its defaults.
async fn current<S: 'static, R: Record<S>>(
    tx: &Tx<'_, S>,
    field: &str,
    name: &str,
) -> Result<(R, bool)> {
    let parsed = own_name::<R>(field, name)?;
    match tx.find(&parsed).await? {
        Some(record) => {
            refuse_deleted(&record)?;
            Ok((record, true))
        }
        None if R::SINGLETON => {
            let mut record = R::default();
            record.initial(tx.at());
            Ok((record, false))
        }
        None => Err(Error::not_found(R::MESSAGE, name)),
    }
}

fn merged<S: 'static, R: Record<S>>(
    field: &str,
    before: &R,
    given: &R,
    paths: &[&'static str],
) -> Result<R> {
    let mut after = before.clone();
    for path in paths {
        after.copy_field(given, path);
    }
    let mut v = Violations::default();
    v.within(field, |v| {
        for path in R::IMMUTABLE {
            if !after.same_field(before, path) {
                v.add(path, "创建后不可更改", "can't change after creation");
            }
        }
        after.admit(v);
        after.check(v);
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
    let mut copy = record.clone();
    copy.set_stored(Stored {
        delete_time: time,
        ..record.stored()
    });
    *record = copy;
}
