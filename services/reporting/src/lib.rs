//! The reporting service (年度工作总结): gathers figures from the services that count them, renders
//! the annual summary from the office's template, and returns the evidence of each figure.
//!
//! It knows no indicator by name: the [`Source`]s list theirs. Any system that serves
//! `StatisticsService` can be a source.

mod annual_report;
mod compare;
mod digest;
pub mod entities;
mod evidence;
mod gather;
mod migration;
mod opening_figure;
mod source;
mod template;

pub use annual_report::states::MACHINE as ANNUAL_REPORT_STATES;
pub use migration::Migrator;
pub use source::Source;
pub use template::decimal;

use std::sync::Arc;

use taizhang_contracts::reporting as api;
use taizhang_contracts::reporting::{
    annual_report_service_server::AnnualReportServiceServer,
    opening_figure_service_server::OpeningFigureServiceServer,
    template_service_server::TemplateServiceServer,
};
use taizhang_ledger::{Ledger, RecordKind};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "reporting";

/// The kinds of record that the service keeps.
pub const KINDS: &[RecordKind] = &[
    RecordKind::of::<entities::annual_reports::Entity>(),
    RecordKind::of::<entities::opening_figures::Entity>(),
    RecordKind::of::<entities::templates::Entity>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::annual_report_service_server::SERVICE_NAME,
    api::opening_figure_service_server::SERVICE_NAME,
    api::template_service_server::SERVICE_NAME,
    taizhang_contracts::batch::batch_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Reporting {
    ledger: Ledger,
    sources: Arc<[Source]>,
}

/// The service's gRPC services over a ledger. Figures are in the order of the sources.
pub fn routes(ledger: Ledger, sources: Vec<Source>) -> Routes {
    let reporting = Reporting {
        ledger: ledger.clone(),
        sources: sources.into(),
    };
    let writes = [
        annual_report::writes(),
        opening_figure::writes(),
        template::writes(),
    ];
    taizhang_ledger::routes(&ledger, KINDS, writes, Vec::new())
        .add_service(AnnualReportServiceServer::new(reporting.clone()))
        .add_service(OpeningFigureServiceServer::new(reporting.clone()))
        .add_service(TemplateServiceServer::new(reporting))
}
