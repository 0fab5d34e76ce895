//! The actual statements of calls, read from PostgreSQL's log, so that `pgbench` and the plain counts
//! run the same SQL as the ledger.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;

use crate::postgres::Postgres;

/// One statement and its values as PostgreSQL writes them; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) sql: String,
    pub(crate) values: Vec<Option<String>>,
}

/// Reads the log.
const READ: &str = "SELECT pg_read_file(pg_current_logfile('jsonlog'))";

/// The delay of the server and its log collector.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs `work` and returns the statements that it ran in a database.
pub(crate) async fn of(
    postgres: &Postgres,
    database: &str,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Vec<Logged>> {
    let log = "the server must have logging_collector on and log_destination jsonlog";
    let on = ["ALTER SYSTEM SET log_statement = 'all'", RELOAD];
    let off = ["ALTER SYSTEM RESET log_statement", RELOAD];
    postgres.administer(&on).await?;
    tokio::time::sleep(PAUSE).await;
    let before = postgres.ask(READ).await.context(log)?.len();
    let done = work.await;
    tokio::time::sleep(PAUSE).await;
    let after = postgres.ask(READ).await?;
    postgres.administer(&off).await?;
    done?;
    let lines = after.get(before..).unwrap_or_default().lines();
    Ok(lines.filter_map(|line| read(line, database)).collect())
}

const RELOAD: &str = "SELECT pg_reload_conf()";

/// One line of the log, if it is a statement in the database.
fn read(line: &str, database: &str) -> Option<Logged> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line.get("dbname")?.as_str()? != database {
        return None;
    }
    let message = line.get("message")?.as_str()?;
    let sql = match message.strip_prefix("statement: ") {
        Some(sql) => sql,
        None => message.strip_prefix("execute ")?.split_once(": ")?.1,
    };
    let detail = line.get("detail").and_then(|d| d.as_str());
    Some(Logged {
        sql: sql.to_owned(),
        values: detail.map(values).unwrap_or_default(),
    })
}

/// The values of `parameters: $1 = 'it''s', $2 = NULL`.
fn values(detail: &str) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = detail;
    while let Some((_, after)) = rest.split_once(" = ") {
        let Some(quoted) = after.strip_prefix('\'') else {
            values.push(None);
            rest = after;
            continue;
        };
        let mut value = String::new();
        rest = quoted;
        while let Some((part, after)) = rest.split_once('\'') {
            value.push_str(part);
            rest = after;
            let Some(after) = rest.strip_prefix('\'') else {
                break;
            };
            value.push('\'');
            rest = after;
        }
        values.push(Some(value));
    }
    values
}

impl Logged {
    /// The statement with each `$n` replaced by `write(n - 1)`.
    pub(crate) fn with_values(&self, write: impl Fn(usize) -> String) -> String {
        let mut out = String::new();
        let mut rest = self.sql.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = after.split_at(digits);
            match number.parse::<usize>() {
                Ok(n) if n > 0 => out.push_str(&write(n - 1)),
                _ => out.push_str(&format!("${number}")),
            }
            rest = after;
        }
        out + rest
    }

    /// The statement with its values in it.
    pub(crate) fn with_its_values(&self) -> String {
        self.with_values(|n| match self.values.get(n) {
            Some(Some(value)) => format!("'{}'", value.replace('\'', "''")),
            _ => "NULL".to_owned(),
        })
    }

    /// The column of each value; empty if it has none.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns = vec![String::new(); self.values.len()];
        let mut assign = |placeholder: &str, column: &str| {
            let number = placeholder.trim().strip_prefix('$');
            let number: Option<usize> = number.and_then(|n| n.parse().ok());
            if let Some(place) = number.and_then(|n| columns.get_mut(n.checked_sub(1)?)) {
                *place = column.trim().to_owned();
            }
        };
        // INSERT INTO table (column, …) VALUES ($1, …). The history's office is read from the CTE that
        // takes the office's lock: (SELECT $1 FROM …).
        let sql = match self.sql.split_once("(SELECT $1 FROM ") {
            Some((before, after)) => {
                let rest = after.split_once(')').map_or("", |(_, rest)| rest);
                format!("{before}$1{rest}")
            }
            None => self.sql.clone(),
        };
        for insert in sql.split("INSERT INTO ").skip(1) {
            let mut lists = insert.split(['(', ')']).skip(1).step_by(2);
            let (names, values) = (lists.next(), lists.next());
            let pairs = names.into_iter().flat_map(|l| l.split(','));
            for (name, value) in pairs.zip(values.into_iter().flat_map(|l| l.split(','))) {
                assign(value, name);
            }
        }
        // column = $1
        let words: Vec<&str> = self.sql.split_whitespace().collect();
        for three in words.windows(3) {
            if let [column, "=", placeholder] = three {
                assign(placeholder, column);
            }
        }
        columns
    }
}
