//! Makes the records of a trial over gRPC, each from its creation to its end.

use chrono::{Days, NaiveDate, TimeDelta};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::date::{local_instant, timestamp};
use taizhang_contracts::meetings::{self as m, MeetingKind, ParticipantRole};
use taizhang_contracts::supervision as s;
use tonic::Status;

use super::jobs::{Job, Lecture, Matter, Meeting, Outcome, What};
use super::{Clients, office, people};

/// How many records are under way at once.
const AT_ONCE: usize = 16;

/// Makes the records, with a progress bar.
///
/// # Errors
/// The first refusal.
pub(super) async fn load(clients: &Clients, jobs: &[Job]) -> anyhow::Result<()> {
    let bar = ProgressBar::new(jobs.len() as u64);
    let style = "录入记录 [{bar:40}] {pos}/{len}（剩余{eta}）";
    bar.set_style(ProgressStyle::with_template(style)?.progress_chars("█▉ "));
    stream::iter(jobs.iter().enumerate())
        .map(|(i, job)| {
            let (clients, bar) = (clients.clone(), bar.clone());
            async move {
                make(clients, i, job).await?;
                bar.inc(1);
                Ok::<_, anyhow::Error>(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    bar.finish();
    println!("已通过 gRPC 录入 {} 条记录", jobs.len());
    Ok(())
}

async fn make(mut c: Clients, i: usize, job: &Job) -> anyhow::Result<()> {
    let parent = office(job.whose);
    match &job.what {
        What::Meeting(meeting) => {
            let name = hold_meeting(&mut c, parent, i, meeting).await?;
            if job.deleted {
                let request = m::DeleteMeetingRequest {
                    name,
                    ..Default::default()
                };
                c.meetings.delete_meeting(request).await?;
            }
        }
        What::Directors(days) => hold_series(&mut c, parent, i, days).await?,
        What::Lecture(lecture) => {
            let name = give_lecture(&mut c, parent, i, lecture).await?;
            if job.deleted {
                let request = m::DeleteLectureRequest {
                    name,
                    ..Default::default()
                };
                c.lectures.delete_lecture(request).await?;
            }
        }
        What::Facility(kind, day) => {
            let done = Some(Date::from(*day));
            let installed = matches!(kind, m::FacilityKind::VideoSystem);
            let facility = m::Facility {
                title: format!("{}视频设施", people::place(i)),
                kind: (*kind).into(),
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
            let name = c
                .facilities
                .create_facility(request)
                .await?
                .into_inner()
                .name;
            if job.deleted {
                let request = m::DeleteFacilityRequest {
                    name,
                    ..Default::default()
                };
                c.facilities.delete_facility(request).await?;
            }
        }
        What::Matter(matter) => {
            let name = see_through(&mut c, parent, i, matter).await?;
            if job.deleted {
                let request = s::DeleteMatterRequest {
                    name,
                    ..Default::default()
                };
                c.matters.delete_matter(request).await?;
            }
        }
    }
    Ok(())
}

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
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

/// Takes a planned meeting to its outcome.
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

/// Makes a monthly series, and holds its meetings.
async fn hold_series(
    c: &mut Clients,
    parent: String,
    i: usize,
    days: &[NaiveDate],
) -> Result<(), Status> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(());
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
        // The series does not say who comes.
        let name = meeting.name.clone();
        let update = m::Meeting {
            name: name.clone(),
            participants: participants(i),
            ..Default::default()
        };
        let request = m::UpdateMeetingRequest {
            meeting: Some(update),
            ..Default::default()
        };
        c.meetings.update_meeting(request).await?;
        conduct(c, &name, *first, i, Outcome::Held).await?;
    }
    Ok(())
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

/// Takes a matter from its registration as far as the plan says.
async fn see_through(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Matter,
) -> Result<String, Status> {
    let registered = plan.registered;
    let matter = s::Matter {
        title: format!("{}督查事项", people::subject(i)),
        content: format!("抓好{}，按期报告进展。", people::subject(i)),
        source: Some(s::Source {
            kind: plan.source.into(),
            level: plan.level.into(),
            by_secretary: plan.by_secretary,
            record: String::new(),
        }),
        lead_unit: people::unit(i).into(),
        assisting_units: vec![people::unit(i + 1).into()],
        registered_on: Some(registered.into()),
        due_date: Some(later(registered, 20).into()),
        ..Default::default()
    };
    let request = s::CreateMatterRequest {
        parent,
        matter: Some(matter),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c.matters.create_matter(request).await?.into_inner().name;
    let day = Some(registered.into());
    let request = s::AssignMatterRequest {
        name: name.clone(),
        assigned_on: day,
        ..Default::default()
    };
    c.matters.assign_matter(request).await?;
    let request = s::AcceptMatterRequest {
        name: name.clone(),
        accepted_on: day,
        ..Default::default()
    };
    c.matters.accept_matter(request).await?;
    if i.is_multiple_of(5) {
        let urging = s::Urging {
            date: day,
            means: s::UrgingMeans::Phone.into(),
            content: "请抓紧办理".into(),
        };
        let request = s::UrgeMatterRequest {
            name: name.clone(),
            urging: Some(urging),
            ..Default::default()
        };
        c.matters.urge_matter(request).await?;
    }
    let Some(reported) = plan.reported else {
        return Ok(name);
    };
    let reported_on = Some(Date::from(reported));
    let feedback = s::Feedback {
        date: reported_on,
        progress: "已按要求办理完毕".into(),
        r#final: true,
        ..Default::default()
    };
    let request = s::SubmitFeedbackRequest {
        name: name.clone(),
        feedback: Some(feedback),
        ..Default::default()
    };
    c.matters.submit_feedback(request).await?;
    if plan.closed.is_none() && !plan.returned {
        return Ok(name);
    }
    let request = s::ReviewMatterRequest {
        name: name.clone(),
        reviewed_on: reported_on,
        ..Default::default()
    };
    c.matters.review_matter(request).await?;
    if plan.returned {
        let request = s::ReturnMatterRequest {
            name: name.clone(),
            reason: "措施不实，重新办理".into(),
            returned_on: reported_on,
            ..Default::default()
        };
        c.matters.return_matter(request).await?;
    } else if let Some(closed) = plan.closed {
        let request = s::CloseMatterRequest {
            name: name.clone(),
            closed_on: Some(closed.into()),
            conclusion: "已办结".into(),
            ..Default::default()
        };
        c.matters.close_matter(request).await?;
    }
    Ok(name)
}

fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}
