//! The transaction of a batch, which holds the office's lock and stays open while the batch runs.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, QueryResult, Statement,
};
use taizhang_contracts::Office;
use tokio::sync::Mutex;

use super::pool::Pool;
use super::transaction::Transaction;
use crate::history;
use crate::row::{self, Row};

/// How many rows one statement inserts.
const ROWS: usize = 100;

/// A transaction that collects rows. They are written before something is read, so that reads see
/// them and many are written by one statement. It is rolled back when it is dropped.
#[derive(Debug)]
pub(crate) struct BatchTransaction(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    transaction: Option<Transaction>,
    pending: Vec<Row>,
    /// The index of a record's pending row.
    indexes: HashMap<(&'static str, String), usize>,
}

impl BatchTransaction {
    /// Begins, and takes the office's lock against all processes.
    pub(super) async fn begin(pool: &Pool, office: &Office) -> Result<Self, DbErr> {
        let transaction = pool.begin().await?;
        if pool.get_database_backend() == DbBackend::Postgres {
            // Other writes take it shared; the history's primary key serializes those. On SQLite the
            // write transaction itself is the lock.
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let lock =
                Statement::from_sql_and_values(DbBackend::Postgres, sql, [office.id().into()]);
            transaction.execute_raw(lock).await?;
        }
        Ok(Self(Mutex::new(State {
            transaction: Some(transaction),
            ..State::default()
        })))
    }

    /// Adds a pending row, which replaces an earlier one of the same record.
    pub(crate) async fn put(&self, row: &Row) {
        let mut state = self.0.lock().await;
        let key = (row.kind.collection(), row.id.clone());
        let index = state.indexes.get(&key).copied();
        match index.and_then(|index| state.pending.get_mut(index)) {
            Some(pending) => {
                *pending = Row {
                    is_new: pending.is_new,
                    ..row.clone()
                }
            }
            None => {
                let index = state.pending.len();
                state.indexes.insert(key, index);
                state.pending.push(row.clone());
            }
        }
    }

    /// All rows of a query, which sees the pending rows.
    pub(super) async fn all(&self, query: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut state = self.0.lock().await;
        state.flush().await?.query_all_raw(query).await
    }

    /// Writes the pending rows and the history entries, and commits.
    pub(crate) async fn commit(&self, entries: Vec<history::Model>) -> Result<(), DbErr> {
        let mut state = self.0.lock().await;
        let written = match state.flush().await {
            Ok(transaction) => insert_entries(transaction, entries).await,
            Err(error) => Err(error),
        };
        match (state.transaction.take(), written) {
            (Some(transaction), Ok(())) => transaction.commit().await,
            (Some(transaction), Err(error)) => {
                // A connection that can't is closed, which rolls back too.
                let _ = transaction.rollback().await;
                Err(error)
            }
            (None, written) => written,
        }
    }

    /// Rolls back.
    pub(crate) async fn rollback(&self) {
        if let Some(transaction) = self.0.lock().await.transaction.take() {
            // A connection that can't is closed, which rolls back too.
            let _ = transaction.rollback().await;
        }
    }
}

impl State {
    /// Writes the pending rows: changed ones before new ones, since a change may free a unique value
    /// or a booked slot.
    async fn flush(&mut self) -> Result<&Transaction, DbErr> {
        let ended = || DbErr::Custom("the transaction has ended".into());
        let transaction = self.transaction.as_ref().ok_or_else(ended)?;
        self.indexes.clear();
        let pending = std::mem::take(&mut self.pending);
        let mut new: Vec<&Row> = Vec::new();
        for row in &pending {
            if row.is_new {
                new.push(row);
            } else {
                transaction.execute(&row.update()).await?;
            }
        }
        new.sort_by_key(|row| row.kind.collection());
        for rows in new.chunk_by(|a, b| a.kind.collection() == b.kind.collection()) {
            for rows in rows.chunks(ROWS) {
                transaction.execute(&row::insert(rows)?).await?;
            }
        }
        Ok(transaction)
    }
}

/// Inserts entries of the history.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn insert_entries(
    on: &Transaction,
    entries: Vec<history::Model>,
) -> Result<(), DbErr> {
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let rows = entries.by_ref().take(ROWS);
        history::Entity::insert_many(rows.map(IntoActiveModel::into_active_model))
            .exec_without_returning(on)
            .await?;
    }
    Ok(())
}
