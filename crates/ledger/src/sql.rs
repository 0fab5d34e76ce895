//! The statements of the ledger. Every one names its offices. Placeholders are `$1`, `$2`, …, which
//! both databases know; values are always bound.

use std::fmt::Write;
use std::sync::Arc;

use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{DbBackend, Statement, StatementBuilder, Value};
use taizhang_contracts::Office;

use crate::column::{time, utc};
use crate::order::Direction;
use crate::record::Record;

const HISTORY: &str = "history (office, seq, time, caller, method, collection, id, version, body, request_id, request_digest, mac)";

/// How long a write waits for an office that another process is writing in, before it lets others
/// pass.
const TURN_TIMEOUT_MS: u32 = 200;

fn statement(backend: DbBackend, sql: String, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(backend, sql, values)
}

/// `$from, $from+1, …`
fn placeholders(from: usize, count: usize) -> String {
    let mut out = String::new();
    for i in from..from + count {
        let comma = if i == from { "" } else { ", " };
        // Writing to a String can't fail.
        let _ = write!(out, "{comma}${i}");
    }
    out
}

/// The values of a record's row, those of its key aside, with the names of their columns.
fn row<S: 'static, R: Record<S>>(record: &R, version: i64) -> (Vec<&'static str>, Vec<Value>) {
    let stored = record.stored();
    let mut names = vec![
        "version",
        "create_time",
        "update_time",
        "delete_time",
        "body",
    ];
    let mut values: Vec<Value> = vec![
        version.into(),
        time(stored.create_time.as_ref()),
        time(stored.update_time.as_ref()),
        time(stored.delete_time.as_ref()),
        record.encode_to_vec().into(),
    ];
    for column in R::COLUMNS {
        names.push(column.field.column);
        values.push((column.read)(record));
    }
    (names, values)
}

/// A record's row as a change leaves it; its first version is inserted, a later one updated.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) table: &'static str,
    pub(crate) id: String,
    pub(crate) is_new: bool,
    /// The columns after the key.
    pub(crate) names: Vec<&'static str>,
    /// The key's values and theirs.
    pub(crate) values: Vec<Value>,
}

impl Row {
    pub(crate) fn of<S: 'static, R: Record<S>>(
        office: &Office,
        id: &str,
        version: i64,
        record: &R,
    ) -> Self {
        let (names, row) = row::<S, _>(record, version);
        let mut values: Vec<Value> = vec![office.id().into(), id.into()];
        values.extend(row);
        Self {
            table: R::TABLE,
            id: id.to_owned(),
            is_new: version == 1,
            names,
            values,
        }
    }

    /// Its table and columns.
    fn columns(&self) -> String {
        format!("{} (office, id, {})", self.table, self.names.join(", "))
    }

    /// Writes it.
    pub(crate) fn statement(&self, backend: DbBackend) -> Statement {
        if self.is_new {
            return insert_rows(backend, &[self]);
        }
        statement(backend, self.update(1), self.values.clone())
    }

    /// The update of what is there, whose values begin at a placeholder.
    fn update(&self, from: usize) -> String {
        let set: Vec<String> = self
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| format!("{name} = ${}", from + i + 2))
            .collect();
        format!(
            "UPDATE {} SET {} WHERE office = ${from} AND id = ${}",
            self.table,
            set.join(", "),
            from + 1
        )
    }
}

/// Inserts new rows of one table at once.
pub(crate) fn insert_rows(backend: DbBackend, rows: &[&Row]) -> Statement {
    let into = rows.first().map_or_else(String::new, |row| row.columns());
    insert_values(backend, &into, rows.iter().map(|row| row.values.as_slice()))
}

/// Inserts entries of the history at once.
pub(crate) fn insert_entries(backend: DbBackend, entries: &[[Value; 12]]) -> Statement {
    insert_values(
        backend,
        HISTORY,
        entries.iter().map(<[Value; 12]>::as_slice),
    )
}

fn insert_values<'a>(
    backend: DbBackend,
    into: &str,
    rows: impl Iterator<Item = &'a [Value]>,
) -> Statement {
    let (mut sql, mut values) = (format!("INSERT INTO {into} VALUES "), Vec::new());
    for row in rows {
        let comma = if values.is_empty() { "" } else { ", " };
        let placeholders = match backend {
            // Numbered ones are names to SQLite, which it goes through again for each of them.
            DbBackend::Sqlite => vec!["?"; row.len()].join(", "),
            _ => placeholders(values.len() + 1, row.len()),
        };
        // Writing to a String can't fail.
        let _ = write!(sql, "{comma}({placeholders})");
        values.extend_from_slice(row);
    }
    statement(backend, sql, values)
}

