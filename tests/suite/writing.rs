//! Writes: ids, retries, validation, masks, etags, deletion, numbers.

use std::collections::BTreeSet;

use futures::future::join_all;
use prost::Message;
use prost_types::FieldMask;
use taizhang_contracts::common::Level;
use taizhang_contracts::history::ListHistoryRequest;
use taizhang_contracts::meetings::booking_service_client::BookingServiceClient;
use taizhang_contracts::meetings::*;
use taizhang_contracts::supervision::*;
use taizhang_ledger::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, OFFICE, Suite, reason};
use crate::records::*;

on_each_database!(
    an_id_is_the_callers_or_a_uuid_ordered_by_time,
    a_taken_id_is_refused_with_the_records_name,
    of_concurrent_identical_calls_one_writes,
    a_request_id_belongs_to_one_request,
    a_failed_call_does_not_take_its_request_id,
    validate_only_answers_as_the_real_call,
    validate_only_refuses_as_the_real_call,
    a_mask_determines_what_changes,
    an_immutable_field_can_not_change,
    output_only_fields_are_ignored_on_input,
    a_stale_etag_is_refused,
    of_two_updates_with_one_etag_one_succeeds,
    deletion_follows_aip_164,
    a_mark_of_secrecy_is_refused_and_not_stored,
    numbers_have_no_gaps,
    two_processes_share_an_office,
    two_processes_answer_identical_calls_once,
);

/// The number of rows of a table, and of history entries.
async fn stored(suite: &Suite, service: &str, table: &str) -> (i64, i64) {
    let database = suite.database(service).await;
    let rows = number(&database, &format!("SELECT COUNT(*) FROM {table}")).await;
    (
        rows,
        number(&database, "SELECT COUNT(*) FROM history").await,
    )
}

fn fields(status: &Status) -> Vec<String> {
    let request = status.get_details_bad_request();
    request
        .into_iter()
        .flat_map(|r| r.field_violations)
        .map(|v| v.field)
        .collect()
}

async fn an_id_is_the_callers_or_a_uuid_ordered_by_time(suite: Suite) {
    let api = Api::of(&suite);
    let mut request = new_meeting(meeting("全会"));
    request.meeting_id = "plenary-2022".into();
    let given = api.create_meeting(request).await.unwrap();
    assert_eq!(given.name, format!("{OFFICE}/meetings/plenary-2022"));
    assert_eq!(api.get_meeting(&given.name).await.unwrap(), given);
    assert_eq!(
        (given.state(), given.title.as_str()),
        (MeetingState::Planned, "全会")
    );
    assert_eq!(
        (given.create_time, given.delete_time),
        (given.update_time, None)
    );

    let mut ids = Vec::new();
    for _ in 0..5 {
        let made = api
            .create_meeting(new_meeting(meeting("例会")))
            .await
            .unwrap();
        let id = made.name.rsplit('/').next().unwrap().to_owned();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        ids.push(id);
    }
    assert!(ids.is_sorted(), "{ids:?}");

    let mut request = new_meeting(meeting("全会"));
    request.meeting_id = "Not-An-Id".into();
    let refused = api.create_meeting(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), fields(&refused)),
        (Code::InvalidArgument, vec!["meeting_id".into()])
    );
}

async fn a_taken_id_is_refused_with_the_records_name(suite: Suite) {
    let api = Api::of(&suite);
    let mut request = new_meeting(meeting("全会"));
    request.meeting_id = "plenary".into();
    let holder = api.create_meeting(request.clone()).await.unwrap();
    let refused_by_holder = |status: Status| {
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::AlreadyExists, "ALREADY_EXISTS".into())
        );
        assert_eq!(
            status.get_details_resource_info().unwrap().resource_name,
            holder.name
        );
    };
    refused_by_holder(api.create_meeting(request.clone()).await.unwrap_err());
    // A deleted record keeps its id.
    let delete = DeleteMeetingRequest {
        name: holder.name.clone(),
        ..Default::default()
    };
    api.delete_meeting(delete).await.unwrap();
    refused_by_holder(api.create_meeting(request.clone()).await.unwrap_err());
    assert_eq!(stored(&suite, "meetings", "meetings").await, (1, 2));
    // Another office has ids of its own.
    request.parent = ANOTHER.into();
    api.create_meeting(request).await.unwrap();
    assert_eq!(stored(&suite, "meetings", "meetings").await, (2, 3));
}

