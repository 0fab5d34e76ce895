//! The measured processes: the program `taizhang`, and the echo service.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use taizhang_contracts::Office;
use taizhang_runtime::identity::{Grant, Keyring};
use tonic::transport::Endpoint;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::calls::{OFFICES, office};

/// Every service of the suite.
pub(crate) const SERVICES: &[&str] = &["reporting", "meetings", "supervision"];

/// The longest startup of a process.
const LONGEST_START: Duration = Duration::from_secs(30);

/// The profile of the distributed program. The benchmark must be built with it too, so that the echo
/// service is compiled in the same way.
const PROFILE: &str = "dist";

/// Builds the program with that profile; returns its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--profile", PROFILE, "--package", "taizhang"])
        .args(["--bin", "taizhang"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(built.success(), "the program was not built");
    Ok(target()?.join(PROFILE).join("taizhang"))
}

/// Cargo's target folder; this program is `target/dist/deps/suite-…`.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let bench = std::env::current_exe()?;
    let profile = bench.ancestors().nth(2).context("a target folder")?;
    ensure!(
        profile.ends_with(PROFILE),
        "run it with `cargo bench --profile {PROFILE} -p taizhang-bench`"
    );
    let target = profile.parent().context("a target folder")?;
    Ok(target.to_owned())
}

/// A folder in which the program runs: its configuration, its keys, and its SQLite files.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// Creates the folder. Services without a URL use SQLite files.
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

    /// Migrates a service's database.
    pub(crate) fn migrate(&self, program: &Path, service: &str) -> anyhow::Result<()> {
        let output = Command::new(program)
            .args(["migrate", service])
            .current_dir(&self.folder)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "migrate {service}: {said}");
        Ok(())
    }

    /// Starts services of the program.
    pub(crate) fn serve(&self, program: &Path, services: &[&str]) -> anyhow::Result<Process> {
        let mut command = Command::new(program);
        command.arg("serve").args(services);
        Process::start(command, &self.folder, services)
    }

    /// A token of every scope in every office.
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

/// A serving process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Process {
    /// Starts a process in a folder; it prints `{name} listens on {address}` for each of `names`.
    pub(crate) fn start(
        mut command: Command,
        folder: &Path,
        names: &[&str],
    ) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let stdout = child.stdout.take().context("an output")?;
        let mut process = Self {
            child,
            addresses: BTreeMap::new(),
        };
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // There is no receiver once the process serves.
                let _ = told.send(line);
            }
        });
        let longest = Instant::now() + LONGEST_START;
        while process.addresses.len() < names.len() {
            let left = longest.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).with_context(|| {
                let log = fs::read_to_string(&log).unwrap_or_default();
                format!("{command:?} does not serve: {log}")
            })?;
            if let Some((name, address)) = line.split_once(" listens on ") {
                process.addresses.insert(name.to_owned(), address.parse()?);
            }
        }
        Ok(process)
    }

    /// The address of a service.
    pub(crate) fn address(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.addresses
            .get(name)
            .copied()
            .with_context(|| format!("{name} does not run"))
    }

    /// Waits until every service's health is SERVING.
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

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB"));
        let kilobytes: u64 = kilobytes.context("no VmRSS")?.parse()?;
        Ok(kilobytes * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
