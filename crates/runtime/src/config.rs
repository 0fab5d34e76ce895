//! The configuration: a TOML file, and over it environment variables such as
//! `TAIZHANG__SERVICES__MEETINGS__LISTEN=0.0.0.0:7001`. Every value is checked at the start, and an
//! error names its key.

mod load;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;
use taizhang_contracts::caller::Secret;

pub(crate) use load::read;

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of keys and SQLite files; `./data` unless given.
    pub data: PathBuf,
    /// The zone in which an office's days begin and end; Asia/Shanghai unless given.
    #[serde(deserialize_with = "load::time_zone")]
    pub time_zone: Tz,
    /// What is particular to one service, by its name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Whom `reporting` asks for figures, by a name of the administrator's choice.
    pub sources: BTreeMap<String, Source>,
    /// How tokens are checked.
    pub identity: Identity,
    /// What one call, one connection and one service may use.
    pub limits: Limits,
    /// What is told of the running.
    pub telemetry: Telemetry,
    /// Encryption on the wire; none unless given.
    pub tls: Tls,
    /// Whether the contracts can be read over gRPC reflection.
    pub reflection: bool,
}

/// What is particular to one service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// The address it listens at; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// The URL of its database; an SQLite file in the data folder unless given.
    #[serde(deserialize_with = "load::secret")]
    pub database: Option<Secret>,
    /// A file that holds the URL of its database, instead of `database`.
    pub database_file: Option<PathBuf>,
    /// The URL of a standby of its PostgreSQL, for lists and figures; none unless given.
    #[serde(deserialize_with = "load::secret")]
    pub replica: Option<Secret>,
    /// A file that holds the URL of the standby, instead of `replica`.
    pub replica_file: Option<PathBuf>,
    /// The most connections to its database, and to its standby.
    pub pool: u32,
}

/// A service that answers for figures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where it is: `http://host:port` or `https://host:port`.
    pub address: String,
    /// How long it may take; 10 seconds unless given.
    #[serde(default = "load::source_deadline")]
    pub deadline_seconds: u64,
}

/// How tokens are checked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The public key; `{data}/identity/public.key` unless given.
    pub public_key: Option<PathBuf>,
    /// The list of revoked tokens; `{data}/identity/revoked` unless given.
    pub revoked: Option<PathBuf>,
}

/// What one call, one connection and one service may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The longest a call may take, whatever the caller allows.
    pub deadline_seconds: u64,
    /// The most calls that one service works on at once; more are turned away.
    pub calls: usize,
    /// The largest message.
    pub message_bytes: usize,
    /// The largest list of headers.
    pub header_bytes: u32,
    /// After how long a connection is asked to reconnect, so that load is spread anew.
    pub connection_age_seconds: u64,
}

/// What is told of the running.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Which log lines are written, such as `info` or `info,sqlx=warn`.
    pub log: String,
    /// Whether log lines are JSON.
    pub json: bool,
    /// Where Prometheus reads metrics; nowhere unless given.
    pub metrics: Option<SocketAddr>,
    /// The OpenTelemetry collector (OTLP over gRPC) that gets traces; none unless given.
    #[serde(deserialize_with = "load::given")]
    pub otlp: Option<String>,
}

/// Encryption on the wire, in PEM files. They are read again when they change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate chain shown to callers, and to the services we call.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// If given, callers must show a certificate that this authority signed.
    pub client_ca: Option<PathBuf>,
    /// With `client_ca`: a caller may also show none; one that is shown must be good.
    pub client_optional: bool,
    /// The authority that we trust where we call `https://`.
    pub ca: Option<PathBuf>,
}

/// A value that can't be used, and the key it stands under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, such as `services.meetings.listen`.
    pub key: String,
    /// What is wrong with its value.
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
    /// Where a service listens; `default` unless configured.
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

    /// The URL of a standby of a service's database, if there is one.
    pub fn replica(&self, service: &str) -> Option<&Secret> {
        self.services.get(service)?.replica.as_ref()
    }

    /// The most connections to a service's database.
    pub fn pool(&self, service: &str) -> u32 {
        self.services
            .get(service)
            .map_or_else(|| ServiceConfig::default().pool, |s| s.pool)
    }

    /// The folder of the keys and of the register of tokens.
    pub fn identity_folder(&self) -> PathBuf {
        self.data.join("identity")
    }

    /// The file of the key with which tokens are checked.
    pub fn public_key(&self) -> PathBuf {
        let configured = self.identity.public_key.clone();
        configured.unwrap_or_else(|| self.identity_folder().join("public.key"))
    }

    /// The file of the list of revoked tokens.
    pub fn revoked(&self) -> PathBuf {
        let configured = self.identity.revoked.clone();
        configured.unwrap_or_else(|| self.identity_folder().join("revoked"))
    }

    /// Whether every service that is configured is one of these.
    ///
    /// # Errors
    /// Names the key of one that is not.
    pub fn only_services(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.services.keys().find(|s| !known.contains(&s.as_str())) {
            Some(name) => Err(ConfigError::new(
                format!("services.{name}"),
                format_args!("no such service; there are {}", known.join(", ")),
            )),
            None => Ok(()),
        }
    }
}

impl Tls {
    /// The scheme of our own addresses.
    pub fn scheme(&self) -> &'static str {
        if self.certificate.is_some() {
            "https"
        } else {
            "http"
        }
    }
}

impl Source {
    /// How long it may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}

impl Limits {
    /// The longest a call may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}
