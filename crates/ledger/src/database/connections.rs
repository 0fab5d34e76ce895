//! The connections that the ledger reads and writes through.

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use taizhang_contracts::Office;

use super::batch_transaction::BatchTransaction;
use super::group_commit::GroupCommit;
use super::keyed_reads::KeyedReads;
use super::pool::Pool;
use super::transaction::Transaction;
use crate::record_kind::RecordKind;
use crate::row::RowChange;

/// A pool with keyed reads and group commit, or one batch transaction.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(super) pool: Pool,
    keyed_reads: Option<KeyedReads>,
    group_commit: GroupCommit,
    /// The batch transaction that all statements go through, if there is one.
    batch: Option<Arc<BatchTransaction>>,
}

impl Connections {
    pub(super) fn new(pool: Pool) -> Self {
        Self {
            keyed_reads: pool.kept.clone().map(KeyedReads::new),
            group_commit: GroupCommit::new(pool.clone()),
            pool,
            batch: None,
        }
    }

    /// The same connections, seen from within a batch.
    pub(super) fn within(&self, batch: &Arc<BatchTransaction>) -> Self {
        Self {
            batch: Some(batch.clone()),
            ..self.clone()
        }
    }

    /// The body of a record, also of a deleted one.
    pub(crate) async fn body(
        &self,
        kind: &RecordKind,
        office: &Office,
        id: &str,
    ) -> Result<Option<Vec<u8>>, DbErr> {
        if let (Some(reads), None) = (&self.keyed_reads, &self.batch) {
            return reads.body(kind.table(), office.id(), id).await;
        }
        let select = Query::select()
            .column(Alias::new("body"))
            .from(Alias::new(kind.table()))
            .and_where(Expr::col(Alias::new("office")).eq(office.id()))
            .and_where(Expr::col(Alias::new("id")).eq(id))
            .to_owned();
        let row = self.query_one(&select).await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }

    /// Writes changes in one transaction; a single one by group commit.
    pub(crate) async fn write(&self, mut changes: Vec<RowChange>) -> Result<(), DbErr> {
        match changes.pop() {
            Some(only) if changes.is_empty() => self.group_commit.write(only).await,
            last => {
                let changes = changes.iter().chain(&last);
                self.group_commit.write_in_order(changes).await
            }
        }
    }

    /// Begins a write transaction of several statements. On SQLite it excludes other writers.
    pub(crate) async fn begin(&self) -> Result<Transaction, DbErr> {
        self.pool.begin().await
    }

    /// The pool, unless a batch is under way: its rows are written by its transaction only.
    fn outside_of_batch(&self) -> Result<&Pool, DbErr> {
        match self.batch {
            None => Ok(&self.pool),
            Some(_) => Err(DbErr::Custom("a batch writes rows, not statements".into())),
        }
    }

    /// Begins a transaction that only reads, and sees one state of the database throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, DbErr> {
        self.pool.snapshot().await
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.outside_of_batch()?.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.outside_of_batch()?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.batch {
            Some(batch) => Ok(batch.all(statement).await?.into_iter().next()),
            None => self.pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.batch {
            Some(batch) => batch.all(statement).await,
            None => self.pool.query_all_raw(statement).await,
        }
    }
}
