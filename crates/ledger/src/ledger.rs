//! The standard methods, once for every kind of record.

use std::marker::PhantomData;
use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ConnectionTrait, DbBackend, StatementBuilder, Value};
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::{
    Change, Context, Create, Error, Get, List, Name, Office, Reason, Resource, Result, Stored,
    Update, Violations, date,
};
use tonic::{Request, Response, Status};

use crate::clock::Clock;
use crate::column::Field;
use crate::database::{Database, refusal};
use crate::order::Direction;
use crate::record::{Moment, Record};
use crate::secret::Key;
use crate::write::{Heads, Tx};
use crate::{filter, order, page, sql};

/// The records of the service `S`.
pub struct Ledger<S> {
    pub(crate) database: Database,
    pub(crate) key: Key,
    pub(crate) clock: Clock,
    zone: Tz,
    pub(crate) heads: Arc<Heads>,
    service: PhantomData<fn() -> S>,
}

impl<S> Clone for Ledger<S> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            key: self.key.clone(),
            clock: self.clock.clone(),
            zone: self.zone,
            heads: self.heads.clone(),
            service: PhantomData,
        }
    }
}

impl<S: 'static> Ledger<S> {
    /// A ledger over a migrated database.
    pub fn new(database: Database, key: Key, clock: Clock, zone: Tz) -> Self {
        Self {
            database,
            key,
            clock,
            zone,
            heads: Arc::default(),
            service: PhantomData,
        }
    }

    /// Now, and where.
    pub fn moment(&self) -> Moment {
        Moment {
            now: self.clock.now(),
            zone: self.zone,
        }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.database.backend()
    }

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
        let (context, request) = Context::enter(request)?;
        let record = admitted::<S, _>(Q::FIELD, request.clone().take())?;
        let (record, q) = (&record, &request);
        let record = self
            .write(&context, q, move |tx| {
                let id = Some(q.id()).filter(|id| !id.is_empty());
                Box::pin(async move { tx.create(id, record.clone()).await })
            })
            .await?;
        Ok(Response::new(record))
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

    /// Reads one record by its name in a request; a singleton that nobody wrote has its defaults.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn read<R: Record<S>>(&self, context: &Context, name: &str) -> Result<R> {
        let parsed = own_name::<R>(name)?;
        let record = match self.find::<R>(&context.office, parsed.id()).await? {
            Some(record) => record,
            None if R::SINGLETON => self.default_singleton(&parsed),
            None => return Err(Error::not_found(R::TYPE, name)),
        };
        self.shown(&context.office, record).await
    }

    /// An office's only record of this type, or its defaults.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn singleton<R: Record<S>>(&self, office: &Office) -> Result<R> {
        let name = Name::<R>::singleton(office);
        Ok(match self.find::<R>(office, name.id()).await? {
            Some(record) => record,
            None => self.default_singleton(&name),
        })
    }

    fn default_singleton<R: Record<S>>(&self, name: &Name<R>) -> R {
        let mut record = R::default();
        record.initial(self.moment());
        record.set_stored(Stored {
            name: &name.to_string(),
            etag: "",
            create_time: None,
            update_time: None,
            delete_time: None,
        });
        record
    }

    /// AIP-132, 158, 160.
    ///
    /// # Errors
    /// Those of [`Context::enter`]; INVALID_ARGUMENT for a bad filter, order or page token.
    pub async fn list<Q: List>(&self, request: Request<Q>) -> Result<Response<Q::Response>, Status>
    where
        Q::Resource: Record<S>,
    {
        let (context, request) = Context::enter(request)?;
        let (records, token) = self.page(&context, &request).await?;
        Ok(Response::new(Q::response(records, token)))
    }

    async fn page<Q: List>(&self, context: &Context, q: &Q) -> Result<(Vec<Q::Resource>, String)>
    where
        Q::Resource: Record<S>,
    {
        let fields = fields::<S, Q::Resource>();
        let mut order: Vec<(Field, Direction)> = order::parse(q.order_by(), &fields)?;
        if !order.iter().any(|(field, _)| field.column == "id") {
            order.push((ID, Direction::Ascending));
        }
        let deleted = if q.show_deleted() { "all" } else { "live" };
        let binding = [
            Q::Resource::TYPE,
            context.office.id(),
            q.filter(),
            q.order_by(),
            deleted,
        ];
        let after = page::position(&self.key, &binding, q.page_token())?;

        let mut condition =
            Condition::all().add(filter::compile(q.filter(), &fields, self.backend())?);
        if !q.show_deleted() {
            condition = condition.add(Expr::col("delete_time").is_null());
        }
        let mut select = sql::select::<S, Q::Resource>(&context.office, condition);
        let keys: Vec<_> = order
            .iter()
            .map(|(f, d)| (f.column, *d, least(f)))
            .collect();
        sql::keyset(&mut select, &keys, after.as_deref());
        let limit = page_limit(q.page_size());
        select.limit(limit + 1);

        let mut records = self.bodies::<Q::Resource>(select).await?;
        let fitting = fitting(&records, limit);
        let more = records.len() > fitting;
        records.truncate(fitting);
        let token = match records.last() {
            Some(last) if more => {
                let position: Vec<Value> = order
                    .iter()
                    .map(|(f, _)| position_of::<S, _>(last, f))
                    .collect();
                page::token(&self.key, &binding, &position)
            }
            _ => String::new(),
        };
        self.show(&context.office, &mut records).await?;
        Ok((records, token))
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
        rule: impl Fn(&Q::Resource, &Q::Resource, Moment) -> Result<()> + Send + Sync,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        let (context, request) = Context::enter(request)?;
        let given = request
            .clone()
            .take()
            .ok_or_else(|| Violations::of(Q::FIELD, "必填", "is required"))?;
        let paths = masked(&request, &given)?;
        let rule = &rule;
        let record = self
            .write(&context, &request, move |tx| {
                let (given, paths) = (given.clone(), paths.clone());
                Box::pin(async move {
                    let (before, stored) =
                        current::<S, Q::Resource>(tx, given.stored().name).await?;
                    check_etag(&before, given.stored().etag)?;
                    let after = merged::<S, _>(Q::FIELD, &before, &given, &paths)?;
                    rule(&before, &after, tx.at())?;
                    if stored {
                        tx.update(&before, after).await
                    } else {
                        tx.insert(Some(<Q::Resource as Resource>::COLLECTION), after)
                            .await
                    }
                })
            })
            .await?;
        Ok(Response::new(record))
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
        self.change_any(request, |record, _, at| {
            let stored = record.stored();
            if stored.delete_time.is_some() {
                return Err(Error::not_found(Q::Resource::TYPE, stored.name));
            }
            set_delete_time(record, Some(date::timestamp(at.now)));
            Ok(())
        })
        .await
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
        self.change_any(request, |record, _, _| {
            let stored = record.stored();
            if stored.delete_time.is_none() {
                let error = Error::new(Reason::AlreadyExists)
                    .saying("记录未被删除", "the record is not deleted")
                    .about(Q::Resource::TYPE, stored.name);
                return Err(error);
            }
            set_delete_time(record, None);
            Ok(())
        })
        .await
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
        rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        self.change_any(request, move |record, q, at| {
            refuse_deleted(record)?;
            rule(record, q, at)
        })
        .await
    }

    async fn change_any<Q: Change>(
        &self,
        request: Request<Q>,
        rule: impl Fn(&mut Q::Resource, &Q, Moment) -> Result<()> + Send + Sync,
    ) -> Result<Response<Q::Resource>, Status>
    where
        Q::Resource: Record<S>,
    {
        let (context, request) = Context::enter(request)?;
        let (rule, q) = (&rule, &request);
        let record = self
            .write(&context, q, move |tx| {
                Box::pin(async move {
                    let name = own_name::<Q::Resource>(q.name())?;
                    let before = tx
                        .find(&name)
                        .await?
                        .ok_or_else(|| Error::not_found(Q::Resource::TYPE, q.name()))?;
                    check_etag(&before, q.etag())?;
                    let mut after = before.clone();
                    rule(&mut after, q, tx.at())?;
                    tx.update(&before, after).await
                })
            })
            .await?;
        Ok(Response::new(record))
    }

    /// Reads one record, also a deleted one.
    pub(crate) async fn find<R: Record<S>>(&self, office: &Office, id: &str) -> Result<Option<R>> {
        let statement = sql::get::<S, R>(self.backend(), office, id);
        let row = self
            .database
            .reader
            .query_one_raw(statement)
            .await
            .map_err(refusal)?;
        row.map(|row| decode(&row)).transpose()
    }

    /// The records that fulfil a condition over declared columns, deleted ones aside, in the order
    /// of their ids; at most `limit`.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn select<R: Record<S>>(
        &self,
        office: &Office,
        condition: Condition,
        limit: u64,
    ) -> Result<Vec<R>> {
        let live = Condition::all()
            .add(condition)
            .add(Expr::col("delete_time").is_null());
        let mut select = sql::select::<S, R>(office, live);
        select
            .order_by("id", sea_orm::sea_query::Order::Asc)
            .limit(limit);
        self.bodies(select).await
    }

    async fn bodies<R: Record<S>>(
        &self,
        select: sea_orm::sea_query::SelectStatement,
    ) -> Result<Vec<R>> {
        let statement = StatementBuilder::build(&select, &self.backend());
        let rows = self
            .database
            .reader
            .query_all_raw(statement)
            .await
            .map_err(refusal)?;
        rows.iter().map(decode).collect()
    }

    async fn show<R: Record<S>>(&self, office: &Office, records: &mut [R]) -> Result<()> {
        if R::SHOWS && !records.is_empty() {
            R::show(records, self.moment(), self, office).await?;
        }
        Ok(())
    }

    pub(crate) async fn shown<R: Record<S>>(&self, office: &Office, mut record: R) -> Result<R> {
        self.show(office, std::slice::from_mut(&mut record)).await?;
        Ok(record)
    }
}

