//! The services that the program can run. A new service is one row.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono_tz::Tz;
use futures::FutureExt;
use futures::future::BoxFuture;
use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use taizhang_contracts::METHODS;
use taizhang_contracts::statistics::Indicator;
use taizhang_ledger::transition::Plain;
use taizhang_ledger::{Clock, Database, Key, Ledger, RecordKind, figures};
use taizhang_reporting::Source;
use tonic::service::Routes;

/// A service: its name, its default port, and how it is made.
pub struct Role {
    /// Its name in the configuration and in scopes.
    pub name: &'static str,
    /// Its default port.
    pub port: u16,
    /// Its gRPC services.
    pub grpc_services: &'static [&'static str],
    /// The kinds of record that it keeps.
    pub kinds: &'static [RecordKind],
    /// The state machines of its records.
    pub machines: fn() -> Vec<Plain>,
    /// Its indicators; a service that has any is a source of annual reports.
    pub indicators: fn() -> Vec<Indicator>,
    /// Its gRPC services over a database.
    pub routes: fn(Parts) -> Routes,
    /// Migrates its database to the schema of this program.
    pub migrate: fn(&DatabaseConnection) -> Done<'_, ()>,
    /// The names of the migrations that its database lacks; an error if it is newer than the program.
    pub pending: fn(&DatabaseConnection) -> Done<'_, Vec<String>>,
}

impl Role {
    /// Whether it is a source of annual reports.
    pub fn is_source(&self) -> bool {
        !(self.indicators)().is_empty()
    }
}

/// The result of work on a database.
pub type Done<'a, T> = BoxFuture<'a, Result<T, DbErr>>;

/// What a service is made of.
pub struct Parts {
    /// Its database.
    pub database: Database,
    /// The key of its ledger.
    pub key: Key,
    /// The time.
    pub clock: Clock,
    /// The time zone of the office.
    pub zone: Tz,
    /// The sources of annual reports.
    pub sources: Vec<Source>,
}

impl Parts {
    fn ledger(self) -> Ledger {
        Ledger::new(self.database, self.key, self.clock, self.zone)
    }
}

/// Every service.
pub const ROLES: &[Role] = &[
    Role {
        name: taizhang_reporting::NAME,
        port: 7100,
        grpc_services: taizhang_reporting::GRPC_SERVICES,
        kinds: taizhang_reporting::KINDS,
        machines: || vec![taizhang_reporting::ANNUAL_REPORT_STATES.plain()],
        indicators: Vec::new,
        routes: |mut parts| {
            let sources = std::mem::take(&mut parts.sources);
            taizhang_reporting::routes(parts.ledger(), sources)
        },
        migrate: migrate::<taizhang_reporting::Migrator>,
        pending: pending::<taizhang_reporting::Migrator>,
    },
    Role {
        name: taizhang_meetings::NAME,
        port: 7101,
        grpc_services: taizhang_meetings::GRPC_SERVICES,
        kinds: taizhang_meetings::KINDS,
        machines: || {
            vec![
                taizhang_meetings::MEETING_STATES.plain(),
                taizhang_meetings::BOOKING_STATES.plain(),
                taizhang_meetings::LECTURE_STATES.plain(),
            ]
        },
        indicators: || told(&taizhang_meetings::indicators()),
        routes: |parts| taizhang_meetings::routes(parts.ledger()),
        migrate: migrate::<taizhang_meetings::Migrator>,
        pending: pending::<taizhang_meetings::Migrator>,
    },
    Role {
        name: taizhang_supervision::NAME,
        port: 7102,
        grpc_services: taizhang_supervision::GRPC_SERVICES,
        kinds: taizhang_supervision::KINDS,
        machines: || {
            vec![
                taizhang_supervision::MATTER_STATES.plain(),
                taizhang_supervision::ISSUE_STATES.plain(),
                taizhang_supervision::INSPECTION_STATES.plain(),
                taizhang_supervision::INTERVIEW_STATES.plain(),
                taizhang_supervision::REFORM_TASK_STATES.plain(),
            ]
        },
        indicators: || told(&taizhang_supervision::indicators()),
        routes: |parts| taizhang_supervision::routes(parts.ledger()),
        migrate: migrate::<taizhang_supervision::Migrator>,
        pending: pending::<taizhang_supervision::Migrator>,
    },
    Role {
        name: taizhang_reception::NAME,
        port: 7103,
        grpc_services: taizhang_reception::GRPC_SERVICES,
        kinds: taizhang_reception::KINDS,
        machines: || {
            vec![
                taizhang_reception::RECEPTION_STATES.plain(),
                taizhang_reception::SUPPORT_ASSIGNMENT_STATES.plain(),
            ]
        },
        indicators: || told(&taizhang_reception::indicators()),
        routes: |parts| taizhang_reception::routes(parts.ledger()),
        migrate: migrate::<taizhang_reception::Migrator>,
        pending: pending::<taizhang_reception::Migrator>,
    },
    Role {
        name: taizhang_research::NAME,
        port: 7104,
        grpc_services: taizhang_research::GRPC_SERVICES,
        kinds: taizhang_research::KINDS,
        machines: || {
            vec![
                taizhang_research::TOPIC_STATES.plain(),
                taizhang_research::FIELD_SURVEY_STATES.plain(),
                taizhang_research::RESEARCH_REPORT_STATES.plain(),
                taizhang_research::BULLETIN_STATES.plain(),
            ]
        },
        indicators: || told(&taizhang_research::indicators()),
        routes: |parts| taizhang_research::routes(parts.ledger()),
        migrate: migrate::<taizhang_research::Migrator>,
        pending: pending::<taizhang_research::Migrator>,
    },
];

/// The names of all services.
pub fn names() -> Vec<&'static str> {
    ROLES.iter().map(|role| role.name).collect()
}

/// Every scope that a method requires.
pub fn scopes() -> BTreeSet<String> {
    let of = |role: &'static Role| {
        METHODS
            .iter()
            .filter(|method| role.grpc_services.contains(&method.service))
            .map(|method| method.scope.replace("{service}", role.name))
    };
    ROLES.iter().flat_map(of).collect()
}

/// The roles of these names; all of them if there are none.
///
/// # Errors
/// If a name is unknown.
pub fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Role>> {
    if names.is_empty() {
        return Ok(ROLES.iter().collect());
    }
    names.iter().map(|name| role(name)).collect()
}

/// The role of this name.
///
/// # Errors
/// If there is none.
pub fn role(name: &str) -> anyhow::Result<&'static Role> {
    let mut roles = ROLES.iter();
    roles
        .find(|role| role.name == name)
        .with_context(|| format!("no service {name}; there are {}", self::names().join(", ")))
}

fn told(indicators: &[figures::Indicator]) -> Vec<Indicator> {
    indicators.iter().map(figures::Indicator::message).collect()
}

fn migrate<M: MigratorTrait + 'static>(database: &DatabaseConnection) -> Done<'_, ()> {
    M::up(database, None).boxed()
}

fn pending<M: MigratorTrait + 'static>(database: &DatabaseConnection) -> Done<'_, Vec<String>> {
    async move {
        let pending = M::get_pending_migrations_read_only(database).await?;
        Ok(pending
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect())
    }
    .boxed()
}
