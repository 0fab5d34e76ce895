//! Evidence: the records behind one figure, each with what it adds.

use chrono::NaiveDate;
use sea_orm::{Statement, Value};
use taizhang_contracts::rules::page_limit;
use taizhang_contracts::statistics::{Evidence, ListEvidenceRequest, ListEvidenceResponse};
use taizhang_contracts::{Office, Result};

use super::{Days, How, Indicator};
use crate::database::refusal;
use crate::ledger::Ledger;
use crate::page;

/// One page of the records behind a figure, by day.
///
/// # Errors
/// INVALID_PAGE_TOKEN; if the database is away.
pub(crate) async fn evidence<S: 'static>(
    ledger: &Ledger<S>,
    office: &Office,
    days: Days,
    indicator: &Indicator<S>,
    request: &ListEvidenceRequest,
) -> Result<ListEvidenceResponse> {
    let period = format!("{}/{}", days.first, days.last);
    let binding = ["evidence", office.id(), indicator.id, period.as_str()];
    let after = page::position(&ledger.key, &binding, &request.page_token)?;
    let limit = page_limit(request.page_size);

    let backend = ledger.backend();
    let mut values: Vec<Value> = vec![office.id().into(), days.first.into(), days.last.into()];
    let counted = indicator.condition(days, &mut values);
    let day = indicator.day(backend, &mut values);
    let adds = match indicator.how {
        How::Count => "CAST(1 AS BIGINT)".to_owned(),
        How::Sum(number) => number.to_owned(),
        How::Days => indicator.lasting(backend, days, &mut values),
        // The first record of each value counts for all of them; no value is not one.
        How::Distinct(of) => format!(
            "CAST(CASE WHEN {of} IS NOT NULL \
             AND ROW_NUMBER() OVER (PARTITION BY {of} ORDER BY {day}, id) = 1 \
             THEN 1 ELSE 0 END AS BIGINT)"
        ),
    };
    let beyond = match after.as_deref() {
        Some([day, id]) => {
            values.extend([day.clone(), id.clone()]);
            let n = values.len();
            format!("WHERE (day, id) > (${}, ${n})", n - 1)
        }
        _ => String::new(),
    };
    let sql = format!(
        "SELECT id, day, adds, body FROM (SELECT id, {day} AS day, {adds} AS adds, body FROM {} \
         WHERE office = $1 AND delete_time IS NULL AND {counted}) counted {beyond} \
         ORDER BY day, id LIMIT {}",
        indicator.table,
        limit + 1
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let rows = ledger.database.late_rows(statement).await?;

    let more = rows.len() as u64 > limit;
    let mut evidence = Vec::new();
    let mut position = Vec::new();
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
            record: format!("{office}/{}/{id}", indicator.collection),
            title: (indicator.title)(&body).unwrap_or_default(),
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