/// The most bytes of records on one page, so that an answer stays well below what clients take in
/// unless told otherwise (4 MiB). A page may be short (AIP-158).
const PAGE_BYTES: usize = 2 << 20;

/// How many of the records make a page; at least one, if there is one.
fn fitting<R: Resource>(records: &[R], limit: u64) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for record in records.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        bytes += record.encoded_len();
        if count > 0 && bytes > PAGE_BYTES {
            break;
        }
        count += 1;
    }
    count
}

/// The fields that filters and orders can name: the declared ones and those that every record has.
pub fn fields<S: 'static, R: Record<S>>() -> Vec<Field> {
    use crate::column::Type;
    let instant = |path| Field {
        path,
        column: path,
        holds: Type::Instant,
    };
    let mut fields: Vec<Field> = R::COLUMNS.iter().map(|c| c.field).collect();
    fields.extend([
        ID,
        instant("create_time"),
        instant("update_time"),
        instant("delete_time"),
    ]);
    fields
}

const ID: Field = Field {
    path: "id",
    column: "id",
    holds: crate::column::Type::Text,
};

fn least(field: &Field) -> Option<Value> {
    use crate::column::Type;
    match field.holds {
        Type::Day => Some(chrono::NaiveDate::default().with_year_one().into()),
        Type::Instant => Some(sql::least_instant()),
        Type::Text | Type::Number | Type::Bool | Type::Enum(..) => None,
    }
}

