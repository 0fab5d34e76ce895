//! Supervision matters.

use chrono::NaiveDate;
use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::supervision::{self as s, SourceKind};
use tonic::Status;

use super::people;
use crate::client::{Clients, request_id};
use crate::days::{day, earlier, later, outside, spread};
use crate::figures::{Figures, Plannable, Sum, indicator, planned};
use crate::job::Job;

/// The indicators that a plan can name.
pub(crate) const PLANNABLE: &[Plannable] = &[
    indicator("city_secretary_instructions_closed"),
    indicator("city_supervision_notices_implemented"),
    indicator("county_leader_instructions_handled"),
];

/// A sum that a plan may state.
pub(crate) const SUM: Sum = Sum {
    id: "derived_supervision_handled_sum",
    parts: &[
        "city_secretary_instructions_closed",
        "city_supervision_notices_implemented",
        "county_leader_instructions_handled",
    ],
};

/// A supervision matter.
#[derive(Debug, Clone)]
pub(crate) struct Matter {
    /// The kind of its source.
    pub(crate) source: SourceKind,
    /// The level of its source.
    pub(crate) level: Level,
    /// Whether the secretary gave the instruction.
    pub(crate) by_secretary: bool,
    /// The day of its registration.
    pub(crate) registered: NaiveDate,
    /// The day of its final report; `None` if it is still being handled.
    pub(crate) reported: Option<NaiveDate>,
    /// The day it is closed; `None` if it is not.
    pub(crate) closed: Option<NaiveDate>,
    /// Whether the report was returned and so is not valid.
    pub(crate) returned: bool,
}

/// The records that are counted in a year.
pub(crate) fn counted(year: i32, figures: &Figures) -> Vec<Job<Matter>> {
    let mut jobs = Vec::new();
    // Counted by the day of closing: the first ones were registered in the year before.
    let closed = planned(figures, "city_secretary_instructions_closed");
    for i in 0..closed {
        let closed = spread(year, i, closed);
        let reported = earlier(closed, 3);
        let registered = earlier(closed, 20);
        jobs.push(Job::new(Matter {
            source: SourceKind::Instruction,
            level: Level::City,
            by_secretary: true,
            registered,
            reported: Some(reported),
            closed: Some(closed),
            returned: false,
        }));
    }
    // Counted by the day of the final report, closed or not.
    let reported = planned(figures, "city_supervision_notices_implemented");
    for i in 0..reported {
        let day = spread(year, i, reported);
        jobs.push(Job::new(Matter {
            source: SourceKind::SupervisionNotice,
            level: Level::City,
            by_secretary: false,
            registered: earlier(day, 15),
            reported: Some(day),
            closed: (i % 3 > 0).then(|| later(day, 5)),
            returned: false,
        }));
    }
    // Counted by the day of registration, in any state.
    let handled = planned(figures, "county_leader_instructions_handled");
    for i in 0..handled {
        let registered = spread(year, i, handled);
        jobs.push(Job::new(Matter {
            source: SourceKind::Instruction,
            level: Level::County,
            by_secretary: i % 2 == 0,
            registered,
            reported: (i % 3 > 0).then(|| later(registered, 9)),
            closed: (i % 3 > 1).then(|| later(registered, 12)),
            returned: false,
        }));
    }
    jobs
}

/// Records that no figure of the year or of the year before may count.
pub(crate) fn uncounted(year: i32) -> Vec<Job<Matter>> {
    let mut jobs = Vec::new();
    for day in outside(year) {
        let county = matter(SourceKind::Instruction, Level::County, day);
        jobs.push(Job::new(county));
    }

    // Deleted ones, and ones of the other office.
    let mid = day(year, 6, 15);
    let closed = |m: Matter| Matter {
        reported: Some(later(mid, 10)),
        closed: Some(later(mid, 12)),
        ..m
    };
    let secretary = |m: Matter| Matter {
        by_secretary: true,
        ..m
    };
    for matter in [
        closed(secretary(matter(SourceKind::Instruction, Level::City, mid))),
        closed(matter(SourceKind::SupervisionNotice, Level::City, mid)),
        matter(SourceKind::Instruction, Level::County, mid),
    ] {
        jobs.push(Job::deleted(matter.clone()));
        jobs.push(Job::of_neighbour(matter));
    }

    // Instructions and notices that differ from counted ones in one respect.
    let similar = [
        // Of the city secretary, still being handled.
        secretary(matter(SourceKind::Instruction, Level::City, mid)),
        // Closed, but not of the city secretary.
        closed(matter(SourceKind::Instruction, Level::City, mid)),
        closed(secretary(matter(
            SourceKind::Instruction,
            Level::Province,
            mid,
        ))),
        // Notices: without a report, with a returned one, of the province.
        matter(SourceKind::SupervisionNotice, Level::City, mid),
        Matter {
            reported: Some(later(mid, 10)),
            returned: true,
            ..matter(SourceKind::SupervisionNotice, Level::City, mid)
        },
        closed(matter(SourceKind::SupervisionNotice, Level::Province, mid)),
        // Other sources.
        closed(matter(SourceKind::KeyTask, Level::County, mid)),
        // Of the city secretary, closed before and after the two years.
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
    jobs.extend(similar.into_iter().map(Job::new));
    jobs
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

/// Deletes a matter.
///
/// # Errors
/// A refusal.
pub(crate) async fn delete(c: &mut Clients, name: String) -> Result<(), Status> {
    let request = s::DeleteMatterRequest {
        name,
        ..Default::default()
    };
    c.matters.delete_matter(request).await?;
    Ok(())
}

/// Registers a matter, takes it to its final state, and returns its name.
///
/// # Errors
/// The first refusal.
pub(crate) async fn make(
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
