//! Detects changes that bypassed the ledger: verifies the HMAC chain of each office's history, and
//! compares every record, body and columns, with its last entry.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, Statement, Value,
};

use crate::RecordKind;
use crate::database::Database;
use crate::history::{self, Model as Entry};
use crate::record_kind::VALUES;
use crate::secret::{Digest, Key};

const BATCH: u64 = 1000;

/// The result of an audit.
#[derive(Debug, Default)]
pub struct Report {
    /// The offices, each with the number of its last entry and the digest over all of them.
    pub offices: Vec<(String, i64, String)>,
    /// The discrepancies; of each office the first bad entry comes first.
    pub findings: Vec<Finding>,
}

/// One discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The office.
    pub office: String,
    /// The bad entry of the history; `None` if the record is bad.
    pub entry: Option<i64>,
    /// The record, as `{collection}/{id}`; empty if unknown.
    pub record: String,
    /// The description, in Chinese and English.
    pub what: (&'static str, &'static str),
}

/// Audits one service's database. Calls `progress` with the number of entries of each batch read.
///
/// # Errors
/// If the database can't be read.
pub async fn verify(
    database: &Database,
    key: &Key,
    kinds: &[RecordKind],
    mut progress: impl FnMut(u64),
) -> Result<Report, DbErr> {
    let audit = Audit { database, key };
    let mut report = Report::default();
    for office in audit.offices(kinds).await? {
        let (last, mac, bad) = audit.chain(&office, &mut progress).await?;
        report.findings.extend(bad);
        for kind in kinds {
            report.findings.extend(audit.records(&office, kind).await?);
        }
        report.offices.push((office, last, hex::encode(mac)));
    }
    Ok(report)
}

/// Whether a service's history is empty.
///
/// # Errors
/// If the database can't be read.
pub async fn is_empty(database: &Database) -> Result<bool, DbErr> {
    let first = history::Entity::find()
        .limit(1)
        .one(database.reader())
        .await?;
    Ok(first.is_none())
}

/// Verifies the chain of one office's history, entry by entry from the first.
#[derive(Debug, Clone)]
pub struct Chain {
    office: String,
    last: i64,
    digest: Digest,
}

impl Chain {
    /// The start of an office's chain.
    pub fn of(office: &str) -> Self {
        Self {
            office: office.to_owned(),
            last: 0,
            digest: Digest::default(),
        }
    }

    /// Verifies the next entry.
    ///
    /// # Errors
    /// If an entry is missing before it, or its digest does not match.
    pub fn follow(&mut self, key: &Key, entry: &Entry) -> Result<(), Finding> {
        let bad = |seq, record, what| Finding {
            office: self.office.clone(),
            entry: Some(seq),
            record,
            what,
        };
        if entry.seq != self.last + 1 {
            let what = ("条目缺失", "the entry is missing");
            return Err(bad(self.last + 1, String::new(), what));
        }
        let expected = entry.digest(key, &self.digest);
        if entry.office != self.office || entry.mac.as_slice() != expected.as_slice() {
            let record = format!("{}/{}", entry.collection, entry.id);
            let what = ("条目被改动", "the entry was changed");
            return Err(bad(entry.seq, record, what));
        }
        (self.last, self.digest) = (entry.seq, expected);
        Ok(())
    }
}

struct Audit<'a> {
    database: &'a Database,
    key: &'a Key,
}

