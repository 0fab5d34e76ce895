//! The meetings service (会议): meetings from the plan to the minutes, decisions, facilities and
//! bookings, series, and lectures.

mod booking;
mod calendar;
mod decision;
pub mod entities;
mod facility;
mod indicators;
mod lecture;
mod meeting;
mod migration;
mod series;

pub use booking::MACHINE as BOOKING_STATES;
pub use indicators::indicators;
pub use lecture::MACHINE as LECTURE_STATES;
pub use meeting::MACHINE as MEETING_STATES;
pub use migration::Migrator;

use taizhang_contracts::meetings as api;
use taizhang_contracts::meetings::{
    booking_service_server::BookingServiceServer, decision_service_server::DecisionServiceServer,
    facility_service_server::FacilityServiceServer, lecture_service_server::LectureServiceServer,
    meeting_series_service_server::MeetingSeriesServiceServer,
    meeting_service_server::MeetingServiceServer,
};
use taizhang_ledger::{Ledger, RecordKind};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "meetings";

/// The kinds of record that the service keeps.
pub const KINDS: &[RecordKind] = &[
    RecordKind::of::<entities::meetings::Entity>(),
    RecordKind::of::<entities::decisions::Entity>(),
    RecordKind::of::<entities::facilities::Entity>(),
    RecordKind::of::<entities::bookings::Entity>(),
    RecordKind::of::<entities::meeting_series::Entity>(),
    RecordKind::of::<entities::lectures::Entity>(),
];

/// The gRPC services that it serves.
pub const GRPC_SERVICES: &[&str] = &[
    api::meeting_service_server::SERVICE_NAME,
    api::decision_service_server::SERVICE_NAME,
    api::facility_service_server::SERVICE_NAME,
    api::booking_service_server::SERVICE_NAME,
    api::meeting_series_service_server::SERVICE_NAME,
    api::lecture_service_server::SERVICE_NAME,
    taizhang_contracts::batch::batch_service_server::SERVICE_NAME,
    taizhang_contracts::history::history_service_server::SERVICE_NAME,
    taizhang_contracts::statistics::statistics_service_server::SERVICE_NAME,
];

/// Handles the service's calls.
#[derive(Clone)]
pub struct Meetings {
    ledger: Ledger,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger) -> Routes {
    let meetings = Meetings {
        ledger: ledger.clone(),
    };
    let writes = [
        meeting::writes(),
        decision::writes(),
        facility::writes(),
        booking::writes(),
        series::writes(),
        lecture::writes(),
    ];
    taizhang_ledger::routes(&ledger, KINDS, writes, indicators())
        .add_service(MeetingServiceServer::new(meetings.clone()))
        .add_service(DecisionServiceServer::new(meetings.clone()))
        .add_service(FacilityServiceServer::new(meetings.clone()))
        .add_service(BookingServiceServer::new(meetings.clone()))
        .add_service(MeetingSeriesServiceServer::new(meetings.clone()))
        .add_service(LectureServiceServer::new(meetings))
}
