//! Meetings, meeting series, lectures and facilities.

use chrono::{NaiveDate, TimeDelta};
use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::date::{local_instant, timestamp};
use taizhang_contracts::meetings::{
    self as m, FacilityKind, LectureKind, MeetingKind, ParticipantRole, SpeakerRank,
};
use tonic::Status;

use super::people;
use crate::client::{Clients, request_id};
use crate::days::{day, later, outside, spread};
use crate::figures::{Figures, Plannable, indicator, part, planned};
use crate::job::Job;

/// The indicators that a plan can name.
pub(crate) const PLANNABLE: &[Plannable] = &[
    indicator("meetings_total"),
    part("reform_group_meetings", "meetings_total"),
    part("joint_office_directors_meeting_cadence", "meetings_total"),
    indicator("provincial_site_meetings_hosted"),
    indicator("video_systems_installed"),
    indicator("video_duty_rooms_renovated"),
    indicator("lectures_grassroots"),
    part("lectures_by_standing_committee", "lectures_grassroots"),
];

/// A record of the meetings service.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A meeting.
    Meeting(Meeting),
    /// The monthly meetings of the office directors, made from a series.
    Directors(Vec<NaiveDate>),
    /// A lecture.
    Lecture(Lecture),
    /// A facility, with the day of its installation or renovation.
    Facility(FacilityKind, NaiveDate),
}

/// A meeting.
#[derive(Debug, Clone)]
pub(crate) struct Meeting {
    /// Its kind.
    pub(crate) kind: MeetingKind,
    /// Whether the office organises it.
    pub(crate) by_office: bool,
    /// The level of its host.
    pub(crate) level: Level,
    /// Whether it is held outside the county.
    pub(crate) outside_county: bool,
    /// The local day, and minutes after midnight.
    pub(crate) start: (NaiveDate, u32),
    /// Its final state.
    pub(crate) outcome: Outcome,
}

/// The final state of a meeting or a lecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is only planned.
    Planned,
    /// It was held.
    Held,
    /// A meeting that was held and has minutes.
    Minutes,
    /// It is postponed; meetings only.
    Postponed,
    /// It is cancelled.
    Cancelled,
}

/// A lecture.
#[derive(Debug, Clone)]
pub(crate) struct Lecture {
    /// Its kind.
    pub(crate) kind: LectureKind,
    /// The speaker's rank.
    pub(crate) rank: SpeakerRank,
    /// The day.
    pub(crate) day: NaiveDate,
    /// Its final state.
    pub(crate) outcome: Outcome,
}

const KINDS: &[MeetingKind] = &[
    MeetingKind::StandingCommittee,
    MeetingKind::Thematic,
    MeetingKind::Video,
    MeetingKind::Deployment,
    MeetingKind::Coordination,
    MeetingKind::Symposium,
    MeetingKind::ThreeLevelCadres,
    MeetingKind::Plenary,
    MeetingKind::Training,
    MeetingKind::Other,
];

fn meeting(kind: MeetingKind, start: (NaiveDate, u32)) -> Meeting {
    Meeting {
        kind,
        by_office: true,
        level: Level::County,
        outside_county: false,
        start,
        outcome: Outcome::Held,
    }
}

