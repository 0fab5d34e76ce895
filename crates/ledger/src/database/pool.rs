//! A pool of connections to one database.

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, IsolationLevel,
    QueryResult, Statement, TransactionTrait,
};

use super::kept_connections::KeptConnections;
use super::transaction::{SqliteTransaction, Transaction};

/// sea-orm's pool for transactions, and on PostgreSQL kept connections for single statements.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(super) connection: DatabaseConnection,
    pub(super) kept: Option<KeptConnections>,
}

impl Pool {
    pub(super) fn new(connection: DatabaseConnection, kept: Option<KeptConnections>) -> Self {
        Self { connection, kept }
    }

    /// Begins a write transaction of several statements. On SQLite it excludes other writers.
    pub(crate) async fn begin(&self) -> Result<Transaction, DbErr> {
        match self.get_database_backend() {
            DbBackend::Sqlite => self.begin_sqlite("BEGIN IMMEDIATE").await,
            _ => self.connection.begin().await.map(Transaction::Postgres),
        }
    }

    /// Begins a transaction that only reads, and sees one state of the database throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, DbErr> {
        if self.get_database_backend() == DbBackend::Sqlite {
            return self.begin_sqlite("BEGIN").await;
        }
        let isolation = Some(IsolationLevel::RepeatableRead);
        let transaction = self
            .connection
            .begin_with_config(isolation, Some(AccessMode::ReadOnly))
            .await?;
        Ok(Transaction::Postgres(transaction))
    }

    async fn begin_sqlite(&self, begin: &'static str) -> Result<Transaction, DbErr> {
        let pool = self.connection.get_sqlite_connection_pool();
        SqliteTransaction::begin(pool, begin)
            .await
            .map(Transaction::Sqlite)
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.kept {
            Some(kept) => kept.execute(statement).await,
            None => self.connection.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.kept {
            Some(kept) => kept.one(statement).await,
            None => self.connection.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.kept {
            Some(kept) => kept.all(statement).await,
            None => self.connection.query_all_raw(statement).await,
        }
    }
}
