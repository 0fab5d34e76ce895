#![allow(clippy::unwrap_used)]

use super::*;
use crate::cells::{Cell, OfficeContext};
use crate::sheet::{Catalogue, RecordKind, Service};
use crate::steps::{StateMachine, Transition};

/// The sheet of lectures, with the transitions that their service has.
fn sheet() -> Sheet {
    let transition = |method, label, to| Transition {
        method,
        label,
        from: vec!["LECTURE_STATE_PLANNED"],
        to: Some(to),
    };
    let machine = StateMachine {
        resource: "Lecture",
        initial: "LECTURE_STATE_PLANNED",
        transitions: vec![
            transition("HoldLecture", "宣讲完成", "LECTURE_STATE_HELD"),
            transition("CancelLecture", "取消", "LECTURE_STATE_CANCELLED"),
        ],
    };
    let service = Service {
        name: "meetings",
        grpc_services: &["taizhang.meetings.v1.LectureService"],
        kinds: vec![RecordKind {
            collection: "lectures",
            message: "taizhang.meetings.v1.Lecture",
        }],
        machines: vec![machine],
    };
    Catalogue::new(vec![service]).sheet("lectures").unwrap()
}

/// A row with these cells, by the paths of their columns.
fn row(sheet: &Sheet, cells: &[(&str, &str)]) -> DynamicMessage {
    let context = OfficeContext {
        office: "offices/demo".into(),
        zone: chrono_tz::Asia::Shanghai,
    };
    let mut row = DynamicMessage::new(sheet.message.clone());
    for (path, text) in cells {
        let column = sheet.columns.iter().find(|c| c.dotted() == *path).unwrap();
        let cell = Cell::Text((*text).to_owned());
        column.set(&mut row, column.cell_type.parse(&cell, &context).unwrap());
    }
    row
}

fn methods(calls: &[Call]) -> Vec<&str> {
    let methods = calls.iter().map(|call| call.call.method.rsplit('/').next());
    methods.map(Option::unwrap_or_default).collect()
}

#[test]
fn a_row_becomes_the_calls_that_lead_to_its_state() {
    let sheet = sheet();
    let name = "offices/demo/lectures/l1";
    let planned = row(&sheet, &[("title", "宣讲")]);
    let planned = calls(&sheet, &planned, name).unwrap();
    assert_eq!(methods(&planned), ["CreateLecture"]);

    let held = [("title", "宣讲"), ("state", "LECTURE_STATE_HELD")];
    let held = calls(&sheet, &row(&sheet, &held), name).unwrap();
    assert_eq!(methods(&held), ["CreateLecture", "HoldLecture"]);
    let create = held[0].call.request.as_ref().unwrap();
    let create = DynamicMessage::decode(sheet.create.input(), &*create.value).unwrap();
    let of = |field: &str| create.get_field_by_name(field).unwrap().into_owned();
    assert_eq!(of("parent").as_str(), Some("offices/demo"));
    assert_eq!(of("lecture_id").as_str(), Some("l1"));
    // The state is output-only: it is not part of the record that is created.
    let record = of("lecture");
    assert!(!record.as_message().unwrap().has_field_by_name("state"));
}

#[test]
fn a_row_without_what_its_state_requires_is_refused() {
    let sheet = sheet();
    let name = "offices/demo/lectures/l1";
    let cancelled = row(&sheet, &[("state", "LECTURE_STATE_CANCELLED")]);
    let error = calls(&sheet, &cancelled, name).unwrap_err();
    assert_eq!(error.column, sheet.column_of("reason"));
    // A reason to cancel, but not cancelled.
    let held = [("state", "LECTURE_STATE_HELD"), ("reason", "与会议冲突")];
    let error = calls(&sheet, &row(&sheet, &held), name).unwrap_err();
    assert_eq!(error.column, sheet.column_of("reason"));
    assert_eq!(error.reason, WRONG_STATE);
}
