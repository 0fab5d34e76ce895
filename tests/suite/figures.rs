//! Figures: over random ledgers, every figure equals the sum of its records.

mod supervision;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use taizhang::roles::ROLES;
use taizhang_contracts::common::{Date, Level, Period};
use taizhang_contracts::date::timestamp;
use taizhang_contracts::meetings::*;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::*;
use taizhang_contracts::supervision::*;
use taizhang_ledger::Clock;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, Authorized, Bearer, OFFICE, Suite, reason};
use crate::records::*;

on_each_database!(
    every_figure_equals_the_sum_of_its_records,
    a_year_begins_and_ends_at_local_midnight,
    a_deleted_record_does_not_count,
    figures_say_whether_the_ledger_was_kept,
    figures_of_one_call_are_from_one_snapshot,
    unknown_indicators_and_bad_periods_are_reported,
    a_page_token_of_evidence_is_bound_to_its_request,
);

/// One service's statistics.
pub type Counting = StatisticsServiceClient<Authorized>;

/// Every service with indicators.
pub fn sources(suite: &Suite, token: &str) -> Vec<Counting> {
    let source = |service| Authorized::new(suite.channel(service), Bearer::of(token).unwrap());
    let counting = ROLES.iter().filter(|role| role.is_source());
    counting
        .map(|role| StatisticsServiceClient::new(source(role.name)))
        .collect()
}

async fn indicators(source: &Counting, office: &str) -> Vec<Indicator> {
    let request = ListIndicatorsRequest {
        parent: office.into(),
    };
    source
        .clone()
        .list_indicators(request)
        .await
        .unwrap()
        .into_inner()
        .indicators
}

