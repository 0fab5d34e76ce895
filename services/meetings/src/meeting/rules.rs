//! The rules of meetings and of their methods: pure functions.

use std::collections::BTreeSet;

use taizhang_contracts::date::{self, instant};
use taizhang_contracts::meetings::{
    CancelMeetingRequest, ConveneMeetingRequest, HoldMeetingRequest, IssueMinutesRequest, Meeting,
    MeetingState, ParticipantRole, PostponeMeetingRequest, RescheduleMeetingRequest,
};
use taizhang_contracts::{Error, Reason, Resource, Result, Violations};
use taizhang_ledger::Moment;

use super::states::MACHINE;

/// Whether the meeting took place.
pub(crate) fn was_held(meeting: &Meeting) -> bool {
    matches!(
        meeting.state(),
        MeetingState::Held | MeetingState::MinutesIssued
    )
}

pub(super) fn check(meeting: &Meeting, v: &mut Violations) {
    match (meeting.start_time.as_ref(), meeting.end_time.as_ref()) {
        (Some(start), Some(end)) if instant(end) <= instant(start) => {
            v.add("end_time", "应晚于开始时间", "must be later than the start");
        }
        (None, Some(_)) => v.add(
            "start_time",
            "有结束时间时必填",
            "is required with an end time",
        ),
        _ => {}
    }
    let mut orders = BTreeSet::new();
    for (i, item) in meeting.agenda_items.iter().enumerate() {
        if !orders.insert(item.order) {
            v.item("agenda_items", i, |v| {
                v.add("order", "次序重复", "is used twice")
            });
        }
    }
    for (i, participant) in meeting.participants.iter().enumerate() {
        if participant.role() == ParticipantRole::OnLeave && participant.present {
            v.item("participants", i, |v| {
                v.add(
                    "present",
                    "请假人员不能到会",
                    "can't be set for one on leave",
                );
            });
        }
    }
}

/// Details can be corrected later, but not the fields that the state depends on.
pub(super) fn update(before: &Meeting, after: &Meeting, _at: Moment) -> Result<()> {
    let times_changed = (before.start_time, before.end_time) != (after.start_time, after.end_time);
    let refused = match before.state() {
        MeetingState::Cancelled => Some(("会议已取消，不能修改", "the meeting was cancelled")),
        MeetingState::Postponed if times_changed => Some((
            "会议已推迟，请用重新安排",
            "the meeting is postponed; use RescheduleMeeting",
        )),
        MeetingState::Held | MeetingState::MinutesIssued if times_changed => Some((
            "会议已召开，时间不能修改",
            "the meeting was held; its time can't be changed",
        )),
        MeetingState::Convened if after.start_time.is_none() || after.end_time.is_none() => Some((
            "通知已印发，须有起止时间",
            "the notice was sent; the meeting must keep its times",
        )),
        _ => None,
    };
    match refused {
        Some((zh, en)) => Err(Error::new(Reason::WrongState)
            .saying(zh, en)
            .about(Meeting::MESSAGE, &before.name)),
        None => Ok(()),
    }
}

pub(super) fn convene(m: &mut Meeting, _q: &ConveneMeetingRequest, at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("ConveneMeeting", m.state())?);
    let mut v = Violations::default();
    v.within("meeting", |v| {
        let mut want = |field, given: bool, zh: &str| {
            if !given {
                v.add(
                    field,
                    format!("印发通知前须有{zh}"),
                    "is required before the notice is sent",
                );
            }
        };
        want("start_time", m.start_time.is_some(), "开始时间");
        want("end_time", m.end_time.is_some(), "结束时间");
        want("chair", !m.chair.is_empty(), "主持人");
        want("place", !m.place.is_empty() || m.video, "地点或视频");
    });
    needs(v, "CONVENE_NEEDS", m)?;
    m.convene_time = Some(date::timestamp(at.now));
    Ok(())
}

pub(super) fn hold(m: &mut Meeting, q: &HoldMeetingRequest, at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("HoldMeeting", m.state())?);
    let Some(start) = m
        .start_time
        .as_ref()
        .and_then(instant)
        .filter(|start| *start <= at.now)
    else {
        return Err(Error::refused(
            "HELD_AFTER_ITS_START",
            &m.name,
            "会议尚未到开始时间",
            "the meeting has not begun",
        ));
    };
    if q.participants.is_empty() {
        for participant in &mut m.participants {
            participant.present = participant.role() != ParticipantRole::OnLeave;
        }
    } else {
        m.participants.clone_from(&q.participants);
    }
    let mut v = Violations::default();
    check(m, &mut v);
    v.finish()?;
    if !m.participants.iter().any(|p| p.present) {
        return Err(Error::refused(
            "HELD_WITH_SOMEONE_PRESENT",
            &m.name,
            "至少要有一人到会",
            "at least one participant must have been present",
        ));
    }
    m.held_on = Some(date::local_day(start, at.zone).into());
    Ok(())
}

pub(super) fn issue_minutes(m: &mut Meeting, q: &IssueMinutesRequest, at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("IssueMinutes", m.state())?);
    m.minutes.clone_from(&q.minutes);
    let issued = q
        .minutes
        .as_ref()
        .and_then(|minutes| minutes.issued_on?.naive());
    if issued < m.held_on.and_then(|d| d.naive()) || issued > Some(at.today()) {
        return Err(Violations::of(
            "minutes.issued_on",
            "应在会议召开之后、今天之前",
            "must be from the day of the meeting to today",
        ));
    }
    Ok(())
}

pub(super) fn postpone(m: &mut Meeting, q: &PostponeMeetingRequest, _at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("PostponeMeeting", m.state())?);
    m.reason.clone_from(&q.reason);
    (m.start_time, m.end_time, m.convene_time) = (None, None, None);
    Ok(())
}

pub(super) fn reschedule(m: &mut Meeting, q: &RescheduleMeetingRequest, _at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("RescheduleMeeting", m.state())?);
    (m.start_time, m.end_time) = (q.start_time, q.end_time);
    m.reason.clear();
    let mut v = Violations::default();
    check(m, &mut v);
    v.finish()
}

pub(super) fn cancel(m: &mut Meeting, q: &CancelMeetingRequest, _at: Moment) -> Result<()> {
    m.set_state(MACHINE.next("CancelMeeting", m.state())?);
    m.reason.clone_from(&q.reason);
    Ok(())
}

/// Turns the fields that are missing for a step into a refusal by a rule.
fn needs(v: Violations, rule: &str, meeting: &Meeting) -> Result<()> {
    let Err(missing) = v.finish() else {
        return Ok(());
    };
    let list = |pick: fn(&taizhang_contracts::error::Violation) -> String, separator: &str| {
        missing
            .violations()
            .iter()
            .map(pick)
            .collect::<Vec<_>>()
            .join(separator)
    };
    let zh = list(|v| v.zh.clone(), "；");
    let en = list(|v| format!("{} {}", v.field, v.en), "; ");
    Err(Error::refused(rule, &meeting.name, zh, en))
}

#[cfg(test)]
mod tests;
