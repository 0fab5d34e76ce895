//! What the office's meetings, lectures and facilities add up to.

use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::{
    FacilityKind, Lecture, LectureKind, LectureState, Meeting, MeetingKind, MeetingState,
    SpeakerRank,
};
use taizhang_ledger::figures::{Indicator, Test, count, is, one_of, sum};

use crate::{Meetings, facility, lecture, meeting};

fn held() -> Test<Meeting> {
    one_of(
        meeting::STATE,
        [
            MeetingState::Held as i64,
            MeetingState::MinutesIssued as i64,
        ],
    )
}

fn of_kind(kind: MeetingKind) -> Test<Meeting> {
    is(meeting::KIND, kind as i64)
}

fn by_office() -> Test<Meeting> {
    is(meeting::ORGANISED_BY_OFFICE, true)
}

fn given() -> Test<Lecture> {
    is(lecture::STATE, LectureState::Held as i64)
}

fn to_grassroots() -> Test<Lecture> {
    is(lecture::KIND, LectureKind::Grassroots as i64)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator<Meetings>> {
    vec![
        count(
            "meetings_total",
            "组织召开各类会议",
            "次",
            "本办组织并已召开的会议，按召开日期计",
        )
        .when(by_office())
        .when(held())
        .placed_by(meeting::HELD_ON),
        count(
            "reform_group_meetings",
            "县委全面深改领导小组会议",
            "次",
            "其中深改领导小组会议，按召开日期计",
        )
        .when(by_office())
        .when(held())
        .when(of_kind(MeetingKind::ReformLeadingGroup))
        .placed_by(meeting::HELD_ON)
        .part_of("meetings_total"),
        count(
            "joint_office_directors_meeting_cadence",
            "四大班子办公室主任联席会议",
            "次",
            "其中四大班子办公室主任联席会议，按召开日期计；每月一次则全年为12",
        )
        .when(by_office())
        .when(held())
        .when(of_kind(MeetingKind::OfficeDirectors))
        .placed_by(meeting::HELD_ON)
        .part_of("meetings_total"),
        count(
            "provincial_site_meetings_hosted",
            "全省现场会在县召开",
            "次",
            "省级单位主办、在县内召开的现场会，按召开日期计",
        )
        .when(is(meeting::HOST_LEVEL, Level::Province as i64))
        .when(is(meeting::OUTSIDE_COUNTY, false))
        .when(of_kind(MeetingKind::OnSite))
        .when(held())
        .placed_by(meeting::HELD_ON),
        count(
            "lectures_grassroots",
            "基层集中宣讲",
            "场",
            "已开展的基层集中宣讲，按宣讲日期计",
        )
        .when(to_grassroots())
        .when(given())
        .placed_by(lecture::DATE),
        count(
            "lectures_by_standing_committee",
            "县委常委宣讲",
            "场",
            "其中县委常委宣讲，按宣讲日期计",
        )
        .when(to_grassroots())
        .when(given())
        .when(is(
            lecture::SPEAKER_RANK,
            SpeakerRank::StandingCommittee as i64,
        ))
        .placed_by(lecture::DATE)
        .part_of("lectures_grassroots"),
        sum(
            "lecture_audience",
            "基层集中宣讲听众",
            "人次",
            "基层集中宣讲的听众人数之和，按宣讲日期计",
            lecture::AUDIENCE,
        )
        .when(to_grassroots())
        .when(given())
        .placed_by(lecture::DATE),
        count(
            "video_systems_installed",
            "安装视频会议系统",
            "套",
            "安装完成的视频会议系统，按完成日期计",
        )
        .when(is(facility::KIND, FacilityKind::VideoSystem as i64))
        .placed_by(facility::INSTALLED_ON),
        count(
            "video_duty_rooms_renovated",
            "改造视频值班室",
            "间",
            "改造完成的视频值班室，按完成日期计",
        )
        .when(is(facility::KIND, FacilityKind::VideoDutyRoom as i64))
        .placed_by(facility::RENOVATED_ON),
    ]
}
