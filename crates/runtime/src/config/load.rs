//! Loads and validates the configuration.

use std::ops::RangeInclusive;
use std::path::Path;

use ::config::{Environment, File, FileFormat, Map};
use taizhang_contracts::caller::Secret;
use tracing_subscriber::EnvFilter;

use super::{Config, ConfigError, Limits, ServiceConfig, Source, Telemetry, Tls, read};

impl Config {
    /// Loads the file, if there is one, and overrides it with the environment.
    ///
    /// # Errors
    /// Names the key of an invalid value.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(file, None)
    }

    /// As [`Config::load`], with the given environment instead of that of the process.
    pub(crate) fn load_with(
        file: Option<&Path>,
        environment: Option<Map<String, String>>,
    ) -> Result<Self, ConfigError> {
        let mut builder = ::config::Config::builder();
        if let Some(path) = file {
            let text = read(&path.display().to_string(), path)?;
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        let environment = Environment::with_prefix("TAIZHANG")
            .separator("__")
            .source(environment);
        let file_name =
            file.map_or_else(|| "configuration".to_owned(), |f| f.display().to_string());
        let mut config: Self = builder
            .add_source(environment)
            .build()
            .and_then(::config::Config::try_deserialize)
            .map_err(|e| explain(e, file_name))?;
        config.check()?;
        Ok(config)
    }

    fn check(&mut self) -> Result<(), ConfigError> {
        for (name, service) in &mut self.services {
            service.check(&format!("services.{name}"))?;
        }
        for (name, source) in &self.sources {
            source.check(&format!("sources.{name}"))?;
        }
        self.limits.check()?;
        self.telemetry.check()?;
        self.tls.check()
    }
}

impl ServiceConfig {
    fn check(&mut self, key: &str) -> Result<(), ConfigError> {
        let database = format!("{key}.database");
        from_file(&database, &mut self.database, self.database_file.as_deref())?;
        let replica = format!("{key}.replica");
        from_file(&replica, &mut self.replica, self.replica_file.as_deref())?;
        // No message repeats the value, as it may have a password.
        if let Some(Secret(url)) = &self.database
            && !(url.starts_with("sqlite:") || is_postgres(url))
        {
            let problem = "must start with sqlite:, postgres:// or postgresql://";
            return Err(ConfigError::new(database, problem));
        }
        if let Some(Secret(url)) = &self.replica {
            if !is_postgres(url) {
                let problem = "must start with postgres:// or postgresql://";
                return Err(ConfigError::new(replica, problem));
            }
            if !self.database.as_ref().is_some_and(|of| is_postgres(&of.0)) {
                let problem = "needs `database` on PostgreSQL: SQLite has no replicas";
                return Err(ConfigError::new(replica, problem));
            }
        }
        within(&format!("{key}.pool"), u64::from(self.pool), 1..=1_000)
    }
}

impl Source {
    fn check(&self, key: &str) -> Result<(), ConfigError> {
        let address = format!("{key}.address");
        address_of(&address, &self.address, &["http", "https"])?;
        within(
            &format!("{key}.deadline_seconds"),
            self.deadline_seconds,
            1..=300,
        )
    }
}

impl Limits {
    fn check(&self) -> Result<(), ConfigError> {
        within("limits.deadline_seconds", self.deadline_seconds, 1..=3_600)?;
        within("limits.calls", self.calls as u64, 1..=1_000_000)?;
        within(
            "limits.message_bytes",
            self.message_bytes as u64,
            // The default limit of gRPC clients and servers.
            1_024..=4 << 20,
        )?;
        within(
            "limits.header_bytes",
            u64::from(self.header_bytes),
            4_096..=1 << 20,
        )?;
        within(
            "limits.connection_age_seconds",
            self.connection_age_seconds,
            1..=1 << 30,
        )
    }
}

impl Telemetry {
    fn check(&self) -> Result<(), ConfigError> {
        EnvFilter::try_new(&self.log).map_err(|e| ConfigError::new("telemetry.log", e))?;
        match &self.otlp {
            Some(url) => address_of("telemetry.otlp", url, &["http"]),
            None => Ok(()),
        }
    }
}

impl Tls {
    fn check(&self) -> Result<(), ConfigError> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                return Err(ConfigError::new(
                    "tls.key",
                    "must be set with tls.certificate",
                ));
            }
            (None, Some(_)) => {
                return Err(ConfigError::new(
                    "tls.certificate",
                    "must be set with tls.key",
                ));
            }
            (None, None) if self.client_ca.is_some() => {
                return Err(ConfigError::new(
                    "tls.client_ca",
                    "needs tls.certificate and tls.key",
                ));
            }
            _ => {}
        }
        if self.client_optional && self.client_ca.is_none() {
            return Err(ConfigError::new(
                "tls.client_optional",
                "has no effect without tls.client_ca",
            ));
        }
        let files = [
            ("tls.certificate", &self.certificate),
            ("tls.key", &self.key),
            ("tls.client_ca", &self.client_ca),
            ("tls.ca", &self.ca),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                read(key, file)?;
            }
        }
        Ok(())
    }
}