impl Audit<'_> {
    async fn rows(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>, DbErr> {
        let statement = Statement::from_sql_and_values(self.database.backend(), sql, values);
        self.database.reader.query_all_raw(statement).await
    }

    async fn offices(&self, kinds: &[RecordKind]) -> Result<Vec<String>, DbErr> {
        let tables = kinds.iter().map(RecordKind::table).chain(["history"]);
        let selects: Vec<String> = tables
            .map(|table| format!("SELECT DISTINCT office FROM {table}"))
            .collect();
        let rows = self
            .rows(
                format!("{} ORDER BY office", selects.join(" UNION ")),
                vec![],
            )
            .await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// Verifies the chain; returns the last good `seq`, its digest, and the first bad entry.
    async fn chain(
        &self,
        office: &str,
        progress: &mut impl FnMut(u64),
    ) -> Result<(i64, Digest, Option<Finding>), DbErr> {
        let mut chain = Chain::of(office);
        loop {
            let rows: Vec<Entry> = history::Entity::find()
                .filter(history::Column::Office.eq(office))
                .filter(history::Column::Seq.gt(chain.last))
                .order_by_asc(history::Column::Seq)
                .limit(BATCH)
                .all(self.database.reader())
                .await?;
            if rows.is_empty() {
                return Ok((chain.last, chain.digest, None));
            }
            for entry in &rows {
                if let Err(bad) = chain.follow(self.key, entry) {
                    return Ok((chain.last, chain.digest, Some(bad)));
                }
            }
            progress(rows.len() as u64);
        }
    }

    /// Records that differ from their last entry in the history.
    async fn records(&self, office: &str, kind: &RecordKind) -> Result<Vec<Finding>, DbErr> {
        let found = |id: String, entry, what| Finding {
            office: office.to_owned(),
            entry,
            record: format!("{}/{id}", kind.collection),
            what,
        };
        let mut findings = Vec::new();

        let sql = format!(
            "SELECT r.id FROM {} r WHERE r.office = $1 AND NOT EXISTS (SELECT 1 FROM history h \
             WHERE h.office = r.office AND h.collection = $2 AND h.id = r.id \
             AND h.version = r.version AND h.body = r.body) ORDER BY r.id LIMIT 100",
            kind.table()
        );
        for row in self
            .rows(sql, vec![office.into(), kind.collection.into()])
            .await?
        {
            let what = ("记录与历史不符", "the record differs from its history");
            findings.push(found(row.try_get_by_index(0)?, None, what));
        }

        let sql = format!(
            "SELECT h.id, MIN(h.seq) FROM history h LEFT JOIN {} r ON r.office = h.office \
             AND r.id = h.id WHERE h.office = $1 AND h.collection = $2 \
             AND (r.id IS NULL OR r.version < h.version) GROUP BY h.id ORDER BY 2 LIMIT 100",
            kind.table()
        );
        for row in self
            .rows(sql, vec![office.into(), kind.collection.into()])
            .await?
        {
            let what = (
                "历史有此变更而记录没有",
                "the record lacks a change that is in its history",
            );
            findings.push(found(
                row.try_get_by_index(0)?,
                row.try_get_by_index(1)?,
                what,
            ));
        }

        let mut after = String::new();
        loop {
            let sql = format!(
                "SELECT * FROM {} WHERE office = $1 AND id > $2 ORDER BY id LIMIT $3",
                kind.table()
            );
            let values = vec![office.into(), after.as_str().into(), (BATCH as i64).into()];
            let rows = self.rows(sql, values).await?;
            let Some(last) = rows.last() else {
                return Ok(findings);
            };
            after = last.try_get("", "id")?;
            for row in &rows {
                let body: Vec<u8> = row.try_get("", "body")?;
                let values = kind.values(&body).unwrap_or_default();
                let columns = kind.columns.iter().skip(VALUES).zip(values);
                for (column, expected) in columns {
                    if !holds(row, column, &expected)? {
                        let what = ("列与记录不符", "a column differs from the record");
                        findings.push(found(row.try_get("", "id")?, None, what));
                        break;
                    }
                }
            }
        }
    }
}

/// Whether a column of a row has this value.
fn holds(row: &QueryResult, column: &str, expected: &Value) -> Result<bool, DbErr> {
    Ok(match expected {
        Value::String(text) => row.try_get::<Option<String>>("", column)? == *text,
        Value::BigInt(number) => row.try_get::<Option<i64>>("", column)? == *number,
        Value::Bool(yes) => row.try_get::<Option<bool>>("", column)? == *yes,
        Value::ChronoDate(day) => row.try_get::<Option<NaiveDate>>("", column)? == *day,
        Value::ChronoDateTimeUtc(time) => {
            // Databases keep microseconds.
            let micros = |t: DateTime<Utc>| t.timestamp_micros();
            row.try_get::<Option<DateTime<Utc>>>("", column)?
                .map(micros)
                == time.map(micros)
        }
        Value::Bytes(bytes) => row.try_get::<Option<Vec<u8>>>("", column)? == *bytes,
        _ => false,
    })
}
