//! A transaction that stays open while a write is made.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use taizhang_contracts::Office;
use tokio::sync::Mutex;

use super::{Connections, Transaction};
use crate::sql::{self, Row};

/// So many rows are inserted by one statement.
const AT_ONCE: usize = 100;

/// A transaction that takes rows in. They wait until something is read, so that what is read has
/// them and many are written at once. It is taken back when it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    backend: DbBackend,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    transaction: Option<Transaction>,
    waiting: Vec<Row>,
    /// Where a record's row waits.
    places: HashMap<(&'static str, String), usize>,
}

impl Open {
    /// A transaction that has the office's turn from the start.
    pub(crate) async fn over(connections: &Connections, office: &Office) -> Result<Self, DbErr> {
        let transaction = connections.begin().await?;
        if connections.backend() == DbBackend::Postgres {
            transaction.execute_raw(sql::turn(office)).await?;
        }
        Ok(Self {
            backend: connections.backend(),
            state: Mutex::new(State {
                transaction: Some(transaction),
                ..State::default()
            }),
        })
    }

    /// Takes a row in; of one record only the last.
    pub(crate) async fn put(&self, row: &Row) {
        let mut state = self.state.lock().await;
        let key = (row.table, row.id.clone());
        let place = state.places.get(&key).copied();
        match place.and_then(|place| state.waiting.get_mut(place)) {
            Some(waits) => {
                *waits = Row {
                    is_new: waits.is_new,
                    ..row.clone()
                }
            }
            None => {
                let place = state.waiting.len();
                state.places.insert(key, place);
                state.waiting.push(row.clone());
            }
        }
    }

    /// All rows of a query, which sees what was put in.
    pub(super) async fn all(&self, query: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut state = self.state.lock().await;
        self.written(&mut state).await?.query_all_raw(query).await
    }

    /// Writes what waits, and entries of the history, and commits.
    pub(crate) async fn commit(&self, entries: &[[Value; 12]]) -> Result<(), DbErr> {
        let mut state = self.state.lock().await;
        let transaction = self.written(&mut state).await?;
        for entries in entries.chunks(AT_ONCE) {
            let insert = sql::insert_entries(self.backend, entries);
            transaction.execute_raw(insert).await?;
        }
        match state.transaction.take() {
            Some(transaction) => transaction.commit().await,
            None => Ok(()),
        }
    }

    /// Rolls back.
    pub(crate) async fn rollback(&self) {
        if let Some(transaction) = self.state.lock().await.transaction.take() {
            // A connection that could not is closed, which rolls back too.
            let _ = transaction.rollback().await;
        }
    }

    /// The transaction with all that waited: changed rows first, which may make room for new ones.
    async fn written<'s>(&self, state: &'s mut State) -> Result<&'s Transaction, DbErr> {
        let ended = || DbErr::Custom("the transaction has ended".into());
        let transaction = state.transaction.as_ref().ok_or_else(ended)?;
        state.places.clear();
        let waiting = std::mem::take(&mut state.waiting);
        let mut new: Vec<&Row> = Vec::new();
        for row in &waiting {
            if row.is_new {
                new.push(row);
            } else {
                transaction.execute_raw(row.statement(self.backend)).await?;
            }
        }
        new.sort_by_key(|row| row.table);
        for rows in new.chunk_by(|a, b| a.table == b.table) {
            for rows in rows.chunks(AT_ONCE) {
                transaction
                    .execute_raw(sql::insert_rows(self.backend, rows))
                    .await?;
            }
        }
        Ok(transaction)
    }
}