trait YearOne {
    fn with_year_one(self) -> Self;
}

impl YearOne for chrono::NaiveDate {
    fn with_year_one(self) -> Self {
        chrono::Datelike::with_year(&self, 1).unwrap_or(self)
    }
}

/// What a record holds in a field, as the order by this field sees it.
fn position_of<S: 'static, R: Record<S>>(record: &R, field: &Field) -> Value {
    let stored = record.stored();
    let value = match field.column {
        "id" => Name::<R>::parse(stored.name).map_or_else(|| "".into(), |n| n.id().into()),
        "create_time" => crate::column::time(stored.create_time.as_ref()),
        "update_time" => crate::column::time(stored.update_time.as_ref()),
        "delete_time" => crate::column::time(stored.delete_time.as_ref()),
        column => R::COLUMNS
            .iter()
            .find(|c| c.field.column == column)
            .map_or(Value::Bool(None), |c| (c.read)(record)),
    };
    match (&value, least(field)) {
        (Value::ChronoDate(None) | Value::ChronoDateTimeUtc(None), Some(least)) => least,
        _ => value,
    }
}

fn decode<R: Resource>(row: &sea_orm::QueryResult) -> Result<R> {
    let body: Vec<u8> = row.try_get_by_index(0).map_err(refusal)?;
    R::decode(body.as_slice()).map_err(Error::internal)
}

/// Parses the name of a call; its office is the call's, as `Context::enter` saw to.
fn own_name<R: Resource>(name: &str) -> Result<Name<R>> {
    Name::parse(name).ok_or_else(|| {
        Violations::of(
            "name",
            format!("应为 {}", R::PATTERN),
            format!("must be {}", R::PATTERN),
        )
    })
}

/// A new record whose fields are all good.
fn admitted<S: 'static, R: Record<S>>(field: &str, record: Option<R>) -> Result<R> {
    let mut v = Violations::default();
    let mut record = record.unwrap_or_default();
    v.within(field, |v| {
        record.admit(v);
        record.check(v);
    });
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
async fn current<S: 'static, R: Record<S>>(tx: &Tx<'_, S>, name: &str) -> Result<(R, bool)> {
    let parsed = own_name::<R>(name)?;
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
        None => Err(Error::not_found(R::TYPE, name)),
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
        .about(R::TYPE, stored.name))
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
        .about(R::TYPE, stored.name))
}

fn set_delete_time<R: Resource>(record: &mut R, time: Option<prost_types::Timestamp>) {
    let mut copy = record.clone();
    copy.set_stored(Stored {
        delete_time: time,
        ..record.stored()
    });
    *record = copy;
}
