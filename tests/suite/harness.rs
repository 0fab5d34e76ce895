//! Starts a suite for each test: in this process, on free ports, with temporary databases.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use taizhang::roles::{ROLES, Role};
pub use taizhang_client::{AuthorizedChannel as Authorized, Bearer};
use taizhang_contracts::Office;
use taizhang_contracts::caller::Secret;
use taizhang_ledger::Clock;
use taizhang_ledger::audit::{self, Report};
use taizhang_ledger::partitions::partition;
use taizhang_runtime::Config;
use taizhang_runtime::identity::{Grant, Keyring};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// The office that tests write in, and another one.
pub const OFFICE: &str = "offices/demo";
pub const ANOTHER: &str = "offices/another";

/// The database of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// Runs an `async fn(Suite)` once on each database: `on_each_database!(name_of_the_function);`
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { $crate::harness::run($crate::harness::Store::Sqlite, super::$name); })+
        }
        mod on_postgres {
            $(#[test] fn $name() { $crate::harness::run($crate::harness::Store::Postgres, super::$name); })+
        }
    };
}

/// Starts a suite, runs a test on it, and stops it.
pub fn run<F: Future<Output = ()>>(store: Store, test: fn(Suite) -> F) {
    run_on(store, async |databases| {
        test(Suite::start(databases).await).await;
    });
}

/// Creates the databases of a suite, runs a test on them, and drops them.
pub fn run_on(store: Store, test: impl AsyncFnOnce(&Databases)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let databases = Databases::make(store).await;
        test(&databases).await;
        databases.remove().await;
    });
}

/// The databases of one suite.
pub struct Databases {
    pub config: Config,
    // Removed when dropped.
    _folder: tempfile::TempDir,
    server: Option<String>,
    made: Vec<String>,
}

impl Databases {
    pub async fn make(store: Store) -> Self {
        Self::on((store == Store::Postgres).then(server)).await
    }

    /// On a PostgreSQL server, or else on SQLite.
    pub async fn on(server: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = Config {
            data: folder.path().to_owned(),
            ..Config::default()
        };
        let mut made = Vec::new();
        for role in ROLES {
            let service = config.services.entry(role.name.to_owned()).or_default();
            service.listen = Some(free);
            if let Some(server) = &server {
                let name = format!("t{}", uuid::Uuid::new_v4().simple());
                admin(server)
                    .await
                    .execute_unprepared(&format!("CREATE DATABASE {name}"))
                    .await
                    .unwrap();
                service.database = Some(Secret(format!("{server}/{name}")));
                service.pool = 4;
                made.push(name);
            }
        }
        for role in ROLES {
            let database = taizhang::suite::connect(&config, role).await.unwrap();
            (role.migrate)(database.writer()).await.unwrap();
            if server.is_some()
                && let Ok(count) = std::env::var("TAIZHANG_TEST_PARTITIONS")
            {
                let count = count.parse().unwrap();
                partition(&database, role.kinds, count, |_| {})
                    .await
                    .unwrap();
            }
        }
        Self {
            config,
            _folder: folder,
            server,
            made,
        }
    }

    pub async fn remove(self) {
        let Some(server) = &self.server else { return };
        for name in &self.made {
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            admin(server).await.execute_unprepared(&drop).await.unwrap();
        }
    }
}

/// The PostgreSQL server that `./test` started, such as `postgres://user@localhost:5999`.
fn server() -> String {
    std::env::var("TAIZHANG_TEST_POSTGRES")
        .expect("TAIZHANG_TEST_POSTGRES names no PostgreSQL server: run the tests by ./test")
}

async fn admin(server: &str) -> DatabaseConnection {
    Database::connect(format!("{server}/postgres"))
        .await
        .unwrap()
}

/// The service of this name.
pub fn role(name: &str) -> &'static Role {
    ROLES.iter().find(|role| role.name == name).unwrap()
}

/// A running suite.
pub struct Suite {
    pub config: Config,
    pub addresses: BTreeMap<&'static str, SocketAddr>,
    running: Option<taizhang::suite::Suite>,
    shared: Mutex<BTreeMap<String, Channel>>,
}

