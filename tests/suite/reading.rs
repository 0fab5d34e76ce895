//! Lists: pages, orders, filters.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::meetings::*;
use taizhang_contracts::supervision::*;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, OFFICE, Suite, reason};
use crate::records::*;

on_each_database!(
    every_order_is_total_and_pages_follow_it,
    pages_are_stable_under_inserts_and_deletes,
    a_token_is_bound_to_its_request,
    page_sizes_follow_aip_158,
    a_page_of_large_records_is_short,
    filters_match_the_right_meetings,
    filters_over_matters,
    an_invalid_filter_or_order_is_reported,
);

/// Orders over every type of field, ascending and descending, with equal and absent values.
const ORDERS: &[&str] = &[
    "",
    "id",
    "id desc",
    "title",
    "title desc",
    "seats, title",
    "seats desc",
    "kind desc, seats",
    "installed_on",
    "installed_on desc",
    "renovated_on desc, installed_on, seats desc",
    "delete_time desc, installed_on desc, id desc",
    "create_time",
    "create_time desc",
    "update_time, kind",
];

type Day = Option<(i32, i32, i32)>;

fn of(day: Option<Date>) -> Day {
    day.map(|d| (d.year, d.month, d.day))
}

/// Compares two facilities in an order; absent values come first.
fn compare(order: &str, a: &Facility, b: &Facility) -> Ordering {
    let time = |t: Option<prost_types::Timestamp>| t.map(|t| (t.seconds, t.nanos));
    let by = |path: &str| match path {
        "id" => a.name.cmp(&b.name),
        "title" => a.title.cmp(&b.title),
        "kind" => a.kind.cmp(&b.kind),
        "seats" => a.seats.cmp(&b.seats),
        "installed_on" => of(a.installed_on).cmp(&of(b.installed_on)),
        "renovated_on" => of(a.renovated_on).cmp(&of(b.renovated_on)),
        "create_time" => time(a.create_time).cmp(&time(b.create_time)),
        "update_time" => time(a.update_time).cmp(&time(b.update_time)),
        "delete_time" => time(a.delete_time).cmp(&time(b.delete_time)),
        other => panic!("{other}"),
    };
    order
        .split(", ")
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_suffix(" desc") {
            Some(path) => by(path).reverse(),
            None => by(part),
        })
        .find(|ordering| ordering.is_ne())
        .unwrap_or_else(|| by("id"))
}

/// A facility whose values repeat and whose days are mostly absent.
fn varied(i: i32) -> Facility {
    let kind = [
        FacilityKind::Room,
        FacilityKind::VideoLine,
        FacilityKind::VideoSystem,
    ];
    let day = |n: i32| {
        (n % 3 > 0).then(|| Date {
            year: 2020 + n % 4,
            month: 1 + n % 12,
            day: 1 + n % 28,
        })
    };
    Facility {
        title: ["一号", "二号", "Room", "room", "甲乙"][i as usize % 5].into(),
        kind: kind[i as usize % 3].into(),
        seats: i % 4 * 10,
        installed_on: day(i * 7 % 11),
        renovated_on: day(i * 5 % 13),
        ..Default::default()
    }
}

async fn add(api: &Api, id: &str, facility: Facility) -> Facility {
    let request = CreateFacilityRequest {
        parent: OFFICE.into(),
        facility_id: id.into(),
        facility: Some(facility),
        ..Default::default()
    };
    api.facilities
        .clone()
        .create_facility(request)
        .await
        .unwrap()
        .into_inner()
}

async fn remove(api: &Api, name: &str) {
    let request = DeleteFacilityRequest {
        name: name.into(),
        ..Default::default()
    };
    api.facilities
        .clone()
        .delete_facility(request)
        .await
        .unwrap();
}

async fn page(api: &Api, request: &ListFacilitiesRequest) -> (Vec<Facility>, String) {
    let answer = api
        .facilities
        .clone()
        .list_facilities(request.clone())
        .await
        .unwrap()
        .into_inner();
    (answer.facilities, answer.next_page_token)
}

fn every(order_by: &str, page_size: i32) -> ListFacilitiesRequest {
    ListFacilitiesRequest {
        parent: OFFICE.into(),
        order_by: order_by.into(),
        page_size,
        ..Default::default()
    }
}

