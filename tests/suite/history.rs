//! The history service and the audit.

use std::process::Command;

use sea_orm::Value;
use taizhang_contracts::history::*;
use taizhang_contracts::meetings::*;
use taizhang_ledger::audit::{Finding, Report};
use tonic::Code;

use crate::harness::{OFFICE, Suite, reason};
use crate::records::*;

on_each_database!(
    each_entry_has_caller_time_method_and_changes,
    a_history_is_read_in_pages,
    a_history_is_read_by_the_name_of_its_record,
    changes_that_bypass_the_ledger_are_found,
    a_truncated_history_changes_the_digest,
    the_program_names_the_bad_entry,
);

/// The changes of an entry, as `field: from → to`.
fn told(entry: &HistoryEntry) -> Vec<String> {
    entry
        .changes
        .iter()
        .map(|c| format!("{}: {} → {}", c.field, c.from, c.to))
        .collect()
}

async fn each_entry_has_caller_time_method_and_changes(suite: Suite) {
    let api = Api::of(&suite);
    let create = CreateMeetingRequest {
        meeting_id: "m1".into(),
        request_id: request_id(),
        ..new_meeting(past_meeting("调度会", "2022-03-01T01:00:00Z"))
    };
    let created = api.create_meeting(create.clone()).await.unwrap();
    let name = created.name.clone();
    let update = UpdateMeetingRequest {
        meeting: Some(Meeting {
            name: name.clone(),
            note: "改期".into(),
            video: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    api.update_meeting(update).await.unwrap();
    let mut meetings = api.meetings.clone();
    let convene = ConveneMeetingRequest {
        name: name.clone(),
        ..Default::default()
    };
    let convened = meetings
        .convene_meeting(convene)
        .await
        .unwrap()
        .into_inner();
    // Held by another system.
    let token = suite.token_of("township-portal", &[OFFICE], &["meetings.write"]);
    let hold = HoldMeetingRequest {
        name: name.clone(),
        ..Default::default()
    };
    let held = Api::with(&suite, &token)
        .meetings
        .hold_meeting(hold)
        .await
        .unwrap()
        .into_inner();
    let delete = DeleteMeetingRequest {
        name: name.clone(),
        ..Default::default()
    };
    api.delete_meeting(delete).await.unwrap();
    let undelete = UndeleteMeetingRequest {
        name: name.clone(),
        ..Default::default()
    };
    meetings.undelete_meeting(undelete).await.unwrap();

    let entries = api.history(&name).await;
    let column = |read: fn(&HistoryEntry) -> String| entries.iter().map(read).collect::<Vec<_>>();
    assert_eq!(
        column(|e| e.method.clone()),
        [
            "CreateMeeting",
            "UpdateMeeting",
            "ConveneMeeting",
            "HoldMeeting",
            "DeleteMeeting",
            "UndeleteMeeting"
        ]
    );
    assert_eq!(
        column(|e| e.caller.clone()),
        [
            "tests",
            "tests",
            "tests",
            "township-portal",
            "tests",
            "tests"
        ]
    );
    assert_eq!(
        column(|e| e.sequence.to_string()),
        ["1", "2", "3", "4", "5", "6"]
    );
    assert!(
        entries
            .iter()
            .all(|e| e.record == name && e.digest.len() == 64)
    );
    assert_eq!(entries[0].request_id, create.request_id);
    assert!(entries[1..].iter().all(|e| e.request_id.is_empty()));
    let times: Vec<_> = entries
        .iter()
        .map(|e| (e.time.unwrap().seconds, e.time.unwrap().nanos))
        .collect();
    assert!(times.is_sorted());
    let seconds = entries[3].time.unwrap().seconds - held.update_time.unwrap().seconds;
    assert!((0..=1).contains(&seconds), "{seconds}");

    let first = told(&entries[0]);
    for expected in [
        r#"title:  → "调度会""#,
        r#"kind:  → "MEETING_KIND_THEMATIC""#,
        r#"organised_by_office:  → true"#,
        r#"start_time:  → "2022-03-01T01:00:00Z""#,
        r#"state:  → "MEETING_STATE_PLANNED""#,
    ] {
        assert!(
            first.iter().any(|c| c == expected),
            "{expected} is not in {first:#?}"
        );
    }
    // Fields that were not set do not appear.
    assert!(
        !first
            .iter()
            .any(|c| c.starts_with("note") || c.starts_with("video")),
        "{first:#?}"
    );
    assert_eq!(
        told(&entries[1]),
        [r#"video:  → true"#, r#"note:  → "改期""#]
    );
    let sent = chrono::DateTime::from_timestamp(
        convened.convene_time.unwrap().seconds,
        convened.convene_time.unwrap().nanos as u32,
    );
    let changes = told(&entries[2]);
    assert_eq!(
        changes[0],
        r#"state: "MEETING_STATE_PLANNED" → "MEETING_STATE_CONVENED""#
    );
    let day = sent.unwrap().format("%Y-%m-%dT%H:%M:%S").to_string();
    assert!(
        changes[1].starts_with(&format!(r#"convene_time:  → "{day}"#)),
        "{changes:?}"
    );
    assert_eq!(changes.len(), 2);
    let changes = told(&entries[3]);
    let (from, to) = changes[0].split_once(" → ").unwrap();
    assert!(
        from.starts_with("participants: [") && !from.contains("present"),
        "{from}"
    );
    assert!(
        to.contains(r#""present":true"#) && to.contains("张三"),
        "{to}"
    );
    assert_eq!(
        changes[1],
        r#"state: "MEETING_STATE_CONVENED" → "MEETING_STATE_HELD""#
    );
    let held_on = changes[2].strip_prefix("held_on:  → ").unwrap();
    let held_on: serde_json::Value = serde_json::from_str(held_on).unwrap();
    assert_eq!(
        held_on,
        serde_json::json!({"year": 2022, "month": 3, "day": 1})
    );
    let changes = told(&entries[4]);
    assert_eq!(
        (
            changes.len(),
            changes[0].starts_with(r#"delete_time:  → "20"#)
        ),
        (1, true),
        "{changes:?}"
    );
    let changes = told(&entries[5]);
    assert!(
        changes[0].starts_with(r#"delete_time: "20"#) && changes[0].ends_with(" → "),
        "{changes:?}"
    );
}

async fn a_history_is_read_in_pages(suite: Suite) {
    let api = Api::of(&suite);
    let made = api
        .create_meeting(new_meeting(meeting("第0次")))
        .await
        .unwrap();
    let other = api
        .create_meeting(new_meeting(meeting("别的")))
        .await
        .unwrap();
    for i in 1..10 {
        for name in [&made.name, &other.name] {
            let renamed = Meeting {
                name: name.clone(),
                title: format!("第{i}次"),
                ..Default::default()
            };
            let request = UpdateMeetingRequest {
                meeting: Some(renamed),
                ..Default::default()
            };
            api.update_meeting(request).await.unwrap();
        }
    }
    let all = api.history(&made.name).await;
    assert_eq!(all.len(), 10);
    assert_eq!(told(&all[9]), [r#"title: "第8次" → "第9次""#]);
    // `seq` counts the entries of the office, so one record's history has gaps.
    assert_eq!(
        all.iter().map(|e| e.sequence).collect::<Vec<_>>(),
        [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    );
    for page_size in [1, 3, 5, 10] {
        let mut request = ListHistoryRequest {
            name: made.name.clone(),
            page_size,
            ..Default::default()
        };
        let mut paged = Vec::new();
        loop {
            let page = api
                .history
                .clone()
                .list_history(request.clone())
                .await
                .unwrap()
                .into_inner();
            assert!(page.entries.len() <= page_size as usize && !page.entries.is_empty());
            paged.extend(page.entries);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(paged, all);
    }
    // A page token is bound to one record.
    let request = ListHistoryRequest {
        name: made.name,
        page_size: 2,
        ..Default::default()
    };
    let page_token = api
        .history
        .clone()
        .list_history(request)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let request = ListHistoryRequest {
        name: other.name,
        page_token,
        ..Default::default()
    };
    let status = api.history.clone().list_history(request).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_PAGE_TOKEN");
}

async fn a_history_is_read_by_the_name_of_its_record(suite: Suite) {
    let api = Api::of(&suite);
    let request = CreateMeetingRequest {
        meeting_id: "m1".into(),
        ..new_meeting(meeting("例会"))
    };
    api.create_meeting(request).await.unwrap();
    api.create_matter(new_matter(matter("修渠"))).await.unwrap();
    let list = async |name: &str| {
        let request = ListHistoryRequest {
            name: name.into(),
            ..Default::default()
        };
        let answer = api.history.clone().list_history(request).await;
        answer.map(|page| page.into_inner().entries.len())
    };
    let refused = |answer: Result<usize, tonic::Status>, code: Code, why: &str| {
        let status = answer.unwrap_err();
        assert_eq!((status.code(), reason(&status)), (code, why.into()));
    };
    assert_eq!(list("offices/demo/meetings/m1").await.unwrap(), 1);
    // The same id in another collection, another office, another service.
    refused(
        list("offices/demo/lectures/m1").await,
        Code::NotFound,
        "NOT_FOUND",
    );
    refused(
        list("offices/another/meetings/m1").await,
        Code::NotFound,
        "NOT_FOUND",
    );
    refused(
        list("offices/demo/matters/m1").await,
        Code::InvalidArgument,
        "INVALID_FIELDS",
    );
    refused(
        list("offices/demo/meetings/m2").await,
        Code::NotFound,
        "NOT_FOUND",
    );
    for bad in [
        "",
        "meetings/m1",
        "offices/demo/meetings",
        "offices/demo/meetings/m1/x",
        "offices/demo/meetings/M",
    ] {
        refused(list(bad).await, Code::InvalidArgument, "INVALID_FIELDS");
    }
    // For an office outside the token, the error does not reveal whether the record exists.
    refused(
        list("offices/elsewhere/meetings/m1").await,
        Code::PermissionDenied,
        "OFFICE_NOT_GRANTED",
    );
}

/// Five entries over two records: created, created, renamed, renamed, deleted.
async fn some_history(api: &Api, office: &str) {
    let parent = format!("offices/{office}");
    for id in ["m1", "m2"] {
        let request = CreateMeetingRequest {
            parent: parent.clone(),
            meeting_id: id.into(),
            request_id: request_id(),
            ..new_meeting(past_meeting("例会", "2022-03-01T01:00:00Z"))
        };
        api.create_meeting(request).await.unwrap();
    }
    let name = format!("{parent}/meetings/m1");
    for title in ["改名", "再改名"] {
        let renamed = Meeting {
            name: name.clone(),
            title: title.into(),
            ..Default::default()
        };
        let request = UpdateMeetingRequest {
            meeting: Some(renamed),
            ..Default::default()
        };
        api.update_meeting(request).await.unwrap();
    }
    let delete = DeleteMeetingRequest {
        name: format!("{parent}/meetings/m2"),
        ..Default::default()
    };
    api.delete_meeting(delete).await.unwrap();
}

/// Statements of someone with access to the database, and the first finding of the audit: the entry
/// and the record.
const TAMPERED: &[(&str, &str, Option<i64>, &str)] = &[
    (
        "body",
        "UPDATE history SET body = (SELECT body FROM history WHERE office = $1 AND seq = 3) WHERE office = $1 AND seq = 1",
        Some(1),
        "meetings/m1",
    ),
    (
        "caller",
        "UPDATE history SET caller = 'someone' WHERE office = $1 AND seq = 2",
        Some(2),
        "meetings/m2",
    ),
    (
        "method",
        "UPDATE history SET method = 'UpdateMeeting' WHERE office = $1 AND seq = 5",
        Some(5),
        "meetings/m2",
    ),
    (
        "time",
        "UPDATE history SET time = (SELECT time FROM history WHERE office = $1 AND seq = 1) WHERE office = $1 AND seq = 4",
        Some(4),
        "meetings/m1",
    ),
    (
        "request",
        "UPDATE history SET request_id = NULL, request_digest = NULL WHERE office = $1 AND seq = 2",
        Some(2),
        "meetings/m2",
    ),
    (
        "record",
        "UPDATE history SET id = 'm3' WHERE office = $1 AND seq = 4",
        Some(4),
        "meetings/m3",
    ),
    (
        "digest",
        "UPDATE history SET mac = (SELECT mac FROM history WHERE office = $1 AND seq = 1) WHERE office = $1 AND seq = 3",
        Some(3),
        "meetings/m1",
    ),
    (
        "first",
        "DELETE FROM history WHERE office = $1 AND seq = 1",
        Some(1),
        "",
    ),
    (
        "middle",
        "DELETE FROM history WHERE office = $1 AND seq = 3",
        Some(3),
        "",
    ),
    (
        "last",
        "DELETE FROM history WHERE office = $1 AND seq = 5",
        None,
        "meetings/m2",
    ),
    (
        "all",
        "DELETE FROM history WHERE office = $1",
        None,
        "meetings/m1",
    ),
    (
        "renumbered",
        "UPDATE history SET seq = seq + 1 WHERE office = $1 AND seq = 5",
        Some(5),
        "",
    ),
    (
        "added",
        "INSERT INTO history (office, seq, time, caller, method, collection, id, version, body, mac) SELECT office, 6, time, caller, method, collection, id, 9, body, mac FROM history WHERE office = $1 AND seq = 5",
        Some(6),
        "meetings/m2",
    ),
    (
        "row",
        "UPDATE meetings SET body = (SELECT body FROM history WHERE office = $1 AND seq = 1) WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "old",
        "UPDATE meetings SET version = 1, body = (SELECT body FROM history WHERE office = $1 AND seq = 1) WHERE office = $1 AND id = 'm1'",
        Some(3),
        "meetings/m1",
    ),
    (
        "version",
        "UPDATE meetings SET version = 7 WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "text",
        "UPDATE meetings SET title = '别的' WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "number",
        "UPDATE meetings SET state = 3 WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "truth",
        "UPDATE meetings SET organised_by_office = FALSE WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "day",
        "UPDATE meetings SET held_on = '2022-03-01' WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "instant",
        "UPDATE meetings SET start_time = NULL WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "hidden",
        "UPDATE meetings SET delete_time = update_time WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "shown",
        "UPDATE meetings SET delete_time = NULL WHERE office = $1 AND id = 'm2'",
        None,
        "meetings/m2",
    ),
    (
        "created",
        "UPDATE meetings SET create_time = update_time WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "changed",
        "UPDATE meetings SET update_time = create_time WHERE office = $1 AND id = 'm1'",
        None,
        "meetings/m1",
    ),
    (
        "removed",
        "DELETE FROM meetings WHERE office = $1 AND id = 'm1'",
        Some(1),
        "meetings/m1",
    ),
    (
        "inserted",
        "INSERT INTO meetings SELECT * FROM meetings_copy WHERE office = $1",
        None,
        "meetings/m3",
    ),
    (
        "moved",
        "UPDATE meetings SET office = 'elsewhere' WHERE office = $1 AND id = 'm1'",
        Some(1),
        "meetings/m1",
    ),
];

async fn changes_that_bypass_the_ledger_are_found(suite: Suite) {
    let offices: Vec<String> = TAMPERED
        .iter()
        .map(|(office, ..)| format!("offices/{office}"))
        .collect();
    let mut offices: Vec<&str> = offices.iter().map(String::as_str).collect();
    offices.push("offices/untouched");
    let api = Api::with(&suite, &suite.every_scope_in(&offices));
    for office in &offices {
        some_history(&api, office.strip_prefix("offices/").unwrap()).await;
    }
    let report = suite.audit("meetings").await;
    assert_eq!(report.findings, []);
    assert_eq!(report.offices.len(), offices.len());
    assert!(
        report
            .offices
            .iter()
            .all(|(_, last, digest)| *last == 5 && digest.len() == 64)
    );

    let database = suite.database("meetings").await;
    execute(
        &database,
        "CREATE TABLE meetings_copy AS SELECT * FROM meetings WHERE id = 'm1'",
        vec![],
    )
    .await;
    execute(&database, "UPDATE meetings_copy SET id = 'm3'", vec![]).await;
    for (office, sql, ..) in TAMPERED {
        let rows = execute(&database, sql, vec![Value::from(*office)]).await;
        assert!(rows > 0, "{office} changed nothing");
    }
    let report = suite.audit("meetings").await;
    let of = |office: &str| {
        report
            .findings
            .iter()
            .filter(|f| f.office == office)
            .collect::<Vec<_>>()
    };
    for (office, _, entry, record) in TAMPERED {
        let found = of(office);
        let first = found
            .first()
            .unwrap_or_else(|| panic!("{office}: nothing is found"));
        // A record that disagrees with its history may give a second finding.
        let found = found
            .iter()
            .any(|f| (f.entry, f.record.as_str()) == (*entry, *record));
        assert!(found, "{office}: {:?}", of(office));
        if entry.is_some() && !matches!(*office, "old" | "removed" | "moved") {
            assert_eq!(
                (first.entry, first.record.as_str()),
                (*entry, *record),
                "{office}"
            );
        }
    }
    assert!(
        of("elsewhere").iter().any(|f| f.record == "meetings/m1"),
        "{:?}",
        of("elsewhere")
    );
    assert_eq!(of("untouched"), Vec::<&Finding>::new());
}

async fn a_truncated_history_changes_the_digest(suite: Suite) {
    let api = Api::of(&suite);
    some_history(&api, "demo").await;
    let request = CreateMeetingRequest {
        meeting_id: "m3".into(),
        ..new_meeting(meeting("末次"))
    };
    api.create_meeting(request).await.unwrap();
    let noted = suite.audit("meetings").await;
    assert_eq!(
        noted.offices[0].2,
        api.history("offices/demo/meetings/m3").await[0].digest
    );

    let database = suite.database("meetings").await;
    execute(
        &database,
        "DELETE FROM history WHERE office = 'demo' AND seq = 6",
        vec![],
    )
    .await;
    execute(
        &database,
        "DELETE FROM meetings WHERE office = 'demo' AND id = 'm3'",
        vec![],
    )
    .await;
    // The rest is consistent, so only a digest that was noted elsewhere shows the loss.
    let Report { offices, findings } = suite.audit("meetings").await;
    assert_eq!(findings, []);
    assert_eq!((offices[0].1, noted.offices[0].1), (5, 6));
    assert_ne!(offices[0].2, noted.offices[0].2);
}

async fn the_program_names_the_bad_entry(suite: Suite) {
    some_history(&Api::of(&suite), "demo").await;
    let config = suite.config_file();
    let verify = || {
        let output = Command::new(env!("CARGO_BIN_EXE_taizhang"))
            .args(["audit", "verify", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, err) = verify();
    assert_eq!(code, Some(0), "{err}");
    let digest = &suite.audit("meetings").await.offices[0].2;
    assert!(
        out.contains(&format!(
            "meetings: offices/demo: 5 entries verified, digest {digest}"
        )),
        "{out}"
    );
    assert!(out.contains("the histories verify"), "{out}");

    let database = suite.database("meetings").await;
    execute(
        &database,
        "UPDATE history SET caller = 'someone' WHERE office = 'demo' AND seq = 3",
        vec![],
    )
    .await;
    let (code, out, err) = verify();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        err.contains("meetings: offices/demo: entry 3 meetings/m1"),
        "{err}"
    );
    assert!(err.contains("the entry was changed"), "{err}");
    assert!(!out.contains("the histories verify"), "{out}");
}