/// Asserts that identical calls got the same answer or an error to retry; returns the answer.
fn settled(answers: Vec<Result<Vec<u8>, Status>>) -> Vec<u8> {
    let mut told = BTreeSet::new();
    for answer in answers {
        match answer {
            Ok(answer) => {
                told.insert(answer);
            }
            Err(status) => assert!(may_retry(&status), "{status:?}"),
        }
    }
    assert_eq!(told.len(), 1);
    told.pop_first().unwrap()
}

async fn of_concurrent_identical_calls_one_writes(suite: Suite) {
    let api = Api::of(&suite);
    for id in ["", "given"] {
        let request = CreateMeetingRequest {
            meeting_id: id.into(),
            request_id: request_id(),
            ..new_meeting(meeting("紧急会议"))
        };
        let call = async || Ok(api.create_meeting(request.clone()).await?.encode_to_vec());
        let answer = settled(join_all((0..20).map(|_| call())).await);
        assert_eq!(call().await.unwrap(), answer);
    }
    assert_eq!(stored(&suite, "meetings", "meetings").await, (2, 2));

    let request = CreateMatterRequest {
        request_id: request_id(),
        ..new_matter(matter("修渠"))
    };
    let call = async || Ok(api.create_matter(request.clone()).await?.encode_to_vec());
    let answer = settled(join_all((0..20).map(|_| call())).await);
    assert_eq!(Matter::decode(answer.as_slice()).unwrap().number, 1);
    assert_eq!(stored(&suite, "supervision", "matters").await, (1, 1));
}

async fn a_request_id_belongs_to_one_request(suite: Suite) {
    let api = Api::of(&suite);
    let first = CreateMeetingRequest {
        request_id: request_id(),
        ..new_meeting(meeting("甲"))
    };
    let created = api.create_meeting(first.clone()).await.unwrap();

    let reused = |status: Status| {
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, "REQUEST_ID_REUSED".into())
        );
    };
    let mut other = first.clone();
    other.meeting = Some(meeting("乙"));
    reused(api.create_meeting(other).await.unwrap_err());
    // Also refused for another method,
    let delete = DeleteMeetingRequest {
        name: created.name.clone(),
        request_id: first.request_id.clone(),
        ..Default::default()
    };
    reused(api.delete_meeting(delete).await.unwrap_err());
    assert_eq!(stored(&suite, "meetings", "meetings").await, (1, 1));
    // but another office has request ids of its own.
    let elsewhere = CreateMeetingRequest {
        parent: ANOTHER.into(),
        ..first
    };
    api.create_meeting(elsewhere).await.unwrap();
    assert_eq!(stored(&suite, "meetings", "meetings").await, (2, 2));
}

