//! Figures: all indicators over one kind of record by one scan, all scans in one snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use taizhang_contracts::statistics::{Figure, GatherFiguresResponse};
use taizhang_contracts::{Context, Result, Until, date};

use super::{Days, How, Indicator, Placed};
use crate::database::{Connections, Transaction};
use crate::ledger::Ledger;

/// The values of `wanted` in the period, in the same order.
///
/// # Errors
/// If the database is away.
pub(crate) async fn gather<S: 'static>(
    ledger: &Ledger<S>,
    context: &Context,
    days: Days,
    wanted: &[&Indicator<S>],
) -> Result<GatherFiguresResponse> {
    let now = ledger.moment().now;
    let office = context.office.id();
    let read = |on: Connections, age: Duration| async move {
        let snapshot = snapshot(&on, context.until).await?;
        let mut figures: Vec<Figure> = Vec::new();
        for (_, places) in by_table(wanted) {
            let indicators: Vec<&Indicator<S>> = places.iter().map(|i| wanted[*i]).collect();
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
/// when the caller's time is over.
async fn snapshot(on: &Connections, until: Option<Until>) -> Result<Transaction, DbErr> {
    let snapshot = on.snapshot().await?;
    if on.backend() != DbBackend::Postgres {
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

fn by_table<S>(wanted: &[&Indicator<S>]) -> BTreeMap<&'static str, Vec<usize>> {
    let mut tables: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, indicator) in wanted.iter().enumerate() {
        tables.entry(indicator.table).or_default().push(i);
    }
    tables
}

/// The figures over one kind of record.
async fn scan<S>(
    snapshot: &Transaction,
    office: &str,
    days: Days,
    indicators: &[&Indicator<S>],
) -> Result<Vec<Figure>, DbErr> {
    let backend = snapshot.get_database_backend();
    let mut values: Vec<Value> = vec![office.into(), days.first.into(), days.last.into()];
    let mut columns = Vec::new();
    let mut placed: Vec<Placed> = Vec::new();
    for indicator in indicators {
        let counted = indicator.condition(days, &mut values);
        columns.push(match indicator.how {
            How::Count => format!("COUNT(*) FILTER (WHERE {counted})"),
            How::Sum(number) => {
                format!("CAST(COALESCE(SUM({number}) FILTER (WHERE {counted}), 0) AS BIGINT)")
            }
            How::Distinct(of) => format!("COUNT(DISTINCT {of}) FILTER (WHERE {counted})"),
            How::Days => {
                let lasting = indicator.lasting(backend, days, &mut values);
                format!("CAST(COALESCE(SUM({lasting}) FILTER (WHERE {counted}), 0) AS BIGINT)")
            }
        });
        columns.push(match indicator.how {
            // The records are the value.
            How::Count => "CAST(-1 AS BIGINT)".to_owned(),
            How::Sum(_) | How::Distinct(_) | How::Days => {
                format!("COUNT(*) FILTER (WHERE {counted})")
            }
        });
        placed.extend(indicator.cases.iter().map(|case| case.placed));
    }
    placed.sort_unstable();
    placed.dedup();
    let table = indicators.first().map_or("", |i| i.table);
    // Each day's column has an index of its own that begins with the office.
    for day in placed.iter().map(|placed| placed.column()) {
        columns.push(format!(
            "EXISTS(SELECT 1 FROM {table} WHERE office = $1 AND {day} <= $3 AND delete_time IS NULL)"
        ));
    }
    let within: Vec<String> = placed.iter().map(|placed| placed.indexed()).collect();
    let sql = format!(
        "SELECT {} FROM {table} WHERE office = $1 AND ({}) AND delete_time IS NULL",
        columns.join(", "),
        within.join(" OR ")
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let row = snapshot
        .query_one_raw(statement)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("an aggregate has one row".into()))?;

    let mut kept = BTreeMap::new();
    for (i, placed) in placed.iter().enumerate() {
        kept.insert(
            *placed,
            row.try_get_by_index::<bool>(indicators.len() * 2 + i)?,
        );
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
