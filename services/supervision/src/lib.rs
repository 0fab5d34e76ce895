//! The supervision service (督查督办): matters from their registration to their closing, their
//! lamps, and how the units that answer for them rank.

mod indicators;
mod lamp;
mod matter;
mod migration;
mod ranking;
mod settings;
#[cfg(test)]
mod tests;
mod workdays;

pub use indicators::indicators;
pub use matter::MACHINE as MATTER_STATES;
pub use migration::Migrator;

use taizhang_contracts::supervision as api;
use taizhang_contracts::supervision::matter_service_server::MatterServiceServer;
use taizhang_contracts::supervision::supervision_settings_service_server::SupervisionSettingsServiceServer;
use taizhang_ledger::days::naive;
use taizhang_ledger::shared::{History, Statistics};
use taizhang_ledger::{Kind, Ledger};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "supervision";

/// The kinds of record that the service keeps.
pub const KINDS: &[Kind] = &[
    Kind::of::<Supervision, api::Matter>(),
    Kind::of::<Supervision, api::SupervisionSettings>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::matter_service_server::SERVICE_NAME,
    api::supervision_settings_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
    taizhang_contracts::statistics::statistics_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Supervision {
    ledger: Ledger<Supervision>,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger<Supervision>) -> Routes {
    let supervision = Supervision {
        ledger: ledger.clone(),
    };
    Routes::new(MatterServiceServer::new(supervision.clone()))
        .add_service(SupervisionSettingsServiceServer::new(supervision))
        .add_service(History::server(ledger.clone(), KINDS))
        .add_service(Statistics::server(ledger, indicators()))
}
