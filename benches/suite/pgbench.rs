//! `pgbench -M prepared`: the statements of a call, without the call.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::callers::Measured;
use crate::cpu::Processes;
use crate::postgres::Postgres;
use crate::statements::Logged;

/// A script and the values that stay the same throughout.
pub(crate) struct Script {
    text: String,
    values: Vec<(String, String)>,
}

/// Unique texts have 19 digits, as numbers are all that pgbench can count.
const FIRST: i64 = 1_000_000_000_000_000_000;

/// How many rows of each client's own are read.
const READ: u32 = 20;

impl Script {
    /// What `CreateMeeting` runs. Each client writes for an office of its own.
    ///
    /// An id and a request id have 19 digits and not 36 characters; an office's id has 19 and not
    /// 9. It stands in every index, so rows and index entries are as long as the service's.
    pub(crate) fn create(statements: &[Logged]) -> Self {
        let set = "\\set office :first + :client_id\n\
            \\set seq :seq + 1\n\
            \\set id :zero + :seq\n\
            \\set request random(1000000000000000000, 9000000000000000000)\n";
        let mut script = Self::of(statements, |column| match column {
            "office" => Some("office"),
            "seq" => Some("seq"),
            "id" => Some("id"),
            "request_id" => Some("request"),
            _ => None,
        });
        script.text.insert_str(0, set);
        script.let_be("seq", 0);
        script
    }

    /// What `GetMeeting` runs, on the rows that [`Script::create`] made in its first run.
    pub(crate) fn get(statements: &[Logged]) -> Self {
        let set = format!("\\set office :first + :client_id\n\\set id :zero + random(1, {READ})\n");
        let mut script = Self::of(statements, |column| match column {
            "office" => Some("office"),
            "id" => Some("id"),
            _ => None,
        });
        script.text.insert_str(0, &set);
        script
    }

    /// The statements, in which the values of some columns are variables.
    fn of(statements: &[Logged], variable: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut script = Self {
            text: String::new(),
            values: Vec::new(),
        };
        script.let_be("zero", FIRST);
        for (i, statement) in statements.iter().enumerate() {
            let columns = statement.columns();
            let sql = statement.with_values(|n| {
                let column = columns.get(n).map(String::as_str).unwrap_or_default();
                match (variable(column), statement.values.get(n)) {
                    (Some(variable), _) => format!(":{variable}"),
                    (None, Some(None)) => "NULL".to_owned(),
                    // pgbench has no empty variables.
                    (None, Some(Some(value))) if value.is_empty() => "''".to_owned(),
                    (None, _) => format!(":s{i}v{n}"),
                }
            });
            for (n, value) in statement.values.iter().enumerate() {
                if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                    script.values.push((format!("s{i}v{n}"), value.clone()));
                }
            }
            script.text.push_str(&sql);
            script.text.push_str(";\n");
        }
        script
    }

    fn let_be(&mut self, variable: &str, value: i64) {
        self.values.push((variable.to_owned(), value.to_string()));
    }

    /// Transactions in a second. Runs with different numbers write for different offices.
    pub(crate) async fn run(
        &self,
        postgres: &Postgres,
        database: &str,
        folder: &Path,
        (run, clients, seconds): (usize, usize, u64),
    ) -> anyhow::Result<Measured> {
        let file = folder.join("script.sql");
        std::fs::write(&file, &self.text)?;
        let mut command = Command::new(postgres.program("pgbench"));
        command
            .args(["-n", "-M", "prepared", "-j", "2"])
            .args(["-c", &clients.to_string(), "-T", &seconds.to_string()])
            .arg("-f")
            .arg(&file)
            .arg(format!("-Dfirst={}", FIRST + run as i64 * 1000));
        for (name, value) in &self.values {
            command.arg(format!("-D{name}={value}"));
        }
        command.arg(postgres.url(database));
        let processes = Processes {
            service: None,
            database: postgres.process(),
        };
        let before = processes.used();
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let used = processes.used().since(before);
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && said.contains("number of failed transactions: 0 "),
            "pgbench: {said}{complained}\n{}",
            self.text
        );
        let after = |label: &str| -> anyhow::Result<f64> {
            let line = said.lines().find_map(|line| line.strip_prefix(label));
            let number = line.and_then(|rest| rest.split([' ', '/']).next());
            Ok(number
                .with_context(|| format!("pgbench: no {label}"))?
                .parse()?)
        };
        Ok(Measured {
            rate: after("tps = ")?,
            took: None,
            used: used.by(after("number of transactions actually processed: ")?),
        })
    }
}
