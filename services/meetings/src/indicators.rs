//! The indicators of meetings, lectures and facilities.

use sea_orm::sea_query::Expr;
use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::{
    FacilityKind, LectureKind, LectureState, MeetingKind, MeetingState, SpeakerRank,
};
use taizhang_ledger::figures::{Indicator, count, sum};

use crate::entities::{facilities, lectures, meetings};

fn held() -> Expr {
    meetings::COLUMN
        .state
        .is_in([MeetingState::Held, MeetingState::MinutesIssued])
}

fn of_kind(kind: MeetingKind) -> Expr {
    meetings::COLUMN.kind.eq(kind)
}

fn by_office() -> Expr {
    meetings::COLUMN.organised_by_office.eq(true)
}

fn given() -> Expr {
    lectures::COLUMN.state.eq(LectureState::Held)
}

fn to_grassroots() -> Expr {
    lectures::COLUMN.kind.eq(LectureKind::Grassroots)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator> {
    vec![
        count(
            "meetings_total",
            "组织召开各类会议",
            "次",
            "本办组织并已召开的会议，按召开日期计",
        )
        .when(by_office())
        .when(held())
        .placed_by(meetings::COLUMN.held_on),
        count(
            "reform_group_meetings",
            "县委全面深改领导小组会议",
            "次",
            "其中深改领导小组会议，按召开日期计",
        )
        .when(by_office())
        .when(held())
        .when(of_kind(MeetingKind::ReformLeadingGroup))
        .placed_by(meetings::COLUMN.held_on)
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
        .placed_by(meetings::COLUMN.held_on)
        .part_of("meetings_total"),
        count(
            "provincial_site_meetings_hosted",
            "全省现场会在县召开",
            "次",
            "省级单位主办、在县内召开的现场会，按召开日期计",
        )
        .when(meetings::COLUMN.host_level.eq(Level::Province))
        .when(meetings::COLUMN.outside_county.eq(false))
        .when(of_kind(MeetingKind::OnSite))
        .when(held())
        .placed_by(meetings::COLUMN.held_on),
        count(
            "lectures_grassroots",
            "基层集中宣讲",
            "场",
            "已开展的基层集中宣讲，按宣讲日期计",
        )
        .when(to_grassroots())
        .when(given())
        .placed_by(lectures::COLUMN.date),
        count(
            "lectures_by_standing_committee",
            "县委常委宣讲",
            "场",
            "其中县委常委宣讲，按宣讲日期计",
        )
        .when(to_grassroots())
        .when(given())
        .when(
            lectures::COLUMN
                .speaker_rank
                .eq(SpeakerRank::StandingCommittee),
        )
        .placed_by(lectures::COLUMN.date)
        .part_of("lectures_grassroots"),
        sum(
            "lecture_audience",
            "基层集中宣讲听众",
            "人次",
            "基层集中宣讲的听众人数之和，按宣讲日期计",
            lectures::COLUMN.audience_count,
        )
        .when(to_grassroots())
        .when(given())
        .placed_by(lectures::COLUMN.date),
        count(
            "video_systems_installed",
            "安装视频会议系统",
            "套",
            "安装完成的视频会议系统，按完成日期计",
        )
        .when(facilities::COLUMN.kind.eq(FacilityKind::VideoSystem))
        .placed_by(facilities::COLUMN.installed_on),
        count(
            "video_duty_rooms_renovated",
            "改造视频值班室",
            "间",
            "改造完成的视频值班室，按完成日期计",
        )
        .when(facilities::COLUMN.kind.eq(FacilityKind::VideoDutyRoom))
        .placed_by(facilities::COLUMN.renovated_on),
    ]
}
