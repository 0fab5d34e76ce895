//! The database of one service: SQLite or PostgreSQL.

mod batch_transaction;
mod coalesce;
mod connections;
mod group_commit;
mod kept_connections;
mod keyed_reads;
mod pool;
mod refusals;
mod replica;
mod transaction;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DbBackend, DbErr,
};
use taizhang_contracts::Office;

pub(crate) use batch_transaction::{BatchTransaction, insert_entries};
pub(crate) use connections::Connections;
use kept_connections::KeptConnections;
use pool::Pool;
pub(crate) use refusals::{Fault, fault, refusal};
use replica::Replica;
pub use replica::Standing;
pub(crate) use transaction::Transaction;

/// Connections to one service's database.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) reader: Connections,
    /// On SQLite a single connection: there is one writer. On PostgreSQL the same ones.
    pub(crate) writer: Connections,
    /// For late reads.
    replica: Option<Arc<Replica>>,
}

impl Database {
    /// Connects to `sqlite://FILE` (created if missing) or `postgres://…`.
    ///
    /// PostgreSQL cancels a statement after `statement_timeout`, also if the caller has
    /// disconnected; `None` means no limit.
    ///
    /// # Errors
    /// If the database can't be reached, or the URL has another scheme.
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
                Ok::<_, DbErr>(Connections::new(Pool::new(pool, None)))
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
                "a database URL is sqlite://FILE or postgres://…".into(),
            ));
        }
        let connections = postgres(common(url, pool), pool, statement_timeout).await?;
        Ok(Self {
            reader: connections.clone(),
            writer: connections,
            replica: None,
        })
    }

    /// Begins a batch transaction in an office; returns it with a database whose reads and writes
    /// go through it.
    pub(crate) async fn begin_batch(
        &self,
        office: &Office,
    ) -> Result<(Self, Arc<BatchTransaction>), DbErr> {
        let batch = Arc::new(BatchTransaction::begin(&self.writer.pool, office).await?);
        let within = Self {
            reader: self.reader.within(&batch),
            writer: self.writer.within(&batch),
            replica: None,
        };
        Ok((within, batch))
    }

    /// SQLite or PostgreSQL.
    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// The pool for writes; for migrations.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer.pool.connection
    }

    /// The pool for reads.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader.pool.connection
    }
}

/// The number of prepared statements that a connection caches.
const STATEMENTS: usize = 512;
/// The longest wait for a connection from the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// `pool` connections to PostgreSQL, a quarter of them for transactions of several statements.
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
        // An idle transaction may hold an office's lock, so it has the same limit as a slow one.
        let limited = ["statement_timeout", "idle_in_transaction_session_timeout"];
        options.options(limited.map(|name| (name, timeout.clone())))
    });
    let transactions = pool.div_ceil(4);
    let singles = (pool - transactions).max(1);
    let single = SeaOrm::connect(options.max_connections(singles).clone()).await?;
    let single = single.get_postgres_connection_pool().clone();
    let kept = KeptConnections::over(single, singles, ACQUIRE_TIMEOUT, statement_timeout);
    // Opened on demand.
    options.max_connections(transactions).min_connections(0);
    let connections = SeaOrm::connect(options).await?;
    Ok(Connections::new(Pool::new(connections, Some(kept))))
}

fn common(url: &str, pool: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(pool)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

/// SQLite's page cache in KiB; the changes of a batch fit into the writer's.
const WRITER_CACHE: u32 = 16 << 10;
const READER_CACHE: u32 = 2 << 10;
/// SQLite checkpoints when its write-ahead log has this many pages of 4 KiB.
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
