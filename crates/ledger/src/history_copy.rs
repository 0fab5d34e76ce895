//! Copies a service's data from one database to another, for backups. Only the histories are
//! copied; the record tables are rebuilt from the last entry of each record.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Statement,
};

use crate::RecordKind;
use crate::database::{Database, Transaction, insert_entries};
use crate::history::{self, Model as Entry};
use crate::row::{self, Row};

/// The number of rows of one read or write.
pub const BATCH: u64 = 500;

/// The most bound values of one statement on both databases.
const MOST_VALUES: usize = 30_000;

/// The end of an office's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The office.
    pub office: String,
    /// The number of its last entry.
    pub seq: i64,
    /// The `mac` of its last entry, which covers all of them.
    pub digest: Vec<u8>,
}

/// The end of each office's history, ordered by office.
async fn ends(on: &impl ConnectionTrait) -> Result<Vec<End>, DbErr> {
    let sql = "SELECT h.office, h.seq, h.mac FROM history h JOIN \
        (SELECT office, MAX(seq) AS seq FROM history GROUP BY office) l \
        ON l.office = h.office AND l.seq = h.seq";
    let statement = Statement::from_string(on.get_database_backend(), sql);
    let rows = on.query_all_raw(statement).await?;
    let end = |row: &QueryResult| {
        Ok(End {
            office: row.try_get_by_index(0)?,
            seq: row.try_get_by_index(1)?,
            digest: row.try_get_by_index(2)?,
        })
    };
    let mut ends: Vec<End> = rows.iter().map(end).collect::<Result<_, DbErr>>()?;
    ends.sort_by(|a, b| a.office.cmp(&b.office));
    Ok(ends)
}

/// The end of each office's history in a database, ordered by office.
///
/// # Errors
/// If the database can't be read.
pub async fn ends_of(database: &Database) -> Result<Vec<End>, DbErr> {
    ends(database.reader()).await
}

/// A snapshot of a database that stays readable while others write.
#[derive(Debug)]
pub struct Snapshot(Transaction);

impl Snapshot {
    /// Begins the transaction; [`Snapshot::take`] takes the snapshot.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn prepare(database: &Database) -> Result<Self, DbErr> {
        database.reader.snapshot().await.map(Self)
    }

    /// Takes the snapshot: both databases do with the first statement that reads a table.
    ///
    /// # Errors
    /// If the database is unavailable, or has no history.
    pub async fn take(&self) -> Result<(), DbErr> {
        let sql = "SELECT 1 FROM history LIMIT 1";
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        self.0.query_one_raw(statement).await.map(|_| ())
    }

    /// The end of each office's history, ordered by office.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn ends(&self) -> Result<Vec<End>, DbErr> {
        ends(&self.0).await
    }

    /// The next [`BATCH`] entries of an office, in order; empty at the end.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn entries(&self, office: &str, after: i64) -> Result<Vec<Entry>, DbErr> {
        history::Entity::find()
            .filter(history::Column::Office.eq(office))
            .filter(history::Column::Seq.gt(after))
            .order_by_asc(history::Column::Seq)
            .limit(BATCH)
            .all(&self.0)
            .await
    }
}

/// The restore of histories into an empty database, in one transaction that [`Filling::finish`]
/// commits.
pub struct Filling {
    transaction: Transaction,
    backend: DbBackend,
    kinds: &'static [RecordKind],
    offices: BTreeSet<String>,
}

impl Filling {
    /// Begins the transaction and locks out other writers; `None` if the database has a history.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn begin(
        database: &Database,
        kinds: &'static [RecordKind],
    ) -> Result<Option<Self>, DbErr> {
        let transaction = database.writer.begin().await?;
        let backend = database.backend();
        if backend == DbBackend::Postgres {
            let lock = "LOCK TABLE history IN EXCLUSIVE MODE";
            transaction.execute_unprepared(lock).await?;
        }
        let first = history::Entity::find().limit(1).one(&transaction).await?;
        if first.is_some() {
            return Ok(None);
        }
        Ok(Some(Self {
            transaction,
            backend,
            kinds,
            offices: BTreeSet::new(),
        }))
    }

    /// Inserts entries into the history unchanged.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn add(&mut self, entries: Vec<Entry>) -> Result<(), DbErr> {
        for entry in &entries {
            if !self.kinds.iter().any(|k| k.collection == entry.collection) {
                let unknown = format!("the service has no collection {}", entry.collection);
                return Err(DbErr::Custom(unknown));
            }
            self.offices.insert(entry.office.clone());
        }
        insert_entries(&self.transaction, entries).await
    }

    /// Rebuilds the record tables from the history, and commits. Calls `progress` with the number
    /// of records of each batch.
    ///
    /// # Errors
    /// If an entry's body can't be decoded, or the database refuses.
    pub async fn finish(self, mut progress: impl FnMut(u64)) -> Result<(), DbErr> {
        if self.backend == DbBackend::Postgres {
            // Without statistics the planner would assume an empty table.
            self.transaction
                .execute_unprepared("ANALYZE history")
                .await?;
        }
        for office in &self.offices {
            for kind in self.kinds {
                self.records(office, kind, &mut progress).await?;
            }
        }
        self.transaction.commit().await
    }

    async fn records(
        &self,
        office: &str,
        kind: &'static RecordKind,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), DbErr> {
        let sql = "SELECT h.id, h.version, h.body FROM history h \
            WHERE h.office = $1 AND h.collection = $2 AND h.id > $3 AND NOT EXISTS \
            (SELECT 1 FROM history n WHERE n.office = h.office AND n.collection = h.collection \
            AND n.id = h.id AND n.version > h.version) ORDER BY h.id LIMIT $4";
        let mut after = String::new();
        loop {
            let values = [
                office.into(),
                kind.collection.into(),
                after.as_str().into(),
                (BATCH as i64).into(),
            ];
            let statement = Statement::from_sql_and_values(self.backend, sql, values);
            let last = self.transaction.query_all_raw(statement).await?;
            let Some(end) = last.last() else {
                return Ok(());
            };
            after = end.try_get_by_index(0)?;
            let mut rows = Vec::with_capacity(last.len());
            for row in &last {
                let (id, version): (String, i64) =
                    (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                let body: Vec<u8> = row.try_get_by_index(2)?;
                let Ok(values) = kind.values(&body) else {
                    let unread = format!("{}/{id} can't be decoded", kind.collection);
                    return Err(DbErr::Custom(unread));
                };
                rows.push(Row::new(kind, office, &id, version, values));
            }
            let most = MOST_VALUES / kind.columns.len();
            for rows in rows.chunks(most) {
                let rows: Vec<&Row> = rows.iter().collect();
                self.transaction.execute(&row::insert(&rows)?).await?;
            }
            progress(rows.len() as u64);
        }
    }
}
