//! The database of one service: SQLite or PostgreSQL.

mod commits;
mod connections;
mod gather;
mod lanes;
mod loads;
mod open;
mod replica;
mod transaction;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, Database as SeaOrm, DatabaseConnection, DbBackend, DbErr, RuntimeErr,
};
use taizhang_contracts::{Error, Reason};

pub(crate) use connections::Connections;
use lanes::Lanes;
pub(crate) use open::Open;
use replica::Replica;
pub use replica::Standing;
pub(crate) use transaction::Transaction;

/// Connections to one service's database.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) reader: Connections,
    /// On SQLite a single connection: there is one writer. On PostgreSQL the same ones.
    pub(crate) writer: Connections,
    /// For what may be read a little late.
    replica: Option<Arc<Replica>>,
}

impl Database {
    /// Connects to `sqlite://FILE` (made if it is not there) or `postgres://…`.
    ///
    /// `statement_timeout` ends PostgreSQL's work on a statement whose caller has gone; without
    /// one, a statement may take as long as it does.
    ///
    /// # Errors
    /// If the database can't be reached, or the URL is of another kind.
    pub async fn connect(
        url: &str,
        pool: u32,
        statement_timeout: Option<Duration>,
    ) -> Result<Self, DbErr> {
        if let Some(file) = url.strip_prefix("sqlite://") {
            if let Some(folder) = Path::new(file).parent() {
                std::fs::create_dir_all(folder).map_err(|e| DbErr::Custom(e.to_string()))?;
            }
            let url = format!("sqlite://{file}?mode=rwc");
            let connections = async |most, cached| {
                let pool = SeaOrm::connect(sqlite(&url, most, cached)).await?;
                Ok::<_, DbErr>(Connections::new(pool, None))
            };
            let writer = connections(1, WRITER_CACHE).await?;
            let reader = connections(pool, READER_CACHE).await?;
            return Ok(Self {
                reader,
                writer,
                replica: None,
            });
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(DbErr::Custom(
                "a database is sqlite://FILE or postgres://…".into(),
            ));
        }
        let connections = postgres(common(url, pool), pool, statement_timeout).await?;
        Ok(Self {
            reader: connections.clone(),
            writer: connections,
            replica: None,
        })
    }

    /// The same database, seen from within a transaction.
    pub(crate) fn within(&self, open: &Arc<Open>) -> Self {
        let within = |connections: &Connections| Connections {
            open: Some(open.clone()),
            ..connections.clone()
        };
        Self {
            reader: within(&self.reader),
            writer: within(&self.writer),
            replica: None,
        }
    }

    /// Which of the two it is.
    pub fn backend(&self) -> DbBackend {
        self.writer.backend()
    }

    /// Where to write; for migrations.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer.pool
    }

    /// Where to read.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader.pool
    }
}

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;
/// How long a call waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many connections to PostgreSQL; a quarter of them is for transactions of several statements.
async fn postgres(
    mut options: ConnectOptions,
    pool: u32,
    statement_timeout: Option<Duration>,
) -> Result<Connections, DbErr> {
    options.map_sqlx_postgres_opts(move |options| {
        let options = options.statement_cache_capacity(STATEMENTS);
        let Some(timeout) = statement_timeout else {
            return options;
        };
        let timeout = timeout.as_millis().to_string();
        // One that holds an office's turn and goes no further is no better than one that is slow.
        let limited = ["statement_timeout", "idle_in_transaction_session_timeout"];
        options.options(limited.map(|name| (name, timeout.clone())))
    });
    let transactions = pool.div_ceil(4);
    let singles = (pool - transactions).max(1);
    let single = SeaOrm::connect(options.max_connections(singles).clone()).await?;
    let single = single.get_postgres_connection_pool().clone();
    let lanes = Lanes::over(single, singles, PATIENCE, statement_timeout);
    // Opened when they are wanted.
    options.max_connections(transactions).min_connections(0);
    let connections = SeaOrm::connect(options).await?;
    Ok(Connections::new(connections, Some(lanes)))
}

fn common(url: &str, pool: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(pool)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

/// KiB of SQLite's pages that a connection may keep; a batch's changes fit into the writer's.
const WRITER_CACHE: u32 = 16 << 10;
const READER_CACHE: u32 = 2 << 10;
/// How long SQLite's write-ahead log grows before it goes into the database: pages of 4 KiB.
const CHECKPOINT: &str = "8000";

fn sqlite(url: &str, pool: u32, cached: u32) -> ConnectOptions {
    let mut options = common(url, pool);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", format!("-{cached}"))
            .pragma("wal_autocheckpoint", CHECKPOINT)
    });
    options
}

/// What a failed statement means.
pub(crate) enum Fault {
    /// A key is taken, a constraint refuses, or the database chose this transaction to give way:
    /// what was read is no longer true.
    Conflict,
    /// Anything else, as callers see it.
    Refused(Error),
}

/// Tells apart what a retry from the start can cure.
pub(crate) fn fault(error: DbErr) -> Fault {
    match refusal(error) {
        error if error.reason() == Reason::LostRace => Fault::Conflict,
        error => Fault::Refused(error),
    }
}

/// An error of the database as callers see it; its text goes to the log only.
pub(crate) fn refusal(error: DbErr) -> Error {
    match sqlstate(&error).as_deref() {
        // PostgreSQL: unique, exclusion, serialization, deadlock, another process in the office.
        // SQLite: busy, and constraints by primary key, unique index, and trigger.
        Some(
            "23505" | "23P01" | "40001" | "40P01" | "55P03" | "5" | "517" | "1555" | "2067"
            | "1811",
        ) => Error::new(Reason::LostRace),
        // query_canceled: the statement timeout.
        Some("57014") => Error::new(Reason::DeadlineExceeded),
        // The server is stopping or starting, or has no connection left.
        Some("57P01" | "57P02" | "57P03" | "53300" | "08006" | "08001") => unavailable(&error),
        Some(_) => Error::internal(error),
        None if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) || broken(&error) => {
            unavailable(&error)
        }
        None => Error::internal(error),
    }
}

fn unavailable(error: &DbErr) -> Error {
    tracing::warn!(%error, "the database is away");
    Error::new(Reason::Unavailable)
}

fn sqlx_error(error: &DbErr) -> Option<&sea_orm::sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(e))
        | DbErr::Query(RuntimeErr::SqlxError(e))
        | DbErr::Conn(RuntimeErr::SqlxError(e)) => Some(e),
        _ => None,
    }
}

fn sqlstate(error: &DbErr) -> Option<String> {
    Some(sqlx_error(error)?.as_database_error()?.code()?.into_owned())
}

/// Whether the database refused something for what one change of it may be the cause of.
fn is_one_changes_fault(error: &DbErr) -> bool {
    let Some(code) = sqlstate(error) else {
        return false;
    };
    match code.parse::<u32>() {
        // SQLite: a constraint.
        Ok(code) if code < 10_000 => code & 0xff == 19,
        // PostgreSQL: not supported, data, constraints, deadlock, a lock that is held.
        _ => ["0A", "22", "23", "40", "55"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

fn broken(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error as E;
    matches!(
        sqlx_error(error),
        Some(E::Io(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed)
    )
}