async fn a_failed_call_does_not_take_its_request_id(suite: Suite) {
    let api = Api::of(&suite);
    let mut request = CreateMeetingRequest {
        request_id: request_id(),
        ..new_meeting(meeting(""))
    };
    let refused = api.create_meeting(request.clone()).await.unwrap_err();
    assert_eq!(fields(&refused), ["meeting.title"]);
    request.meeting = Some(meeting("补上名称"));
    let created = api.create_meeting(request).await.unwrap();

    // The same for WRONG_STATE, since the state may change.
    let hold = HoldMeetingRequest {
        name: created.name.clone(),
        request_id: request_id(),
        ..Default::default()
    };
    let mut meetings = api.meetings.clone();
    let refused = meetings.hold_meeting(hold.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_STATE");
    let details = past_meeting("补上名称", "2022-03-01T01:00:00Z");
    let details = Meeting {
        name: created.name.clone(),
        ..details
    };
    let update = UpdateMeetingRequest {
        meeting: Some(details),
        ..Default::default()
    };
    api.update_meeting(update).await.unwrap();
    let convene = ConveneMeetingRequest {
        name: created.name,
        ..Default::default()
    };
    meetings.convene_meeting(convene).await.unwrap();
    let held = meetings.hold_meeting(hold).await.unwrap().into_inner();
    assert_eq!(held.state(), MeetingState::Held);
}

/// A record without the fields that differ between two calls.
fn apart_from_times(mut meeting: Meeting) -> Meeting {
    (
        meeting.create_time,
        meeting.update_time,
        meeting.delete_time,
    ) = (None, None, None);
    meeting.convene_time = None;
    meeting
}

async fn validate_only_answers_as_the_real_call(suite: Suite) {
    let api = Api::of(&suite);
    let real = CreateMeetingRequest {
        meeting_id: "m1".into(),
        request_id: request_id(),
        ..new_meeting(past_meeting("调度会", "2022-03-01T01:00:00Z"))
    };
    let asked = CreateMeetingRequest {
        validate_only: true,
        ..real.clone()
    };
    let promised = api.create_meeting(asked.clone()).await.unwrap();
    assert_eq!(stored(&suite, "meetings", "meetings").await, (0, 0));
    assert_eq!(
        api.get_meeting(&promised.name).await.unwrap_err().code(),
        Code::NotFound
    );
    // Neither the id nor the request id is taken: another request may use both.
    let created = api.create_meeting(real.clone()).await.unwrap();
    assert_eq!(
        apart_from_times(created.clone()),
        apart_from_times(promised)
    );
    // The real call is answered as a retry now, and not refused because of its id.
    assert_eq!(api.create_meeting(asked).await.unwrap(), created);

    let update = UpdateMeetingRequest {
        meeting: Some(Meeting {
            name: created.name.clone(),
            note: "备注".into(),
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    let promised = api.update_meeting(update.clone()).await.unwrap();
    assert_eq!(promised.note, "备注");
    assert_ne!(promised.etag, created.etag);
    assert_eq!(api.get_meeting(&created.name).await.unwrap(), created);
    let updated = api
        .update_meeting(UpdateMeetingRequest {
            validate_only: false,
            ..update
        })
        .await
        .unwrap();
    assert_eq!(
        apart_from_times(updated.clone()),
        apart_from_times(promised)
    );

    let mut meetings = api.meetings.clone();
    let mut convene = ConveneMeetingRequest {
        name: created.name.clone(),
        validate_only: true,
        ..Default::default()
    };
    let promised = meetings
        .convene_meeting(convene.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(promised.state(), MeetingState::Convened);
    assert_eq!(api.get_meeting(&created.name).await.unwrap(), updated);
    convene.validate_only = false;
    let convened = meetings
        .convene_meeting(convene)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        apart_from_times(convened.clone()),
        apart_from_times(promised)
    );

    let delete = DeleteMeetingRequest {
        name: created.name.clone(),
        validate_only: true,
        ..Default::default()
    };
    assert!(
        api.delete_meeting(delete)
            .await
            .unwrap()
            .delete_time
            .is_some()
    );
    assert_eq!(api.get_meeting(&created.name).await.unwrap(), convened);
    assert_eq!(stored(&suite, "meetings", "meetings").await, (1, 3));

    // No number is taken.
    let asked = CreateMatterRequest {
        validate_only: true,
        ..new_matter(matter("修渠"))
    };
    for _ in 0..2 {
        assert_eq!(api.create_matter(asked.clone()).await.unwrap().number, 1);
    }
    assert_eq!(stored(&suite, "supervision", "matters").await, (0, 0));
    assert_eq!(
        api.create_matter(new_matter(matter("修渠")))
            .await
            .unwrap()
            .number,
        1
    );
    assert_eq!(api.create_matter(asked).await.unwrap().number, 2);
    assert_eq!(stored(&suite, "supervision", "matters").await, (1, 1));
}

/// The parts of an error that programs use.
fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String, String, Vec<String>) {
    let status = answer.unwrap_err();
    (
        status.code(),
        reason(&status),
        status.message().to_owned(),
        fields(&status),
    )
}

async fn validate_only_refuses_as_the_real_call(suite: Suite) {
    let api = Api::of(&suite);
    let known = CreateMeetingRequest {
        meeting_id: "known".into(),
        request_id: request_id(),
        ..new_meeting(meeting("已有"))
    };
    let held_by = api.create_meeting(known.clone()).await.unwrap();

    let bad = Meeting {
        title: String::new(),
        kind: 99,
        ..meeting("")
    };
    let taken = CreateMeetingRequest {
        request_id: request_id(),
        ..known.clone()
    };
    let reused = CreateMeetingRequest {
        meeting_id: String::new(),
        meeting: Some(meeting("别的")),
        ..known
    };
    for (request, expected) in [
        (new_meeting(bad), "INVALID_FIELDS"),
        (taken, "ALREADY_EXISTS"),
        (reused, "REQUEST_ID_REUSED"),
    ] {
        let asked = CreateMeetingRequest {
            validate_only: true,
            ..request.clone()
        };
        let told = refusal(api.create_meeting(asked).await);
        assert_eq!(told.1, expected);
        assert_eq!(told, refusal(api.create_meeting(request).await));
    }

    let mut meetings = api.meetings.clone();
    let missing = format!("{OFFICE}/meetings/missing");
    for (name, etag, expected) in [
        (missing, "", "NOT_FOUND"),
        (held_by.name.clone(), "v7", "ETAG_MISMATCH"),
        (held_by.name.clone(), "", "RULE_REFUSES"),
    ] {
        let request = ConveneMeetingRequest {
            name,
            etag: etag.into(),
            ..Default::default()
        };
        let asked = ConveneMeetingRequest {
            validate_only: true,
            ..request.clone()
        };
        let told = refusal(meetings.convene_meeting(asked).await);
        assert_eq!(told.1, expected);
        assert_eq!(told, refusal(meetings.convene_meeting(request).await));
    }

    // A slot that is taken.
    let mut facilities = api.facilities.clone();
    let request = CreateFacilityRequest {
        parent: OFFICE.into(),
        facility: Some(facility("一号会议室")),
        ..Default::default()
    };
    let room = facilities
        .create_facility(request)
        .await
        .unwrap()
        .into_inner();
    let mut bookings = BookingServiceClient::new(suite.authorized("meetings"));
    let mut request = CreateBookingRequest {
        parent: OFFICE.into(),
        booking: Some(Booking {
            facility: room.name,
            meeting: held_by.name,
            start_time: at("2030-03-01T00:00:00Z"),
            end_time: at("2030-03-01T01:00:00Z"),
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    bookings.create_booking(request.clone()).await.unwrap();
    assert_eq!(stored(&suite, "meetings", "bookings").await.0, 0);
    request.validate_only = false;
    bookings.create_booking(request.clone()).await.unwrap();
    let real = refusal(bookings.create_booking(request.clone()).await);
    request.validate_only = true;
    assert_eq!(refusal(bookings.create_booking(request).await), real);
    assert_eq!(real.1, "SLOT_TAKEN");
    assert_eq!(stored(&suite, "meetings", "bookings").await.0, 1);
}

fn change(meeting: Meeting, paths: Option<&[&str]>) -> UpdateMeetingRequest {
    let mask = paths.map(|p| FieldMask {
        paths: p.iter().map(|p| (*p).to_owned()).collect(),
    });
    UpdateMeetingRequest {
        meeting: Some(meeting),
        update_mask: mask,
        ..Default::default()
    }
}

async fn a_mask_determines_what_changes(suite: Suite) {
    let api = Api::of(&suite);
    let before = Meeting {
        note: "原备注".into(),
        video: true,
        ..past_meeting("原题", "2022-03-01T01:00:00Z")
    };
    let before = api.create_meeting(new_meeting(before)).await.unwrap();
    let given = |title: &str| Meeting {
        name: before.name.clone(),
        title: title.into(),
        ..Default::default()
    };
    let same = |now: &Meeting, expected: Meeting| {
        let expected = Meeting {
            etag: now.etag.clone(),
            update_time: now.update_time,
            ..expected
        };
        assert_eq!(*now, expected);
    };

    // No mask or an empty one: the populated fields.
    let now = api
        .update_meeting(change(given("新题"), None))
        .await
        .unwrap();
    same(
        &now,
        Meeting {
            title: "新题".into(),
            ..before.clone()
        },
    );
    let now = api
        .update_meeting(change(given("再改"), Some(&[])))
        .await
        .unwrap();
    same(
        &now,
        Meeting {
            title: "再改".into(),
            ..before.clone()
        },
    );
    // Named fields only, which can be cleared.
    let now = api
        .update_meeting(change(given("不算"), Some(&["note", "video"])))
        .await
        .unwrap();
    same(
        &now,
        Meeting {
            title: "再改".into(),
            note: String::new(),
            video: false,
            ..before.clone()
        },
    );
    // `*`: all fields.
    let whole = Meeting {
        name: before.name.clone(),
        note: "全改".into(),
        ..meeting("全改")
    };
    let now = api
        .update_meeting(change(whole.clone(), Some(&["*"])))
        .await
        .unwrap();
    assert_eq!(
        (now.participants.len(), now.start_time, now.chair.as_str()),
        (0, None, "")
    );
    same(
        &now,
        Meeting {
            state: now.state,
            create_time: now.create_time,
            ..whole
        },
    );

    let refused = |answer: Result<Meeting, Status>, field: &str, says: &str| {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let named = violations
            .iter()
            .any(|v| v.field == field && v.description.contains(says));
        assert!(named, "{violations:?}");
    };
    let bad = change(given("题"), Some(&["title", "colour"]));
    refused(api.update_meeting(bad).await, "update_mask", "colour");
    // A required field can't be cleared.
    refused(
        api.update_meeting(change(given(""), Some(&["title"])))
            .await,
        "meeting.title",
        "",
    );
    let all = change(
        Meeting {
            name: before.name.clone(),
            ..Default::default()
        },
        Some(&["*"]),
    );
    refused(api.update_meeting(all).await, "meeting.organiser", "");
    assert_eq!(api.get_meeting(&before.name).await.unwrap(), now);

    let missing = Meeting {
        name: format!("{OFFICE}/meetings/missing"),
        ..meeting("无")
    };
    let status = api.update_meeting(change(missing, None)).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::NotFound, "NOT_FOUND".into())
    );
}

async fn an_immutable_field_can_not_change(suite: Suite) {
    let api = Api::of(&suite);
    let mut facilities = api.facilities.clone();
    let request = CreateFacilityRequest {
        parent: OFFICE.into(),
        facility: Some(facility("一号会议室")),
        ..Default::default()
    };
    let room = facilities
        .create_facility(request)
        .await
        .unwrap()
        .into_inner();
    let line = Facility {
        kind: FacilityKind::VideoLine.into(),
        title: "改名".into(),
        ..room.clone()
    };
    for paths in [
        None,
        Some(vec!["*"]),
        Some(vec!["kind"]),
        Some(vec!["title", "kind"]),
    ] {
        let update_mask = paths.map(|p| FieldMask {
            paths: p.into_iter().map(str::to_owned).collect(),
        });
        let request = UpdateFacilityRequest {
            facility: Some(line.clone()),
            update_mask,
            ..Default::default()
        };
        let status = facilities.update_facility(request).await.unwrap_err();
        assert_eq!(
            (status.code(), fields(&status)),
            (Code::InvalidArgument, vec!["facility.kind".into()])
        );
    }
    // Fields outside the mask are ignored, and the same value is not a change.
    let mask = FieldMask {
        paths: vec!["title".into()],
    };
    let request = UpdateFacilityRequest {
        facility: Some(line),
        update_mask: Some(mask),
        ..Default::default()
    };
    let renamed = facilities
        .update_facility(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (renamed.kind(), renamed.title.as_str()),
        (FacilityKind::Room, "改名")
    );
    let request = UpdateFacilityRequest {
        facility: Some(renamed.clone()),
        ..Default::default()
    };
    let same = facilities
        .update_facility(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(same.kind(), FacilityKind::Room);

    // A matter's day of registration determines the year of its number.
    let registered = api.create_matter(new_matter(matter("修渠"))).await.unwrap();
    let moved = Matter {
        registered_on: Some(day("2021-03-01")),
        ..registered
    };
    let request = UpdateMatterRequest {
        matter: Some(moved),
        ..Default::default()
    };
    let status = api
        .matters
        .clone()
        .update_matter(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["matter.registered_on"]);
}

async fn output_only_fields_are_ignored_on_input(suite: Suite) {
    let api = Api::of(&suite);
    let made_up = Meeting {
        name: format!("{ANOTHER}/meetings/made-up"),
        state: MeetingState::Held.into(),
        held_on: Some(day("2022-03-01")),
        convene_time: at("2022-02-01T00:00:00Z"),
        minutes: Some(Minutes::default()),
        reason: "无".into(),
        series: format!("{OFFICE}/meetingSeries/made-up"),
        create_time: at("2001-01-01T00:00:00Z"),
        update_time: at("2001-01-01T00:00:00Z"),
        delete_time: at("2001-01-01T00:00:00Z"),
        ..meeting("例会")
    };
    let created = api
        .create_meeting(new_meeting(made_up.clone()))
        .await
        .unwrap();
    let expected = Meeting {
        name: created.name.clone(),
        state: MeetingState::Planned.into(),
        create_time: created.create_time,
        update_time: created.update_time,
        etag: created.etag.clone(),
        ..meeting("例会")
    };
    assert_eq!(created, expected);
    assert!(created.name.starts_with(&format!("{OFFICE}/meetings/")));
    assert!(created.create_time.unwrap().seconds > 1_600_000_000);
    assert_eq!(api.get_meeting(&created.name).await.unwrap(), expected);

    for paths in [
        None,
        Some(["*"].as_slice()),
        Some(&["state", "held_on", "create_time", "name"]),
    ] {
        let given = Meeting {
            name: created.name.clone(),
            ..made_up.clone()
        };
        let now = api.update_meeting(change(given, paths)).await.unwrap();
        let same = Meeting {
            etag: now.etag.clone(),
            update_time: now.update_time,
            ..expected.clone()
        };
        assert_eq!(now, same);
    }

    let made_up = Matter {
        number: 77,
        state: MatterState::Closed.into(),
        closed_on: Some(day("2022-03-02")),
        lamp: Lamp::Green.into(),
        ever_red: false,
        ..matter("修渠")
    };
    let created = api.create_matter(new_matter(made_up)).await.unwrap();
    assert_eq!(
        (created.number, created.state(), created.closed_on),
        (1, MatterState::Registered, None)
    );
    assert_eq!((created.lamp(), created.ever_red), (Lamp::Red, true));
}

async fn a_stale_etag_is_refused(suite: Suite) {
    let api = Api::of(&suite);
    let first = api
        .create_meeting(new_meeting(meeting("例会")))
        .await
        .unwrap();
    let rename = |title: &str, etag: &str| {
        let name = first.name.clone();
        change(
            Meeting {
                name,
                title: title.into(),
                etag: etag.into(),
                ..Default::default()
            },
            None,
        )
    };
    let second = api
        .update_meeting(rename("改名", &first.etag))
        .await
        .unwrap();
    assert_ne!(second.etag, first.etag);
    let stale = |status: Status| {
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::Aborted, "ETAG_MISMATCH".into())
        );
    };
    stale(
        api.update_meeting(rename("再改", &first.etag))
            .await
            .unwrap_err(),
    );
    let mut meetings = api.meetings.clone();
    let (name, etag) = (first.name.clone(), first.etag.clone());
    let delete = DeleteMeetingRequest {
        name: name.clone(),
        etag: etag.clone(),
        ..Default::default()
    };
    stale(api.delete_meeting(delete).await.unwrap_err());
    let cancel = CancelMeetingRequest {
        name,
        etag,
        reason: "并会".into(),
        ..Default::default()
    };
    stale(meetings.cancel_meeting(cancel.clone()).await.unwrap_err());
    assert_eq!(api.get_meeting(&first.name).await.unwrap(), second);
    let cancel = CancelMeetingRequest {
        etag: second.etag,
        ..cancel
    };
    meetings.cancel_meeting(cancel).await.unwrap();
    assert_eq!(stored(&suite, "meetings", "meetings").await, (1, 3));
}

async fn of_two_updates_with_one_etag_one_succeeds(suite: Suite) {
    let api = Api::of(&suite);
    let mut current = api
        .create_meeting(new_meeting(meeting("例会")))
        .await
        .unwrap();
    for round in 0..10 {
        let rename = |title: String| {
            let (name, etag) = (current.name.clone(), current.etag.clone());
            change(
                Meeting {
                    name,
                    title,
                    etag,
                    ..Default::default()
                },
                None,
            )
        };
        let (one, other) = tokio::join!(
            api.update_meeting(rename(format!("甲{round}"))),
            api.update_meeting(rename(format!("乙{round}"))),
        );
        let (won, lost) = match (one, other) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("{both:?}"),
        };
        assert_eq!(
            (lost.code(), reason(&lost)),
            (Code::Aborted, "ETAG_MISMATCH".into())
        );
        current = api.get_meeting(&won.name).await.unwrap();
        assert_eq!(current, won);
    }
    assert_eq!(stored(&suite, "meetings", "meetings").await, (1, 11));
}

async fn deletion_follows_aip_164(suite: Suite) {
    let api = Api::of(&suite);
    let kept = api
        .create_meeting(new_meeting(meeting("留下")))
        .await
        .unwrap();
    let gone = api
        .create_meeting(new_meeting(meeting("删去")))
        .await
        .unwrap();
    let mut meetings = api.meetings.clone();
    let undelete = UndeleteMeetingRequest {
        name: gone.name.clone(),
        ..Default::default()
    };
    let live = meetings
        .undelete_meeting(undelete.clone())
        .await
        .unwrap_err();
    assert_eq!(
        (live.code(), reason(&live)),
        (Code::AlreadyExists, "ALREADY_EXISTS".into())
    );

    let delete = DeleteMeetingRequest {
        name: gone.name.clone(),
        ..Default::default()
    };
    let deleted = api.delete_meeting(delete.clone()).await.unwrap();
    assert!(deleted.delete_time.is_some());
    let twice = api.delete_meeting(delete).await.unwrap_err();
    assert_eq!(
        (twice.code(), reason(&twice)),
        (Code::NotFound, "NOT_FOUND".into())
    );
    assert_eq!(
        twice.get_details_resource_info().unwrap().resource_name,
        gone.name
    );
    assert_eq!(api.get_meeting(&gone.name).await.unwrap(), deleted);

    let list = async |show_deleted| {
        let request = ListMeetingsRequest {
            parent: OFFICE.into(),
            show_deleted,
            ..Default::default()
        };
        let listed = api
            .meetings
            .clone()
            .list_meetings(request)
            .await
            .unwrap()
            .into_inner();
        listed.meetings
    };
    assert_eq!(list(false).await, std::slice::from_ref(&kept));
    assert_eq!(list(true).await, [kept.clone(), deleted.clone()]);

    let rename = Meeting {
        name: gone.name.clone(),
        title: "改名".into(),
        ..Default::default()
    };
    let refused = api.update_meeting(change(rename, None)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "WRONG_STATE".into())
    );
    let cancel = CancelMeetingRequest {
        name: gone.name.clone(),
        reason: "并会".into(),
        ..Default::default()
    };
    assert_eq!(
        reason(&meetings.cancel_meeting(cancel).await.unwrap_err()),
        "WRONG_STATE"
    );
    assert_eq!(api.get_meeting(&gone.name).await.unwrap(), deleted);

    let back = meetings
        .undelete_meeting(undelete)
        .await
        .unwrap()
        .into_inner();
    let expected = Meeting {
        etag: back.etag.clone(),
        update_time: back.update_time,
        ..gone
    };
    assert_eq!(back, expected);
    assert_eq!(list(false).await, [kept, back]);

    let name = format!("{OFFICE}/meetings/missing");
    let missing = DeleteMeetingRequest {
        name,
        ..Default::default()
    };
    assert_eq!(
        api.delete_meeting(missing).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(stored(&suite, "meetings", "meetings").await, (2, 4));
}

async fn a_mark_of_secrecy_is_refused_and_not_stored(suite: Suite) {
    const MARKED: &str = "关于某工程的汇报　机密★1年";
    let api = Api::of(&suite);
    let kept = api
        .create_meeting(new_meeting(meeting("普通会议")))
        .await
        .unwrap();
    let refused = |status: Status, field: &str| {
        assert_eq!(
            (status.code(), fields(&status)),
            (Code::InvalidArgument, vec![field.to_owned()])
        );
        assert!(!format!("{status:?}").contains("某工程"), "{status:?}");
    };
    let item = AgendaItem {
        order: 1,
        title: MARKED.into(),
        ..Default::default()
    };
    let person = Participant {
        person: "张三".into(),
        post: MARKED.into(),
        role: ParticipantRole::Attendee.into(),
        ..Default::default()
    };
    for (marked, field) in [
        (
            Meeting {
                title: MARKED.into(),
                ..meeting("")
            },
            "meeting.title",
        ),
        (
            Meeting {
                note: MARKED.into(),
                ..meeting("例会")
            },
            "meeting.note",
        ),
        (
            Meeting {
                agenda_items: vec![item],
                ..meeting("例会")
            },
            "meeting.agenda_items[0].title",
        ),
        (
            Meeting {
                participants: vec![person],
                ..meeting("例会")
            },
            "meeting.participants[0].post",
        ),
    ] {
        let create = CreateMeetingRequest {
            request_id: request_id(),
            ..new_meeting(marked.clone())
        };
        refused(api.create_meeting(create).await.unwrap_err(), field);
        let update = change(
            Meeting {
                name: kept.name.clone(),
                ..marked
            },
            None,
        );
        refused(api.update_meeting(update).await.unwrap_err(), field);
    }
    let cancel = CancelMeetingRequest {
        name: kept.name,
        reason: MARKED.into(),
        ..Default::default()
    };
    refused(
        api.meetings
            .clone()
            .cancel_meeting(cancel)
            .await
            .unwrap_err(),
        "reason",
    );

    api.create_matter(new_matter(matter("普通事项")))
        .await
        .unwrap();
    let marked = Matter {
        content: MARKED.into(),
        assisting_units: vec![MARKED.into()],
        source: Some(Source {
            kind: SourceKind::Instruction.into(),
            level: Level::City.into(),
            record: MARKED.into(),
            ..Default::default()
        }),
        ..matter("事项")
    };
    let status = api.create_matter(new_matter(marked)).await.unwrap_err();
    let named = [
        "matter.content",
        "matter.source.record",
        "matter.assisting_units[0]",
    ];
    assert_eq!(fields(&status), named);

    for (service, tables) in [("meetings", "meetings"), ("supervision", "matters")] {
        let database = suite.database(service).await;
        let sql = format!("SELECT body FROM {tables} UNION ALL SELECT body FROM history");
        let bodies = query(&database, &sql).await;
        assert_eq!(bodies.len(), 2);
        for row in bodies {
            let body: Vec<u8> = row.try_get_by_index(0).unwrap();
            let text = String::from_utf8_lossy(&body);
            assert!(
                text.contains("普通") && !text.contains("机密") && !text.contains('★'),
                "{text}"
            );
        }
    }
}

async fn numbers_have_no_gaps(suite: Suite) {
    let api = Api::of(&suite);
    let create = async |registered: &str| {
        let (registered_on, due_date) = (Some(day(registered)), Some(day("2023-12-31")));
        let matter = Matter {
            registered_on,
            due_date,
            ..matter("修渠")
        };
        insist(|| api.create_matter(new_matter(matter.clone())))
            .await
            .unwrap()
    };
    let numbers = |made: &[Matter]| made.iter().map(|m| m.number).collect::<BTreeSet<_>>();
    let made = join_all((0..50).map(|_| create("2022-03-01"))).await;
    assert_eq!(numbers(&made), (1..=50).collect());
    // Each year has its own numbers,
    let made = join_all((0..10).map(|i| create(["2022-12-31", "2023-01-01"][i % 2]))).await;
    assert_eq!(numbers(&made), (51..=55).chain(1..=5).collect());
    // each office too,
    let elsewhere = CreateMatterRequest {
        parent: ANOTHER.into(),
        ..new_matter(matter("修渠"))
    };
    assert_eq!(api.create_matter(elsewhere).await.unwrap().number, 1);
    // a deleted matter keeps its number, and a refused one takes none.
    let last = made.iter().find(|m| m.number == 55).unwrap();
    let delete = DeleteMatterRequest {
        name: last.name.clone(),
        ..Default::default()
    };
    api.matters.clone().delete_matter(delete).await.unwrap();
    let refused = Matter {
        due_date: Some(day("2022-02-01")),
        ..matter("修渠")
    };
    api.create_matter(new_matter(refused)).await.unwrap_err();
    assert_eq!(create("2022-03-01").await.number, 56);
    assert_eq!(suite.audit("supervision").await.findings, []);
}

async fn two_processes_share_an_office(suite: Suite) {
    // A second suite on the same databases is like a second process: it has its own connections and
    // heads.
    let second = Suite::with(&suite.config, Clock::system()).await;
    let apis = [Api::of(&suite), Api::of(&second)];
    let each = join_all((0..8).map(|writer| {
        let api = &apis[writer % 2];
        async move {
            let mut numbers = Vec::new();
            for i in 0..10 {
                let title = format!("{writer}-{i}");
                let request = CreateMatterRequest {
                    request_id: request_id(),
                    ..new_matter(matter(&title))
                };
                // No call fails with LOST_RACE.
                let made = api.create_matter(request).await.unwrap();
                assert_eq!(made.title, title);
                numbers.push(made.number);
                let urged = AssignMatterRequest {
                    name: made.name,
                    request_id: request_id(),
                    ..Default::default()
                };
                api.matters.clone().assign_matter(urged).await.unwrap();
            }
            numbers
        }
    }));
    let numbers: Vec<i32> = each.await.into_iter().flatten().collect();
    assert_eq!(numbers.len(), 80);
    assert_eq!(
        numbers.into_iter().collect::<BTreeSet<_>>(),
        (1..=80).collect()
    );
    assert_eq!(stored(&suite, "supervision", "matters").await, (80, 160));
    let report = suite.audit("supervision").await;
    assert_eq!(report.findings, []);
    assert_eq!(report.offices.len(), 1);
    assert_eq!(
        (report.offices[0].0.as_str(), report.offices[0].1),
        ("demo", 160)
    );
    second.stop().await;
}

async fn two_processes_answer_identical_calls_once(suite: Suite) {
    let second = Suite::with(&suite.config, Clock::system()).await;
    let apis = [Api::of(&suite), Api::of(&second)];
    for round in 1..=5 {
        let request = CreateMatterRequest {
            request_id: request_id(),
            ..new_matter(matter("修渠"))
        };
        let call = async |i: usize| {
            let answer = apis[i % 2].create_matter(request.clone()).await;
            answer.map(|matter| matter.encode_to_vec())
        };
        let answer = settled(join_all((0..20).map(call)).await);
        let made = Matter::decode(answer.as_slice()).unwrap();
        assert_eq!(made.number, round);
        let request = ListHistoryRequest {
            name: made.name,
            ..Default::default()
        };
        let history = apis[1]
            .supervision_history
            .clone()
            .list_history(request)
            .await
            .unwrap();
        assert_eq!(history.into_inner().entries.len(), 1);
    }
    assert_eq!(stored(&suite, "supervision", "matters").await, (5, 5));
    assert_eq!(suite.audit("supervision").await.findings, []);
    second.stop().await;
}
