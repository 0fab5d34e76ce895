//! Batches: all or nothing, in order, idempotent.

use prost_types::Any;
use taizhang_contracts::batch::batch_service_client::BatchServiceClient;
use taizhang_contracts::batch::{BatchCall, BatchWriteRequest};
use taizhang_contracts::common::Level;
use taizhang_contracts::date::timestamp;
use taizhang_contracts::history::ListHistoryRequest;
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::meetings::booking_service_client::BookingServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::{
    Booking, BookingState, CancelMeetingRequest, ConveneMeetingRequest, CreateBookingRequest,
    CreateFacilityRequest, CreateMeetingRequest, Facility, FacilityKind, GetBookingRequest,
    GetMeetingRequest, HoldMeetingRequest, ListMeetingsRequest, Meeting, MeetingKind, MeetingState,
    Participant, ParticipantRole,
};
use taizhang_contracts::supervision::{
    CreateMatterRequest, Lamp, Matter, Source, SourceKind, UpdateSupervisionSettingsRequest,
};
use taizhang_contracts::{Call, Resource};
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, Bearer, OFFICE, Suite, reason};
use crate::records::request_id;

on_each_database!(
    each_call_sees_the_changes_of_the_calls_before,
    all_or_nothing_is_written,
    an_error_names_the_call,
    every_call_needs_its_scope_and_office,
    a_retry_gets_the_same_answers,
    a_request_id_is_for_one_request,
    two_concurrent_batches_are_both_written,
    validate_only_writes_nothing,
    numbers_have_no_gaps_within_a_batch,
    a_batch_of_the_greatest_length_is_written,
    answers_that_are_too_large_for_clients_are_refused,
);

fn call<Q: Call>(q: Q) -> BatchCall {
    BatchCall {
        method: Q::PATH.trim_start_matches('/').into(),
        request: Some(Any {
            type_url: format!("type.googleapis.com/{}", Q::MESSAGE),
            value: q.encode_to_vec(),
        }),
    }
}

fn meeting(title: &str) -> Meeting {
    let start = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(19_000);
    Meeting {
        title: title.into(),
        kind: MeetingKind::Thematic.into(),
        organiser: "县委办公室".into(),
        host_level: Level::County.into(),
        chair: "闻知行".into(),
        place: "县会议中心".into(),
        participants: vec![Participant {
            person: "柏立言".into(),
            role: ParticipantRole::Attendee.into(),
            ..Default::default()
        }],
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(start + chrono::TimeDelta::hours(1))),
        ..Default::default()
    }
}

fn create(id: &str, title: &str) -> CreateMeetingRequest {
    CreateMeetingRequest {
        parent: OFFICE.into(),
        meeting_id: id.into(),
        meeting: Some(meeting(title)),
        ..Default::default()
    }
}

fn name(id: &str) -> String {
    format!("{OFFICE}/meetings/{id}")
}

fn convene(id: &str) -> ConveneMeetingRequest {
    ConveneMeetingRequest {
        name: name(id),
        ..Default::default()
    }
}

fn batch(calls: Vec<BatchCall>) -> BatchWriteRequest {
    BatchWriteRequest {
        parent: OFFICE.into(),
        calls,
        request_id: request_id(),
        ..Default::default()
    }
}

async fn write(
    suite: &Suite,
    service: &str,
    request: BatchWriteRequest,
) -> Result<Vec<Any>, Status> {
    let mut client = BatchServiceClient::new(suite.authorized(service));
    Ok(client.batch_write(request).await?.into_inner().answers)
}

fn read<R: Resource>(answer: &Any) -> R {
    assert_eq!(
        answer.type_url,
        format!("type.googleapis.com/{}", R::MESSAGE)
    );
    R::decode(answer.value.as_slice()).unwrap()
}

async fn meetings(suite: &Suite) -> Vec<Meeting> {
    let mut client = MeetingServiceClient::new(suite.authorized("meetings"));
    let request = ListMeetingsRequest {
        parent: OFFICE.into(),
        page_size: 1000,
        ..Default::default()
    };
    client
        .list_meetings(request)
        .await
        .unwrap()
        .into_inner()
        .meetings
}