impl Suite {
    pub async fn start(databases: &Databases) -> Self {
        Self::with(&databases.config, Clock::system()).await
    }

    /// A suite with a given clock.
    pub async fn with(config: &Config, clock: Clock) -> Self {
        let roles: Vec<_> = ROLES.iter().collect();
        let running = taizhang::suite::Suite::start(config, &roles, clock)
            .await
            .unwrap();
        let addresses = running.addresses().clone();
        Self {
            config: config.clone(),
            addresses,
            running: Some(running),
            shared: Mutex::default(),
        }
    }

    /// A handle of a suite that runs in another process.
    pub fn elsewhere(config: &Config, addresses: BTreeMap<&'static str, SocketAddr>) -> Self {
        Self {
            config: config.clone(),
            addresses,
            running: None,
            shared: Mutex::default(),
        }
    }

    pub async fn stop(mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }

    /// A service's database, for direct access.
    pub async fn database(&self, service: &str) -> taizhang_ledger::Database {
        taizhang::suite::connect(&self.config, role(service))
            .await
            .unwrap()
    }

    /// The result of `taizhang audit verify` for a service.
    pub async fn audit(&self, service: &str) -> Report {
        let key = taizhang::key::open_or_create(&self.config.data).unwrap();
        let database = self.database(service).await;
        audit::verify(&database, &key, role(service).kinds, |_| {})
            .await
            .unwrap()
    }

    /// The configuration of the suite as a file for the program.
    pub fn config_file(&self) -> PathBuf {
        let mut toml = format!("data = {:?}\n", self.config.data);
        for (name, service) in &self.config.services {
            toml += &format!(
                "[services.{name}]\nlisten = \"127.0.0.1:0\"\npool = {}\n",
                service.pool
            );
            if let Some(Secret(url)) = &service.database {
                toml += &format!("database = {url:?}\n");
            }
        }
        let file = self.config.data.join("taizhang.toml");
        std::fs::write(&file, toml).unwrap();
        file
    }

    /// A token for some offices and scopes.
    pub fn token(&self, offices: &[&str], scopes: &[&str]) -> String {
        self.token_for(offices, scopes, TimeDelta::hours(1))
    }

    pub fn token_for(&self, offices: &[&str], scopes: &[&str], valid_for: TimeDelta) -> String {
        self.issue("tests", offices, scopes, valid_for)
    }

    /// A token of another calling system.
    pub fn token_of(&self, system: &str, offices: &[&str], scopes: &[&str]) -> String {
        self.issue(system, offices, scopes, TimeDelta::hours(1))
    }

    fn issue(
        &self,
        system: &str,
        offices: &[&str],
        scopes: &[&str],
        valid_for: TimeDelta,
    ) -> String {
        let keyring = Keyring::open_or_create(&self.config.identity_folder()).unwrap();
        let grant = Grant {
            system: system.into(),
            offices: offices.iter().map(|o| Office::of(o).unwrap()).collect(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            valid_for,
        };
        keyring.issue(grant).unwrap()
    }

    /// A token with every scope in both offices.
    pub fn every_scope(&self) -> String {
        self.every_scope_in(&[OFFICE, ANOTHER])
    }

    /// A token with every scope in some offices.
    pub fn every_scope_in(&self, offices: &[&str]) -> String {
        let scopes = taizhang::roles::scopes();
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        self.token(offices, &scopes)
    }

    pub fn channel(&self, service: &str) -> Channel {
        let address = self.addresses[service];
        Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy()
    }

    /// A channel that is shared by all callers of this function; [`Suite::channel`] opens a new one.
    pub fn shared_channel(&self, service: &str) -> Channel {
        let mut shared = self.shared.lock().unwrap();
        let channel = shared.entry(service.to_owned());
        channel.or_insert_with(|| self.channel(service)).clone()
    }

    /// A channel that sends a token with every scope.
    pub fn authorized(&self, service: &str) -> Authorized {
        let bearer = Bearer::of(&self.every_scope()).unwrap();
        InterceptedService::new(self.channel(service), bearer)
    }
}

/// The `reason` of an error.
pub fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}