async fn gather(source: &Counting, office: &str, period: Period, ids: &[&str]) -> Vec<Figure> {
    let request = GatherFiguresRequest {
        parent: office.into(),
        period: Some(period),
        indicators: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    source
        .clone()
        .gather_figures(request)
        .await
        .unwrap()
        .into_inner()
        .figures
}

/// The evidence of a figure, read in small pages.
async fn evidence(
    source: &Counting,
    office: &str,
    period: Period,
    id: &str,
    page_size: i32,
) -> Vec<Evidence> {
    let mut request = ListEvidenceRequest {
        parent: office.into(),
        period: Some(period),
        indicator: id.into(),
        page_size,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let page = source
            .clone()
            .list_evidence(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.evidence.len() <= page_size as usize);
        all.extend(page.evidence);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

fn period(first: NaiveDate, last: NaiveDate) -> Period {
    Period {
        first_day: Some(first.into()),
        last_day: Some(last.into()),
    }
}

fn naive(date: &Option<Date>) -> Option<NaiveDate> {
    date.as_ref().and_then(Date::naive)
}

// Random ledgers.

/// A record to write, and its final state.
#[derive(Debug, Clone)]
enum Planned {
    Meeting {
        start: DateTime<Utc>,
        kind: MeetingKind,
        by_office: bool,
        level: Level,
        outside: bool,
        end: MeetingEnd,
    },
    Lecture {
        day: NaiveDate,
        kind: LectureKind,
        rank: SpeakerRank,
        audience: i32,
        end: LectureState,
    },
    Facility {
        kind: FacilityKind,
        installed: Option<NaiveDate>,
        renovated: Option<NaiveDate>,
    },
    Matter {
        kind: SourceKind,
        level: Level,
        by_secretary: bool,
        registered: NaiveDate,
        days: u64,
        end: MatterEnd,
    },
    Supervision(supervision::Planned),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MeetingEnd {
    Planned,
    Postponed,
    Cancelled,
    Convened,
    Held,
    MinutesIssued,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MatterEnd {
    Registered,
    Assigned,
    Accepted,
    Reported,
    Suspended,
    UnderReview,
    Returned,
    Closed,
}

/// Instants of fifteen months around 2022, often close to the year's first and last moment.
fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    let local = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
    let borders = [
        "2021-12-31T23:30:00+08:00",
        "2022-01-01T00:00:00+08:00",
        "2022-01-01T00:10:00+08:00",
        "2022-12-31T23:59:59.999999+08:00",
        "2023-01-01T00:10:00+08:00",
    ]
    .map(local);
    let begin = local("2021-11-15T00:00:00+08:00");
    prop_oneof![
        1 => prop::sample::select(borders.to_vec()),
        3 => (0i64..15 * 30 * 24 * 60).prop_map(move |minutes| begin + TimeDelta::minutes(minutes)),
    ]
}

fn days() -> impl Strategy<Value = NaiveDate> {
    instants().prop_map(|t| t.with_timezone(&chrono_tz::Asia::Shanghai).date_naive())
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

/// A record, and whether it is deleted in the end.
fn planned() -> impl Strategy<Value = (Planned, bool)> {
    use MeetingKind::{OfficeDirectors, OnSite, ReformLeadingGroup, Thematic};
    let levels = || one_of(&[Level::County, Level::City, Level::Province]);
    let meeting_ends = one_of(&[
        MeetingEnd::Planned,
        MeetingEnd::Postponed,
        MeetingEnd::Cancelled,
        MeetingEnd::Convened,
        MeetingEnd::Held,
        MeetingEnd::Held,
        MeetingEnd::MinutesIssued,
    ]);
    let kinds = one_of(&[OfficeDirectors, OnSite, ReformLeadingGroup, Thematic]);
    let meeting = (
        instants(),
        kinds,
        any::<bool>(),
        levels(),
        any::<bool>(),
        meeting_ends,
    )
        .prop_map(
            |(start, kind, by_office, level, outside, end)| Planned::Meeting {
                start,
                kind,
                by_office,
                level,
                outside,
                end,
            },
        );
    let lecture_kinds = one_of(&[
        LectureKind::Grassroots,
        LectureKind::Grassroots,
        LectureKind::Other,
    ]);
    let ranks = one_of(&[SpeakerRank::StandingCommittee, SpeakerRank::Other]);
    let ends = one_of(&[
        LectureState::Planned,
        LectureState::Cancelled,
        LectureState::Held,
        LectureState::Held,
    ]);
    let lecture = (days(), lecture_kinds, ranks, 0..500i32, ends).prop_map(
        |(day, kind, rank, audience, end)| Planned::Lecture {
            day,
            kind,
            rank,
            audience,
            end,
        },
    );
    let kinds = one_of(&[
        FacilityKind::Room,
        FacilityKind::VideoSystem,
        FacilityKind::VideoDutyRoom,
    ]);
    let some_day = || prop::option::of(days());
    let facility = (kinds, some_day(), some_day()).prop_map(|(kind, installed, renovated)| {
        Planned::Facility {
            kind,
            installed,
            renovated,
        }
    });
    let kinds = one_of(&[
        SourceKind::Instruction,
        SourceKind::Instruction,
        SourceKind::SupervisionNotice,
        SourceKind::KeyTask,
    ]);
    let matter_ends = one_of(&[
        MatterEnd::Registered,
        MatterEnd::Assigned,
        MatterEnd::Accepted,
        MatterEnd::Reported,
        MatterEnd::Suspended,
        MatterEnd::UnderReview,
        MatterEnd::Returned,
        MatterEnd::Closed,
        MatterEnd::Closed,
        MatterEnd::Closed,
    ]);
    let matter_levels = one_of(&[Level::County, Level::City]);
    let matter = (
        kinds,
        matter_levels,
        any::<bool>(),
        days(),
        0..20u64,
        matter_ends,
    )
        .prop_map(
            |(kind, level, by_secretary, registered, days, end)| Planned::Matter {
                kind,
                level,
                by_secretary: by_secretary && kind == SourceKind::Instruction,
                registered,
                days,
                end,
            },
        );
    let others = supervision::planned().prop_map(Planned::Supervision);
    let record = prop_oneof![3 => meeting, 2 => lecture, 1 => facility, 3 => matter, 4 => others];
    (record, prop::bool::weighted(0.15))
}

async fn write(api: &Api, office: &str, planned: Planned, deleted: bool) -> Result<(), Status> {
    match planned {
        Planned::Supervision(planned) => {
            supervision::write(api, office, planned, deleted).await?;
        }
        Planned::Meeting {
            start,
            kind,
            by_office,
            level,
            outside,
            end,
        } => {
            let made = Meeting {
                kind: kind.into(),
                organised_by_office: by_office,
                host_level: level.into(),
                outside_county: outside,
                start_time: Some(timestamp(start)),
                end_time: Some(timestamp(start + TimeDelta::minutes(20))),
                ..past_meeting("会议", "2022-01-01T00:00:00Z")
            };
            let request = CreateMeetingRequest {
                parent: office.into(),
                ..new_meeting(made)
            };
            let name = api.create_meeting(request).await?.name;
            let mut meetings = api.meetings.clone();
            let reason = String::from("并会");
            if end == MeetingEnd::Postponed {
                let request = PostponeMeetingRequest {
                    name: name.clone(),
                    reason,
                    ..Default::default()
                };
                meetings.postpone_meeting(request).await?;
            } else if end == MeetingEnd::Cancelled {
                let request = CancelMeetingRequest {
                    name: name.clone(),
                    reason,
                    ..Default::default()
                };
                meetings.cancel_meeting(request).await?;
            }
            if end >= MeetingEnd::Convened {
                let request = ConveneMeetingRequest {
                    name: name.clone(),
                    ..Default::default()
                };
                meetings.convene_meeting(request).await?;
            }
            if end >= MeetingEnd::Held {
                let request = HoldMeetingRequest {
                    name: name.clone(),
                    ..Default::default()
                };
                let held = meetings.hold_meeting(request).await?.into_inner();
                if end == MeetingEnd::MinutesIssued {
                    let minutes = Minutes {
                        number: "第1期".into(),
                        signed_by: "李四".into(),
                        issued_on: held.held_on,
                    };
                    let request = IssueMinutesRequest {
                        name: name.clone(),
                        minutes: Some(minutes),
                        ..Default::default()
                    };
                    meetings.issue_minutes(request).await?;
                }
            }
            if deleted {
                api.delete_meeting(DeleteMeetingRequest {
                    name,
                    ..Default::default()
                })
                .await?;
            }
        }
        Planned::Lecture {
            day,
            kind,
            rank,
            audience,
            end,
        } => {
            let made = Lecture {
                kind: kind.into(),
                speaker_rank: rank.into(),
                audience_count: audience,
                ..lecture("宣讲", day.into())
            };
            let mut lectures = api.lectures.clone();
            let request = CreateLectureRequest {
                parent: office.into(),
                lecture: Some(made),
                ..Default::default()
            };
            let name = lectures.create_lecture(request).await?.into_inner().name;
            if end == LectureState::Held {
                let request = HoldLectureRequest {
                    name: name.clone(),
                    ..Default::default()
                };
                lectures.hold_lecture(request).await?;
            } else if end == LectureState::Cancelled {
                let request = CancelLectureRequest {
                    name: name.clone(),
                    reason: "改期".into(),
                    ..Default::default()
                };
                lectures.cancel_lecture(request).await?;
            }
            if deleted {
                lectures
                    .delete_lecture(DeleteLectureRequest {
                        name,
                        ..Default::default()
                    })
                    .await?;
            }
        }
        Planned::Facility {
            kind,
            installed,
            renovated,
        } => {
            let made = Facility {
                kind: kind.into(),
                installed_on: installed.map(Into::into),
                renovated_on: renovated.map(Into::into),
                ..facility("视频会议系统")
            };
            let mut facilities = api.facilities.clone();
            let request = CreateFacilityRequest {
                parent: office.into(),
                facility: Some(made),
                ..Default::default()
            };
            let name = facilities.create_facility(request).await?.into_inner().name;
            if deleted {
                facilities
                    .delete_facility(DeleteFacilityRequest {
                        name,
                        ..Default::default()
                    })
                    .await?;
            }
        }
        Planned::Matter {
            kind,
            level,
            by_secretary,
            registered,
            days,
            end,
        } => {
            let after = |steps: u64| Some(Date::from(registered + Days::new(days * steps)));
            let source = taizhang_contracts::supervision::Source {
                kind: kind.into(),
                level: level.into(),
                by_secretary,
                ..Default::default()
            };
            let made = Matter {
                source: Some(source),
                registered_on: Some(registered.into()),
                due_date: after(5),
                ..matter("事项")
            };
            let request = CreateMatterRequest {
                parent: office.into(),
                ..new_matter(made)
            };
            let name = api.create_matter(request).await?.name;
            let mut matters = api.matters.clone();
            if end >= MatterEnd::Assigned {
                let request = AssignMatterRequest {
                    name: name.clone(),
                    assigned_on: after(1),
                    ..Default::default()
                };
                matters.assign_matter(request).await?;
            }
            if end >= MatterEnd::Accepted {
                let request = AcceptMatterRequest {
                    name: name.clone(),
                    accepted_on: after(2),
                    ..Default::default()
                };
                matters.accept_matter(request).await?;
            }
            if end >= MatterEnd::Reported {
                let feedback = Feedback {
                    date: after(3),
                    progress: "已办理".into(),
                    r#final: true,
                    ..Default::default()
                };
                let request = SubmitFeedbackRequest {
                    name: name.clone(),
                    feedback: Some(feedback),
                    ..Default::default()
                };
                matters.submit_feedback(request).await?;
            }
            if end == MatterEnd::Suspended {
                let request = SuspendMatterRequest {
                    name: name.clone(),
                    reason: "缓办".into(),
                    suspended_on: after(4),
                    ..Default::default()
                };
                matters.suspend_matter(request).await?;
            }
            if end >= MatterEnd::UnderReview {
                let request = ReviewMatterRequest {
                    name: name.clone(),
                    reviewed_on: after(4),
                    ..Default::default()
                };
                matters.review_matter(request).await?;
            }
            if end == MatterEnd::Returned {
                let request = ReturnMatterRequest {
                    name: name.clone(),
                    reason: "未办结".into(),
                    returned_on: after(5),
                    ..Default::default()
                };
                matters.return_matter(request).await?;
            }
            if end == MatterEnd::Closed {
                let request = CloseMatterRequest {
                    name: name.clone(),
                    closed_on: after(5),
                    ..Default::default()
                };
                matters.close_matter(request).await?;
            }
            if deleted {
                matters
                    .delete_matter(DeleteMatterRequest {
                        name,
                        ..Default::default()
                    })
                    .await?;
            }
        }
    }
    Ok(())
}

/// All records of an office, read by lists.
struct World {
    meetings: Vec<Meeting>,
    lectures: Vec<Lecture>,
    facilities: Vec<Facility>,
    matters: Vec<Matter>,
    supervision: supervision::World,
}

impl World {
    async fn of(api: &Api, office: &str) -> Self {
        let (parent, page_size) = (office.to_owned(), 1000);
        let request = ListMeetingsRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let meetings = api
            .meetings
            .clone()
            .list_meetings(request)
            .await
            .unwrap()
            .into_inner()
            .meetings;
        let request = ListLecturesRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let lectures = api
            .lectures
            .clone()
            .list_lectures(request)
            .await
            .unwrap()
            .into_inner()
            .lectures;
        let request = ListFacilitiesRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let facilities = api
            .facilities
            .clone()
            .list_facilities(request)
            .await
            .unwrap();
        let facilities = facilities.into_inner().facilities;
        let request = ListMattersRequest {
            parent,
            page_size,
            ..Default::default()
        };
        let matters = api
            .matters
            .clone()
            .list_matters(request)
            .await
            .unwrap()
            .into_inner()
            .matters;
        Self {
            meetings,
            lectures,
            facilities,
            matters,
            supervision: supervision::World::of(api, office).await,
        }
    }

    /// The value and the number of records of an indicator, counted in Rust by its definition;
    /// `None` for indicators that are not implemented here.
    fn count(&self, id: &str, within: &dyn Fn(&Option<Date>) -> bool) -> Option<(i64, i64)> {
        fn counted<R>(records: &[R], counts: impl Fn(&R) -> bool) -> Option<(i64, i64)> {
            let n = records.iter().filter(|r| counts(r)).count() as i64;
            Some((n, n))
        }
        let held = |m: &Meeting| {
            let held = matches!(m.state(), MeetingState::Held | MeetingState::MinutesIssued);
            held && within(&m.held_on)
        };
        let ours = |kind: Option<MeetingKind>| {
            let counts = |m: &Meeting| {
                held(m) && m.organised_by_office && kind.is_none_or(|kind| m.kind() == kind)
            };
            counted(&self.meetings, counts)
        };
        let given = |l: &&Lecture| {
            l.state() == LectureState::Held
                && l.kind() == LectureKind::Grassroots
                && within(&l.date)
        };
        let of = |m: &Matter, kind: SourceKind, level: Level| {
            let source = m.source.as_ref().unwrap();
            source.kind() == kind && source.level() == level
        };
        let closed = |m: &Matter| m.state() == MatterState::Closed && within(&m.closed_on);
        let reported = |m: &Matter| {
            use MatterState::{Closed, Reported, UnderReview};
            matches!(m.state(), Reported | UnderReview | Closed) && within(&m.reported_on)
        };
        match id {
            "meetings_total" => ours(None),
            "reform_group_meetings" => ours(Some(MeetingKind::ReformLeadingGroup)),
            "joint_office_directors_meeting_cadence" => ours(Some(MeetingKind::OfficeDirectors)),
            "provincial_site_meetings_hosted" => counted(&self.meetings, |m| {
                let here = m.host_level() == Level::Province && !m.outside_county;
                held(m) && here && m.kind() == MeetingKind::OnSite
            }),
            "lectures_grassroots" => counted(&self.lectures, |l| given(&l)),
            "lectures_by_standing_committee" => counted(&self.lectures, |l| {
                given(&l) && l.speaker_rank() == SpeakerRank::StandingCommittee
            }),
            "lecture_audience" => {
                let heard = self
                    .lectures
                    .iter()
                    .filter(given)
                    .map(|l| i64::from(l.audience_count));
                Some((heard.clone().sum(), heard.count() as i64))
            }
            "video_systems_installed" => counted(&self.facilities, |f| {
                f.kind() == FacilityKind::VideoSystem && within(&f.installed_on)
            }),
            "video_duty_rooms_renovated" => counted(&self.facilities, |f| {
                f.kind() == FacilityKind::VideoDutyRoom && within(&f.renovated_on)
            }),
            "city_secretary_instructions_closed" => counted(&self.matters, |m| {
                let by_secretary = m.source.as_ref().unwrap().by_secretary;
                closed(m) && of(m, SourceKind::Instruction, Level::City) && by_secretary
            }),
            "city_supervision_notices_implemented" => counted(&self.matters, |m| {
                reported(m) && of(m, SourceKind::SupervisionNotice, Level::City)
            }),
            "county_leader_instructions_handled" => counted(&self.matters, |m| {
                within(&m.registered_on) && of(m, SourceKind::Instruction, Level::County)
            }),
            "derived_supervision_handled_sum" => {
                let parts = [
                    "city_secretary_instructions_closed",
                    "city_supervision_notices_implemented",
                    "county_leader_instructions_handled",
                ];
                let n = parts
                    .iter()
                    .map(|part| self.count(part, within).unwrap().0)
                    .sum();
                Some((n, n))
            }
            "matters_registered" => counted(&self.matters, |m| within(&m.registered_on)),
            "matters_closed" => counted(&self.matters, closed),
            _ => self.supervision.count(id, within),
        }
    }
}

const LEDGERS: usize = 8;
const RECORDS: usize = 60;

async fn every_figure_equals_the_sum_of_its_records(suite: Suite) {
    let mut runner = TestRunner::deterministic();
    let offices: Vec<String> = (0..LEDGERS)
        .map(|i| format!("offices/random-{i}"))
        .collect();
    let token = suite.every_scope_in(&offices.iter().map(String::as_str).collect::<Vec<_>>());
    let (api, sources) = (Api::with(&suite, &token), sources(&suite, &token));
    let ledgers: Vec<_> = offices
        .iter()
        .map(|office| {
            let records = prop::collection::vec(planned(), RECORDS)
                .new_tree(&mut runner)
                .unwrap();
            let other = (days(), days()).new_tree(&mut runner).unwrap().current();
            (
                office,
                records.current(),
                (other.0.min(other.1), other.0.max(other.1)),
            )
        })
        .collect();
    let counted = join_all(ledgers.into_iter().map(|(office, records, other)| {
        let (api, sources) = (&api, &sources);
        async move {
            for (record, deleted) in records {
                let told = format!("{record:?}");
                write(api, office, record, deleted)
                    .await
                    .unwrap_or_else(|s| panic!("{told}: {s:?}"));
            }
            let world = World::of(api, office).await;
            let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
            let mut counted = Vec::new();
            for (first, last) in [
                (day(2022, 1, 1), day(2022, 12, 31)),
                (day(2022, 12, 31), day(2022, 12, 31)),
                (day(1, 1, 1), day(9999, 12, 31)),
                other,
            ] {
                let within =
                    |date: &Option<Date>| naive(date).is_some_and(|d| (first..=last).contains(&d));
                for source in sources {
                    let defined = |id: &str| world.count(id, &within);
                    let behind = check(source, office, (first, last), defined).await;
                    counted.extend(behind.into_iter().filter(|(id, _)| defined(id).is_some()));
                }
            }
            counted
        }
    }))
    .await;

    // Every definition was tested on some record.
    let mut records: BTreeMap<String, usize> = BTreeMap::new();
    for (id, behind) in counted.into_iter().flatten() {
        *records.entry(id).or_default() += behind.len();
    }
    for (id, records) in records {
        assert!(
            records > 0,
            "no random ledger has a record that {id} counts"
        );
    }
}

/// Checks all figures of a source in a period against their evidence and, for indicators that
/// `defined` counts, against its value and number of records. Returns the records of each indicator.
pub async fn check(
    source: &Counting,
    office: &str,
    (first, last): (NaiveDate, NaiveDate),
    defined: impl Fn(&str) -> Option<(i64, i64)>,
) -> BTreeMap<String, BTreeSet<String>> {
    let indicators = indicators(source, office).await;
    let whole = period(first, last);
    let figures = gather(source, office, whole, &[]).await;
    let ids: Vec<&str> = indicators.iter().map(|i| i.id.as_str()).collect();
    assert_eq!(
        figures
            .iter()
            .map(|f| f.indicator.as_str())
            .collect::<Vec<_>>(),
        ids
    );
    // The same in the reverse order.
    let backwards: Vec<&str> = ids.iter().rev().copied().collect();
    let mut again = gather(source, office, whole, &backwards).await;
    again.reverse();
    assert_eq!(again, figures);

    let mut behind: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (indicator, figure) in indicators.iter().zip(&figures) {
        let id = indicator.id.as_str();
        let context = format!("{office} {id} {first}..{last}");
        let page_size = if figure.records > 20 { 7 } else { 2 };
        let evidence = evidence(source, office, whole, id, page_size).await;

        let sum: i64 = evidence.iter().map(|e| e.contribution).sum();
        assert_eq!(figure.value, sum, "{context}");
        assert_eq!(figure.records, evidence.len() as i64, "{context}");
        let names: BTreeSet<String> = evidence.iter().map(|e| e.record.clone()).collect();
        assert_eq!(
            names.len(),
            evidence.len(),
            "{context}: a record is listed twice"
        );
        let prefix = format!("{office}/{}/", indicator.collection);
        for e in &evidence {
            assert!(
                e.record.starts_with(&prefix) && !e.title.is_empty(),
                "{context}: {e:?}"
            );
            assert!(
                (first..=last).contains(&naive(&e.date).unwrap()),
                "{context}: {e:?}"
            );
        }
        let order = |e: &Evidence| (naive(&e.date), e.record.clone());
        assert!(evidence.iter().map(order).is_sorted(), "{context}: by day");

        if let Some(independent) = defined(id) {
            assert_eq!((figure.value, figure.records), independent, "{context}");
        }
        behind.insert(id.to_owned(), names);
    }
    for (indicator, part) in indicators
        .iter()
        .zip(&figures)
        .filter(|(i, _)| !i.part_of.is_empty())
    {
        let whole = figures
            .iter()
            .find(|f| f.indicator == indicator.part_of)
            .unwrap();
        assert!(
            part.value <= whole.value,
            "{} in {}",
            indicator.id,
            indicator.part_of
        );
        let (part, whole) = (
            &behind[indicator.id.as_str()],
            &behind[indicator.part_of.as_str()],
        );
        assert!(
            part.is_subset(whole),
            "{} in {}",
            indicator.id,
            indicator.part_of
        );
    }

    // A period is the sum of its two halves, except for distinct counts.
    if let Some(middle) = first.checked_add_days(Days::new(150)).filter(|m| *m < last) {
        let early = gather(source, office, period(first, middle), &[]).await;
        let late = gather(
            source,
            office,
            period(middle.succ_opt().unwrap(), last),
            &[],
        )
        .await;
        for (i, indicator) in indicators.iter().enumerate() {
            if indicator.measure() != Measure::Distinct {
                let halves = early[i].value + late[i].value;
                assert_eq!(
                    figures[i].value, halves,
                    "{} {first}..{middle}..{last}",
                    indicator.id
                );
            }
        }
    }
    behind
}

/// Checks that a year is the sum of its months, except for distinct counts.
pub async fn check_months(source: &Counting, office: &str, year: i32) {
    let months = (1..=12).map(|month| {
        let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
        let next = first.checked_add_months(Months::new(1)).unwrap();
        gather(source, office, period(first, next.pred_opt().unwrap()), &[])
    });
    let months = join_all(months).await;
    let whole = gather(source, office, Period::year(year), &[]).await;
    let indicators = indicators(source, office).await;
    for (i, indicator) in indicators.iter().enumerate() {
        if indicator.measure() != Measure::Distinct {
            let sum: i64 = months.iter().map(|month| month[i].value).sum();
            assert_eq!(whole[i].value, sum, "{office} {} {year}", indicator.id);
        }
    }
}

/// The figures of a year by their ids.
async fn of_year(sources: &[Counting], office: &str, year: i32) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for source in sources {
        let figures = gather(source, office, Period::year(year), &[]).await;
        all.extend(figures.into_iter().map(|f| (f.indicator, f.value)));
    }
    all
}

async fn a_year_begins_and_ends_at_local_midnight(suite: Suite) {
    let api = Api::of(&suite);
    let sources = sources(&suite, &suite.every_scope());
    // In UTC, all but the last of these are on the day before.
    for (start, year) in [
        ("2021-12-31T23:30:00+08:00", 2021),
        ("2021-12-31T23:59:59.999999+08:00", 2021),
        ("2022-01-01T00:00:00+08:00", 2022),
        ("2022-01-01T00:10:00+08:00", 2022),
        ("2022-12-31T23:30:00+08:00", 2022),
        ("2023-01-01T00:10:00+08:00", 2023),
        ("2023-01-01T08:10:00+08:00", 2023),
    ] {
        let before = [2021, 2022, 2023].map(|year| of_year(&sources, OFFICE, year));
        let before = join_all(before).await;
        let request = new_meeting(past_meeting("跨年会议", start));
        let name = api.create_meeting(request).await.unwrap().name;
        let mut meetings = api.meetings.clone();
        let request = ConveneMeetingRequest {
            name: name.clone(),
            ..Default::default()
        };
        meetings.convene_meeting(request).await.unwrap();
        let request = HoldMeetingRequest {
            name,
            ..Default::default()
        };
        let held = meetings.hold_meeting(request).await.unwrap().into_inner();
        assert_eq!(held.held_on.unwrap().year, year, "{start}");
        for (i, other) in [2021, 2022, 2023].into_iter().enumerate() {
            let after = of_year(&sources, OFFICE, other).await["meetings_total"];
            let more = after - before[i]["meetings_total"];
            assert_eq!(more, i64::from(year == other), "{start} in {other}");
        }
    }
}

async fn a_deleted_record_does_not_count(suite: Suite) {
    let api = Api::of(&suite);
    let sources = sources(&suite, &suite.every_scope());
    let count = async |office: &str| of_year(&sources, office, 2022).await["matters_registered"];
    let made = api.create_matter(new_matter(matter("修渠"))).await.unwrap();
    let asked = CreateMatterRequest {
        validate_only: true,
        ..new_matter(matter("修渠"))
    };
    api.create_matter(asked).await.unwrap();
    assert_eq!((count(OFFICE).await, count(ANOTHER).await), (1, 0));
    let mut matters = api.matters.clone();
    let request = DeleteMatterRequest {
        name: made.name.clone(),
        ..Default::default()
    };
    matters.delete_matter(request).await.unwrap();
    assert_eq!(count(OFFICE).await, 0);
    let request = UndeleteMatterRequest {
        name: made.name,
        ..Default::default()
    };
    matters.undelete_matter(request).await.unwrap();
    assert_eq!(count(OFFICE).await, 1);
}

async fn figures_say_whether_the_ledger_was_kept(suite: Suite) {
    let api = Api::of(&suite);
    let sources = sources(&suite, &suite.every_scope());
    let kept = async |office: &str, year| {
        let mut kept = BTreeSet::new();
        for source in &sources {
            let figures = gather(source, office, Period::year(year), &[]).await;
            kept.extend(figures.into_iter().filter(|f| f.kept).map(|f| f.indicator));
        }
        kept
    };
    assert_eq!(kept(OFFICE, 2022).await, BTreeSet::new());
    // A lecture that no indicator counts, but from which on lectures are kept.
    let mut lectures = api.lectures.clone();
    let request = CreateLectureRequest {
        parent: OFFICE.into(),
        lecture: Some(lecture("宣讲", day("2022-12-31"))),
        ..Default::default()
    };
    let name = lectures
        .create_lecture(request)
        .await
        .unwrap()
        .into_inner()
        .name;
    let of_lectures = [
        "lecture_audience",
        "lectures_by_standing_committee",
        "lectures_grassroots",
    ];
    let of_lectures = of_lectures.map(str::to_owned).into();
    assert_eq!(kept(OFFICE, 2021).await, BTreeSet::new());
    assert_eq!(kept(OFFICE, 2022).await, of_lectures);
    assert_eq!(kept(OFFICE, 2023).await, of_lectures);
    assert_eq!(kept(ANOTHER, 2023).await, BTreeSet::new());
    lectures
        .delete_lecture(DeleteLectureRequest {
            name,
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(kept(OFFICE, 2023).await, BTreeSet::new());
}

async fn figures_of_one_call_are_from_one_snapshot(suite: Suite) {
    const ROUNDS: i64 = 60;
    let api = Api::of(&suite);
    let meetings = &sources(&suite, &suite.every_scope())[0];
    let mut lectures = api.lectures.clone();
    let mut names = Vec::new();
    for _ in 0..ROUNDS {
        let request = CreateLectureRequest {
            parent: OFFICE.into(),
            lecture: Some(Lecture {
                audience_count: 10,
                ..lecture("宣讲", day("2022-05-01"))
            }),
            ..Default::default()
        };
        names.push(
            lectures
                .create_lecture(request)
                .await
                .unwrap()
                .into_inner()
                .name,
        );
    }
    // Lectures and systems are created alternately, so at any time there is at most one lecture
    // more. They are in different tables.
    let done = AtomicBool::new(false);
    let writer = async {
        for name in names {
            let request = HoldLectureRequest {
                name,
                ..Default::default()
            };
            lectures.hold_lecture(request).await.unwrap();
            let made = Facility {
                kind: FacilityKind::VideoSystem.into(),
                installed_on: Some(day("2022-05-01")),
                ..facility("视频会议系统")
            };
            let request = CreateFacilityRequest {
                parent: OFFICE.into(),
                facility: Some(made),
                ..Default::default()
            };
            api.facilities
                .clone()
                .create_facility(request)
                .await
                .unwrap();
        }
        done.store(true, Relaxed);
    };
    let reader = async || {
        let mut seen = BTreeSet::new();
        let mut last = 0;
        while !done.load(Relaxed) {
            let request = GatherFiguresRequest {
                parent: OFFICE.into(),
                period: Some(Period::year(2022)),
                indicators: vec![],
            };
            let before = Clock::system().now().timestamp();
            let answer = meetings
                .clone()
                .gather_figures(request)
                .await
                .unwrap()
                .into_inner();
            let of: BTreeMap<&str, i64> = answer
                .figures
                .iter()
                .map(|f| (f.indicator.as_str(), f.value))
                .collect();
            let (lectures, systems) = (of["lectures_grassroots"], of["video_systems_installed"]);
            assert!(
                (0..=1).contains(&(lectures - systems)),
                "{lectures} lectures, {systems} systems"
            );
            assert_eq!(of["lecture_audience"], 10 * lectures);
            assert!(lectures >= last, "{last}, then {lectures}");
            let at = answer.snapshot_time.unwrap().seconds;
            assert!((before..=Clock::system().now().timestamp()).contains(&at));
            last = lectures;
            seen.insert(lectures);
        }
        seen
    };
    let ((), one, other) = tokio::join!(writer, reader(), reader());
    assert!(one.len() > 5 && other.len() > 5, "{one:?} {other:?}");
    let last = gather(meetings, OFFICE, Period::year(2022), &["lecture_audience"]).await;
    assert_eq!((last[0].value, last[0].records), (10 * ROUNDS, ROUNDS));
}

fn fields(status: Status) -> Vec<String> {
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::InvalidArgument, "INVALID_FIELDS".into())
    );
    let request = status.get_details_bad_request().unwrap();
    request
        .field_violations
        .into_iter()
        .map(|v| v.field)
        .collect()
}

async fn unknown_indicators_and_bad_periods_are_reported(suite: Suite) {
    for source in sources(&suite, &suite.every_scope()) {
        let known = indicators(&source, OFFICE).await.remove(0).id;
        let request = GatherFiguresRequest {
            parent: OFFICE.into(),
            period: Some(Period::year(2022)),
            indicators: vec![
                known.clone(),
                "unheard_of".into(),
                known.clone(),
                "made_up".into(),
            ],
        };
        let status = source.clone().gather_figures(request).await.unwrap_err();
        assert_eq!(fields(status), ["indicators[1]", "indicators[3]"]);
        let wrong_way = Period {
            first_day: Some(day("2022-02-01")),
            last_day: Some(day("2022-01-31")),
        };
        for (period, named) in [
            (None, "period"),
            (Some(Period::default()), "period.first_day"),
            (Some(wrong_way), "period.last_day"),
        ] {
            let parent = OFFICE.to_owned();
            let request = GatherFiguresRequest {
                parent: parent.clone(),
                period,
                ..Default::default()
            };
            let status = source.clone().gather_figures(request).await.unwrap_err();
            assert_eq!(fields(status)[0], named);
            let request = ListEvidenceRequest {
                parent,
                period,
                indicator: known.clone(),
                ..Default::default()
            };
            let status = source.clone().list_evidence(request).await.unwrap_err();
            assert_eq!(fields(status)[0], named);
        }
        let request = ListEvidenceRequest {
            parent: OFFICE.into(),
            period: Some(Period::year(2022)),
            indicator: "unheard_of".into(),
            ..Default::default()
        };
        assert_eq!(
            fields(source.clone().list_evidence(request).await.unwrap_err()),
            ["indicator"]
        );
        // An indicator that is requested twice is returned twice.
        let twice = gather(&source, OFFICE, Period::year(2022), &[&known, &known]).await;
        assert_eq!(twice.len(), 2);
        assert_eq!(twice[0], twice[1]);
    }
}

async fn a_page_token_of_evidence_is_bound_to_its_request(suite: Suite) {
    let api = Api::of(&suite);
    let supervision = &sources(&suite, &suite.every_scope())[1];
    for _ in 0..5 {
        api.create_matter(new_matter(matter("修渠"))).await.unwrap();
    }
    let request = ListEvidenceRequest {
        parent: OFFICE.into(),
        period: Some(Period::year(2022)),
        indicator: "matters_registered".into(),
        page_size: 2,
        ..Default::default()
    };
    let page = supervision
        .clone()
        .list_evidence(request.clone())
        .await
        .unwrap()
        .into_inner();
    let next = ListEvidenceRequest {
        page_token: page.next_page_token,
        ..request
    };
    let page = supervision
        .clone()
        .list_evidence(next.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.evidence.len(), 2);
    for wrong in [
        ListEvidenceRequest {
            period: Some(Period::year(2023)),
            ..next.clone()
        },
        ListEvidenceRequest {
            indicator: "county_leader_instructions_handled".into(),
            ..next.clone()
        },
        ListEvidenceRequest {
            parent: ANOTHER.into(),
            ..next.clone()
        },
        ListEvidenceRequest {
            page_token: "AAAA".into(),
            ..next
        },
    ] {
        let status = supervision.clone().list_evidence(wrong).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, "INVALID_PAGE_TOKEN".into())
        );
    }
}
