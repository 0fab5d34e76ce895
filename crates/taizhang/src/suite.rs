//! Runs services in this process: one of them, some or all.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use sea_orm::DbBackend;
use taizhang_ledger::{Clock, Database, Standing, audit};
use taizhang_reporting::Source;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::identity::{Keyring, Verifier};
use taizhang_runtime::{Config, Service, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::key;
use crate::roles::{Parts, Role, names};

/// Running services.
pub struct Suite {
    addresses: BTreeMap<&'static str, SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Suite {
    /// Starts these services, and returns once all of them listen.
    ///
    /// # Errors
    /// If a value of the configuration is invalid, an address is in use, or a database can't be reached
    /// or has another schema than the program.
    pub async fn start(
        config: &Config,
        roles: &[&'static Role],
        clock: Clock,
    ) -> anyhow::Result<Self> {
        config.only_services(&names())?;
        let mut databases = Vec::new();
        for role in roles {
            databases.push(database(config, role).await?);
        }
        let key = match key::open(&config.data)? {
            Some(key) => key,
            None => {
                // With a new key, existing histories would not verify.
                for (role, database) in roles.iter().zip(&databases) {
                    if !audit::is_empty(database).await? {
                        bail!(
                            "ledger.key is missing in {}, but {} has a history; restore it",
                            config.data.display(),
                            role.name
                        );
                    }
                }
                key::open_or_create(&config.data)?
            }
        };
        if config.identity.public_key.is_none() {
            // Without a configured key, the services verify tokens that this data folder signed.
            Keyring::open_or_create(&config.identity_folder())?;
        }
        let verifier = Arc::new(Verifier::of(config)?);

        let mut listeners = Vec::new();
        let mut addresses = BTreeMap::new();
        for role in roles {
            let address = config.listen(role.name, (Ipv4Addr::LOCALHOST, role.port).into());
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("services.{}.listen: {address}", role.name))?;
            addresses.insert(role.name, listener.local_addr()?);
            listeners.push((*role, listener));
        }
        let sources = sources(config, roles, &addresses)?;

        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for ((role, listener), database) in listeners.into_iter().zip(databases) {
            let parts = Parts {
                database,
                key: key.clone(),
                clock: clock.clone(),
                zone: config.time_zone,
                sources: sources.clone(),
            };
            let service = Service {
                name: role.name,
                routes: (role.routes)(parts),
                services: role.grpc_services,
            };
            let (config, verifier, mut stopped) =
                (config.clone(), verifier.clone(), stopped.clone());
            tasks.spawn(async move {
                let stopping = async move {
                    // An error means that the suite was dropped: the service stops then too.
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                serve(service, listener, &config, verifier, stopping)
                    .await
                    .with_context(|| format!("service {}", role.name))
            });
        }
        Ok(Self {
            addresses,
            stop,
            tasks,
        })
    }

    /// The addresses on which the services listen, by their names.
    pub fn addresses(&self) -> &BTreeMap<&'static str, SocketAddr> {
        &self.addresses
    }

    /// Runs until `stop` is ready or a service fails, then stops all services gracefully.
    ///
    /// # Errors
    /// The first failure of a service.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let failed = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.tasks.join_next() => ended.map_err(Into::into).flatten(),
        };
        let stopped = self.stop().await;
        failed.and(stopped)
    }

    /// Stops all services gracefully: calls under way are completed.
    ///
    /// # Errors
    /// The first failure of a service.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let _ = self.stop.send(true);
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.map_err(Into::into).flatten();
            first = first.and(ended);
        }
        first
    }
}

/// Connects to a service's database and ensures that it has the schema of this program: SQLite is
/// migrated, PostgreSQL must have been migrated.
///
/// # Errors
/// If the database can't be reached or has another schema.
pub async fn database(config: &Config, role: &Role) -> anyhow::Result<Database> {
    let database = connect_with(config, role, Some(statement_timeout(config))).await?;
    if database.backend() == DbBackend::Sqlite {
        (role.migrate)(database.writer())
            .await
            .with_context(|| format!("migrating the database of {}", role.name))?;
    }
    let pending = (role.pending)(database.writer()).await.with_context(|| {
        format!(
            "the database of {} has a newer schema than this program",
            role.name
        )
    })?;
    if !pending.is_empty() {
        bail!(
            "the database of {} lacks {}; run `taizhang migrate {}` first",
            role.name,
            pending.join(", "),
            role.name
        );
    }
    with_replica(config, role, database).await
}

/// Adds the replica, if one is configured. It may be unreachable for the moment, but it must be a
/// standby of the database.
async fn with_replica(
    config: &Config,
    role: &Role,
    database: Database,
) -> anyhow::Result<Database> {
    let Some(url) = config.replica(role.name) else {
        return Ok(database);
    };
    let key = format!("services.{}.replica", role.name);
    let (database, standing) = database
        .with_replica(
            role.name,
            &url.0,
            config.pool(role.name),
            statement_timeout(config),
        )
        .await
        .with_context(|| format!("{key} can't be used"))?;
    match standing {
        Standing::Other => bail!("{key} is not a standby of services.{}.database", role.name),
        Standing::Away => tracing::warn!("{key} can't be reached; reads go to the database"),
        Standing::Good => {}
    }
    Ok(database)
}

/// Connects to a service's database for an administrator's command: without a look at its schema, and
/// without a limit on the time that statements take.
///
/// # Errors
/// If it can't be reached. The message names the service, and never the password.
pub async fn connect(config: &Config, role: &Role) -> anyhow::Result<Database> {
    connect_with(config, role, None).await
}

async fn connect_with(
    config: &Config,
    role: &Role,
    timeout: Option<Duration>,
) -> anyhow::Result<Database> {
    let url = config.database(role.name);
    Database::connect(&url.0, config.pool(role.name), timeout)
        .await
        .with_context(|| format!("services.{}.database can't be reached", role.name))
}

/// How long a statement may take: a second longer than its call.
fn statement_timeout(config: &Config) -> Duration {
    config.limits.deadline() + Duration::from_secs(1)
}

/// The sources of reporting: the configured ones, or else the services of this process.
fn sources(
    config: &Config,
    roles: &[&'static Role],
    addresses: &BTreeMap<&'static str, SocketAddr>,
) -> anyhow::Result<Vec<Source>> {
    if !config.sources.is_empty() {
        return config
            .sources
            .iter()
            .map(|(name, source)| {
                let channel = connect_lazy(&source.address, &config.tls)?;
                Ok(Source {
                    name: name.clone(),
                    channel,
                    deadline: source.deadline(),
                })
            })
            .collect();
    }
    let reports = roles
        .iter()
        .any(|role| role.name == taizhang_reporting::NAME);
    if reports && !roles.iter().any(|role| role.is_source()) {
        bail!("sources: reporting has none; configure them");
    }
    let scheme = config.tls.scheme();
    roles
        .iter()
        .filter(|role| role.is_source())
        .filter_map(|role| Some((role, addresses.get(role.name)?)))
        .map(|(role, address)| {
            let address = format!("{scheme}://{}", reachable(*address));
            let channel = connect_lazy(&address, &config.tls)?;
            Ok(Source {
                name: role.name.to_owned(),
                channel,
                deadline: Duration::from_secs(10),
            })
        })
        .collect()
}

/// The address at which this process reaches a service that listens on it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}
