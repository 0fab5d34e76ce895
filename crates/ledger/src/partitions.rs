//! Converts the tables of a service into PostgreSQL tables that are hash-partitioned by office.
//!
//! Every key begins with the office and every statement has a condition on it, so PostgreSQL prunes
//! to one partition and no query changes.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement,
    TransactionTrait,
};

use crate::database::Database;
use crate::{RecordKind, views};

/// The result for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// How many partitions it has.
    pub partitions: u64,
    /// The rows that were moved; `None` if it was partitioned already.
    pub moved: Option<u64>,
}

/// Partitions the tables of these kinds and the history, each in a transaction of its own. Calls
/// `progress` after each table. Skips tables that are partitioned already, so it can be run again
/// after a failure.
///
/// # Errors
/// On SQLite; if a table has a trigger, which would be lost; if the database refuses.
pub async fn partition(
    database: &Database,
    kinds: &[RecordKind],
    partitions: u64,
    mut progress: impl FnMut(Table),
) -> Result<(), DbErr> {
    if database.backend() != DbBackend::Postgres {
        return Err(DbErr::Custom("only PostgreSQL has partitions".into()));
    }
    for name in ["history"]
        .into_iter()
        .chain(kinds.iter().map(RecordKind::table))
    {
        let on = database.writer().begin().await?;
        let lock = format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE");
        on.execute_unprepared(&lock).await?;
        let there = partitions_of(&on, name).await?;
        let moved = match there {
            0 => {
                // A view would keep the table that is replaced; `migrate --views` makes it anew.
                if let Some(kind) = kinds.iter().find(|kind| kind.table() == name) {
                    on.execute_unprepared(&views::drop_view(kind)).await?;
                }
                Some(move_rows(&on, name, partitions).await?)
            }
            _ => None,
        };
        on.commit().await?;
        progress(Table {
            name,
            partitions: if there == 0 { partitions } else { there },
            moved,
        });
    }
    Ok(())
}

/// The number of partitions of a table; 0 if it is not partitioned.
async fn partitions_of(on: &DatabaseTransaction, table: &str) -> Result<u64, DbErr> {
    let sql = "SELECT COUNT(*) FROM pg_inherits WHERE inhparent = $1::regclass";
    let rows = asked(on, sql, table).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))?;
    Ok(count.unsigned_abs())
}

/// Replaces a table by a partitioned one with the same columns, keys, indexes and rows.
async fn move_rows(on: &DatabaseTransaction, table: &str, partitions: u64) -> Result<u64, DbErr> {
    let sql = "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal";
    if let Some(trigger) = texts(on, sql, table).await?.first() {
        let lost = format!("{table} has a trigger, {trigger}, which would be lost");
        return Err(DbErr::Custom(lost));
    }
    // The DDL that recreates keys and indexes.
    let keys = "SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', $1, conname, \
        pg_get_constraintdef(oid)) FROM pg_constraint \
        WHERE conrelid = $1::regclass AND contype = 'p'";
    let indexes = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $1::regclass \
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)";
    // PostgreSQL has exclusion constraints on single partitions only, which is enough as they
    // compare the office too. Their index gets the partition's name.
    let exclusions = "SELECT format('ALTER TABLE {partition} ADD CONSTRAINT {partition}_%s %s', \
        conname, pg_get_constraintdef(oid)) FROM pg_constraint \
        WHERE conrelid = $1::regclass AND contype = 'x'";
    let mut on_the_whole = texts(on, keys, table).await?;
    on_the_whole.extend(texts(on, indexes, table).await?);
    let on_each = texts(on, exclusions, table).await?;

    let old = format!("{table}_before");
    let run = async |sql: String| on.execute_unprepared(&sql).await;
    run(format!("ALTER TABLE {table} RENAME TO {old}")).await?;
    run(format!(
        "CREATE TABLE {table} (LIKE {old} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (office)"
    ))
    .await?;
    let parts: Vec<String> = (0..partitions).map(|n| format!("{table}_p{n}")).collect();
    for (n, part) in parts.iter().enumerate() {
        run(format!(
            "CREATE TABLE {part} PARTITION OF {table} \
             FOR VALUES WITH (MODULUS {partitions}, REMAINDER {n})"
        ))
        .await?;
    }
    let moved = run(format!("INSERT INTO {table} SELECT * FROM {old}")).await?;
    // Dropped first, since its keys and indexes have the names of the new ones.
    run(format!("DROP TABLE {old}")).await?;
    for sql in on_the_whole {
        run(sql).await?;
    }
    for part in &parts {
        for sql in &on_each {
            run(sql.replace("{partition}", part)).await?;
        }
    }
    run(format!("ANALYZE {table}")).await?;
    Ok(moved.rows_affected())
}

async fn asked(
    on: &DatabaseTransaction,
    sql: &str,
    table: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [table.into()]);
    on.query_all_raw(statement).await
}

async fn texts(on: &DatabaseTransaction, sql: &str, table: &str) -> Result<Vec<String>, DbErr> {
    let rows = asked(on, sql, table).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
