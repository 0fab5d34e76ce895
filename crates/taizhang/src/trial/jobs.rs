//! Which records a trial makes: those that the plan's figures count, and those that they must not.
//! No I/O.

use chrono::{Days, NaiveDate};
use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::{FacilityKind, LectureKind, MeetingKind, SpeakerRank};
use taizhang_contracts::supervision::SourceKind;

use super::plan::{Figures, Plan, planned};

/// Whose ledger a record is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The office whose summary is made.
    Ours,
    /// Another office.
    Another,
}

/// One record, and how far its life goes.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Whose ledger it is in.
    pub(super) whose: Whose,
    /// Whether it is deleted in the end.
    pub(super) deleted: bool,
    /// What it is.
    pub(super) what: What,
}

/// What a record is.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A meeting.
    Meeting(Meeting),
    /// The monthly meetings of the office directors, made from a series.
    Directors(Vec<NaiveDate>),
    /// A lecture.
    Lecture(Lecture),
    /// A facility, with the day of its installation or renovation.
    Facility(FacilityKind, NaiveDate),
    /// A supervision matter.
    Matter(Matter),
}

/// A meeting.
#[derive(Debug, Clone)]
pub(super) struct Meeting {
    /// Its kind.
    pub(super) kind: MeetingKind,
    /// Whether the office organises it.
    pub(super) by_office: bool,
    /// Who holds it.
    pub(super) level: Level,
    /// Whether it is elsewhere.
    pub(super) outside_county: bool,
    /// The local day, and minutes after midnight.
    pub(super) start: (NaiveDate, u32),
    /// What becomes of it.
    pub(super) outcome: Outcome,
}

/// What becomes of a meeting or a lecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It stays a plan.
    Planned,
    /// It takes place.
    Held,
    /// A meeting that takes place, with minutes.
    Minutes,
    /// It is put off. Meetings only.
    Postponed,
    /// It is called off.
    Cancelled,
}

/// A lecture.
#[derive(Debug, Clone)]
pub(super) struct Lecture {
    /// Its kind.
    pub(super) kind: LectureKind,
    /// The speaker's rank.
    pub(super) rank: SpeakerRank,
    /// The day.
    pub(super) day: NaiveDate,
    /// What becomes of it.
    pub(super) outcome: Outcome,
}

/// A supervision matter.
#[derive(Debug, Clone)]
pub(super) struct Matter {
    /// Where it comes from.
    pub(super) source: SourceKind,
    /// From which level.
    pub(super) level: Level,
    /// Whether the secretary gave the instruction.
    pub(super) by_secretary: bool,
    /// The day of its registration.
    pub(super) registered: NaiveDate,
    /// The day of its final report; none if it is still worked on.
    pub(super) reported: Option<NaiveDate>,
    /// The day it is closed, if it is.
    pub(super) closed: Option<NaiveDate>,
    /// Whether the report was sent back, so that it no longer stands.
    pub(super) returned: bool,
}

/// Everything that the plan asks for, and the noise.
pub(super) fn jobs(plan: &Plan) -> Vec<Job> {
    let mut jobs = Vec::new();
    year(plan.year - 1, &plan.previous(), &mut jobs);
    year(plan.year, &plan.figures, &mut jobs);
    noise(plan.year, &mut jobs);
    jobs
}

