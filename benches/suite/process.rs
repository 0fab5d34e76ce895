//! The processes that are measured: the program `taizhang`, and the bare service.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::TimeDelta;
use taizhang_contracts::Office;
use taizhang_runtime::identity::{Grant, Keyring};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::Endpoint;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::calls::{OFFICES, office};

/// Every service of the suite.
pub(crate) const SERVICES: &[&str] = &["reporting", "meetings", "supervision"];

/// How long a process may take to start.
const LONGEST_START: Duration = Duration::from_secs(30);

/// Builds the program as it is released; gives its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = std::process::Command::new(cargo)
        .args(["build", "--release", "--package", "taizhang", "--bin"])
        .arg("taizhang")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(built.success(), "the program was not built");
    let bench = std::env::current_exe()?;
    // This is target/release/deps/suite-….
    let release = bench.ancestors().nth(2).context("a target folder")?;
    Ok(release.join("taizhang"))
}

/// A folder in which the program runs: its configuration, its keys, and its SQLite files.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// Makes the folder. Services that have no URL here keep their records in SQLite files.
    pub(crate) fn make(
        folder: PathBuf,
        databases: &[(&str, String)],
        pool: Option<u32>,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut config = String::from("data = \"data\"\n");
        for service in SERVICES {
            writeln!(config, "[services.{service}]\nlisten = \"127.0.0.1:0\"")?;
            if let Some((_, url)) = databases.iter().find(|(name, _)| name == service) {
                writeln!(config, "database = \"{url}\"")?;
            }
            if let Some(pool) = pool {
                writeln!(config, "pool = {pool}")?;
            }
        }
        fs::write(folder.join("taizhang.toml"), config)?;
        Ok(Self { folder })
    }

    /// Brings a service's database to its schema.
    pub(crate) async fn migrate(&self, program: &Path, service: &str) -> anyhow::Result<()> {
        let output = Command::new(program)
            .args(["migrate", service])
            .current_dir(&self.folder)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "migrate {service}: {said}");
        Ok(())
    }

    /// Starts services of the program.
    pub(crate) async fn serve(
        &self,
        program: &Path,
        services: &[&str],
    ) -> anyhow::Result<Process> {
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(services)
            .current_dir(&self.folder);
        Process::start(command, &self.folder.join("log"), services).await
    }

    /// A token that may do everything in every office.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        let keyring = Keyring::open_or_create(&self.folder.join("data/identity"))?;
        let offices = (0..OFFICES).filter_map(|i| Office::of(&office(i)));
        let scopes = SERVICES
            .iter()
            .flat_map(|service| ["read", "write"].map(|may| format!("{service}.{may}")));
        Ok(keyring.issue(Grant {
            system: "taizhang-bench".into(),
            offices: offices.collect(),
            scopes: scopes.collect(),
            valid_for: TimeDelta::hours(8),
        })?)
    }
}

/// A process that serves; ended when dropped.
pub(crate) struct Process {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Process {
    /// Starts a process that prints `{name} listens on {address}` for each of `names`.
    pub(crate) async fn start(
        mut command: Command,
        log: &Path,
        names: &[&str],
    ) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let stdout = child.stdout.take().context("an output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut addresses = BTreeMap::new();
        let reading = async {
            while addresses.len() < names.len() {
                let Some(line) = lines.next_line().await? else {
                    bail!("it ended: {}", fs::read_to_string(log)?);
                };
                if let Some((name, address)) = line.split_once(" listens on ") {
                    addresses.insert(name.to_owned(), address.parse()?);
                }
            }
            Ok(())
        };
        tokio::time::timeout(LONGEST_START, reading)
            .await
            .with_context(|| format!("{command:?} did not start in time"))?
            .with_context(|| format!("{command:?}"))?;
        Ok(Self { child, addresses })
    }

    /// Where a service listens.
    pub(crate) fn address(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.addresses
            .get(name)
            .copied()
            .with_context(|| format!("{name} does not run"))
    }

    /// Waits until every service says that it serves.
    pub(crate) async fn serving(&self) -> anyhow::Result<()> {
        for address in self.addresses.values() {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            let mut health = HealthClient::new(endpoint.connect().await?);
            let answer = health.check(HealthCheckRequest::default()).await?;
            let status = answer.into_inner().status();
            ensure!(status == ServingStatus::Serving, "{address}: {status:?}");
        }
        Ok(())
    }

    /// The memory that the process holds, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let pid = self.child.id().context("the process ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.context("no VmRSS")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// Ends the process and waits until it has.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }
}