/// Reads a secret from its file, if one is set. The key of the file is that of the secret with
/// `_file`.
fn from_file(
    key: &str,
    secret: &mut Option<Secret>,
    file: Option<&Path>,
) -> Result<(), ConfigError> {
    let Some(file) = file else { return Ok(()) };
    let file_key = format!("{key}_file");
    if secret.is_some() {
        let other = key.rsplit('.').next().unwrap_or(key);
        let problem = format!("set this or `{other}`, not both");
        return Err(ConfigError::new(file_key, problem));
    }
    *secret = Some(Secret(read(&file_key, file)?.trim().to_owned()));
    Ok(())
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn within(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let problem = format!(
        "must be from {} to {}, not {value}",
        range.start(),
        range.end()
    );
    Err(ConfigError::new(key, problem))
}

fn address_of(key: &str, address: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    let uri: Option<http::Uri> = address.parse().ok();
    let good = uri.is_some_and(|uri| {
        uri.authority().is_some() && uri.scheme_str().is_some_and(|s| schemes.contains(&s))
    });
    if good {
        return Ok(());
    }
    let forms: Vec<_> = schemes.iter().map(|s| format!("{s}://host:port")).collect();
    Err(ConfigError::new(
        key,
        format!("must be {}", forms.join(" or ")),
    ))
}

/// Finds the key in an error of the crate `config`, also that of an unknown field.
fn explain(error: ::config::ConfigError, file: String) -> ConfigError {
    use ::config::ConfigError as Cause;
    match error {
        Cause::At {
            error,
            key: Some(key),
            ..
        } => {
            let problem = error.to_string();
            match unknown_field(&problem) {
                Some(field) => ConfigError::new(format!("{key}.{field}"), problem),
                None => ConfigError::new(key, problem),
            }
        }
        Cause::Type {
            key: Some(key),
            unexpected,
            expected,
            ..
        } => ConfigError::new(key, format_args!("expected {expected}, not {unexpected}")),
        Cause::NotFound(key) => ConfigError::new(key, "must be set"),
        Cause::Message(problem) => match unknown_field(&problem) {
            Some(field) => ConfigError::new(field, &problem),
            None => ConfigError::new(file, problem),
        },
        other => ConfigError::new(file, other),
    }
}

/// The unknown field in a message of serde.
fn unknown_field(problem: &str) -> Option<&str> {
    problem.strip_prefix("unknown field `")?.split('`').next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let environment = environment
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Config::load_with(Some(file.path()), Some(environment))
    }

    #[test]
    fn every_value_has_a_default() {
        let config = Config::load_with(None, Some(Map::new())).unwrap();
        assert_eq!(config.time_zone, chrono_tz::Asia::Shanghai);
        assert_eq!(config.database("meetings").0, "sqlite://./data/meetings.db");
        assert_eq!(config.pool("meetings"), 16);
        assert_eq!(config.limits.deadline(), Duration::from_secs(30));
        assert_eq!(config.public_key(), Path::new("./data/identity/public.key"));
        let default = "127.0.0.1:7001".parse().unwrap();
        assert_eq!(config.listen("meetings", default), default);
        assert!(config.reflection);
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = load(
            "time_zone = 'Asia/Urumqi'\n[services.meetings]\nlisten = '127.0.0.1:1'\npool = 2\n[sources.city]\naddress = 'https://city:443'",
            &[
                ("TAIZHANG__SERVICES__MEETINGS__LISTEN", "127.0.0.1:0"),
                ("TAIZHANG__LIMITS__CALLS", "7"),
                ("TAIZHANG__REFLECTION", "false"),
                ("TAIZHANG__SOURCES__MEETINGS__ADDRESS", "http://meetings:7001"),
                ("TAIZHANG_IMAGE", "not ours"),
            ],
        )
        .unwrap();
        let default = "127.0.0.1:7001".parse().unwrap();
        assert_eq!(
            config.listen("meetings", default),
            "127.0.0.1:0".parse().unwrap()
        );
        assert_eq!(config.pool("meetings"), 2);
        assert_eq!(config.limits.calls, 7);
        assert!(!config.reflection);
        assert_eq!(config.time_zone, chrono_tz::Asia::Urumqi);
        assert_eq!(
            config.sources["meetings"].deadline(),
            Duration::from_secs(10)
        );
        assert_eq!(config.sources.len(), 2);
    }

    #[test]
    fn an_empty_collector_means_none() {
        let config = load("", &[("TAIZHANG__TELEMETRY__OTLP", "")]).unwrap();
        assert_eq!(config.telemetry.otlp, None);
    }

    #[test]
    fn errors_name_the_key() {
        let bad = [
            ("datum = 'x'", "datum"),
            ("time_zone = 'Mars/Base'", "time_zone"),
            ("reflection = 'maybe'", "reflection"),
            (
                "[services.meetings]\nlisten = 'nowhere'",
                "services.meetings.listen",
            ),
            (
                "[services.meetings]\nlisen = 'x'",
                "services.meetings.lisen",
            ),
            ("[services.meetings]\npool = 0", "services.meetings.pool"),
            (
                "[services.meetings]\ndatabase = 'mysql://u:hidden@h'",
                "services.meetings.database",
            ),
            (
                "[services.meetings]\ndatabase_file = '/no/such/file'",
                "services.meetings.database_file",
            ),
            (
                "[services.meetings]\nreplica = 'postgres://u:hidden@h/meetings'",
                "services.meetings.replica",
            ),
            (
                "[services.meetings]\ndatabase = 'postgres://h/m'\nreplica = 'sqlite://hidden'",
                "services.meetings.replica",
            ),
            (
                "[services.meetings]\nreplica_file = '/no/such/file'",
                "services.meetings.replica_file",
            ),
            (
                "[sources.city]\naddress = 'ftp://x'",
                "sources.city.address",
            ),
            (
                "[sources.city]\ndeadline_seconds = 5",
                "sources.city.address",
            ),
            ("[limits]\ndeadline_seconds = 0", "limits.deadline_seconds"),
            ("[limits]\ncalls = 'many'", "limits.calls"),
            ("[limits]\nmessage_bytes = -1", "limits.message_bytes"),
            ("[telemetry]\nlog = 'info,a=b=c'", "telemetry.log"),
            ("[telemetry]\nmetrics = 'x'", "telemetry.metrics"),
            ("[telemetry]\notlp = 'collector'", "telemetry.otlp"),
            ("[tls]\ncertificate = 'x.pem'", "tls.key"),
            ("[tls]\nclient_optional = true", "tls.client_optional"),
            (
                "[tls]\ncertificate = 'x.pem'\nkey = 'y.pem'",
                "tls.certificate",
            ),
            ("[identity]\nkey = 'x'", "identity.key"),
        ];
        for (toml, key) in bad {
            let error = load(toml, &[]).unwrap_err();
            assert_eq!(error.key, key, "{toml}: {error}");
            assert!(
                error.to_string().starts_with(&format!("{key}: ")),
                "{error}"
            );
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
        let error = load("", &[("TAIZHANG__LIMITS__CALLS", "many")]).unwrap_err();
        assert_eq!(error.key, "limits.calls");
        let error = Config::load(Some(Path::new("/no/such/file"))).unwrap_err();
        assert_eq!(error.key, "/no/such/file");
        assert!(load("not toml", &[]).is_err());
    }

    #[test]
    fn the_database_may_be_in_a_file_and_is_not_printed() {
        let mut secret = tempfile::NamedTempFile::new().unwrap();
        secret
            .write_all(b"postgres://u:hidden@db/meetings\n")
            .unwrap();
        let toml = format!(
            "[services.meetings]\ndatabase_file = '{}'",
            secret.path().display()
        );
        let config = load(&toml, &[]).unwrap();
        assert_eq!(
            config.database("meetings").0,
            "postgres://u:hidden@db/meetings"
        );
        assert!(!format!("{config:?}").contains("hidden"));
        assert_eq!(config.replica("meetings"), None);
        let replica = format!("{toml}\nreplica_file = '{}'", secret.path().display());
        let config = load(&replica, &[]).unwrap();
        let url = config.replica("meetings").map(|url| url.0.as_str());
        assert_eq!(url, Some("postgres://u:hidden@db/meetings"));
        let both = format!("{toml}\ndatabase = 'sqlite:x'");
        assert_eq!(
            load(&both, &[]).unwrap_err().key,
            "services.meetings.database_file"
        );
    }

    #[test]
    fn an_unknown_service_is_an_error() {
        let config = load("[services.meeting]\npool = 2", &[]).unwrap();
        assert_eq!(
            config.only_services(&["meetings"]).unwrap_err().key,
            "services.meeting"
        );
        assert_eq!(config.only_services(&["meeting"]), Ok(()));
    }
}
