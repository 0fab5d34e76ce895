//! A PostgreSQL server with durable commits: started by the benchmark, or the one of
//! `TAIZHANG_BENCH_POSTGRES` (`postgres://superuser@host:port`, with `logging_collector = on` and
//! `log_destination = 'jsonlog'`).

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;

/// The settings that differ from PostgreSQL's defaults. The last lines are for reading the statements
/// of a call from the log.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '512MB'
fsync = on
synchronous_commit = on
full_page_writes = on
# Checkpoints are made between the measures.
max_wal_size = '16GB'
checkpoint_timeout = '1h'
logging_collector = on
log_destination = 'jsonlog'
log_rotation_size = 0
";

/// A server, and the databases created in it.
pub(crate) struct Postgres {
    server: String,
    programs: PathBuf,
    own: Option<TempDir>,
    made: Vec<String>,
}

impl Postgres {
    /// Starts a server, or uses the one of the environment.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        if let Ok(server) = std::env::var("TAIZHANG_BENCH_POSTGRES") {
            return Ok(Self {
                server,
                programs,
                own: None,
                made: Vec::new(),
            });
        }
        let folder = tempfile::Builder::new()
            .prefix("taizhang-bench-pg-")
            .tempdir()?;
        if is_root()? {
            run(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let data = folder.path().join("data");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let server = Self {
            server: format!("postgres://taizhang@127.0.0.1:{port}"),
            programs,
            own: Some(folder),
            made: Vec::new(),
        };
        let mut initdb = server.owners("initdb")?;
        run(initdb.arg("-D").arg(&data).args([
            "-U",
            "taizhang",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]))?;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))?;
        writeln!(file, "{SETTINGS}port = {port}")?;
        let mut start = server.owners("pg_ctl")?;
        run(start
            .arg("-D")
            .arg(&data)
            .args(["-w", "-l"])
            .arg(data.join("start.log"))
            .arg("start"))?;
        Ok(server)
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.server)
    }

    /// A program of PostgreSQL, such as `pgbench`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The server's data folder, if it was started here.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.own.as_ref().map(TempDir::path)
    }

    /// The server's process id, if it was started here.
    pub(crate) fn process(&self) -> Option<u32> {
        let file = self.folder()?.join("data/postmaster.pid");
        fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
    }

    /// A program of PostgreSQL that runs as the server's owner; the server refuses root.
    fn owners(&self, name: &str) -> anyhow::Result<Command> {
        let program = self.program(name);
        let mut command = if is_root()? {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        if let Some(folder) = self.folder() {
            command.current_dir(folder);
        }
        Ok(command)
    }

    /// Connects to a database.
    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<DatabaseConnection> {
        let mut options = ConnectOptions::new(self.url(database));
        options.max_connections(1).sqlx_logging(false);
        Ok(Database::connect(options).await?)
    }

    /// Runs server-wide statements.
    pub(crate) async fn administer(&self, statements: &[&str]) -> anyhow::Result<()> {
        let admin = self.connect("postgres").await?;
        for statement in statements {
            admin
                .execute_unprepared(statement)
                .await
                .with_context(|| (*statement).to_owned())?;
        }
        Ok(admin.close().await?)
    }

    /// Creates a database, empty or from a template without connections; returns its name.
    pub(crate) async fn make(&mut self, name: &str, template: &str) -> anyhow::Result<String> {
        let name = format!("taizhang_bench_{name}");
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.administer(&[&drop, &create]).await?;
        self.made.push(name.clone());
        Ok(name)
    }

    /// Runs a checkpoint, so that the writes of the last measurement do not affect the next.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        self.administer(&["CHECKPOINT"]).await
    }

    /// One value of one row.
    pub(crate) async fn ask(&self, question: &str) -> anyhow::Result<String> {
        let admin = self.connect("postgres").await?;
        let statement = Statement::from_string(sea_orm::DbBackend::Postgres, question);
        let row = admin.query_one_raw(statement).await?.context("no answer")?;
        let answer = row.try_get_by_index(0)?;
        admin.close().await?;
        Ok(answer)
    }

    /// Drops the databases created in a server that was not started here.
    pub(crate) async fn tidy(&mut self) -> anyhow::Result<()> {
        for name in std::mem::take(&mut self.made) {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            self.administer(&[&drop]).await?;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(folder) = &self.own else { return };
        let data = folder.path().join("data");
        if let Ok(mut stop) = self.owners("pg_ctl") {
            let stopped = run(stop
                .arg("-D")
                .arg(data)
                .args(["-m", "immediate", "-w", "stop"]));
            if let Err(error) = stopped {
                eprintln!("PostgreSQL was not stopped: {error:#}");
            }
        }
    }
}

/// The folder of the newest PostgreSQL that is installed.
fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL is not installed: apt-get install postgresql")?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("postgres").exists())
        .collect();
    found.sort();
    found
        .pop()
        .map(|(_, programs)| programs)
        .context("PostgreSQL is not installed: apt-get install postgresql")
}

fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Runs a program to its end.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
