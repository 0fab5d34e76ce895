//! The supervision service (督查督办): matters from registration to closing, their lamps, and the
//! ranking of lead units; numbered issues, inspections, interviews, and reform plans with their
//! tasks.

pub mod entities;
mod indicators;
mod inspection;
mod interview;
mod issue;
mod issue_series;
mod lamp;
mod matter;
mod migration;
mod ranking;
mod reform_plan;
mod reform_task;
mod reminder;
mod settings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod workdays;

pub use indicators::indicators;
pub use inspection::MACHINE as INSPECTION_STATES;
pub use interview::MACHINE as INTERVIEW_STATES;
pub use issue::MACHINE as ISSUE_STATES;
pub use matter::MACHINE as MATTER_STATES;
pub use migration::Migrator;
pub use reform_task::MACHINE as REFORM_TASK_STATES;

use taizhang_contracts::supervision as api;
use taizhang_contracts::supervision::daily_reminder_service_server::DailyReminderServiceServer;
use taizhang_contracts::supervision::inspection_service_server::InspectionServiceServer;
use taizhang_contracts::supervision::interview_service_server::InterviewServiceServer;
use taizhang_contracts::supervision::issue_series_service_server::IssueSeriesServiceServer;
use taizhang_contracts::supervision::issue_service_server::IssueServiceServer;
use taizhang_contracts::supervision::matter_service_server::MatterServiceServer;
use taizhang_contracts::supervision::reform_plan_service_server::ReformPlanServiceServer;
use taizhang_contracts::supervision::reform_task_service_server::ReformTaskServiceServer;
use taizhang_contracts::supervision::supervision_settings_service_server::SupervisionSettingsServiceServer;
use taizhang_ledger::days::naive;
use taizhang_ledger::{Ledger, RecordKind};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "supervision";

/// The kinds of record that the service keeps.
pub const KINDS: &[RecordKind] = &[
    RecordKind::of::<entities::matters::Entity>(),
    RecordKind::of::<entities::daily_reminders::Entity>(),
    RecordKind::of::<entities::supervision_settings::Entity>(),
    RecordKind::of::<entities::issue_series::Entity>(),
    RecordKind::of::<entities::issues::Entity>(),
    RecordKind::of::<entities::inspections::Entity>(),
    RecordKind::of::<entities::interviews::Entity>(),
    RecordKind::of::<entities::reform_plans::Entity>(),
    RecordKind::of::<entities::reform_tasks::Entity>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::matter_service_server::SERVICE_NAME,
    api::daily_reminder_service_server::SERVICE_NAME,
    api::supervision_settings_service_server::SERVICE_NAME,
    api::issue_series_service_server::SERVICE_NAME,
    api::issue_service_server::SERVICE_NAME,
    api::inspection_service_server::SERVICE_NAME,
    api::interview_service_server::SERVICE_NAME,
    api::reform_plan_service_server::SERVICE_NAME,
    api::reform_task_service_server::SERVICE_NAME,
    taizhang_contracts::batch::batch_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
    taizhang_contracts::statistics::statistics_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Supervision {
    ledger: Ledger,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger) -> Routes {
    let supervision = Supervision {
        ledger: ledger.clone(),
    };
    let writes = [
        matter::writes(),
        reminder::writes(),
        settings::writes(),
        issue_series::writes(),
        issue::writes(),
        inspection::writes(),
        interview::writes(),
        reform_plan::writes(),
        reform_task::writes(),
    ];
    taizhang_ledger::routes(&ledger, KINDS, writes, indicators())
        .add_service(MatterServiceServer::new(supervision.clone()))
        .add_service(DailyReminderServiceServer::new(supervision.clone()))
        .add_service(SupervisionSettingsServiceServer::new(supervision.clone()))
        .add_service(IssueSeriesServiceServer::new(supervision.clone()))
        .add_service(IssueServiceServer::new(supervision.clone()))
        .add_service(InspectionServiceServer::new(supervision.clone()))
        .add_service(InterviewServiceServer::new(supervision.clone()))
        .add_service(ReformPlanServiceServer::new(supervision.clone()))
        .add_service(ReformTaskServiceServer::new(supervision))
}
