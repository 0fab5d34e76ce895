//! Connections to PostgreSQL that are kept between statements.
//!
//! sqlx's pool pings the server when a connection is returned: a second round trip for each
//! statement. A connection whose statement ended in order needs no ping and is kept here. Any other
//! goes back to the pool.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, PgPool, Postgres, query_with};
use sea_orm::{ConnAcquireErr, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a connection is kept before it goes back to the pool, which replaces old ones.
const KEPT: Duration = Duration::from_secs(600);

/// The kept connections of one database.
#[derive(Debug, Clone)]
pub(super) struct KeptConnections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    acquire_timeout: Duration,
    longest: Option<Duration>,
    /// A permit for each connection of the pool.
    permits: Semaphore,
    idle: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

type Query = sqlx::query::Query<'static, Postgres, SqlxValues>;

impl KeptConnections {
    /// Over a pool of `connections`. A statement waits for a connection no longer than
    /// `acquire_timeout`, and for its end no longer than twice the server's `statement_timeout`.
    pub(super) fn over(
        pool: PgPool,
        connections: u32,
        acquire_timeout: Duration,
        statement_timeout: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Shared {
            pool,
            acquire_timeout,
            longest: statement_timeout.map(|timeout| timeout * 2),
            permits: Semaphore::new(connections as usize),
            idle: Mutex::default(),
        }))
    }

    pub(super) async fn one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = self
            .run(async |on| query(statement).fetch_optional(on).await)
            .await?;
        Ok(row.map(Into::into))
    }

    pub(super) async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self
            .run(async |on| query(statement).fetch_all(on).await)
            .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = self
            .run(async |on| query(statement).execute(on).await)
            .await?;
        Ok(done.into())
    }

    /// Runs one statement. A call that is cancelled returns its connection to the pool.
    async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DbErr> {
        let _permit = self.permit().await?;
        let mut kept = self.take().await?;
        let done = self.bounded(statement(&mut kept.connection)).await;
        match &done {
            Ok(_) => self.keep(kept),
            // An error of the server leaves the connection in order, unless the server is stopping.
            Err(sqlx::Error::Database(error))
                if !error.code().is_some_and(|code| code.starts_with("57P")) =>
            {
                self.keep(kept);
            }
            // The server is gone: close all connections to it.
            Err(_) => {
                kept.connection.close_on_drop();
                for mut idle in self.idle().drain(..) {
                    idle.connection.close_on_drop();
                }
            }
        }
        done.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    /// Gives up a statement that the server should have ended: the connection is half-open.
    async fn bounded<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let Some(longest) = self.0.longest else {
            return statement.await;
        };
        let silent = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(longest, statement)
            .await
            .map_err(silent)?
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        let waited = tokio::time::timeout(self.0.acquire_timeout, self.0.permits.acquire()).await;
        match waited {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    async fn take(&self) -> Result<Kept, DbErr> {
        if let Some(kept) = self.idle().pop() {
            return Ok(kept);
        }
        let connection = self.0.pool.acquire().await;
        let connection =
            connection.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        Ok(Kept {
            connection,
            since: Instant::now(),
        })
    }

    fn keep(&self, kept: Kept) {
        if kept.since.elapsed() < KEPT {
            self.idle().push(kept);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn query(statement: Statement) -> Query {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}