/// The records that are counted in a year.
pub(crate) fn counted(year: i32, figures: &Figures) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let figure = |id| planned(figures, id);
    let reform = figure("reform_group_meetings");
    let directors = figure("joint_office_directors_meeting_cadence");
    let others = figure("meetings_total")
        .saturating_sub(reform)
        .saturating_sub(directors);

    for i in 0..others {
        // Also in the first and the last half-hour of the year.
        let start = match i {
            0 => (day(year, 1, 1), 10),
            1 => (day(year, 12, 31), 23 * 60 + 30),
            _ => (spread(year, i, others), 8 * 60 + 30 * (i % 18)),
        };
        let kind = KINDS
            .get(i as usize % KINDS.len())
            .copied()
            .unwrap_or(MeetingKind::Other);
        let mut meeting = meeting(kind, start);
        if i % 4 == 0 && start.0 < day(year, 12, 20) {
            meeting.outcome = Outcome::Minutes;
        }
        jobs.push(Job::new(Record::Meeting(meeting)));
    }
    for i in 0..reform {
        let start = (spread(year, i, reform), 9 * 60);
        jobs.push(Job::new(Record::Meeting(meeting(
            MeetingKind::ReformLeadingGroup,
            start,
        ))));
    }
    if directors > 0 {
        // The first twelve are a monthly series; the others are single meetings.
        let months = (1..=directors.min(12))
            .map(|month| day(year, month, 8))
            .collect();
        jobs.push(Job::new(Record::Directors(months)));
        for i in 12..directors {
            let start = (spread(year, i, directors), 16 * 60);
            jobs.push(Job::new(Record::Meeting(meeting(
                MeetingKind::OfficeDirectors,
                start,
            ))));
        }
    }
    for i in 0..figure("provincial_site_meetings_hosted") {
        let mut meeting = meeting(MeetingKind::OnSite, (spread(year, i + 3, i + 6), 9 * 60));
        (meeting.by_office, meeting.level) = (false, Level::Province);
        jobs.push(Job::new(Record::Meeting(meeting)));
    }

    let lectures = figure("lectures_grassroots");
    let by_committee = figure("lectures_by_standing_committee");
    for i in 0..lectures {
        let rank = match (i < by_committee, i % 3) {
            (true, _) => SpeakerRank::StandingCommittee,
            (false, 0) => SpeakerRank::CountyLeader,
            (false, 1) => SpeakerRank::DepartmentHead,
            (false, _) => SpeakerRank::Other,
        };
        let day = spread(year, i, lectures);
        let kind = LectureKind::Grassroots;
        jobs.push(Job::new(Record::Lecture(Lecture {
            kind,
            rank,
            day,
            outcome: Outcome::Held,
        })));
    }

    for (id, kind) in [
        ("video_systems_installed", FacilityKind::VideoSystem),
        ("video_duty_rooms_renovated", FacilityKind::VideoDutyRoom),
    ] {
        for i in 0..figure(id) {
            jobs.push(Job::new(Record::Facility(
                kind,
                spread(year, i, figure(id)),
            )));
        }
    }
    jobs
}

/// Records that no figure of the year or of the year before may count.
pub(crate) fn uncounted(year: i32) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    for year in [year - 1, year] {
        for (i, outcome) in [
            Outcome::Cancelled,
            Outcome::Cancelled,
            Outcome::Postponed,
            Outcome::Postponed,
            Outcome::Planned,
            Outcome::Planned,
        ]
        .into_iter()
        .enumerate()
        {
            let kind = if i % 2 == 0 {
                MeetingKind::ReformLeadingGroup
            } else {
                MeetingKind::OnSite
            };
            let start = (spread(year, i as u32, 6), 9 * 60);
            let level = if i % 2 == 0 {
                Level::County
            } else {
                Level::Province
            };
            jobs.push(Job::new(Record::Meeting(Meeting {
                outcome,
                level,
                ..meeting(kind, start)
            })));
            if outcome != Outcome::Postponed {
                let (kind, rank) = (LectureKind::Grassroots, SpeakerRank::StandingCommittee);
                jobs.push(Job::new(Record::Lecture(Lecture {
                    kind,
                    rank,
                    day: start.0,
                    outcome,
                })));
            }
        }
        let other_lecture = Lecture {
            kind: LectureKind::Other,
            rank: SpeakerRank::StandingCommittee,
            day: day(year, 5, 4),
            outcome: Outcome::Held,
        };
        jobs.push(Job::new(Record::Lecture(other_lecture)));
        // Held, but organised by others, or outside the county.
        let start = (day(year, 3, 3), 9 * 60);
        let by_others = Meeting {
            by_office: false,
            ..meeting(MeetingKind::Thematic, start)
        };
        jobs.push(Job::new(Record::Meeting(by_others)));
        let elsewhere = Meeting {
            by_office: false,
            outside_county: true,
            level: Level::Province,
            ..meeting(MeetingKind::OnSite, start)
        };
        jobs.push(Job::new(Record::Meeting(elsewhere)));
    }

    // In the half-hours before and after the two years.
    for (day, minute) in outside(year).into_iter().zip([23 * 60 + 30, 10]) {
        jobs.push(Job::new(Record::Meeting(meeting(
            MeetingKind::ReformLeadingGroup,
            (day, minute),
        ))));
        jobs.push(Job::new(Record::Lecture(lecture(day))));
        for kind in [FacilityKind::VideoSystem, FacilityKind::VideoDutyRoom] {
            jobs.push(Job::new(Record::Facility(kind, day)));
        }
    }

    // Deleted ones, and ones of the other office.
    let mid = day(year, 6, 15);
    for record in [
        Record::Meeting(meeting(MeetingKind::ReformLeadingGroup, (mid, 9 * 60))),
        Record::Meeting(meeting(MeetingKind::OfficeDirectors, (mid, 15 * 60))),
        Record::Lecture(lecture(mid)),
        Record::Facility(FacilityKind::VideoDutyRoom, mid),
    ] {
        jobs.push(Job::deleted(record.clone()));
        jobs.push(Job::of_neighbour(record));
    }
    jobs
}