/// A change and its history entry.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(crate) row: Arc<Row>,
    pub(crate) entry: [Value; 12],
}

impl RowChange {
    /// The office that it is about: the first value of both.
    pub(crate) fn office(&self) -> &str {
        match self.row.values.first() {
            Some(Value::String(Some(office))) => office,
            _ => "",
        }
    }
}

/// What writes a change: on PostgreSQL one statement; on SQLite, which has no such statement and no
/// round trips, two.
pub(crate) fn statements(backend: DbBackend, change: &RowChange) -> Vec<Statement> {
    if backend == DbBackend::Postgres {
        return vec![write_changes(&[change])];
    }
    let entries = std::slice::from_ref(&change.entry);
    vec![
        change.row.statement(backend),
        insert_entries(backend, entries),
    ]
}

/// Changes of one table, all new or none, with their history: on PostgreSQL one statement, and so
/// one round trip.
pub(crate) fn write_changes(changes: &[&RowChange]) -> Statement {
    let mut values = Vec::new();
    // Where the values of each change begin, and those of its entry but the office.
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    for change in changes {
        rows.push(values.len() + 1);
        values.extend_from_slice(&change.row.values);
        entries.push(values.len() + 1);
        values.extend(change.entry.iter().skip(1).cloned());
    }
    let offices: Vec<String> = rows.iter().map(|row| format!("(${row}::text)")).collect();
    // `turn` is read, and so taken, before anything is written; who finds one taken waits no longer
    // than this, since others wait as well.
    let mut sql = format!(
        "WITH turn AS (SELECT count(pg_advisory_xact_lock_shared(hashtextextended(office, 0))) \
         FROM (SELECT set_config('lock_timeout', '{TURN_TIMEOUT_MS}', true)) t, \
         (VALUES {}) o(office))",
        offices.join(", ")
    );
    let is_new = changes.first().is_some_and(|change| change.row.is_new);
    // Writing to a String can't fail.
    for (i, (change, row)) in changes.iter().zip(&rows).enumerate() {
        let inserted = placeholders(*row, change.row.values.len());
        let _ = match i {
            _ if !is_new => write!(sql, ", change{i} AS ({})", change.row.update(*row)),
            0 => {
                let columns = change.row.columns();
                write!(
                    sql,
                    ", changes AS (INSERT INTO {columns} VALUES ({inserted})"
                )
            }
            _ => write!(sql, ", ({inserted})"),
        };
    }
    sql.push_str(if is_new { ")" } else { "" });
    let _ = write!(sql, " INSERT INTO {HISTORY} VALUES ");
    for (i, (row, entry)) in rows.iter().zip(&entries).enumerate() {
        let rest = placeholders(*entry, 11);
        let _ = match i {
            0 => write!(sql, "((SELECT ${row} FROM turn), {rest})"),
            _ => write!(sql, ", (${row}, {rest})"),
        };
    }
    statement(DbBackend::Postgres, sql, values)
}

/// Takes an office's turn, on PostgreSQL: nothing else is written in the office until the
/// transaction ends. Other writes take it shared, since the history's key keeps them apart.
pub(crate) fn turn(office: &Office) -> Statement {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    statement(DbBackend::Postgres, sql.into(), vec![office.id().into()])
}

/// Inserts rows of these columns at once.
pub(crate) fn insert_all(
    backend: DbBackend,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
) -> Statement {
    let into = format!("{table} ({})", columns.join(", "));
    insert_values(backend, &into, rows.iter().map(Vec::as_slice))
}

pub(crate) fn body(backend: DbBackend, table: &str, office: &Office, id: &str) -> Statement {
    let sql = format!("SELECT body FROM {table} WHERE office = $1 AND id = $2");
    statement(backend, sql, vec![office.id().into(), id.into()])
}

pub(crate) fn answered(
    backend: DbBackend,
    office: &Office,
    caller: &str,
    request_ids: &[String],
) -> Statement {
    let sql = format!(
        "SELECT request_id, request_digest, body FROM history \
         WHERE office = $1 AND caller = $2 AND request_id IN ({})",
        placeholders(3, request_ids.len())
    );
    let mut values: Vec<Value> = vec![office.id().into(), caller.into()];
    values.extend(request_ids.iter().map(|id| id.as_str().into()));
    statement(backend, sql, values)
}

