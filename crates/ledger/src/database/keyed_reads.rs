//! Keyed reads: those that arrive at the same time are one statement.
//!
//! By hand, since sea-orm has no statement over many keys of several offices that tells which key
//! a row belongs to. The line GetMeeting of docs/benchmarks.md shows what it is worth.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{DbBackend, DbErr, QueryResult, Statement, Value};

use super::coalesce::Coalesce;
use super::kept_connections::KeptConnections;

/// The most keys of one statement.
const MOST: usize = 256;

type Body = Option<Vec<u8>>;

/// Coalesces reads of one table.
#[derive(Debug, Clone)]
pub(super) struct KeyedReads {
    connections: KeptConnections,
    queues: Arc<Coalesce<&'static str, Key, Body>>,
}

/// The key of a record.
#[derive(Debug)]
struct Key {
    office: String,
    id: String,
}

impl KeyedReads {
    pub(super) fn new(connections: KeptConnections) -> Self {
        Self {
            connections,
            queues: Coalesce::new(true, |queued| queued.min(MOST)),
        }
    }

    /// The body of a record; `None` if it is not there.
    pub(super) async fn body(
        &self,
        table: &'static str,
        office: &str,
        id: &str,
    ) -> Result<Body, DbErr> {
        let key = Key {
            office: office.to_owned(),
            id: id.to_owned(),
        };
        let connections = self.connections.clone();
        let read = move |keys: Vec<Key>| {
            let connections = connections.clone();
            async move {
                match connections.all(select(table, &keys)).await {
                    Ok(rows) => bodies(keys.len(), &rows),
                    Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
                }
            }
        };
        self.queues.run(table, key, read).await
    }
}

/// The bodies of some records, each with the index of its key from 1. Offices and ids have no
/// commas.
fn select(table: &str, keys: &[Key]) -> Statement {
    if let [only] = keys {
        let sql = format!("SELECT 1::bigint, body FROM {table} WHERE office = $1 AND id = $2");
        let values: [Value; 2] = [only.office.as_str().into(), only.id.as_str().into()];
        return Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    }
    let join = |part: fn(&Key) -> &str| -> Value {
        keys.iter().map(part).collect::<Vec<_>>().join(",").into()
    };
    let sql = format!(
        "SELECT k.n, r.body FROM unnest(string_to_array($1, ','), string_to_array($2, ',')) \
         WITH ORDINALITY k(office, id, n) JOIN {table} r ON r.office = k.office AND r.id = k.id"
    );
    let values = [join(|key| &key.office), join(|key| &key.id)];
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// The bodies in the order of the keys.
fn bodies(keys: usize, rows: &[QueryResult]) -> Vec<Result<Body, DbErr>> {
    let mut found: HashMap<i64, Result<Body, DbErr>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let index = row.try_get_by_index(0).unwrap_or_default();
        found.insert(index, row.try_get_by_index(1).map(Some));
    }
    (1..)
        .take(keys)
        .map(|index| found.remove(&index).unwrap_or(Ok(None)))
        .collect()
}
