//! Two live bookings of one facility never overlap.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost_types::Timestamp;
use taizhang_contracts::common::Level;
use taizhang_contracts::date::timestamp;
use taizhang_contracts::meetings::booking_service_client::BookingServiceClient;
use taizhang_contracts::meetings::facility_service_client::FacilityServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::*;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Bearer, OFFICE, Suite, reason};

on_each_database!(
    of_concurrent_bookings_exactly_one_gets_the_slot,
    accepted_slots_never_overlap_and_free_slots_are_not_refused,
    a_cancelled_meeting_releases_its_slots,
);

type Bookings = BookingServiceClient<InterceptedService<Channel, Bearer>>;

/// A room and a planned meeting.
async fn room_and_meeting(suite: &Suite) -> (String, String) {
    let mut facilities = FacilityServiceClient::new(suite.authorized("meetings"));
    let facility = Facility {
        title: "一号会议室".into(),
        kind: FacilityKind::Room.into(),
        ..Default::default()
    };
    let request = CreateFacilityRequest {
        parent: OFFICE.into(),
        facility: Some(facility),
        ..Default::default()
    };
    let room = facilities
        .create_facility(request)
        .await
        .unwrap()
        .into_inner()
        .name;
    (room, meeting(suite).await)
}

async fn meeting(suite: &Suite) -> String {
    let mut meetings = MeetingServiceClient::new(suite.authorized("meetings"));
    let meeting = Meeting {
        title: "调度会".into(),
        kind: MeetingKind::Thematic.into(),
        organiser: "县委办公室".into(),
        host_level: Level::County.into(),
        ..Default::default()
    };
    let request = CreateMeetingRequest {
        parent: OFFICE.into(),
        meeting: Some(meeting),
        ..Default::default()
    };
    meetings
        .create_meeting(request)
        .await
        .unwrap()
        .into_inner()
        .name
}

fn at(minutes: i64) -> Option<Timestamp> {
    let base: DateTime<Utc> = "2030-03-01T00:00:00Z".parse().unwrap();
    Some(timestamp(base + TimeDelta::minutes(minutes)))
}

async fn book(
    bookings: &Bookings,
    facility: &str,
    meeting: &str,
    (from, until): (i64, i64),
) -> Result<Booking, Status> {
    let booking = Booking {
        facility: facility.into(),
        meeting: meeting.into(),
        start_time: at(from),
        end_time: at(until),
        ..Default::default()
    };
    let request = CreateBookingRequest {
        parent: OFFICE.into(),
        booking: Some(booking),
        ..Default::default()
    };
    Ok(bookings.clone().create_booking(request).await?.into_inner())
}

pub async fn of_concurrent_bookings_exactly_one_gets_the_slot(suite: Suite) {
    let bookings = BookingServiceClient::new(suite.authorized("meetings"));
    let (room, meeting) = room_and_meeting(&suite).await;
    let all = join_all((0..100).map(|_| book(&bookings, &room, &meeting, (0, 60)))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 1);
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::FailedPrecondition, "SLOT_TAKEN".into())
        );
        assert_eq!(
            status.get_details_resource_info().unwrap().resource_name,
            meeting
        );
    }
}

async fn accepted_slots_never_overlap_and_free_slots_are_not_refused(suite: Suite) {
    let bookings = BookingServiceClient::new(suite.authorized("meetings"));
    let (room, meeting) = room_and_meeting(&suite).await;
    let slots = prop::collection::vec((0i64..600, 1i64..60), 150)
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    let slots: Vec<_> = slots
        .into_iter()
        .map(|(from, length)| (from, from + length))
        .collect();
    let answers = join_all(
        slots
            .iter()
            .map(|slot| book(&bookings, &room, &meeting, *slot)),
    )
    .await;
    let overlap = |a: (i64, i64), b: (i64, i64)| a.0 < b.1 && b.0 < a.1;
    let accepted: Vec<(i64, i64)> = slots
        .iter()
        .zip(&answers)
        .filter(|(_, a)| a.is_ok())
        .map(|(slot, _)| *slot)
        .collect();
    assert!(accepted.len() > 5, "{}", accepted.len());
    for (i, a) in accepted.iter().enumerate() {
        assert!(
            accepted.iter().skip(i + 1).all(|b| !overlap(*a, *b)),
            "{a:?} overlaps"
        );
    }
    for (slot, answer) in slots.iter().zip(&answers) {
        if let Err(status) = answer {
            assert_eq!(reason(status), "SLOT_TAKEN", "{status:?}");
            assert!(
                accepted.iter().any(|b| overlap(*slot, *b)),
                "{slot:?} was refused though it is free"
            );
        }
    }
}

async fn a_cancelled_meeting_releases_its_slots(suite: Suite) {
    let bookings = BookingServiceClient::new(suite.authorized("meetings"));
    let (room, first) = room_and_meeting(&suite).await;
    let held = book(&bookings, &room, &first, (0, 60)).await.unwrap();
    let second = meeting(&suite).await;
    assert_eq!(
        reason(&book(&bookings, &room, &second, (30, 90)).await.unwrap_err()),
        "SLOT_TAKEN"
    );
    // Adjacent slots do not overlap.
    book(&bookings, &room, &second, (60, 90)).await.unwrap();

    let mut meetings = MeetingServiceClient::new(suite.authorized("meetings"));
    let request = CancelMeetingRequest {
        name: first,
        reason: "并会".into(),
        ..Default::default()
    };
    meetings.cancel_meeting(request).await.unwrap();
    let request = GetBookingRequest { name: held.name };
    let released = bookings
        .clone()
        .get_booking(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(released.state(), BookingState::Released);
    book(&bookings, &room, &second, (0, 60)).await.unwrap();
}