pub(crate) fn last_entry(backend: DbBackend, office: &Office) -> Statement {
    let sql = "SELECT seq, mac FROM history WHERE office = $1 ORDER BY seq DESC LIMIT 1";
    statement(backend, sql.into(), vec![office.id().into()])
}

/// The entries of a collection after one entry and up to another, in order.
pub(crate) fn changes(
    backend: DbBackend,
    office: &Office,
    collection: &str,
    (after, up_to): (i64, i64),
    limit: u64,
) -> Statement {
    let sql = "SELECT seq, time, caller, method, body FROM history WHERE office = $1 \
        AND seq > $2 AND seq <= $3 AND collection = $4 ORDER BY seq LIMIT $5";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![
        office.id().into(),
        after.into(),
        up_to.into(),
        collection.into(),
        limit.into(),
    ];
    statement(backend, sql.into(), values)
}

/// The entries of one record from an entry on, each with the body of the version before.
pub(crate) fn record_history(
    backend: DbBackend,
    office: &Office,
    (collection, id): (&str, &str),
    after: i64,
    limit: u64,
) -> Statement {
    let sql = "SELECT h.seq, h.time, h.caller, h.method, h.request_id, h.mac, h.body, b.body AS before \
        FROM history h LEFT JOIN history b ON b.office = h.office AND b.collection = h.collection \
        AND b.id = h.id AND b.version = h.version - 1 \
        WHERE h.office = $1 AND h.collection = $2 AND h.id = $3 AND h.version > $4 \
        ORDER BY h.version LIMIT $5";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = vec![
        office.id().into(),
        collection.into(),
        id.into(),
        after.into(),
        limit.into(),
    ];
    statement(backend, sql.into(), values)
}

/// The bodies of the records that fulfil a condition.
pub(crate) fn select<S: 'static, R: Record<S>>(
    office: &Office,
    condition: Condition,
) -> SelectStatement {
    Query::select()
        .column("body")
        .from(R::TABLE)
        .and_where(Expr::col("office").eq(office.id()))
        .cond_where(condition)
        .to_owned()
}

/// The greatest value of a number's column, deleted records included.
pub(crate) fn greatest<S: 'static, R: Record<S>>(
    backend: DbBackend,
    office: &Office,
    column: &'static str,
    condition: Condition,
) -> Statement {
    let select = Query::select()
        .expr(Expr::col(Alias::new(column)).max())
        .from(R::TABLE)
        .and_where(Expr::col("office").eq(office.id()))
        .cond_where(condition)
        .to_owned();
    StatementBuilder::build(&select, &backend)
}

/// Orders a selection and lets it begin after a position.
///
/// Columns that may be null are ordered as if they held the least value, so that the order is
/// total and a position can be compared with it.
pub(crate) fn keyset(
    select: &mut SelectStatement,
    order: &[(&'static str, Direction, Option<Value>)],
    after: Option<&[Value]>,
) {
    let expr = |column: &'static str, least: &Option<Value>| match least {
        Some(least) => Expr::expr(sea_orm::sea_query::Func::coalesce([
            Expr::col(Alias::new(column)),
            Expr::val(least.clone()),
        ])),
        None => Expr::col(Alias::new(column)),
    };
    for (column, direction, least) in order {
        let direction = match direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        };
        select.order_by_expr(expr(column, least), direction);
    }
    let Some(after) = after else { return };
    let mut beyond = Condition::any();
    for (i, (column, direction, least)) in order.iter().enumerate() {
        let Some(value) = after.get(i) else { return };
        let mut here = Condition::all();
        for ((column, _, least), value) in order.iter().zip(after).take(i) {
            here = here.add(expr(column, least).eq(value.clone()));
        }
        let here = match direction {
            Direction::Ascending => here.add(expr(column, least).gt(value.clone())),
            Direction::Descending => here.add(expr(column, least).lt(value.clone())),
        };
        beyond = beyond.add(here);
    }
    select.cond_where(beyond);
}

/// The least instant, for ordering what has none.
pub(crate) fn least_instant() -> Value {
    utc(chrono::DateTime::UNIX_EPOCH - chrono::TimeDelta::days(365_000))
}