async fn every_order_is_total_and_pages_follow_it(suite: Suite) {
    let api = Api::of(&suite);
    for i in 0..40 {
        let made = add(&api, "", varied(i)).await;
        if i % 8 == 0 {
            remove(&api, &made.name).await;
        }
    }
    for order in ORDERS {
        for show_deleted in [false, true] {
            let whole = ListFacilitiesRequest {
                show_deleted,
                ..every(order, 1000)
            };
            let (all, token) = page(&api, &whole).await;
            assert_eq!(
                (all.len(), token.as_str()),
                (if show_deleted { 40 } else { 35 }, "")
            );
            let mut sorted = all.clone();
            sorted.sort_by(|a, b| compare(order, a, b));
            assert_eq!(all, sorted, "{order}");

            let mut request = ListFacilitiesRequest {
                page_size: 3,
                ..whole
            };
            let mut paged = Vec::new();
            loop {
                let (records, token) = page(&api, &request).await;
                paged.extend(records);
                request.page_token = token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            assert_eq!(paged, all, "{order}");
        }
    }
}

/// Checks a list read during concurrent writes: in order, none twice, and none of `present` missing.
fn whole(order: &str, listed: &[Facility], present: &[Facility]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for facility in listed {
        *times.entry(&facility.name).or_default() += 1;
    }
    assert!(times.values().all(|n| *n == 1), "{order}: {times:?}");
    for facility in present {
        assert_eq!(
            times.get(facility.name.as_str()),
            Some(&1),
            "{order}: {}",
            facility.title
        );
    }
    for pair in listed.windows(2) {
        assert_eq!(
            compare(order, &pair[0], &pair[1]),
            Ordering::Less,
            "{order}"
        );
    }
}

async fn pages_are_stable_under_inserts_and_deletes(suite: Suite) {
    let api = Api::of(&suite);
    let mut present = Vec::new();
    for i in 0..24 {
        present.push(add(&api, "", varied(i)).await);
    }
    let mut n = 24;
    let mut pointed_at = 0;
    let mut passing: Vec<String> = Vec::new();
    for order in ORDERS {
        let mut request = every(order, 4);
        let mut listed = Vec::new();
        loop {
            let (records, token) = page(&api, &request).await;
            // Deletes the record that the token points at, unless it must stay.
            if let Some(last) = records.last().filter(|r| passing.contains(&r.name)) {
                remove(&api, &last.name).await;
                passing.retain(|name| *name != last.name);
                pointed_at += 1;
            }
            listed.extend(records);
            if token.is_empty() {
                break;
            }
            request.page_token = token;
            // New records before and after the position, in every order.
            passing.push(add(&api, "", varied(n)).await.name);
            if passing.len() > 12 {
                remove(&api, &passing.remove(0)).await;
            }
            n += 1;
        }
        whole(order, &listed, &present);
    }
    assert!(
        n > 80 && pointed_at > 5,
        "{n} changes between pages, {pointed_at} of the last record"
    );
}

async fn a_token_is_bound_to_its_request(suite: Suite) {
    let api = Api::of(&suite);
    for i in 0..6 {
        add(&api, "", varied(i)).await;
    }
    let first = ListFacilitiesRequest {
        filter: "seats >= 0".into(),
        ..every("title", 2)
    };
    let (_, token) = page(&api, &first).await;
    let next = ListFacilitiesRequest {
        page_token: token.clone(),
        ..first.clone()
    };
    // The page size may change, as AIP-158 has it.
    let (rest, end) = page(
        &api,
        &ListFacilitiesRequest {
            page_size: 100,
            ..next.clone()
        },
    )
    .await;
    assert_eq!((rest.len(), end.as_str()), (4, ""));

    let refused = |status: Status| {
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, "INVALID_PAGE_TOKEN".into())
        );
    };
    let half = token.len() / 2;
    let mut forged = token.clone().into_bytes();
    forged[half] = if forged[half] == b'A' { b'B' } else { b'A' };
    for wrong in [
        ListFacilitiesRequest {
            filter: "seats >= 10".into(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            filter: String::new(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            order_by: "title desc".into(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            order_by: String::new(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            show_deleted: true,
            ..next.clone()
        },
        ListFacilitiesRequest {
            parent: ANOTHER.into(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            page_token: String::from_utf8(forged).unwrap(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            page_token: token[..half].into(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            page_token: "2".into(),
            ..next.clone()
        },
        ListFacilitiesRequest {
            page_token: "%".into(),
            ..next
        },
    ] {
        refused(
            api.facilities
                .clone()
                .list_facilities(wrong)
                .await
                .unwrap_err(),
        );
    }
    // Nor is it valid for another collection.
    let request = ListMeetingsRequest {
        parent: OFFICE.into(),
        page_token: token,
        ..Default::default()
    };
    refused(
        api.meetings
            .clone()
            .list_meetings(request)
            .await
            .unwrap_err(),
    );
}

async fn page_sizes_follow_aip_158(suite: Suite) {
    let api = Api::of(&suite);
    // More than a thousand meetings by three calls.
    let series = MeetingSeries {
        title: "例会".into(),
        kind: MeetingKind::OfficeDirectors.into(),
        organiser: "县委办公室".into(),
        host_level: Level::County.into(),
        recurrence: Some(Recurrence {
            rule: Some(recurrence::Rule::Weekly(Weekly {
                weekday: Weekday::Monday.into(),
            })),
        }),
        first_day: Some(day("2001-01-01")),
        start_minute: 540,
        duration_minutes: 60,
        ..Default::default()
    };
    let request = CreateMeetingSeriesRequest {
        parent: OFFICE.into(),
        meeting_series: Some(series),
        ..Default::default()
    };
    let mut client = api.series.clone();
    let name = client
        .create_meeting_series(request)
        .await
        .unwrap()
        .into_inner()
        .name;
    for until in ["2007-12-31", "2014-12-31", "2021-12-31"] {
        let request = ExtendMeetingSeriesRequest {
            name: name.clone(),
            until: Some(day(until)),
            ..Default::default()
        };
        client.extend_meeting_series(request).await.unwrap();
    }
    let database = suite.database("meetings").await;
    assert_eq!(
        number(&database, "SELECT COUNT(*) FROM meetings").await,
        1096
    );

    let list = async |page_size| {
        let request = ListMeetingsRequest {
            parent: OFFICE.into(),
            page_size,
            ..Default::default()
        };
        Ok::<_, Status>(
            api.meetings
                .clone()
                .list_meetings(request)
                .await?
                .into_inner(),
        )
    };
    for (page_size, expected) in [
        (0, 50),
        (1, 1),
        (999, 999),
        (1000, 1000),
        (1001, 1000),
        (i32::MAX, 1000),
    ] {
        let page = list(page_size).await.unwrap();
        assert_eq!(page.meetings.len(), expected);
        assert!(!page.next_page_token.is_empty());
    }
    let status = list(-1).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::InvalidArgument, "INVALID_FIELDS".into())
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "page_size");
}

async fn a_page_of_large_records_is_short(suite: Suite) {
    let api = Api::of(&suite);
    let long = |n| "长".repeat(n);
    let participant = Participant {
        person: long(50),
        unit: long(100),
        post: long(100),
        role: ParticipantRole::Attendee.into(),
        ..Default::default()
    };
    for i in 0..6 {
        let participants = vec![participant.clone(); 1000];
        let large = Meeting {
            participants,
            ..meeting(&format!("大会{i}"))
        };
        api.create_meeting(new_meeting(large)).await.unwrap();
    }
    let mut request = ListMeetingsRequest {
        parent: OFFICE.into(),
        ..Default::default()
    };
    let (mut titles, mut pages) = (Vec::new(), 0);
    loop {
        let page = api
            .meetings
            .clone()
            .list_meetings(request.clone())
            .await
            .unwrap()
            .into_inner();
        titles.extend(page.meetings.into_iter().map(|m| m.title));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(
        titles,
        (0..6).map(|i| format!("大会{i}")).collect::<Vec<_>>()
    );
    assert!(pages > 1);
}

async fn filters_match_the_right_meetings(suite: Suite) {
    let api = Api::of(&suite);
    let kinds = [MeetingKind::OnSite, MeetingKind::Video, MeetingKind::Other];
    for (i, (title, start)) in [
        ("水库除险调度会", "2021-12-31T15:30:00Z"),
        ("Flood 100% [plan]", "2021-12-31T16:10:00.5Z"),
        ("flood_plan?*", "2022-06-01T01:00:00.123456789Z"),
        ("a'b\"c\\d", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let start_time = (!start.is_empty()).then(|| at(start).unwrap());
        let made = Meeting {
            kind: kinds[i % 3].into(),
            host_level: [Level::County, Level::Province][i % 2].into(),
            video: i % 2 == 1,
            chair: if i < 2 {
                "李四".into()
            } else {
                String::new()
            },
            start_time,
            ..meeting(title)
        };
        let id = format!("m{i}");
        let request = CreateMeetingRequest {
            meeting_id: id,
            ..new_meeting(made)
        };
        api.create_meeting(request).await.unwrap();
    }
    let delete = DeleteMeetingRequest {
        name: format!("{OFFICE}/meetings/m3"),
        ..Default::default()
    };
    api.delete_meeting(delete).await.unwrap();

    for (filter, expected) in [
        // Enums, by their short and full names.
        ("kind = ON_SITE", "03"),
        ("kind = MEETING_KIND_ON_SITE", "03"),
        ("kind : VIDEO", "1"),
        ("kind != ON_SITE", "12"),
        ("NOT kind = MEETING_KIND_ON_SITE", "12"),
        ("host_level = PROVINCE", "13"),
        ("state = PLANNED", "0123"),
        ("state = HELD OR kind = OTHER", "2"),
        ("kind:*", "0123"),
        // Texts: substring, equality, wildcards, order by code point.
        ("title:水库", "0"),
        ("title:flood", "2"),
        ("title:Flood", "1"),
        (r#"title:"%""#, "1"),
        (r#"title:"_""#, "2"),
        (r#"title:"[p""#, "1"),
        (r#"title:"?\*""#, "2"),
        (r#"title = "*plan*""#, "12"),
        (r#"title = "水库*会""#, "0"),
        (r#"title != "*plan*""#, "03"),
        (r#"title = "a'b\"c\\d""#, "3"),
        ("title < a", "1"),
        ("title >= flood", "02"),
        ("chair = 李四", "01"),
        ("NOT chair = 李四", "23"),
        ("chair:*", "01"),
        ("NOT chair:*", "23"),
        ("-chair:李 AND NOT chair:张", "23"),
        // Booleans.
        ("video = true", "13"),
        ("video = false", "02"),
        ("NOT video = true", "02"),
        ("organised_by_office != false", "0123"),
        // Instants; an absent one equals nothing.
        (r#"start_time < "2022-01-01T00:00:00+08:00""#, "0"),
        (r#"start_time >= "2022-01-01T00:00:00+08:00""#, "12"),
        (r#"start_time = "2021-12-31T15:30:00Z""#, "0"),
        (r#"start_time = "2021-12-31T23:30:00.000+08:00""#, "0"),
        (r#"start_time = "2021-12-31T16:10:00.5Z""#, "1"),
        (r#"start_time > "2021-12-31T16:10:00Z""#, "12"),
        (r#"start_time > "2021-12-31T16:10:00.50Z""#, "2"),
        // Digits beyond microseconds are ignored.
        (r#"start_time = "2022-06-01T01:00:00.123456789Z""#, "2"),
        (r#"start_time = "2022-06-01T01:00:00.123456Z""#, "2"),
        (r#"start_time > "2022-06-01T01:00:00.123456Z""#, ""),
        ("start_time:*", "012"),
        ("NOT start_time:*", "3"),
        (r#"start_time != "2021-12-31T15:30:00Z""#, "123"),
        (r#"NOT start_time = "2021-12-31T15:30:00Z""#, "123"),
        (r#"NOT start_time < "2022-01-01T00:00:00+08:00""#, "123"),
        (
            r#"NOT (start_time < "2022-01-01T00:00:00+08:00" AND video = false)"#,
            "123",
        ),
        (
            r#"NOT (start_time > "2022-01-01T00:00:00Z" OR video = true)"#,
            "0",
        ),
        // Days: none was held.
        ("held_on = 2022-01-01", ""),
        ("held_on != 2022-01-01", "0123"),
        ("NOT held_on >= 2022-01-01", "0123"),
        ("NOT held_on:*", "0123"),
        // Common fields.
        ("id = m1", "1"),
        ("id > m1", "23"),
        ("delete_time:*", "3"),
        ("NOT delete_time:*", "012"),
        (r#"create_time > "2020-01-01T00:00:00Z""#, "0123"),
        (r#"update_time < "2020-01-01T00:00:00Z""#, ""),
        // OR binds tighter than AND.
        ("video = true AND kind = ON_SITE OR kind = VIDEO", "13"),
        ("(video = false kind = ON_SITE) OR kind = VIDEO", "01"),
        ("", "0123"),
    ] {
        let request = ListMeetingsRequest {
            parent: OFFICE.into(),
            filter: filter.into(),
            show_deleted: true,
            ..Default::default()
        };
        let answer = api.meetings.clone().list_meetings(request).await;
        let found = answer
            .unwrap_or_else(|s| panic!("{filter}: {s:?}"))
            .into_inner()
            .meetings;
        let ids: String = found
            .iter()
            .map(|m| m.name.rsplit('m').next().unwrap())
            .collect();
        assert_eq!(ids, expected, "{filter}");
    }

    // A filter combined with pages and an order.
    let mut request = ListMeetingsRequest {
        parent: OFFICE.into(),
        filter: "NOT kind = VIDEO".into(),
        order_by: "start_time desc".into(),
        page_size: 1,
        show_deleted: true,
        ..Default::default()
    };
    let mut titles = Vec::new();
    loop {
        let page = api
            .meetings
            .clone()
            .list_meetings(request.clone())
            .await
            .unwrap()
            .into_inner();
        titles.extend(page.meetings.into_iter().map(|m| m.title));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(titles, ["flood_plan?*", "水库除险调度会", "a'b\"c\\d"]);
}

async fn filters_over_matters(suite: Suite) {
    let api = Api::of(&suite);
    let source = |kind: SourceKind, level: Level, by_secretary| Source {
        kind: kind.into(),
        level: level.into(),
        by_secretary,
        ..Default::default()
    };
    for (source, registered, due) in [
        (
            source(SourceKind::Instruction, Level::City, true),
            "2021-12-31",
            "2022-01-31",
        ),
        (
            source(SourceKind::Instruction, Level::County, false),
            "2022-01-01",
            "2022-12-31",
        ),
        (
            source(SourceKind::SupervisionNotice, Level::City, false),
            "2022-01-02",
            "2023-01-01",
        ),
    ] {
        let made = Matter {
            source: Some(source),
            registered_on: Some(day(registered)),
            due_date: Some(day(due)),
            ..matter("事项")
        };
        api.create_matter(new_matter(made)).await.unwrap();
    }
    // Identified by the day of registration.
    for (filter, expected) in [
        ("source.kind = INSTRUCTION", "31 1"),
        (
            "source.kind = SOURCE_KIND_INSTRUCTION AND source.level = LEVEL_COUNTY",
            "1",
        ),
        ("source.by_secretary = true", "31"),
        (
            "NOT source.by_secretary = true AND source.level = CITY",
            "2",
        ),
        ("number = 1", "31 1"),
        ("number > 1", "2"),
        ("number >= 1 AND number < 2", "31 1"),
        ("year = 2022", "1 2"),
        ("registered_on >= 2022-01-01", "1 2"),
        ("registered_on < 2022-01-01", "31"),
        ("registered_on : 2022-01-02", "2"),
        ("due_date <= 2022-12-31 AND registered_on > 2021-12-31", "1"),
        ("closed_on = 2022-01-01", ""),
        ("NOT closed_on = 2022-01-01", "31 1 2"),
        ("NOT closed_on < 2022-01-01", "31 1 2"),
        ("closed_on:*", ""),
        ("NOT closed_on:*", "31 1 2"),
        ("lead_unit:水利", "31 1 2"),
    ] {
        let request = ListMattersRequest {
            parent: OFFICE.into(),
            filter: filter.into(),
            order_by: "registered_on".into(),
            ..Default::default()
        };
        let answer = api.matters.clone().list_matters(request).await;
        let found = answer
            .unwrap_or_else(|s| panic!("{filter}: {s:?}"))
            .into_inner()
            .matters;
        let days: Vec<_> = found
            .iter()
            .map(|m| m.registered_on.unwrap().day.to_string())
            .collect();
        assert_eq!(days.join(" "), expected, "{filter}");
    }
}

async fn an_invalid_filter_or_order_is_reported(suite: Suite) {
    let api = Api::of(&suite);
    let deep = format!("{}video = true{}", "(".repeat(30), ")".repeat(30));
    let long = vec!["video = true"; 150].join(" AND ");
    for (filter, order_by, field, says) in [
        ("colour = red", "", "filter", "colour"),
        ("kind = PICNIC", "", "filter", "MeetingKind"),
        ("kind < ON_SITE", "", "filter", "kind"),
        ("video = yes", "", "filter", "true"),
        ("video > false", "", "filter", "video"),
        ("held_on = yesterday", "", "filter", "2022-01-31"),
        ("held_on = 2022-02-30", "", "filter", "held_on"),
        ("start_time = 2022-02-01", "", "filter", "start_time"),
        ("title =", "", "filter", ""),
        ("(video = true", "", "filter", ""),
        ("video = true)", "", "filter", ""),
        ("video", "", "filter", ""),
        (deep.as_str(), "", "filter", ""),
        (long.as_str(), "", "filter", ""),
        ("", "colour", "order_by", "colour"),
        ("", "title down", "order_by", "title"),
        ("", "title, title desc", "order_by", "title"),
    ] {
        let request = ListMeetingsRequest {
            parent: OFFICE.into(),
            filter: filter.into(),
            order_by: order_by.into(),
            ..Default::default()
        };
        let status = api
            .meetings
            .clone()
            .list_meetings(request)
            .await
            .unwrap_err();
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, "INVALID_FIELDS".into())
        );
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let named =
            |v: &tonic_types::FieldViolation| v.field == field && v.description.contains(says);
        assert!(
            violations.iter().any(named),
            "{filter}{order_by}: {violations:?}"
        );
    }
}
