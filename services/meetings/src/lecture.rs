//! Lectures (宣讲).

use taizhang_contracts::meetings::lecture_service_server::LectureService;
use taizhang_contracts::meetings::{
    CancelLectureRequest, CreateLectureRequest, DeleteLectureRequest, GetLectureRequest,
    HoldLectureRequest, Lecture, LectureKind, LectureState, ListLecturesRequest,
    ListLecturesResponse, SpeakerRank, UndeleteLectureRequest, UpdateLectureRequest,
};
use taizhang_contracts::{Error, Result};
use taizhang_ledger::column::day;
use taizhang_ledger::transition::{Machine, leads};
use taizhang_ledger::{Column, Moment, Record, enum_column, serve};

use crate::Meetings;

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

pub(crate) const KIND: Column<Lecture> = enum_column!(Lecture, kind: LectureKind);
pub(crate) const STATE: Column<Lecture> = enum_column!(Lecture, state: LectureState);
pub(crate) const SPEAKER_RANK: Column<Lecture> = enum_column!(Lecture, speaker_rank: SpeakerRank);
pub(crate) const DATE: Column<Lecture> = Column::day("date", |l| day(l.date.as_ref()));
pub(crate) const AUDIENCE: Column<Lecture> =
    Column::number("audience_count", |l| i64::from(l.audience_count).into());

impl Record<Meetings> for Lecture {
    const TABLE: &'static str = "lectures";

    const COLUMNS: &'static [Column<Self>] = &[
        KIND,
        STATE,
        SPEAKER_RANK,
        DATE,
        AUDIENCE,
        Column::text("title", |l| l.title.as_str().into()),
        Column::text("speaker", |l| l.speaker.as_str().into()),
        Column::text("place", |l| l.place.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }
}

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
            "the day of the lecture has not come",
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
    LectureService for Meetings {
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
    fn a_lecture_is_held_from_its_day_on() {
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