/// A lecture that two indicators would count.
fn lecture(day: NaiveDate) -> Lecture {
    Lecture {
        kind: LectureKind::Grassroots,
        rank: SpeakerRank::StandingCommittee,
        day,
        outcome: Outcome::Held,
    }
}

/// Makes a record and returns its name.
///
/// # Errors
/// The first refusal.
pub(crate) async fn make(
    c: &mut Clients,
    parent: String,
    i: usize,
    record: &Record,
) -> Result<String, Status> {
    match record {
        Record::Meeting(meeting) => hold_meeting(c, parent, i, meeting).await,
        Record::Directors(days) => hold_series(c, parent, i, days).await,
        Record::Lecture(lecture) => give_lecture(c, parent, i, lecture).await,
        Record::Facility(kind, day) => finish_facility(c, parent, i, *kind, *day).await,
    }
}

/// Deletes a record.
///
/// # Errors
/// A refusal.
pub(crate) async fn delete(c: &mut Clients, name: String, record: &Record) -> Result<(), Status> {
    match record {
        Record::Meeting(_) => {
            let request = m::DeleteMeetingRequest {
                name,
                ..Default::default()
            };
            c.meetings.delete_meeting(request).await?;
        }
        // A series can't be deleted.
        Record::Directors(_) => {}
        Record::Lecture(_) => {
            let request = m::DeleteLectureRequest {
                name,
                ..Default::default()
            };
            c.lectures.delete_lecture(request).await?;
        }
        Record::Facility(..) => {
            let request = m::DeleteFacilityRequest {
                name,
                ..Default::default()
            };
            c.facilities.delete_facility(request).await?;
        }
    }
    Ok(())
}

async fn finish_facility(
    c: &mut Clients,
    parent: String,
    i: usize,
    kind: FacilityKind,
    day: NaiveDate,
) -> Result<String, Status> {
    let done = Some(Date::from(day));
    let installed = kind == FacilityKind::VideoSystem;
    let facility = m::Facility {
        title: format!("{}视频设施", people::place(i)),
        kind: kind.into(),
        place: people::place(i).into(),
        installed_on: done.filter(|_| installed),
        renovated_on: done.filter(|_| !installed),
        ..Default::default()
    };
    let request = m::CreateFacilityRequest {
        parent,
        facility: Some(facility),
        request_id: request_id(),
        ..Default::default()
    };
    Ok(c.facilities
        .create_facility(request)
        .await?
        .into_inner()
        .name)
}

fn participants(i: usize) -> Vec<m::Participant> {
    (0..3 + i % 4)
        .map(|n| {
            let role = match n % 4 {
                2 => ParticipantRole::Observer,
                3 => ParticipantRole::OnLeave,
                _ => ParticipantRole::Attendee,
            };
            m::Participant {
                person: people::person(i + n * 5),
                unit: people::unit(i + n).into(),
                role: role.into(),
                leave_reason: if n % 4 == 3 {
                    "外出开会".into()
                } else {
                    String::new()
                },
                ..Default::default()
            }
        })
        .collect()
}

async fn hold_meeting(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Meeting,
) -> Result<String, Status> {
    let (day, minute) = plan.start;
    let start = local_instant(day, minute, chrono_tz::Asia::Shanghai);
    let by_office = plan.by_office;
    let video = plan.kind == MeetingKind::Video;
    let meeting = m::Meeting {
        title: format!("{}会议", people::subject(i)),
        kind: plan.kind.into(),
        organiser: if by_office {
            "县委办公室".into()
        } else {
            people::unit(i).into()
        },
        organised_by_office: by_office,
        host_level: plan.level.into(),
        outside_county: plan.outside_county,
        chair: people::person(i),
        place: if video {
            String::new()
        } else {
            people::place(i).into()
        },
        video,
        agenda_items: (1..=1 + i as i32 % 3)
            .map(|order| m::AgendaItem {
                order,
                title: format!("研究{}", people::subject(i + order as usize)),
                reporter: people::person(i + order as usize),
                unit: people::unit(i + order as usize).into(),
            })
            .collect(),
        participants: participants(i),
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(
            start + TimeDelta::minutes(60 + 30 * (i as i64 % 4)),
        )),
        ..Default::default()
    };
    let request = m::CreateMeetingRequest {
        parent,
        meeting: Some(meeting),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c.meetings.create_meeting(request).await?.into_inner().name;
    conduct(c, &name, day, i, plan.outcome).await?;
    Ok(name)
}

