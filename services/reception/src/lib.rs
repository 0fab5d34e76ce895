//! The reception service (政务接待): receptions from the letter to the settlement, checked against the
//! regulations in force on their day, and support assignments.

mod clashes;
pub mod entities;
mod indicators;
mod migration;
mod print;
mod reception;
mod regulations;
mod settings;
mod support_assignment;

pub use indicators::indicators;
pub use migration::Migrator;
pub use reception::MACHINE as RECEPTION_STATES;
pub use regulations::{Day, RULES, Regulation, Rule, Source, Step};
pub use support_assignment::MACHINE as SUPPORT_ASSIGNMENT_STATES;

use taizhang_contracts::reception as api;
use taizhang_contracts::reception::reception_service_server::ReceptionServiceServer;
use taizhang_contracts::reception::reception_settings_service_server::ReceptionSettingsServiceServer;
use taizhang_contracts::reception::support_assignment_service_server::SupportAssignmentServiceServer;
use taizhang_ledger::{Ledger, RecordKind};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "reception";

/// The kinds of record that the service keeps.
pub const KINDS: &[RecordKind] = &[
    RecordKind::of::<entities::receptions::Entity>(),
    RecordKind::of::<entities::support_assignments::Entity>(),
    RecordKind::of::<entities::reception_settings::Entity>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::reception_service_server::SERVICE_NAME,
    api::support_assignment_service_server::SERVICE_NAME,
    api::reception_settings_service_server::SERVICE_NAME,
    taizhang_contracts::batch::batch_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
    taizhang_contracts::statistics::statistics_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Receptions {
    ledger: Ledger,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger) -> Routes {
    let receptions = Receptions {
        ledger: ledger.clone(),
    };
    let writes = [
        reception::writes(),
        support_assignment::writes(),
        settings::writes(),
    ];
    taizhang_ledger::routes(&ledger, KINDS, writes, indicators())
        .add_service(ReceptionServiceServer::new(receptions.clone()))
        .add_service(SupportAssignmentServiceServer::new(receptions.clone()))
        .add_service(ReceptionSettingsServiceServer::new(receptions))
}
