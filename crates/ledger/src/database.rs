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

    /// Begins the transaction of a batch in an office, and the same database seen from within.
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

    /// Which of the two it is.
    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// Where to write; for migrations.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer.pool.connection
    }

    /// Where to read.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader.pool.connection
    }
}

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;
/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

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
        // A transaction that holds an office's lock and does nothing is ended as a slow one is.
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
