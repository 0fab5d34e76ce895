//! Lectures (宣讲).

use taizhang_contracts::meetings::lecture_service_server::LectureService;
use taizhang_contracts::meetings::{
    CancelLectureRequest, CreateLectureRequest, DeleteLectureRequest, GetLectureRequest,
    HoldLectureRequest, Lecture, LectureState, ListLecturesRequest, ListLecturesResponse,
    UndeleteLectureRequest, UpdateLectureRequest,
};
use taizhang_contracts::{Error, Result};
use taizhang_ledger::transition::{Machine, leads};
use taizhang_ledger::{Behavior, Moment, Record, serve};

use crate::Meetings;
use crate::entities::lectures;

/// The states of a lecture.
pub const MACHINE: Machine<LectureState> = Machine {
    resource: "Lecture",
    initial: LectureState::Planned,
    transitions: &[
        leads(
            "HoldLecture",
            "宣讲举行",
            &[LectureState::Planned],
            LectureState::Held,
        ),
        leads(
            "CancelLecture",
            "取消宣讲",
            &[LectureState::Planned],
            LectureState::Cancelled,
        ),
    ],
    name: LectureState::as_str_name,
};

impl Record for lectures::Entity {
    fn title(lecture: &Lecture) -> &str {
        &lecture.title
    }

    fn initial(lecture: &mut Lecture, _at: Moment) {
        lecture.set_state(MACHINE.initial);
    }
}

impl Behavior for lectures::Entity {}

fn hold(lecture: &mut Lecture, q: &HoldLectureRequest, at: Moment) -> Result<()> {
    lecture.set_state(MACHINE.next("HoldLecture", lecture.state())?);
    if lecture
        .date
        .and_then(|d| d.naive())
        .is_none_or(|day| day > at.today())
    {
        return Err(Error::refused(
            "LECTURE_DAY_HAS_COME",
            "lecture.date",
            "宣讲日期未到",
            "the lecture's day is in the future",
        ));
    }
    if q.audience_count > 0 {
        lecture.audience_count = q.audience_count;
    }
    Ok(())
}

fn cancel(lecture: &mut Lecture, q: &CancelLectureRequest, _at: Moment) -> Result<()> {
    lecture.set_state(MACHINE.next("CancelLecture", lecture.state())?);
    lecture.reason.clone_from(&q.reason);
    Ok(())
}

serve! {
    LectureService for Meetings, lectures {
        create_lecture(CreateLectureRequest) -> Lecture: create;
        get_lecture(GetLectureRequest) -> Lecture: get;
        list_lectures(ListLecturesRequest) -> ListLecturesResponse: list;
        update_lecture(UpdateLectureRequest) -> Lecture: update;
        delete_lecture(DeleteLectureRequest) -> Lecture: delete;
        undelete_lecture(UndeleteLectureRequest) -> Lecture: undelete;
        hold_lecture(HoldLectureRequest) -> Lecture: change(hold);
        cancel_lecture(CancelLectureRequest) -> Lecture: change(cancel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_lecture_can_be_held_from_its_day_on() {
        let at = Moment {
            now: Default::default(),
            zone: chrono_tz::Asia::Shanghai,
        };
        let mut lecture = Lecture {
            date: Some(at.today().into()),
            state: MACHINE.initial.into(),
            ..Default::default()
        };
        let request = HoldLectureRequest::default();
        let day_before = Moment {
            now: at.now - TimeDelta::days(1),
            ..at
        };
        let error = hold(&mut lecture.clone(), &request, day_before).unwrap_err();
        assert_eq!(error.preconditions()[0].rule, "LECTURE_DAY_HAS_COME");
        hold(&mut lecture, &request, at).unwrap();
        assert_eq!(lecture.state(), LectureState::Held);
    }
}
