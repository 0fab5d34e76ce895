//! Records that are read by their keys at one time are read by one statement.
//!
//! A statement costs PostgreSQL and us more than the row that it finds. While a statement is under
//! way for a table, further keys gather; the next statement takes them all. A key that finds none
//! under way waits for no others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{DbBackend, DbErr, QueryResult, Statement, Value};
use tokio::sync::oneshot;

use super::lanes::Lanes;

/// How many keys one statement takes at most.
const MOST: usize = 256;

type Body = Result<Option<Vec<u8>>, DbErr>;

/// What waits to be read, by table.
#[derive(Debug, Clone, Default)]
pub(super) struct Loads(Arc<Mutex<HashMap<&'static str, Waiting>>>);

#[derive(Debug, Default)]
struct Waiting {
    keys: Vec<Key>,
    /// Whether a statement is under way.
    reading: bool,
}

/// The key of a record, and who waits for its body.
#[derive(Debug)]
struct Key {
    office: String,
    id: String,
    answer: oneshot::Sender<Body>,
}

impl Loads {
    /// The body of a record; `None` if it is not there.
    pub(super) async fn body(
        &self,
        lanes: &Lanes,
        table: &'static str,
        office: &str,
        id: &str,
    ) -> Body {
        let (answer, told) = oneshot::channel();
        let key = Key {
            office: office.to_owned(),
            id: id.to_owned(),
            answer,
        };
        let begin = {
            let mut tables = self.tables();
            let waiting = tables.entry(table).or_default();
            waiting.keys.push(key);
            !std::mem::replace(&mut waiting.reading, true)
        };
        if begin {
            // Not part of this call, which may be dropped: others wait for it too.
            tokio::spawn(self.clone().read(lanes.clone(), table));
        }
        let gone = |_| DbErr::Custom("a read was dropped".into());
        told.await.map_err(gone)?
    }

    /// Reads what waits until nothing does.
    async fn read(self, lanes: Lanes, table: &'static str) {
        while let Some(keys) = self.next(table) {
            match lanes.all(select(table, &keys)).await {
                Ok(rows) => tell(keys, &rows),
                Err(error) => {
                    for key in keys {
                        // Who gave up waiting is not told.
                        let _ = key.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    fn next(&self, table: &'static str) -> Option<Vec<Key>> {
        let mut tables = self.tables();
        let waiting = tables.entry(table).or_default();
        if waiting.keys.is_empty() {
            waiting.reading = false;
            return None;
        }
        let taken = waiting.keys.len().min(MOST);
        Some(waiting.keys.drain(..taken).collect())
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<&'static str, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

/// Tells everyone who waits what was found.
fn tell(keys: Vec<Key>, rows: &[QueryResult]) {
    let mut found: HashMap<usize, Body> = HashMap::with_capacity(rows.len());
    for row in rows {
        let place = row.try_get_by_index::<i64>(0).unwrap_or_default();
        let body = row.try_get_by_index(1).map(Some);
        found.insert(usize::try_from(place).unwrap_or_default(), body);
    }
    for (i, key) in keys.into_iter().enumerate() {
        let body = found.remove(&(i + 1)).unwrap_or(Ok(None));
        let _ = key.answer.send(body);
    }
}
