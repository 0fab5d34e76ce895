//! The configuration: a TOML file, overridden by environment variables such as
//! `TAIZHANG__SERVICES__MEETINGS__LISTEN=0.0.0.0:7001`. Every value is validated at the start, and
//! an error names its key.

mod load;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use taizhang_contracts::caller::Secret;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of keys and SQLite files; by default `./data`.
    pub data: PathBuf,
    /// The time zone of the offices' days; by default Asia/Shanghai.
    #[serde(deserialize_with = "values::time_zone")]
    pub time_zone: Tz,
    /// The settings of each service, by its name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// The services that `reporting` asks for figures, by a name that the administrator chooses.
    pub sources: BTreeMap<String, Source>,
    /// The files for verifying tokens.
    pub identity: Identity,
    /// The limits of calls, connections and services.
    pub limits: Limits,
    /// Logs, metrics and traces.
    pub telemetry: Telemetry,
    /// TLS; by default none.
    pub tls: Tls,
    /// Whether gRPC reflection is served.
    pub reflection: bool,
}

/// The settings of one service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// The address that it listens on; port 0 means any free port.
    pub listen: Option<SocketAddr>,
    /// The URL of its database; by default an SQLite file in the data folder.
    #[serde(deserialize_with = "values::secret")]
    pub database: Option<Secret>,
    /// A file with the URL of its database, instead of `database`.
    pub database_file: Option<PathBuf>,
    /// The URL of a PostgreSQL standby of its database, for lists and figures; by default none.
    #[serde(deserialize_with = "values::secret")]
    pub replica: Option<Secret>,
    /// A file with the URL of the standby, instead of `replica`.
    pub replica_file: Option<PathBuf>,
    /// The most connections to its database; the same for its standby.
    pub pool: u32,
}

/// A service that `reporting` asks for figures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its address: `http://host:port` or `https://host:port`.
    pub address: String,
    /// The longest that one answer may take, in seconds; by default 10.
    #[serde(default = "values::source_deadline")]
    pub deadline_seconds: u64,
}

/// The files for verifying tokens.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The public key; by default `{data}/identity/public.key`.
    pub public_key: Option<PathBuf>,
    /// The list of revoked tokens; by default `{data}/identity/revoked`.
    pub revoked: Option<PathBuf>,
}

/// The limits of calls, connections and services.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest that a call may take, in seconds, whatever deadline its caller sets.
    pub deadline_seconds: u64,
    /// The most concurrent calls of one service; more are refused.
    pub calls: usize,
    /// The largest message in bytes.
    pub message_bytes: usize,
    /// The largest list of headers in bytes.
    pub header_bytes: u32,
    /// The age in seconds at which a connection gets a GOAWAY, so that reconnecting clients spread
    /// over the processes of a service.
    pub connection_age_seconds: u64,
}

/// Logs, metrics and traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The log filter, such as `info` or `info,sqlx=warn`.
    pub log: String,
    /// Whether log lines are JSON.
    pub json: bool,
    /// The address that serves metrics to Prometheus; by default none.
    pub metrics: Option<SocketAddr>,
    /// The OpenTelemetry collector (OTLP over gRPC) that receives traces; by default none.
    #[serde(deserialize_with = "values::non_empty")]
    pub otlp: Option<String>,
}

/// TLS, as PEM files, which are reloaded when they change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate chain for callers, and for the services that this one calls.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// If set, callers must present a certificate that this authority signed.
    pub client_ca: Option<PathBuf>,
    /// With `client_ca`: a caller may also present none, but no invalid one.
    pub client_optional: bool,
    /// The authority to trust for calls to `https://` addresses.
    pub ca: Option<PathBuf>,
}

/// An invalid value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key of the value, such as `services.meetings.listen`.
    pub key: String,
    /// What is wrong with the value.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self {
            key: key.into(),
            problem: problem.to_string(),
        }
    }
}

/// Reads a file that the value of `key` names.
pub(crate) fn read(key: &str, file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|e| {
        let problem = format!("cannot read {}: {e}", file.display());
        ConfigError::new(key, problem)
    })
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./data"),
            time_zone: chrono_tz::Asia::Shanghai,
            services: BTreeMap::new(),
            sources: BTreeMap::new(),
            identity: Identity::default(),
            limits: Limits::default(),
            telemetry: Telemetry::default(),
            tls: Tls::default(),
            reflection: true,
        }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            listen: None,
            database: None,
            database_file: None,
            replica: None,
            replica_file: None,
            pool: 16,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_seconds: 30,
            calls: 256,
            message_bytes: 4 << 20,
            header_bytes: 16 << 10,
            connection_age_seconds: 600,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            json: false,
            metrics: None,
            otlp: None,
        }
    }
}

impl Config {
    /// The address that a service listens on; `default` unless configured.
    pub fn listen(&self, service: &str, default: SocketAddr) -> SocketAddr {
        self.services
            .get(service)
            .and_then(|s| s.listen)
            .unwrap_or(default)
    }

    /// The URL of a service's database.
    pub fn database(&self, service: &str) -> Secret {
        let configured = self.services.get(service).and_then(|s| s.database.clone());
        configured.unwrap_or_else(|| {
            let file = self.data.join(format!("{service}.db"));
            Secret(format!("sqlite://{}", file.display()))
        })
    }

    /// The URL of the standby of a service's database, if configured.
    pub fn replica(&self, service: &str) -> Option<&Secret> {
        self.services.get(service)?.replica.as_ref()
    }

    /// The most connections to a service's database.
    pub fn pool(&self, service: &str) -> u32 {
        self.services
            .get(service)
            .map_or_else(|| ServiceConfig::default().pool, |s| s.pool)
    }

    /// The folder of the keys and the register of tokens.
    pub fn identity_folder(&self) -> PathBuf {
        self.data.join("identity")
    }

    /// The file of the public key that verifies tokens.
    pub fn public_key(&self) -> PathBuf {
        let configured = self.identity.public_key.clone();
        configured.unwrap_or_else(|| self.identity_folder().join("public.key"))
    }

    /// The file of the list of revoked tokens.
    pub fn revoked(&self) -> PathBuf {
        let configured = self.identity.revoked.clone();
        configured.unwrap_or_else(|| self.identity_folder().join("revoked"))
    }

    /// Checks that every configured service exists.
    ///
    /// # Errors
    /// Names the key of one that does not.
    pub fn only_services(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.services.keys().find(|s| !known.contains(&s.as_str())) {
            Some(name) => Err(ConfigError::new(
                format!("services.{name}"),
                format_args!("no such service; the services are {}", known.join(", ")),
            )),
            None => Ok(()),
        }
    }
}

impl Tls {
    /// The scheme of the addresses of this process: `https` if it has a certificate.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() {
            "https"
        } else {
            "http"
        }
    }
}

impl Source {
    /// The longest that one answer may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}

impl Limits {
    /// The longest that a call may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}
