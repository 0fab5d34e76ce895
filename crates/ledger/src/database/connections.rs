//! Connections that statements run on.

use std::sync::Arc;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, IsolationLevel, QueryResult,
    Statement, TransactionTrait,
};
use taizhang_contracts::Office;

use super::Open;
use super::commits::{self, Commits};
use super::lanes::Lanes;
use super::loads::{self, Loads};
use super::transaction::{SqliteTransaction, Transaction};
use crate::sql::{self, RowChange};

/// Connections to one database: sea-orm's pool, and on PostgreSQL lanes for single statements.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(super) pool: DatabaseConnection,
    pub(super) lanes: Option<Lanes>,
    pub(super) loads: Loads,
    pub(super) commits: Commits,
    /// The transaction that all goes through while a batch is under way.
    pub(super) open: Option<Arc<Open>>,
}

impl Connections {
    pub(super) fn new(pool: DatabaseConnection, lanes: Option<Lanes>) -> Self {
        Self {
            pool,
            lanes,
            loads: loads::new(),
            commits: commits::new(),
            open: None,
        }
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    /// The first row of a query.
    pub(crate) async fn one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if let Some(open) = &self.open {
            return Ok(open.all(statement).await?.into_iter().next());
        }
        match &self.lanes {
            Some(lanes) => lanes.one(statement).await,
            None => self.pool.query_one_raw(statement).await,
        }
    }

    /// The body of a record, also of a deleted one.
    pub(crate) async fn body(
        &self,
        table: &'static str,
        office: &Office,
        id: &str,
    ) -> Result<Option<Vec<u8>>, DbErr> {
        if let (Some(lanes), None) = (&self.lanes, &self.open) {
            return loads::body(&self.loads, lanes, table, office.id(), id).await;
        }
        let row = self
            .one(sql::body(self.backend(), table, office, id))
            .await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    /// All rows of a query.
    pub(crate) async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if let Some(open) = &self.open {
            return open.all(statement).await;
        }
        match &self.lanes {
            Some(lanes) => lanes.all(statement).await,
            None => self.pool.query_all_raw(statement).await,
        }
    }

    /// Writes changes in one transaction; a single one together with those that come in at the
    /// same time.
    pub(crate) async fn write(&self, mut changes: Vec<RowChange>) -> Result<(), DbErr> {
        match changes.pop() {
            Some(only) if changes.is_empty() => commits::change(&self.commits, self, only).await,
            last => self.write_in_order(changes.iter().chain(&last)).await,
        }
    }

    /// Writes changes, one after another, in one transaction.
    pub(super) async fn write_in_order(
        &self,
        changes: impl Iterator<Item = &RowChange> + Send,
    ) -> Result<(), DbErr> {
        let transaction = self.begin().await?;
        for change in changes {
            for statement in sql::statements(self.backend(), change) {
                transaction.execute_raw(statement).await?;
            }
        }
        transaction.commit().await
    }

    /// Begins a transaction of several statements, which writes. On SQLite no other does then.
    pub(crate) async fn begin(&self) -> Result<Transaction, DbErr> {
        match self.backend() {
            DbBackend::Sqlite => self.begin_sqlite("BEGIN IMMEDIATE").await,
            _ => self.pool.begin().await.map(Transaction::Postgres),
        }
    }

    /// Begins a transaction that only reads, and sees one state of the database throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            return self.begin_sqlite("BEGIN").await;
        }
        let isolation = Some(IsolationLevel::RepeatableRead);
        let transaction = self
            .pool
            .begin_with_config(isolation, Some(AccessMode::ReadOnly))
            .await?;
        Ok(Transaction::Postgres(transaction))
    }

    async fn begin_sqlite(&self, begin: &'static str) -> Result<Transaction, DbErr> {
        let pool = self.pool.get_sqlite_connection_pool();
        SqliteTransaction::begin(pool, begin)
            .await
            .map(Transaction::Sqlite)
    }
}
