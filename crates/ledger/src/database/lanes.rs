//! Connections to PostgreSQL that are kept between statements.
//!
//! When a connection goes back to it, sqlx's pool asks the server whether it is still good: a second
//! round trip for each statement. A lane is a connection that ended its statement in order, and so
//! needs no asking. Any other goes back to the pool, which sees to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, PgPool, Postgres, query_with};
use sea_orm::{ConnAcquireErr, DbErr, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a connection is kept before the pool sees it again, which renews what is old.
const KEPT: Duration = Duration::from_secs(600);

/// The lanes of one database.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: PgPool,
    patience: Duration,
    longest: Option<Duration>,
    /// As many as the pool has connections.
    places: Semaphore,
    idle: Mutex<Vec<Lane>>,
}

#[derive(Debug)]
struct Lane {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

type Query = sqlx::query::Query<'static, Postgres, SqlxValues>;

impl Lanes {
    /// Lanes over a pool of so many connections. A statement waits for one no longer than the
    /// patience, and for its end no longer than twice what the server lets it run.
    pub(super) fn over(
        pool: PgPool,
        connections: u32,
        patience: Duration,
        statement_timeout: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Shared {
            pool,
            patience,
            longest: statement_timeout.map(|timeout| timeout * 2),
            places: Semaphore::new(connections as usize),
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

    pub(super) async fn execute(&self, statement: Statement) -> Result<(), DbErr> {
        self.run(async |on| query(statement).execute(on).await)
            .await
            .map(|_| ())
    }

    /// Runs one statement. A call that is dropped half-way drops its lane, back to the pool.
    async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DbErr> {
        let _place = self.place().await?;
        let mut lane = self.take().await?;
        let done = self.ended(statement(&mut lane.connection)).await;
        match &done {
            Ok(_) => self.keep(lane),
            // What the server itself refused left the connection in order, unless it is stopping.
            Err(sqlx::Error::Database(error))
                if !error.code().is_some_and(|code| code.starts_with("57P")) =>
            {
                self.keep(lane);
            }
            // The server is gone, and with it what was kept.
            Err(_) => {
                lane.connection.close_on_drop();
                for mut lane in self.idle().drain(..) {
                    lane.connection.close_on_drop();
                }
            }
        }
        done.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    /// Gives up a statement that the server should have ended: nothing comes over this connection
    /// any more, though nobody closed it.
    async fn ended<T>(
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

    /// A place among those that run, within the patience.
    async fn place(&self) -> Result<SemaphorePermit<'_>, DbErr> {
        let waited = tokio::time::timeout(self.0.patience, self.0.places.acquire()).await;
        match waited {
            Ok(Ok(place)) => Ok(place),
            _ => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    async fn take(&self) -> Result<Lane, DbErr> {
        if let Some(lane) = self.idle().pop() {
            return Ok(lane);
        }
        let connection = self.0.pool.acquire().await;
        let connection =
            connection.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        Ok(Lane {
            connection,
            since: Instant::now(),
        })
    }

    fn keep(&self, lane: Lane) {
        if lane.since.elapsed() < KEPT {
            self.idle().push(lane);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn query(statement: Statement) -> Query {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}
