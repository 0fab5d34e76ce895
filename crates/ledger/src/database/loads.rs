//! Records that are read by their keys at one time are read by one statement.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{DbBackend, DbErr, QueryResult, Statement, Value};

use super::gather::Gather;
use super::lanes::Lanes;

/// How many keys one statement takes at most.
const MOST: usize = 256;

type Body = Option<Vec<u8>>;

/// What waits to be read, by table.
pub(super) type Loads = Arc<Gather<&'static str, Key, Body>>;

/// The key of a record.
#[derive(Debug)]
pub(super) struct Key {
    office: String,
    id: String,
}

pub(super) fn new() -> Loads {
    Gather::new(true, |waiting| waiting.min(MOST))
}

/// The body of a record; `None` if it is not there.
pub(super) async fn body(
    loads: &Loads,
    lanes: &Lanes,
    table: &'static str,
    office: &str,
    id: &str,
) -> Result<Body, DbErr> {
    let key = Key {
        office: office.to_owned(),
        id: id.to_owned(),
    };
    let lanes = lanes.clone();
    let read = move |keys: Vec<Key>| {
        let lanes = lanes.clone();
        async move {
            match lanes.all(select(table, &keys)).await {
                Ok(rows) => found(keys.len(), &rows),
                Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    };
    loads.ask(table, key, read).await
}

/// The bodies of some records, each with its place among the keys. Offices and ids have no commas.
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

/// The bodies in the order of so many keys.
fn found(keys: usize, rows: &[QueryResult]) -> Vec<Result<Body, DbErr>> {
    let mut found: HashMap<i64, Result<Body, DbErr>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let place = row.try_get_by_index(0).unwrap_or_default();
        found.insert(place, row.try_get_by_index(1).map(Some));
    }
    (1..)
        .take(keys)
        .map(|place| found.remove(&place).unwrap_or(Ok(None)))
        .collect()
}