async fn each_call_sees_the_changes_of_the_calls_before(suite: Suite) {
    let facility = Facility {
        title: "第一会议室".into(),
        kind: FacilityKind::Room.into(),
        ..Default::default()
    };
    let booking = Booking {
        facility: format!("{OFFICE}/facilities/room"),
        meeting: name("b"),
        start_time: meeting("").start_time,
        end_time: meeting("").end_time,
        ..Default::default()
    };
    let held = HoldMeetingRequest {
        name: name("a"),
        ..Default::default()
    };
    let cancel = CancelMeetingRequest {
        name: name("b"),
        reason: "另行安排".into(),
        ..Default::default()
    };
    let book = |id: &str, booking: &Booking| CreateBookingRequest {
        parent: OFFICE.into(),
        booking_id: id.into(),
        booking: Some(booking.clone()),
        ..Default::default()
    };
    let calls = vec![
        call(create("a", "甲")),
        call(convene("a")),
        call(held),
        call(create("b", "乙")),
        call(CreateFacilityRequest {
            parent: OFFICE.into(),
            facility_id: "room".into(),
            facility: Some(facility),
            ..Default::default()
        }),
        call(book("one", &booking)),
        // Queries over columns see the booking, and release it.
        call(cancel),
        call(create("c", "丙")),
        call(book(
            "two",
            &Booking {
                meeting: name("c"),
                ..booking.clone()
            },
        )),
    ];
    let answers = write(&suite, "meetings", batch(calls)).await.unwrap();
    let states: Vec<MeetingState> = answers[..4]
        .iter()
        .map(|a| read::<Meeting>(a).state())
        .collect();
    use MeetingState::{Convened, Held, Planned};
    assert_eq!(states, [Planned, Convened, Held, Planned]);
    let mut bookings = BookingServiceClient::new(suite.authorized("meetings"));
    for (id, state) in [("one", BookingState::Released), ("two", BookingState::Live)] {
        let request = GetBookingRequest {
            name: format!("{OFFICE}/bookings/{id}"),
        };
        let booking = bookings.get_booking(request).await.unwrap().into_inner();
        assert_eq!(booking.state(), state, "{id}");
    }
    // A slot that was booked by a call before is taken.
    let clash = vec![
        call(create("d", "丁")),
        call(book(
            "three",
            &Booking {
                meeting: name("d"),
                ..booking.clone()
            },
        )),
    ];
    let status = write(&suite, "meetings", batch(clash)).await.unwrap_err();
    assert_eq!(reason(&status), "SLOT_TAKEN");

    // Each change has its entry, with its own method.
    let mut history = HistoryServiceClient::new(suite.authorized("meetings"));
    let request = ListHistoryRequest {
        name: name("a"),
        ..Default::default()
    };
    let entries = history
        .list_history(request)
        .await
        .unwrap()
        .into_inner()
        .entries;
    let methods: Vec<&str> = entries.iter().map(|e| e.method.as_str()).collect();
    assert_eq!(methods, ["CreateMeeting", "ConveneMeeting", "HoldMeeting"]);
    assert_eq!(suite.audit("meetings").await.findings, []);
}

