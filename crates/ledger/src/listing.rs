//! Lists: filtered, ordered, and page by page (AIP-132, 158, 160).

use chrono::NaiveDate;
use sea_orm::Value;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::{Context, List, Name, Resource, Result};
use tonic::{Request, Response, Status};

use crate::column::{Field, Type, time};
use crate::ledger::Ledger;
use crate::order::Direction;
use crate::record::Record;
use crate::{filter, order, page, sql};

impl<S: 'static> Ledger<S> {
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

        let mut records = self.late_bodies::<Q::Resource>(select).await?;
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
}

/// The most bytes of records on one page, so that an answer stays well below what clients take in
/// unless told otherwise (4 MiB). A page may be short (AIP-158).
const PAGE_BYTES: usize = 2 << 20;

/// How many of the records make a page; at least one, if there is one.
fn fitting<R: Resource>(records: &[R], limit: u64) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for record in records
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
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
    holds: Type::Text,
};

fn least(field: &Field) -> Option<Value> {
    match field.holds {
        Type::Day => NaiveDate::from_ymd_opt(1, 1, 1).map(Value::from),
        Type::Instant => Some(sql::least_instant()),
        Type::Text | Type::Number | Type::Bool | Type::Enum(..) => None,
    }
}

/// What a record holds in a field, as the order by this field sees it.
fn position_of<S: 'static, R: Record<S>>(record: &R, field: &Field) -> Value {
    let stored = record.stored();
    let value = match field.column {
        "id" => Name::<R>::parse(stored.name).map_or_else(|| "".into(), |n| n.id().into()),
        "create_time" => time(stored.create_time.as_ref()),
        "update_time" => time(stored.update_time.as_ref()),
        "delete_time" => time(stored.delete_time.as_ref()),
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
