//! Transactions whose end is always confirmed by the database.
//!
//! On SQLite, `BEGIN`, `COMMIT` and `ROLLBACK` are statements like any other here, and not calls of
//! sqlx's transaction manager. After a failed write SQLite rolls back by itself; the manager then
//! still counts an open transaction, opens savepoints within it, and reports their release as a
//! commit. SQLite itself refuses a `BEGIN` within a transaction and a `COMMIT` outside of one.
//! A connection that failed in any way but a constraint is closed and never used again.

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Sqlite, SqliteConnection, SqlitePool};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::{Mutex, MutexGuard};

/// A transaction on either database; rolled back when it is dropped.
#[derive(Debug)]
pub(crate) enum Transaction {
    Postgres(DatabaseTransaction),
    Sqlite(SqliteTransaction),
}

impl Transaction {
    /// Commits, once the database has confirmed it.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await,
            Self::Sqlite(transaction) => transaction.end("COMMIT").await,
        }
    }

    /// Rolls back.
    pub(crate) async fn rollback(self) -> Result<(), DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.rollback().await,
            Self::Sqlite(transaction) => transaction.end("ROLLBACK").await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(on) => on.execute_raw(statement).await,
            Self::Sqlite(on) => {
                let mut session = on.session().await;
                let done = query(statement).execute(session.connection()?).await;
                session.checked(done).map(Into::into)
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(on) => on.execute_unprepared(sql).await,
            Self::Sqlite(on) => {
                let mut session = on.session().await;
                let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                let done = sql.execute(session.connection()?).await;
                session.checked(done).map(Into::into)
            }
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Postgres(on) => on.query_one_raw(statement).await,
            Self::Sqlite(on) => {
                let mut session = on.session().await;
                let row = query(statement).fetch_optional(session.connection()?).await;
                Ok(session.checked(row)?.map(Into::into))
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(on) => on.query_all_raw(statement).await,
            Self::Sqlite(on) => {
                let mut session = on.session().await;
                let rows = query(statement).fetch_all(session.connection()?).await;
                Ok(session.checked(rows)?.into_iter().map(Into::into).collect())
            }
        }
    }
}

fn query(statement: Statement) -> sqlx::query::Query<'static, Sqlite, SqlxValues> {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

/// A transaction on SQLite.
#[derive(Debug)]
pub(crate) struct SqliteTransaction(Mutex<Session>);

impl SqliteTransaction {
    /// Begins with a statement such as `BEGIN IMMEDIATE`. SQLite refuses it on a connection that is
    /// not in autocommit mode.
    pub(super) async fn begin(pool: &SqlitePool, begin: &'static str) -> Result<Self, DbErr> {
        let connection = pool.acquire().await;
        let connection =
            connection.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        // Owned by the session before the statement runs: a caller that is cancelled meanwhile
        // leaves no connection of unknown state behind.
        let mut session = Session(Some(connection));
        match session.run(begin).await {
            Ok(()) => Ok(Self(Mutex::new(session))),
            Err(error) => {
                if is_busy(&error) {
                    session.release();
                }
                Err(failed(error))
            }
        }
    }

    async fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().await
    }

    async fn end(self, end: &'static str) -> Result<(), DbErr> {
        let mut session = self.0.into_inner();
        session.run(end).await.map_err(failed)?;
        session.release();
        Ok(())
    }
}

/// The connection of a transaction under way; `None` once it has failed or ended.
#[derive(Debug)]
struct Session(Option<PoolConnection<Sqlite>>);

impl Session {
    fn connection(&mut self) -> Result<&mut SqliteConnection, DbErr> {
        let failed = || DbErr::Custom("the transaction has failed already".into());
        self.0.as_deref_mut().ok_or_else(failed)
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let connection = self.0.as_deref_mut();
        let connection = connection.ok_or(sqlx::Error::WorkerCrashed)?;
        sqlx::query(sql).execute(connection).await.map(|_| ())
    }

    /// The result of a statement. The transaction survives a constraint violation only.
    fn checked<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        done.map_err(|error| {
            if !is_constraint(&error) {
                self.discard();
            }
            failed(error)
        })
    }

    /// Gives the connection back to the pool, in autocommit mode.
    fn release(&mut self) {
        self.0 = None;
    }

    fn discard(&mut self) {
        if let Some(mut connection) = self.0.take() {
            connection.close_on_drop();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.discard();
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// SQLite's primary result code, which is the low byte of an extended one.
fn result_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// SQLITE_CONSTRAINT: only the statement is undone.
fn is_constraint(error: &sqlx::Error) -> bool {
    result_code(error) == Some(19)
}

/// SQLITE_BUSY: another process writes. If `BEGIN` fails with it, no transaction has begun.
fn is_busy(error: &sqlx::Error) -> bool {
    result_code(error) == Some(5)
}
