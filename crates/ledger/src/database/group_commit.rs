//! Group commit: writes of one change that arrive at the same time share a transaction.
//!
//! They are of different offices, since the office's lock admits one write at a time. If the
//! transaction fails because of one change, each is written by itself, so that no write fails
//! because of another.

use std::fmt::Write;
use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    Statement,
};

use super::coalesce::Coalesce;
use super::pool::Pool;
use super::refusals::is_one_changes_fault;
use super::transaction::Transaction;
use crate::history;
use crate::row::{self, RowChange};

/// The most changes of one transaction.
const MOST: usize = 64;

/// How long a group waits for an office's lock that another process holds, before its changes are
/// written one by one.
const LOCK_TIMEOUT_MS: u32 = 200;

/// Coalesces writes of one table; new records and changed ones apart.
#[derive(Debug, Clone)]
pub(super) struct GroupCommit {
    pool: Pool,
    queues: Arc<Coalesce<(&'static str, bool), RowChange, ()>>,
}

impl GroupCommit {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            pool,
            // Powers of two, so that few statements are prepared.
            queues: Coalesce::new(false, |queued| 1 << queued.min(MOST).ilog2()),
        }
    }

    /// Writes one change, in a transaction with others.
    pub(super) async fn write(&self, change: RowChange) -> Result<(), DbErr> {
        let key = (change.row.kind.table(), change.row.is_new);
        let group = self.clone();
        let write = move |changes: Vec<RowChange>| {
            let group = group.clone();
            async move { group.write_all(&changes).await }
        };
        self.queues.run(key, change, write).await
    }

    async fn write_all(&self, changes: &[RowChange]) -> Vec<Result<(), DbErr>> {
        // Sorted, so that two processes lock in the same order and can't deadlock. Rows of records
        // are locked only by the writer of the office's next entry.
        let mut sorted: Vec<&RowChange> = changes.iter().collect();
        sorted.sort_by(|a, b| a.row.office.cmp(&b.row.office));
        match self.commit(&sorted).await {
            Err(error) if changes.len() > 1 && is_one_changes_fault(&error) => {
                let mut each = Vec::with_capacity(changes.len());
                for change in changes {
                    each.push(self.commit(&[change]).await);
                }
                each
            }
            done => changes.iter().map(|_| done.clone()).collect(),
        }
    }

    async fn commit(&self, changes: &[&RowChange]) -> Result<(), DbErr> {
        match &self.pool.kept {
            Some(kept) => kept.execute(statement(changes)).await.map(drop),
            None => self.write_in_order(changes.iter().copied()).await,
        }
    }

    /// Writes changes, one after another, in one transaction.
    pub(super) async fn write_in_order(
        &self,
        changes: impl Iterator<Item = &RowChange> + Send,
    ) -> Result<(), DbErr> {
        let transaction = self.pool.begin().await?;
        match self.execute(&transaction, changes).await {
            Ok(()) => transaction.commit().await,
            Err(error) => {
                // A connection that can't is closed, which rolls back too.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    async fn execute(
        &self,
        transaction: &Transaction,
        changes: impl Iterator<Item = &RowChange> + Send,
    ) -> Result<(), DbErr> {
        for change in changes {
            if self.pool.kept.is_some() {
                transaction.execute_raw(statement(&[change])).await?;
                continue;
            }
            if change.row.is_new {
                transaction.execute(&row::insert(&[&change.row])?).await?;
            } else {
                transaction.execute(&change.row.update()).await?;
            }
            history::Entity::insert(change.entry.clone().into_active_model())
                .exec_without_returning(transaction)
                .await?;
        }
        Ok(())
    }
}

/// Changes of one table, all new or none, with their history, in one statement of PostgreSQL and so
/// one round trip and one transaction.
///
/// By hand, since sea-query can't write rows and read the lock in one statement whose text is the
/// same for each number of changes. The line CreateMeeting of docs/benchmarks.md shows what it is
/// worth.
fn statement(changes: &[&RowChange]) -> Statement {
    let mut values = Vec::new();
    // Where the values of each change begin, and those of its entry but the office.
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    for change in changes {
        rows.push(values.len() + 1);
        values.extend_from_slice(&change.row.values);
        entries.push(values.len() + 1);
        values.extend(change.entry.values().skip(1));
    }
    let offices: Vec<String> = rows.iter().map(|row| format!("(${row}::text)")).collect();
    // The CTE is read by the INSERT into history, so the lock is taken before anything is written.
    let mut sql = format!(
        "WITH locked AS (SELECT count(pg_advisory_xact_lock_shared(hashtextextended(office, 0))) \
         FROM (SELECT set_config('lock_timeout', '{LOCK_TIMEOUT_MS}', true)) t, \
         (VALUES {}) o(office))",
        offices.join(", ")
    );
    let is_new = changes.first().is_some_and(|change| change.row.is_new);
    // Writing to a String can't fail.
    for (i, (change, first)) in changes.iter().zip(&rows).enumerate() {
        let (kind, count) = (change.row.kind, change.row.values.len());
        let _ = match i {
            _ if !is_new => {
                let set = kind.columns.iter().enumerate().skip(row::KEY);
                let set: Vec<String> = set
                    .map(|(n, column)| format!("{column} = ${}", first + n))
                    .collect();
                write!(
                    sql,
                    ", change{i} AS (UPDATE {} SET {} WHERE office = ${first} AND id = ${})",
                    kind.table(),
                    set.join(", "),
                    first + 1
                )
            }
            0 => write!(
                sql,
                ", changes AS (INSERT INTO {} ({}) VALUES ({})",
                kind.table(),
                kind.columns.join(", "),
                placeholders(*first, count)
            ),
            _ => write!(sql, ", ({})", placeholders(*first, count)),
        };
    }
    sql.push_str(if is_new { ")" } else { "" });
    let columns: Vec<&str> = history::Column::iter().map(|c| c.as_str()).collect();
    let _ = write!(sql, " INSERT INTO history ({}) VALUES ", columns.join(", "));
    for (i, (row, entry)) in rows.iter().zip(&entries).enumerate() {
        let rest = placeholders(*entry, columns.len() - 1);
        let _ = match i {
            0 => write!(sql, "((SELECT ${row} FROM locked), {rest})"),
            _ => write!(sql, ", (${row}, {rest})"),
        };
    }
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// `$from, $from+1, …`
fn placeholders(from: usize, count: usize) -> String {
    let placeholders: Vec<String> = (from..from + count).map(|n| format!("${n}")).collect();
    placeholders.join(", ")
}
