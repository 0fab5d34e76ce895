//! Evidence: the records behind one figure, each with what it adds.

use chrono::NaiveDate;
use sea_orm::Value;
use sea_orm::sea_query::{
    Alias, CaseStatement, Condition, Expr, ExprTrait, Func, Order, Query, SelectStatement,
    WindowStatement,
};
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::statistics::{Evidence, ListEvidenceRequest, ListEvidenceResponse};
use taizhang_contracts::{Office, Result};

use super::{Days, How, Indicator, column};
use crate::database::refusal;
use crate::ledger::{Ledger, not_deleted};
use crate::page;

/// One page of the records behind a figure, by day.
///
/// # Errors
/// INVALID_PAGE_TOKEN; if the database is unavailable.
pub(crate) async fn list_evidence(
    ledger: &Ledger,
    office: &Office,
    days: Days,
    indicator: &Indicator,
    request: &ListEvidenceRequest,
) -> Result<ListEvidenceResponse> {
    let period = format!("{}/{}", days.first, days.last);
    let binding = ["evidence", office.id(), indicator.id, period.as_str()];
    let after = page::position(&ledger.key, &binding, &request.page_token)?;
    let limit = page_limit(request.page_size);

    let backend = ledger.backend();
    let mut select = Query::select();
    select
        .columns(["id", "day", "adds", "body"].map(Alias::new))
        .from_subquery(
            counted(indicator, office, days, ledger),
            Alias::new("counted"),
        )
        .order_by(Alias::new("day"), Order::Asc)
        .order_by(Alias::new("id"), Order::Asc)
        .limit(limit + 1);
    if let Some([day, id]) = after.as_deref() {
        let (by_day, by_id) = (column("day"), column("id"));
        let beyond = Condition::any()
            .add(by_day.clone().gt(day.clone()))
            .add(by_day.eq(day.clone()).and(by_id.gt(id.clone())));
        select.cond_where(beyond);
    }
    let rows = ledger.database.late_rows(backend.build(&select)).await?;

    let more = rows.len() as u64 > limit;
    let mut evidence = Vec::new();
    let mut position: Vec<Value> = Vec::new();
    for row in rows
        .iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        let read = || -> Result<_, sea_orm::DbErr> {
            Ok((
                row.try_get_by_index::<String>(0)?,
                row.try_get_by_index::<NaiveDate>(1)?,
                row.try_get_by_index::<i64>(2)?,
                row.try_get_by_index::<Vec<u8>>(3)?,
            ))
        };
        let (id, day, contribution, body) = read().map_err(refusal)?;
        evidence.push(Evidence {
            record: indicator.kind.name(office, &id),
            title: indicator.kind.title(&body),
            date: Some(day.into()),
            contribution,
        });
        position = vec![day.into(), id.into()];
    }
    let next_page_token = if more {
        page::token(&ledger.key, &binding, &position)
    } else {
        String::new()
    };
    Ok(ListEvidenceResponse {
        evidence,
        next_page_token,
    })
}

/// The records that are counted, each with its id, the day that places it, its contribution, and its
/// body.
fn counted(indicator: &Indicator, office: &Office, days: Days, ledger: &Ledger) -> SelectStatement {
    let backend = ledger.backend();
    let mut select = Query::select();
    select
        .column(Alias::new("id"))
        .expr_as(indicator.day(backend, days), Alias::new("day"))
        .column(Alias::new("body"))
        .from(Alias::new(indicator.kind.table()))
        .and_where(column("office").eq(office.id()))
        .and_where(not_deleted())
        .cond_where(indicator.condition(days));
    let adds = Alias::new("adds");
    match indicator.how {
        How::Count => select.expr_as(Expr::cust("CAST(1 AS BIGINT)"), adds),
        How::Sum(number) => select.expr_as(column(number), adds),
        How::Days => select.expr_as(indicator.lasting(backend, days), adds),
        How::Distinct(of) => {
            // The first record of each value contributes 1, the others 0; NULL is not a value.
            select.expr_window_as(
                Func::cust(Alias::new("ROW_NUMBER")),
                WindowStatement::partition_by(Alias::new(of))
                    .order_by_expr(indicator.day(backend, days), Order::Asc)
                    .order_by(Alias::new("id"), Order::Asc)
                    .take(),
                Alias::new("occurrence"),
            );
            select.expr_as(column(of), Alias::new("value"));
            let first = column("occurrence")
                .eq(1)
                .and(column("value").is_not_null());
            let contribution: Expr = CaseStatement::new()
                .case(first, Expr::cust("1"))
                .finally(Expr::cust("0"))
                .into();
            return Query::select()
                .columns(["id", "day", "body"].map(Alias::new))
                .expr_as(contribution.cast_as(Alias::new("BIGINT")), adds)
                .from_subquery(select, Alias::new("numbered"))
                .to_owned();
        }
    };
    select
}
