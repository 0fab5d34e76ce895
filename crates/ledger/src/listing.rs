//! Lists: filtered, ordered, and page by page (AIP-132, 158, 160).

use chrono::{DateTime, NaiveDate, TimeDelta};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Func, Order, SelectStatement};
use sea_orm::{QueryResult, Value};
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::{Context, List, Result};
use tonic::{Request, Response, Status};

use crate::behavior::{Behavior, show};
use crate::column::{Field, Type};
use crate::database::refusal;
use crate::ledger::{Ledger, body, decode, not_deleted, select_bodies};
use crate::order::Direction;
use crate::record_kind::{ID, RecordKind};
use crate::{filter, order, page};

impl Ledger {
    /// AIP-132, 158, 160.
    ///
    /// # Errors
    /// Those of [`Context::enter`]; INVALID_ARGUMENT for a bad filter, order or page token.
    pub async fn list<E, Q>(&self, request: Request<Q>) -> Result<Response<Q::Response>, Status>
    where
        E: Behavior,
        Q: List<Resource = E::Message>,
    {
        let (context, q) = Context::enter(request)?;
        let query = ListQuery {
            kind: E::KIND,
            page_size: q.page_size(),
            page_token: q.page_token(),
            filter: q.filter(),
            order_by: q.order_by(),
            show_deleted: q.show_deleted(),
        };
        let page = self.page(&context, query).await?;
        let records = page.bodies.iter().map(|body| decode(body));
        let mut records = records.collect::<Result<Vec<E::Message>>>()?;
        show::<E>(self, &context.office, &mut records).await?;
        Ok(Response::new(Q::response(records, page.next_page_token)))
    }

    async fn page(&self, context: &Context, q: ListQuery<'_>) -> Result<Page> {
        let fields = q.kind.fields();
        let mut order: Vec<(Field, Direction)> = order::parse(q.order_by, &fields)?;
        if !order.iter().any(|(field, _)| field.column == ID.column) {
            order.push((ID, Direction::Ascending));
        }
        let deleted = if q.show_deleted { "all" } else { "live" };
        let office = context.office.id();
        let binding = [q.kind.type_name, office, q.filter, q.order_by, deleted];
        let after = page::position(&self.key, &binding, q.page_token)?;

        let mut condition =
            Condition::all().add(filter::compile(q.filter, &fields, self.backend())?);
        if !q.show_deleted {
            condition = condition.add(not_deleted());
        }
        let mut select = select_bodies(q.kind, &context.office, condition);
        for (field, _) in &order {
            select.expr(ordered(field));
        }
        keyset(&mut select, &order, after.as_deref());
        let limit = page_limit(q.page_size);
        select.limit(limit + 1);

        let select = self.backend().build(&select);
        let rows = self.database.late_rows(select).await?;
        let mut bodies = rows.iter().map(body).collect::<Result<Vec<_>>>()?;
        let fitting = fitting(&bodies, limit);
        let next_page_token = match rows.get(fitting.wrapping_sub(1)) {
            Some(last) if bodies.len() > fitting => {
                page::token(&self.key, &binding, &position(last, &order)?)
            }
            _ => String::new(),
        };
        bodies.truncate(fitting);
        Ok(Page {
            bodies,
            next_page_token,
        })
    }
}

/// The parameters of a list.
struct ListQuery<'q> {
    kind: &'static RecordKind,
    page_size: i32,
    page_token: &'q str,
    filter: &'q str,
    order_by: &'q str,
    show_deleted: bool,
}

/// One page of encoded records.
struct Page {
    bodies: Vec<Vec<u8>>,
    next_page_token: String,
}

/// The most bytes of records on one page, so that an answer stays well below the 4 MiB that clients
/// accept by default. A page may be short (AIP-158).
const PAGE_BYTES: usize = 2 << 20;

/// The number of records that fit on a page; at least one, if there is one.
fn fitting(bodies: &[Vec<u8>], limit: u64) -> usize {
    let mut bytes = 0;
    let mut count = 0;
    for body in bodies
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        bytes += body.len();
        if count > 0 && bytes > PAGE_BYTES {
            break;
        }
        count += 1;
    }
    count
}

/// Adds the order and the start position to a query.
fn keyset(select: &mut SelectStatement, order: &[(Field, Direction)], after: Option<&[Value]>) {
    for (field, direction) in order {
        let direction = match direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        };
        select.order_by_expr(ordered(field), direction);
    }
    let Some(after) = after else { return };
    let mut beyond = Condition::any();
    for (i, (field, direction)) in order.iter().enumerate() {
        let Some(value) = after.get(i) else { return };
        let mut here = Condition::all();
        for ((field, _), value) in order.iter().zip(after).take(i) {
            here = here.add(ordered(field).eq(value.clone()));
        }
        let here = match direction {
            Direction::Ascending => here.add(ordered(field).gt(value.clone())),
            Direction::Descending => here.add(ordered(field).lt(value.clone())),
        };
        beyond = beyond.add(here);
    }
    select.cond_where(beyond);
}

/// The expression to order by. NULL is replaced by the least value of the type, so that the order
/// is total and a position can be compared.
fn ordered(field: &Field) -> Expr {
    let column = Expr::col(Alias::new(field.column));
    match least(field) {
        Some(least) => Func::coalesce([column, Expr::val(least)]).into(),
        None => column,
    }
}

fn least(field: &Field) -> Option<Value> {
    match field.holds {
        Type::Day => NaiveDate::from_ymd_opt(1, 1, 1).map(Value::from),
        Type::Instant => Some((DateTime::UNIX_EPOCH - TimeDelta::days(365_000)).into()),
        Type::Text | Type::Number | Type::Bool | Type::Enum(..) => None,
    }
}

/// The position of a row: the values that follow its body.
fn position(row: &QueryResult, order: &[(Field, Direction)]) -> Result<Vec<Value>> {
    let read = |i: usize, field: &Field| -> Result<Value, sea_orm::DbErr> {
        Ok(match field.holds {
            Type::Text => row.try_get_by_index::<String>(i)?.into(),
            Type::Number | Type::Enum(..) => row.try_get_by_index::<i64>(i)?.into(),
            Type::Bool => row.try_get_by_index::<bool>(i)?.into(),
            Type::Day => row.try_get_by_index::<NaiveDate>(i)?.into(),
            Type::Instant => row.try_get_by_index::<DateTime<chrono::Utc>>(i)?.into(),
        })
    };
    let values = order.iter().zip(1..).map(|((field, _), i)| read(i, field));
    values.collect::<Result<_, _>>().map_err(refusal)
}
