//! Meetings as a calendar file (RFC 5545).

use chrono::{Days, NaiveDate};
use icalendar::{Calendar, Component, Event, EventLike, EventStatus};
use sea_orm::sea_query::Condition;
use taizhang_contracts::date::{instant, local_instant};
use taizhang_contracts::meetings::{
    ExportCalendarRequest, ExportCalendarResponse, Meeting, MeetingState,
};
use taizhang_contracts::{Context, Result, Violations};
use taizhang_ledger::Moment;

use crate::Meetings;
use crate::entities::meetings;

/// The longest period of one file, in days.
const LONGEST: i64 = 366;
/// The most meetings in one file, so that it stays within the size of a message.
const MOST: u64 = 5000;

pub(crate) async fn export(
    service: &Meetings,
    context: &Context,
    q: &ExportCalendarRequest,
) -> Result<ExportCalendarResponse> {
    let bad = |zh: String, en: String| Violations::of("period", zh, en);
    let (first, last) = q
        .period
        .and_then(|p| p.days())
        .ok_or_else(|| bad("必填".into(), "is required".into()))?;
    if (last - first).num_days() >= LONGEST {
        return Err(bad(
            format!("不得超过{LONGEST}天"),
            format!("must be at most {LONGEST} days"),
        ));
    }
    let at = service.ledger.moment();
    let begins = |day: NaiveDate| local_instant(day, 0, at.zone);
    let after = last.checked_add_days(Days::new(1)).unwrap_or(last);
    let within = Condition::all()
        .add(meetings::COLUMN.start_time.gte(begins(first)))
        .add(meetings::COLUMN.start_time.lt(begins(after)));
    let meetings = service
        .ledger
        .select::<meetings::Entity>(&context.office, within, MOST + 1)
        .await?;
    if meetings.len() as u64 > MOST {
        return Err(bad(
            format!("超过{MOST}次会议，请缩短期间"),
            format!("has more than {MOST} meetings; ask for a shorter one"),
        ));
    }
    Ok(ExportCalendarResponse {
        calendar: calendar(&meetings, at),
        meetings: i32::try_from(meetings.len()).unwrap_or(i32::MAX),
    })
}

fn calendar(meetings: &[Meeting], at: Moment) -> String {
    let mut calendar = Calendar::new();
    for meeting in meetings {
        let Some(start) = meeting.start_time.as_ref().and_then(instant) else {
            continue;
        };
        let mut event = Event::new();
        event
            .uid(&format!("{}@taizhang", meeting.name))
            .timestamp(
                meeting
                    .update_time
                    .as_ref()
                    .and_then(instant)
                    .unwrap_or(at.now),
            )
            .summary(&meeting.title)
            .starts(start)
            .status(status(meeting.state()));
        if let Some(end) = meeting.end_time.as_ref().and_then(instant) {
            event.ends(end);
        }
        if !meeting.place.is_empty() {
            event.location(&meeting.place);
        }
        if !meeting.note.is_empty() {
            event.description(&meeting.note);
        }
        calendar.push(event.done());
    }
    calendar.to_string()
}

fn status(state: MeetingState) -> EventStatus {
    match state {
        MeetingState::Cancelled => EventStatus::Cancelled,
        MeetingState::Unspecified | MeetingState::Planned | MeetingState::Postponed => {
            EventStatus::Tentative
        }
        MeetingState::Convened | MeetingState::Held | MeetingState::MinutesIssued => {
            EventStatus::Confirmed
        }
    }
}
