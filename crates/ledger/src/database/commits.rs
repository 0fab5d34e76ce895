//! Writes of one change that come in at one time are one transaction.
//!
//! They are of different offices, or else the history refuses all but one. What the database
//! refuses together is then written one by one, so that no write fails for another's sake.

use std::sync::Arc;

use sea_orm::DbErr;

use super::gather::Gather;
use super::{Connections, is_one_changes_fault};
use crate::sql::{self, RowChange};

/// How many changes one transaction takes at most.
const MOST: usize = 64;

/// What waits to be written, by its table and whether it is new.
pub(super) type Commits = Arc<Gather<(&'static str, bool), RowChange, ()>>;

pub(super) fn new() -> Commits {
    // Powers of two, so that few statements are prepared.
    Gather::new(false, |waiting| 1 << waiting.min(MOST).ilog2())
}

/// Writes one change, in a transaction with others.
pub(super) async fn change(
    commits: &Commits,
    connections: &Connections,
    change: RowChange,
) -> Result<(), DbErr> {
    let connections = connections.clone();
    let purpose = (change.row.table, change.row.is_new);
    let write = move |changes: Vec<RowChange>| {
        let connections = connections.clone();
        async move { write(&connections, &changes).await }
    };
    commits.ask(purpose, change, write).await
}

async fn write(on: &Connections, changes: &[RowChange]) -> Vec<Result<(), DbErr>> {
    // In one order everywhere, so that two processes never wait for each other. (The history is
    // written before the records, which are locked only by who has their office's next entry.)
    let mut sorted: Vec<&RowChange> = changes.iter().collect();
    sorted.sort_by(|a, b| a.office().cmp(b.office()));
    match together(on, &sorted).await {
        Err(error) if changes.len() > 1 && is_one_changes_fault(&error) => {
            let mut each = Vec::with_capacity(changes.len());
            for change in changes {
                each.push(together(on, &[change]).await);
            }
            each
        }
        done => changes.iter().map(|_| done.clone()).collect(),
    }
}

async fn together(on: &Connections, changes: &[&RowChange]) -> Result<(), DbErr> {
    match &on.lanes {
        Some(lanes) => lanes.execute(sql::write_changes(changes)).await,
        None => on.write_in_order(changes.iter().copied()).await,
    }
}