/// Takes a planned meeting to its final state.
async fn conduct(
    c: &mut Clients,
    name: &str,
    day: NaiveDate,
    i: usize,
    outcome: Outcome,
) -> Result<(), Status> {
    let name = name.to_owned();
    match outcome {
        Outcome::Planned => {}
        Outcome::Held | Outcome::Minutes => {
            let request = m::ConveneMeetingRequest {
                name: name.clone(),
                ..Default::default()
            };
            c.meetings.convene_meeting(request).await?;
            let request = m::HoldMeetingRequest {
                name: name.clone(),
                ..Default::default()
            };
            c.meetings.hold_meeting(request).await?;
            if outcome == Outcome::Minutes {
                let minutes = m::Minutes {
                    number: format!("第{}期", i + 1),
                    signed_by: people::person(i + 2),
                    issued_on: Some(later(day, 3).into()),
                };
                let request = m::IssueMinutesRequest {
                    name,
                    minutes: Some(minutes),
                    ..Default::default()
                };
                c.meetings.issue_minutes(request).await?;
            }
        }
        Outcome::Postponed => {
            let reason = "与上级会议时间冲突".into();
            let request = m::PostponeMeetingRequest {
                name,
                reason,
                ..Default::default()
            };
            c.meetings.postpone_meeting(request).await?;
        }
        Outcome::Cancelled => {
            let reason = "并入其他会议".into();
            let request = m::CancelMeetingRequest {
                name,
                reason,
                ..Default::default()
            };
            c.meetings.cancel_meeting(request).await?;
        }
    }
    Ok(())
}

/// Makes a monthly series and its meetings, which are held.
async fn hold_series(
    c: &mut Clients,
    parent: String,
    i: usize,
    days: &[NaiveDate],
) -> Result<String, Status> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(String::new());
    };
    let monthly = m::MonthlyByDay { day: 8 };
    let series = m::MeetingSeries {
        title: "四大班子办公室主任联席会议".into(),
        kind: MeetingKind::OfficeDirectors.into(),
        organiser: "县委办公室".into(),
        organised_by_office: true,
        host_level: Level::County.into(),
        chair: people::person(i),
        place: people::place(i).into(),
        recurrence: Some(m::Recurrence {
            rule: Some(m::recurrence::Rule::MonthlyByDay(monthly)),
        }),
        first_day: Some((*first).into()),
        start_minute: 15 * 60,
        duration_minutes: 60,
        ..Default::default()
    };
    let request = m::CreateMeetingSeriesRequest {
        parent: parent.clone(),
        meeting_series: Some(series),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .series
        .create_meeting_series(request)
        .await?
        .into_inner()
        .name;
    let until = Some((*last).into());
    let request = m::ExtendMeetingSeriesRequest {
        name: name.clone(),
        until,
        ..Default::default()
    };
    c.series.extend_meeting_series(request).await?;

    let filter = format!("series = \"{name}\"");
    let request = m::ListMeetingsRequest {
        parent,
        filter,
        page_size: 100,
        ..Default::default()
    };
    let made = c
        .meetings
        .list_meetings(request)
        .await?
        .into_inner()
        .meetings;
    for meeting in made {
        // A series has no participants.
        let update = m::Meeting {
            name: meeting.name.clone(),
            participants: participants(i),
            ..Default::default()
        };
        let request = m::UpdateMeetingRequest {
            meeting: Some(update),
            ..Default::default()
        };
        c.meetings.update_meeting(request).await?;
        conduct(c, &meeting.name, *first, i, Outcome::Held).await?;
    }
    Ok(name)
}

async fn give_lecture(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Lecture,
) -> Result<String, Status> {
    let lecture = m::Lecture {
        title: format!("{}宣讲", people::subject(i)),
        kind: plan.kind.into(),
        date: Some(plan.day.into()),
        place: people::place(i).into(),
        speaker: people::person(i),
        speaker_rank: plan.rank.into(),
        ..Default::default()
    };
    let request = m::CreateLectureRequest {
        parent,
        lecture: Some(lecture),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c.lectures.create_lecture(request).await?.into_inner().name;
    match plan.outcome {
        Outcome::Held | Outcome::Minutes => {
            let audience_count = 40 + (i as i32 * 13) % 160;
            let name = name.clone();
            let request = m::HoldLectureRequest {
                name,
                audience_count,
                ..Default::default()
            };
            c.lectures.hold_lecture(request).await?;
        }
        Outcome::Cancelled => {
            let (name, reason) = (name.clone(), "另行安排".into());
            let request = m::CancelLectureRequest {
                name,
                reason,
                ..Default::default()
            };
            c.lectures.cancel_lecture(request).await?;
        }
        Outcome::Planned | Outcome::Postponed => {}
    }
    Ok(name)
}
