//! The meetings service (会议): meetings from the plan to the minutes, what they decide, the rooms
//! and lines they use, the series they are made from, and lectures.

mod booking;
mod calendar;
mod decision;
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
use taizhang_ledger::batch::Batch;
use taizhang_ledger::shared::{History, Statistics};
use taizhang_ledger::{Kind, Ledger};
use tonic::service::Routes;

/// The service's name in the configuration and in scopes.
pub const NAME: &str = "meetings";

/// The kinds of record that the service keeps.
pub const KINDS: &[Kind] = &[
    Kind::of::<Meetings, api::Meeting>(),
    Kind::of::<Meetings, api::Decision>(),
    Kind::of::<Meetings, api::Facility>(),
    Kind::of::<Meetings, api::Booking>(),
    Kind::of::<Meetings, api::MeetingSeries>(),
    Kind::of::<Meetings, api::Lecture>(),
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
    ledger: Ledger<Meetings>,
}

/// The service's gRPC services over a ledger.
pub fn routes(ledger: Ledger<Meetings>) -> Routes {
    let meetings = Meetings {
        ledger: ledger.clone(),
    };
    Routes::new(MeetingServiceServer::new(meetings.clone()))
        .add_service(DecisionServiceServer::new(meetings.clone()))
        .add_service(FacilityServiceServer::new(meetings.clone()))
        .add_service(BookingServiceServer::new(meetings.clone()))
        .add_service(MeetingSeriesServiceServer::new(meetings.clone()))
        .add_service(LectureServiceServer::new(meetings))
        .add_service(Batch::server(
            ledger.clone(),
            [
                meeting::writes(),
                decision::writes(),
                facility::writes(),
                booking::writes(),
                series::writes(),
                lecture::writes(),
            ],
        ))
        .add_service(History::server(ledger.clone(), KINDS))
        .add_service(Statistics::server(ledger, indicators()))
}
