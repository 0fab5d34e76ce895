//! `pgbench -M prepared`: the statements of a call, without the service.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::callers::Measured;
use crate::cpu::Processes;
use crate::postgres::Postgres;
use crate::statements::Logged;

/// A script, and the values that are constant in a run.
pub(crate) struct Script {
    text: String,
    values: Vec<(String, String)>,
}

/// Unique texts have 19 digits, since pgbench has numeric variables only.
const FIRST: i64 = 1_000_000_000_000_000_000;

/// The number of rows that each client reads.
const READ: u32 = 20;

impl Script {
    /// The statements of `CreateMeeting`. Each client writes to an office of its own.
    ///
    /// An id and a request id have 19 digits instead of 36 characters; an office's id has 19 instead
    /// of 9. It is in every index, so rows and index entries are as long as the service's.
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
        script.constant("seq", 0);
        script
    }

    /// The statements of `GetMeeting`, on the rows of the first run of [`Script::create`].
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

    /// The statements, with variables for the values of some columns.
    fn of(statements: &[Logged], variable: impl Fn(&str) -> Option<&'static str>) -> Self {
        let mut script = Self {
            text: String::new(),
            values: Vec::new(),
        };
        script.constant("zero", FIRST);
        for (i, statement) in statements.iter().enumerate() {
            let columns = statement.columns();
            let sql = statement.with_values(|n| {
                let column = columns.get(n).map(String::as_str).unwrap_or_default();
                match (variable(column), statement.values.get(n)) {
                    (Some(variable), _) => format!(":{variable}"),
                    (None, Some(None)) => "NULL".to_owned(),
                    // pgbench variables can't be empty.
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

    fn constant(&mut self, variable: &str, value: i64) {
        self.values.push((variable.to_owned(), value.to_string()));
    }

    /// Transactions per second. Runs with different numbers write to different offices.
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