fn ours(what: What) -> Job {
    Job {
        whose: Whose::Ours,
        deleted: false,
        what,
    }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// The `i`-th of `n` days spread over a year, the first and the last day among them.
fn spread(year: i32, i: u32, n: u32) -> NaiveDate {
    let days = if day(year, 12, 31) == later(day(year, 1, 1), 365) {
        365
    } else {
        364
    };
    later(
        day(year, 1, 1),
        u64::from(i) * days / u64::from(n.max(2) - 1),
    )
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
fn year(year: i32, figures: &Figures, jobs: &mut Vec<Job>) {
    let figure = |id| planned(figures, id);
    let reform = figure("reform_group_meetings");
    let directors = figure("joint_office_directors_meeting_cadence");
    let others = figure("meetings_total")
        .saturating_sub(reform)
        .saturating_sub(directors);

    for i in 0..others {
        // The year's first and last half-hours are in it.
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
        jobs.push(ours(What::Meeting(meeting)));
    }
    for i in 0..reform {
        let start = (spread(year, i, reform), 9 * 60);
        jobs.push(ours(What::Meeting(meeting(
            MeetingKind::ReformLeadingGroup,
            start,
        ))));
    }
    if directors > 0 {
        // The first twelve once a month, as a series; any more one by one.
        let months = (1..=directors.min(12))
            .map(|month| day(year, month, 8))
            .collect();
        jobs.push(ours(What::Directors(months)));
        for i in 12..directors {
            let start = (spread(year, i, directors), 16 * 60);
            jobs.push(ours(What::Meeting(meeting(
                MeetingKind::OfficeDirectors,
                start,
            ))));
        }
    }
    for i in 0..figure("provincial_site_meetings_hosted") {
        let mut meeting = meeting(MeetingKind::OnSite, (spread(year, i + 3, i + 6), 9 * 60));
        (meeting.by_office, meeting.level) = (false, Level::Province);
        jobs.push(ours(What::Meeting(meeting)));
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
        jobs.push(ours(What::Lecture(Lecture {
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
            jobs.push(ours(What::Facility(kind, spread(year, i, figure(id)))));
        }
    }
    matters(year, figures, jobs);
}

/// The supervision matters that are counted in a year.
fn matters(year: i32, figures: &Figures, jobs: &mut Vec<Job>) {
    // Counted by the day of closing: the first were registered the year before.
    let closed = planned(figures, "city_secretary_instructions_closed");
    for i in 0..closed {
        let closed = spread(year, i, closed);
        let reported = closed.checked_sub_days(Days::new(3)).unwrap_or(closed);
        let registered = closed.checked_sub_days(Days::new(20)).unwrap_or(closed);
        jobs.push(ours(What::Matter(Matter {
            source: SourceKind::Instruction,
            level: Level::City,
            by_secretary: true,
            registered,
            reported: Some(reported),
            closed: Some(closed),
            returned: false,
        })));
    }
    // Counted by the day of the final report, closed or not.
    let reported = planned(figures, "city_supervision_notices_implemented");
    for i in 0..reported {
        let day = spread(year, i, reported);
        jobs.push(ours(What::Matter(Matter {
            source: SourceKind::SupervisionNotice,
            level: Level::City,
            by_secretary: false,
            registered: day.checked_sub_days(Days::new(15)).unwrap_or(day),
            reported: Some(day),
            closed: (i % 3 > 0).then(|| later(day, 5)),
            returned: false,
        })));
    }
    // Counted by the day of registration, whatever becomes of them.
    let handled = planned(figures, "county_leader_instructions_handled");
    for i in 0..handled {
        let registered = spread(year, i, handled);
        jobs.push(ours(What::Matter(Matter {
            source: SourceKind::Instruction,
            level: Level::County,
            by_secretary: i % 2 == 0,
            registered,
            reported: (i % 3 > 0).then(|| later(registered, 9)),
            closed: (i % 3 > 1).then(|| later(registered, 12)),
            returned: false,
        })));
    }
}

/// Records that no figure of the year or of the year before may count.
fn noise(year: i32, jobs: &mut Vec<Job>) {
    let mid = day(year, 6, 15);
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
            jobs.push(ours(What::Meeting(Meeting {
                outcome,
                level,
                ..meeting(kind, start)
            })));
            if outcome != Outcome::Postponed {
                let (kind, rank) = (LectureKind::Grassroots, SpeakerRank::StandingCommittee);
                jobs.push(ours(What::Lecture(Lecture {
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
        jobs.push(ours(What::Lecture(other_lecture)));
        // Held, but by others, or elsewhere.
        let start = (day(year, 3, 3), 9 * 60);
        let by_others = Meeting {
            by_office: false,
            ..meeting(MeetingKind::Thematic, start)
        };
        jobs.push(ours(What::Meeting(by_others)));
        let elsewhere = Meeting {
            by_office: false,
            outside_county: true,
            level: Level::Province,
            ..meeting(MeetingKind::OnSite, start)
        };
        jobs.push(ours(What::Meeting(elsewhere)));
    }

    // The half-hours before and after the two years.
    for start in [
        (day(year - 2, 12, 31), 23 * 60 + 30),
        (day(year + 1, 1, 1), 10),
    ] {
        jobs.push(ours(What::Meeting(meeting(
            MeetingKind::ReformLeadingGroup,
            start,
        ))));
        let (kind, rank) = (LectureKind::Grassroots, SpeakerRank::StandingCommittee);
        let outcome = Outcome::Held;
        jobs.push(ours(What::Lecture(Lecture {
            kind,
            rank,
            day: start.0,
            outcome,
        })));
        for kind in [FacilityKind::VideoSystem, FacilityKind::VideoDutyRoom] {
            jobs.push(ours(What::Facility(kind, start.0)));
        }
        let county = matter(SourceKind::Instruction, Level::County, start.0);
        jobs.push(ours(What::Matter(county)));
    }

    // Deleted, and another office's.
    for (whose, deleted) in [(Whose::Ours, true), (Whose::Another, false)] {
        let mut add = |what| {
            jobs.push(Job {
                whose,
                deleted,
                what,
            })
        };
        add(What::Meeting(meeting(
            MeetingKind::ReformLeadingGroup,
            (mid, 9 * 60),
        )));
        add(What::Meeting(meeting(
            MeetingKind::OfficeDirectors,
            (mid, 15 * 60),
        )));
        let (kind, rank) = (LectureKind::Grassroots, SpeakerRank::StandingCommittee);
        add(What::Lecture(Lecture {
            kind,
            rank,
            day: mid,
            outcome: Outcome::Held,
        }));
        add(What::Facility(FacilityKind::VideoDutyRoom, mid));
        for source in [SourceKind::Instruction, SourceKind::SupervisionNotice] {
            add(What::Matter(Matter {
                by_secretary: source == SourceKind::Instruction,
                reported: Some(later(mid, 10)),
                closed: Some(later(mid, 12)),
                ..matter(source, Level::City, mid)
            }));
        }
        add(What::Matter(matter(
            SourceKind::Instruction,
            Level::County,
            mid,
        )));
    }

    // Instructions and notices that look alike.
    let closed = |m: Matter| Matter {
        reported: Some(later(mid, 10)),
        closed: Some(later(mid, 12)),
        ..m
    };
    let secretary = |m: Matter| Matter {
        by_secretary: true,
        ..m
    };
    let look_alikes = [
        // The city secretary's, still worked on.
        secretary(matter(SourceKind::Instruction, Level::City, mid)),
        // Closed, but not the city secretary's.
        closed(matter(SourceKind::Instruction, Level::City, mid)),
        closed(secretary(matter(
            SourceKind::Instruction,
            Level::Province,
            mid,
        ))),
        // Notices: not reported on, sent back, of the province.
        matter(SourceKind::SupervisionNotice, Level::City, mid),
        Matter {
            reported: Some(later(mid, 10)),
            returned: true,
            ..matter(SourceKind::SupervisionNotice, Level::City, mid)
        },
        closed(matter(SourceKind::SupervisionNotice, Level::Province, mid)),
        // Other sources.
        closed(matter(SourceKind::KeyTask, Level::County, mid)),
        // The city secretary's, closed before and after the two years.
        Matter {
            reported: Some(day(year - 2, 12, 30)),
            closed: Some(day(year - 2, 12, 31)),
            ..secretary(matter(
                SourceKind::Instruction,
                Level::City,
                day(year - 2, 12, 1),
            ))
        },
        Matter {
            reported: Some(day(year, 12, 31)),
            closed: Some(day(year + 1, 1, 1)),
            ..secretary(matter(
                SourceKind::Instruction,
                Level::City,
                day(year, 12, 20),
            ))
        },
        // A notice registered in the year, reported on after it.
        Matter {
            reported: Some(day(year + 1, 1, 1)),
            ..matter(
                SourceKind::SupervisionNotice,
                Level::City,
                day(year, 12, 20),
            )
        },
    ];
    jobs.extend(
        look_alikes
            .into_iter()
            .map(|matter| ours(What::Matter(matter))),
    );
}

fn matter(source: SourceKind, level: Level, registered: NaiveDate) -> Matter {
    Matter {
        source,
        level,
        by_secretary: false,
        registered,
        reported: None,
        closed: None,
        returned: false,
    }
}
