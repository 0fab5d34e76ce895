//! The research service (调研与信息): research topics and reports, field surveys, information items
//! reported by units, and information bulletins.

mod adoption;
mod bulletin;
pub mod entities;
mod field_survey;
mod indicators;
mod information_item;
mod migration;
mod research_report;
#[cfg(test)]
mod testing;
mod topic;

pub use bulletin::MACHINE as BULLETIN_STATES;
pub use field_survey::MACHINE as FIELD_SURVEY_STATES;
pub use indicators::indicators;
pub use migration::Migrator;
pub use research_report::MACHINE as RESEARCH_REPORT_STATES;
pub use topic::MACHINE as TOPIC_STATES;

use taizhang_contracts::research as api;
use taizhang_contracts::research::{
    bulletin_service_server::BulletinServiceServer,
    field_survey_service_server::FieldSurveyServiceServer,
    information_item_service_server::InformationItemServiceServer,
    research_report_service_server::ResearchReportServiceServer,
    topic_service_server::TopicServiceServer,
};
use taizhang_ledger::{Ledger, RecordKind};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "research";

/// The kinds of record that the service keeps.
pub const KINDS: &[RecordKind] = &[
    RecordKind::of::<entities::topics::Entity>(),
    RecordKind::of::<entities::field_surveys::Entity>(),
    RecordKind::of::<entities::research_reports::Entity>(),
    RecordKind::of::<entities::information_items::Entity>(),
    RecordKind::of::<entities::bulletins::Entity>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::topic_service_server::SERVICE_NAME,
    api::field_survey_service_server::SERVICE_NAME,
    api::research_report_service_server::SERVICE_NAME,
    api::information_item_service_server::SERVICE_NAME,
    api::bulletin_service_server::SERVICE_NAME,
    taizhang_contracts::batch::batch_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
    taizhang_contracts::statistics::statistics_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Research {
    ledger: Ledger,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger) -> Routes {
    let research = Research {
        ledger: ledger.clone(),
    };
    let writes = [
        topic::writes(),
        field_survey::writes(),
        research_report::writes(),
        information_item::writes(),
        bulletin::writes(),
    ];
    taizhang_ledger::routes(&ledger, KINDS, writes, indicators())
        .add_service(TopicServiceServer::new(research.clone()))
        .add_service(FieldSurveyServiceServer::new(research.clone()))
        .add_service(ResearchReportServiceServer::new(research.clone()))
        .add_service(InformationItemServiceServer::new(research.clone()))
        .add_service(BulletinServiceServer::new(research))
}
