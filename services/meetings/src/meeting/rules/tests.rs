//! The rules of meetings, by example and by property.

#![allow(clippy::expect_used)]

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use taizhang_contracts::meetings::{Minutes, Participant};

use super::*;

fn at(now: &str) -> Moment {
    let now = now.parse::<DateTime<chrono::Utc>>().unwrap_or_default();
    Moment {
        now,
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// The rule that refuses.
fn rule<T>(answer: Result<T>) -> String {
    let error = answer.err().expect("a refusal");
    error
        .preconditions()
        .iter()
        .map(|p| p.rule.as_str())
        .collect()
}

fn someone() -> Participant {
    Participant {
        person: "甲".into(),
        role: ParticipantRole::Attendee.into(),
        ..Default::default()
    }
}

/// A meeting that begins at 23:30 local time on 31 December 2022, with all that a notice requires.
fn late_meeting() -> Meeting {
    let start = at("2022-12-31T15:30:00Z").now;
    let mut meeting = Meeting {
        name: "offices/demo/meetings/m1".into(),
        chair: "乙".into(),
        place: "一楼会议室".into(),
        start_time: Some(date::timestamp(start)),
        end_time: Some(date::timestamp(start + TimeDelta::hours(1))),
        participants: vec![someone()],
        ..Default::default()
    };
    meeting.set_state(MACHINE.initial);
    meeting
}

#[test]
fn a_meeting_belongs_to_the_local_day_of_its_start() {
    let mut meeting = late_meeting();
    let now = at("2023-01-05T00:00:00Z");
    assert!(convene(&mut meeting, &Default::default(), now).is_ok());
    assert!(hold(&mut meeting, &Default::default(), now).is_ok());
    assert_eq!(
        meeting.held_on.map(|d| (d.year, d.month, d.day)),
        Some((2022, 12, 31))
    );
    assert!(meeting.participants.iter().all(|p| p.present));
}

#[test]
fn a_notice_is_refused_with_all_missing_fields() {
    let mut meeting = Meeting::default();
    meeting.set_state(MACHINE.initial);
    let error = convene(
        &mut meeting,
        &Default::default(),
        at("2022-01-01T00:00:00Z"),
    );
    let text = error.as_ref().expect_err("a bare meeting").to_string();
    assert_eq!(rule(error), "CONVENE_NEEDS");
    for field in ["start_time", "end_time", "chair", "place"] {
        assert!(text.contains(field), "{field}: {text}");
    }
}

#[test]
fn a_meeting_is_not_held_before_its_start_or_without_participants() {
    let mut meeting = late_meeting();
    assert!(
        convene(
            &mut meeting,
            &Default::default(),
            at("2022-12-01T00:00:00Z")
        )
        .is_ok()
    );
    let early = hold(
        &mut meeting.clone(),
        &Default::default(),
        at("2022-12-31T15:29:59Z"),
    );
    assert_eq!(rule(early), "HELD_AFTER_ITS_START");
    meeting.participants.clear();
    let empty = hold(
        &mut meeting,
        &Default::default(),
        at("2023-01-01T00:00:00Z"),
    );
    assert_eq!(rule(empty), "HELD_WITH_SOMEONE_PRESENT");
}

#[test]
fn minutes_are_not_dated_before_their_meeting() {
    let now = at("2023-01-05T00:00:00Z");
    let mut meeting = late_meeting();
    assert!(convene(&mut meeting, &Default::default(), now).is_ok());
    assert!(hold(&mut meeting, &Default::default(), now).is_ok());
    let minutes = |day| IssueMinutesRequest {
        minutes: Some(Minutes {
            issued_on: Some(day),
            ..Default::default()
        }),
        ..Default::default()
    };
    let day = |year, month, day| taizhang_contracts::common::Date { year, month, day };
    assert!(issue_minutes(&mut meeting.clone(), &minutes(day(2022, 12, 30)), now).is_err());
    assert!(issue_minutes(&mut meeting.clone(), &minutes(day(2023, 1, 6)), now).is_err());
    assert!(issue_minutes(&mut meeting, &minutes(day(2023, 1, 1)), now).is_ok());
}

fn step(meeting: &mut Meeting, choice: u8, now: Moment) -> Result<()> {
    let later = |h| Some(date::timestamp(now.now - TimeDelta::hours(h)));
    match choice {
        0 => convene(meeting, &Default::default(), now),
        1 => hold(meeting, &Default::default(), now),
        2 => {
            let minutes = Minutes {
                issued_on: Some(now.today().into()),
                ..Default::default()
            };
            issue_minutes(
                meeting,
                &IssueMinutesRequest {
                    minutes: Some(minutes),
                    ..Default::default()
                },
                now,
            )
        }
        3 => postpone(meeting, &Default::default(), now),
        4 => reschedule(
            meeting,
            &RescheduleMeetingRequest {
                start_time: later(2),
                end_time: later(1),
                ..Default::default()
            },
            now,
        ),
        _ => cancel(meeting, &Default::default(), now),
    }
}

proptest! {
    /// No sequence of methods leads to a held meeting without a day, to minutes of a meeting that
    /// was not held, or out of the state CANCELLED.
    #[test]
    fn no_sequence_of_methods_reaches_a_forbidden_state(choices in prop::collection::vec(0u8..6, 0..30)) {
        let now = at("2023-01-05T00:00:00Z");
        let mut meeting = late_meeting();
        for choice in choices {
            let before = meeting.clone();
            let mut after = meeting.clone();
            if step(&mut after, choice, now).is_ok() {
                meeting = after;
                prop_assert_ne!(before.state(), MeetingState::Cancelled);
                prop_assert!(!was_held(&before) || was_held(&meeting));
            }
            prop_assert_eq!(was_held(&meeting), meeting.held_on.is_some());
            prop_assert_eq!(meeting.state() == MeetingState::MinutesIssued, meeting.minutes.is_some());
            prop_assert!(meeting.state() != MeetingState::Postponed || meeting.start_time.is_none());
            prop_assert!(!was_held(&meeting) || meeting.start_time.is_some());
        }
    }
}