async fn all_or_nothing_is_written(suite: Suite) {
    let mut calls: Vec<BatchCall> = (0..150)
        .map(|i| call(create(&format!("m{i}"), "会议")))
        .collect();
    calls.push(call(convene("nowhere")));
    let status = write(&suite, "meetings", batch(calls.clone()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(meetings(&suite).await.is_empty());
    calls.pop();
    let answers = write(&suite, "meetings", batch(calls)).await.unwrap();
    assert_eq!(answers.len(), 150);
    assert_eq!(meetings(&suite).await.len(), 150);
    assert_eq!(suite.audit("meetings").await.findings, []);
}

async fn an_error_names_the_call(suite: Suite) {
    let mut bad = create("b", "乙");
    bad.meeting.as_mut().unwrap().title.clear();
    let mut twice = create("c", "丙");
    twice.request_id = request_id();
    let calls = vec![call(create("a", "甲")), call(bad), call(twice)];
    let status = write(&suite, "meetings", batch(calls)).await.unwrap_err();
    let bad = status.get_details_bad_request().unwrap();
    let fields: Vec<&str> = bad
        .field_violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    assert_eq!(
        fields,
        ["calls[1].request.meeting.title", "calls[2].request"]
    );

    // Methods that a batch can't call.
    for method in [
        "taizhang.meetings.v1.MeetingService/GetMeeting",
        "taizhang.supervision.v1.MatterService/CreateMatter",
        "x",
    ] {
        let mut other = call(create("a", "甲"));
        other.method = method.into();
        let status = write(&suite, "meetings", batch(vec![other]))
            .await
            .unwrap_err();
        let bad = status.get_details_bad_request().unwrap();
        assert_eq!(bad.field_violations[0].field, "calls[0].method");
    }
    let mut other = call(create("a", "甲"));
    other.request.as_mut().unwrap().type_url = "type.googleapis.com/x".into();
    let status = write(&suite, "meetings", batch(vec![other]))
        .await
        .unwrap_err();
    let bad = status.get_details_bad_request().unwrap();
    assert_eq!(bad.field_violations[0].field, "calls[0].request");

    // An id that is taken before the batch or within it.
    let first = batch(vec![call(create("a", "甲"))]);
    write(&suite, "meetings", first).await.unwrap();
    for ids in [["z", "a"], ["y", "y"]] {
        let calls = ids.iter().map(|id| call(create(id, "又"))).collect();
        let status = write(&suite, "meetings", batch(calls)).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["call"], "1", "{ids:?}");
    }
    // A call that a rule refuses.
    let mut bare = create("q", "甲");
    bare.meeting.as_mut().unwrap().chair.clear();
    let calls = vec![call(bare), call(convene("q"))];
    let status = write(&suite, "meetings", batch(calls)).await.unwrap_err();
    let refused = status.get_details_precondition_failure().unwrap();
    assert_eq!(refused.violations[0].r#type, "CONVENE_NEEDS");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["call"], "1");
}

async fn every_call_needs_its_scope_and_office(suite: Suite) {
    let settings = call(UpdateSupervisionSettingsRequest {
        supervision_settings: Some(taizhang_contracts::supervision::SupervisionSettings {
            name: format!("{OFFICE}/supervisionSettings"),
            warning_working_days: 3,
            ..Default::default()
        }),
        ..Default::default()
    });
    let token = suite.token(&[OFFICE, ANOTHER], &["supervision.write"]);
    let bearing =
        InterceptedService::new(suite.channel("supervision"), Bearer::of(&token).unwrap());
    let mut client = BatchServiceClient::new(bearing);
    let status = client.batch_write(batch(vec![settings])).await.unwrap_err();
    assert_eq!(reason(&status), "SCOPE_MISSING");

    let mut elsewhere = create("a", "甲");
    elsewhere.parent = ANOTHER.into();
    let calls = vec![call(elsewhere)];
    let status = write(&suite, "meetings", batch(calls)).await.unwrap_err();
    let bad = status.get_details_bad_request().unwrap();
    assert_eq!(bad.field_violations[0].field, "calls[0].request.parent");
}

async fn a_retry_gets_the_same_answers(suite: Suite) {
    let calls = vec![
        call(create("", "甲")),
        call(create("b", "乙")),
        call(convene("b")),
        call(create("", "丙")),
    ];
    let request = batch(calls);
    let first = write(&suite, "meetings", request.clone()).await.unwrap();
    assert_eq!(read::<Meeting>(&first[1]).state(), MeetingState::Planned);
    let second = write(&suite, "meetings", request.clone()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(meetings(&suite).await.len(), 3);

    // So do two concurrent calls.
    let request = batch(vec![call(create("", "丁")), call(create("", "戊"))]);
    let (one, other) = tokio::join!(
        write(&suite, "meetings", request.clone()),
        write(&suite, "meetings", request)
    );
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(meetings(&suite).await.len(), 5);
}

async fn a_request_id_is_for_one_request(suite: Suite) {
    let request = batch(vec![call(create("", "甲")), call(create("", "乙"))]);
    write(&suite, "meetings", request.clone()).await.unwrap();
    let mut other = request.clone();
    other.calls.pop();
    let status = write(&suite, "meetings", other).await.unwrap_err();
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
    let mut client = MeetingServiceClient::new(suite.authorized("meetings"));
    let mut single = create("", "甲");
    single.request_id = request.request_id;
    let status = client.create_meeting(single).await.unwrap_err();
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
}

async fn two_concurrent_batches_are_both_written(suite: Suite) {
    let many = |of: &str| {
        let calls = (0..50).map(|i| call(create(&format!("{of}{i}"), of)));
        batch(calls.collect())
    };
    let (one, other) = tokio::join!(
        write(&suite, "meetings", many("a")),
        write(&suite, "meetings", many("b"))
    );
    assert_eq!((one.unwrap().len(), other.unwrap().len()), (50, 50));
    assert_eq!(meetings(&suite).await.len(), 100);
    assert_eq!(suite.audit("meetings").await.findings, []);
}

async fn validate_only_writes_nothing(suite: Suite) {
    let mut request = batch(vec![call(create("a", "甲")), call(convene("a"))]);
    request.validate_only = true;
    let answers = write(&suite, "meetings", request.clone()).await.unwrap();
    assert_eq!(read::<Meeting>(&answers[1]).state(), MeetingState::Convened);
    let mut client = MeetingServiceClient::new(suite.authorized("meetings"));
    let get = GetMeetingRequest { name: name("a") };
    let status = client.get_meeting(get).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    request.validate_only = false;
    write(&suite, "meetings", request.clone()).await.unwrap();
    request.validate_only = true;
    request.request_id = request_id();
    let status = write(&suite, "meetings", request).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
}

async fn numbers_have_no_gaps_within_a_batch(suite: Suite) {
    let day = taizhang_contracts::common::Date {
        year: 2099,
        month: 3,
        day: 1,
    };
    let matter = Matter {
        title: "河道治理".into(),
        source: Some(Source {
            kind: SourceKind::Other.into(),
            level: Level::County.into(),
            ..Default::default()
        }),
        lead_unit: "县水利局".into(),
        due_date: Some(day),
        ..Default::default()
    };
    let request = CreateMatterRequest {
        parent: OFFICE.into(),
        matter: Some(matter),
        ..Default::default()
    };
    for from in [1, 21] {
        let calls = (0..20).map(|_| call(request.clone())).collect();
        let answers = write(&suite, "supervision", batch(calls)).await.unwrap();
        let matters = answers.iter().map(read::<Matter>);
        let numbers: Vec<i32> = matters.map(|m| m.number).collect();
        assert_eq!(numbers, (from..from + 20).collect::<Vec<i32>>());
        // Fields that depend on the time of reading are set.
        assert_ne!(read::<Matter>(&answers[0]).lamp(), Lamp::Unspecified);
    }
}

async fn a_batch_of_the_greatest_length_is_written(suite: Suite) {
    // New rows, changed rows, and both for one meeting.
    let ids: Vec<String> = (0..500).map(|i| format!("m{i:03}")).collect();
    let created = ids.iter().map(|id| call(create(id, id)));
    let convened = ids.iter().map(|id| call(convene(id)));
    let calls: Vec<BatchCall> = created.chain(convened).collect();
    let answers = write(&suite, "meetings", batch(calls.clone()))
        .await
        .unwrap();
    let states: Vec<MeetingState> = answers.iter().map(|a| read::<Meeting>(a).state()).collect();
    let (planned, convened) = states.split_at(500);
    assert!(planned.iter().all(|s| *s == MeetingState::Planned));
    assert!(convened.iter().all(|s| *s == MeetingState::Convened));
    let stored = meetings(&suite).await;
    assert_eq!(stored.len(), 500);
    assert!(stored.iter().all(|m| m.state() == MeetingState::Convened));
    let report = suite.audit("meetings").await;
    assert_eq!((report.findings, report.offices[0].1), (vec![], 1000));

    let one_more = calls.into_iter().chain([call(create("more", "例会"))]);
    let status = write(&suite, "meetings", batch(one_more.collect()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(meetings(&suite).await.len(), 500);
}

async fn answers_that_are_too_large_for_clients_are_refused(suite: Suite) {
    // Requests of less than 4 MiB, answers of more than 3 MiB.
    let long = |id: &str| {
        let mut request = create(id, "例会");
        if let Some(meeting) = &mut request.meeting {
            meeting.note = "长".repeat(2000);
        }
        call(request)
    };
    let many = |count: usize| batch((0..count).map(|i| long(&format!("m{i}"))).collect());
    let status = write(&suite, "meetings", many(600)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "calls"
    );
    assert!(meetings(&suite).await.is_empty());
    assert_eq!(
        write(&suite, "meetings", many(400)).await.unwrap().len(),
        400
    );
}
