//! Figures: all indicators over one kind of record by one scan, all scans in one snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, Func, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use taizhang_contracts::statistics::{Figure, GatherFiguresResponse};
use taizhang_contracts::{Context, Result, Until, date};

use super::{Days, How, Indicator, Placed, column};
use crate::database::{Connections, Transaction};
use crate::ledger::{Ledger, not_deleted};
use crate::record_kind::RecordKind;

/// The values of `wanted` in the period, in the same order.
///
/// # Errors
/// If the database is unavailable.
pub(crate) async fn gather_figures(
    ledger: &Ledger,
    context: &Context,
    days: Days,
    wanted: &[&Indicator],
) -> Result<GatherFiguresResponse> {
    let now = ledger.moment().now;
    let office = context.office.id();
    let read = |on: Connections, age: Duration| async move {
        let snapshot = snapshot(&on, context.until).await?;
        let mut figures: Vec<Figure> = Vec::new();
        for indicators in by_kind(wanted).into_values() {
            figures.extend(scan(&snapshot, office, days, &indicators).await?);
        }
        snapshot.rollback().await?;
        Ok((figures, now - age))
    };
    let (mut figures, snapshot_time) = ledger.database.read_late(read).await?;
    figures.sort_by_key(|f| wanted.iter().position(|i| i.id == f.indicator));
    Ok(GatherFiguresResponse {
        figures,
        snapshot_time: Some(date::timestamp(snapshot_time)),
    })
}

/// A transaction that sees one state of the database throughout. PostgreSQL ends its work on it
/// at the caller's deadline.
async fn snapshot(on: &Connections, until: Option<Until>) -> Result<Transaction, DbErr> {
    let snapshot = on.snapshot().await?;
    if on.get_database_backend() != DbBackend::Postgres {
        return Ok(snapshot);
    }
    if let Some(until) = until {
        // Zero would mean no limit.
        let left = until.remaining().as_millis().max(1);
        snapshot
            .execute_unprepared(&format!("SET LOCAL statement_timeout = {left}"))
            .await?;
    }
    Ok(snapshot)
}

fn by_kind<'a>(wanted: &[&'a Indicator]) -> BTreeMap<&'static str, Vec<&'a Indicator>> {
    let mut kinds: BTreeMap<&str, Vec<&Indicator>> = BTreeMap::new();
    for indicator in wanted {
        let kind = kinds.entry(indicator.kind.collection).or_default();
        kind.push(indicator);
    }
    kinds
}

/// The figures over one kind of record.
async fn scan(
    snapshot: &Transaction,
    office: &str,
    days: Days,
    indicators: &[&Indicator],
) -> Result<Vec<Figure>, DbErr> {
    let Some(kind) = indicators.first().map(|indicator| indicator.kind) else {
        return Ok(Vec::new());
    };
    let backend = snapshot.get_database_backend();
    let mut placed: Vec<Placed> = indicators
        .iter()
        .flat_map(|indicator| indicator.cases.iter().map(|case| case.placed))
        .collect();
    placed.sort_unstable();
    placed.dedup();

    let mut select = Query::select();
    for indicator in indicators {
        let counted = indicator.condition(days);
        select.expr(value(indicator, &counted, backend, days));
        select.expr(match indicator.how {
            // The value is the number of records.
            How::Count => Expr::cust("CAST(-1 AS BIGINT)"),
            How::Sum(_) | How::Distinct(_) | How::Days => count(&counted),
        });
    }
    for placed in &placed {
        select.expr(Expr::exists(any_until(kind, office, *placed, days)));
    }
    let within = placed.iter().fold(Condition::any(), |any, placed| {
        any.add(placed.indexed(days))
    });
    select
        .from(Alias::new(kind.table()))
        .and_where(column("office").eq(office))
        .cond_where(within)
        .and_where(not_deleted());
    let row = snapshot
        .query_one(&select)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("an aggregate has one row".into()))?;

    let mut kept = BTreeMap::new();
    for (i, placed) in placed.iter().enumerate() {
        let there: bool = row.try_get_by_index(indicators.len() * 2 + i)?;
        kept.insert(*placed, there);
    }
    let mut figures = Vec::new();
    for (i, indicator) in indicators.iter().enumerate() {
        let value: i64 = row.try_get_by_index(2 * i)?;
        let records: i64 = row.try_get_by_index(2 * i + 1)?;
        figures.push(Figure {
            indicator: indicator.id.into(),
            value,
            records: if records < 0 { value } else { records },
            kept: indicator
                .cases
                .iter()
                .any(|case| kept.get(&case.placed) == Some(&true)),
        });
    }
    Ok(figures)
}

/// The value of an indicator over the records that are counted.
fn value(indicator: &Indicator, counted: &Condition, backend: DbBackend, days: Days) -> Expr {
    match indicator.how {
        How::Count => count(counted),
        How::Sum(number) => sum(column(number), counted),
        How::Distinct(of) => Func::count_distinct(column(of))
            .filter(counted.clone())
            .into(),
        How::Days => sum(indicator.lasting(backend, days), counted),
    }
}

fn count(counted: &Condition) -> Expr {
    Func::count(Expr::col(Asterisk))
        .filter(counted.clone())
        .into()
}

fn sum(of: Expr, counted: &Condition) -> Expr {
    let sum = Func::sum(of).filter(counted.clone());
    Expr::from(Func::coalesce([sum.into(), Expr::cust("0")])).cast_as(Alias::new("BIGINT"))
}

/// Whether there is a record up to the period's end. Each day's column has an index that begins
/// with the office.
fn any_until(kind: &RecordKind, office: &str, placed: Placed, days: Days) -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(Alias::new(kind.table()))
        .and_where(column("office").eq(office))
        .and_where(column(placed.column()).lte(days.last))
        .and_where(not_deleted())
        .to_owned()
}
