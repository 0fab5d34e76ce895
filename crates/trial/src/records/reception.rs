//! Receptions and support assignments.

use chrono::NaiveDate;
use taizhang_contracts::date::{local_instant, timestamp};
use taizhang_contracts::reception::{
    self as r, ActivityKind, GuestOrigin, LetterPurpose, MealKind, MealTime, PlaceKind, Rank,
    ReceptionNature, SettlementMethod, SupportKind,
};
use tonic::Status;

use super::people;
use crate::client::{Clients, request_id};
use crate::days::{day, earlier, later, outside, spread};
use crate::figures::{Figures, Plannable, Sum, indicator, part, planned};
use crate::job::Job;

/// The indicators that a plan can name. Each assignment that is completed has at least one day.
pub(crate) const PLANNABLE: &[Plannable] = &[
    indicator("receptions_vice_minister_up"),
    indicator("receptions_province_city_leaders"),
    indicator("receptions_study_delegations"),
    indicator("inspection_support_days"),
    part("inspection_support_assignments", "inspection_support_days"),
];

/// A sum that a plan may state.
pub(crate) const SUM: Sum = Sum {
    id: "derived_receptions_sum",
    parts: &[
        "receptions_vice_minister_up",
        "receptions_province_city_leaders",
        "receptions_study_delegations",
    ],
};

/// A record of the reception service.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A reception.
    Reception(Reception),
    /// A support assignment.
    Support(Support),
}

/// A reception.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reception {
    /// The nature of the visit.
    nature: ReceptionNature,
    /// The highest rank among the guests.
    rank: Rank,
    /// The day of the arrival.
    arrival: NaiveDate,
    /// Its final state.
    outcome: ReceptionOutcome,
}

/// The final state of a reception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReceptionOutcome {
    Proposed,
    Refused,
    Approved,
    Cancelled,
    Receiving,
    Settled,
    Archived,
}

/// A support assignment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Support {
    /// Its kind.
    kind: SupportKind,
    /// The first day.
    first: NaiveDate,
    /// The last day.
    last: NaiveDate,
    /// Its final state.
    outcome: SupportOutcome,
}

/// The final state of a support assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SupportOutcome {
    Planned,
    UnderWay,
    Completed,
    Cancelled,
}

/// The longest assignment, in days: it must lie within one year.
const LONGEST: u32 = 300;

/// The records that are counted in a year.
pub(crate) fn counted(year: i32, figures: &Figures) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    for (id, nature, rank) in [
        (
            "receptions_vice_minister_up",
            ReceptionNature::LeadersVisit,
            Rank::ViceMinister,
        ),
        (
            "receptions_province_city_leaders",
            ReceptionNature::LeadersVisit,
            Rank::DirectorGeneral,
        ),
        (
            "receptions_study_delegations",
            ReceptionNature::StudyDelegation,
            Rank::DivisionHead,
        ),
    ] {
        let number = planned(figures, id);
        for i in 0..number {
            jobs.push(Job::new(Record::Reception(Reception {
                nature,
                rank,
                arrival: spread(year, i, number),
                outcome: match i % 5 {
                    0 => ReceptionOutcome::Receiving,
                    1 => ReceptionOutcome::Settled,
                    _ => ReceptionOutcome::Archived,
                },
            })));
        }
    }
    // The completed assignments share the days; assignments under way have those that are left.
    let mut days = planned(figures, "inspection_support_days");
    let completed = planned(figures, "inspection_support_assignments");
    let first = day(year, 1, 10);
    for i in 0..completed {
        let own = (days / (completed - i)).min(LONGEST);
        days -= own;
        jobs.push(Job::new(inspection(first, own, SupportOutcome::Completed)));
    }
    while days > 0 {
        let own = days.min(LONGEST);
        days -= own;
        jobs.push(Job::new(inspection(first, own, SupportOutcome::UnderWay)));
    }
    jobs
}

fn inspection(first: NaiveDate, days: u32, outcome: SupportOutcome) -> Record {
    Record::Support(Support {
        kind: SupportKind::Inspection,
        first,
        last: later(first, u64::from(days.max(1)) - 1),
        outcome,
    })
}

/// Records that no figure of the year or of the year before may count.
pub(crate) fn uncounted(year: i32) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let visit = |nature, arrival, outcome| {
        Record::Reception(Reception {
            nature,
            rank: Rank::DirectorGeneral,
            arrival,
            outcome,
        })
    };
    let leaders = |arrival, outcome| visit(ReceptionNature::LeadersVisit, arrival, outcome);
    let mid = day(year, 6, 15);
    for record in [
        leaders(mid, ReceptionOutcome::Proposed),
        leaders(mid, ReceptionOutcome::Refused),
        leaders(mid, ReceptionOutcome::Approved),
        leaders(mid, ReceptionOutcome::Cancelled),
        visit(ReceptionNature::Business, mid, ReceptionOutcome::Receiving),
        visit(
            ReceptionNature::Inspection,
            mid,
            ReceptionOutcome::Receiving,
        ),
        visit(ReceptionNature::Other, mid, ReceptionOutcome::Receiving),
        inspection(mid, 20, SupportOutcome::Planned),
        inspection(mid, 20, SupportOutcome::Cancelled),
        Record::Support(Support {
            kind: SupportKind::Other,
            first: mid,
            last: later(mid, 9),
            outcome: SupportOutcome::Completed,
        }),
    ] {
        jobs.push(Job::new(record));
    }
    for day in outside(year) {
        jobs.push(Job::new(leaders(day, ReceptionOutcome::Archived)));
        jobs.push(Job::new(inspection(day, 1, SupportOutcome::Completed)));
    }
    for record in [
        leaders(mid, ReceptionOutcome::Archived),
        inspection(mid, 20, SupportOutcome::Completed),
    ] {
        jobs.push(Job::deleted(record.clone()));
        jobs.push(Job::of_neighbour(record));
    }
    jobs
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
        Record::Reception(plan) => receive(c, parent, i, plan).await,
        Record::Support(plan) => support(c, parent, i, plan).await,
    }
}

/// Deletes a record.
///
/// # Errors
/// A refusal.
pub(crate) async fn delete(c: &mut Clients, name: String, record: &Record) -> Result<(), Status> {
    match record {
        Record::Reception(_) => {
            let request = r::DeleteReceptionRequest {
                name,
                ..Default::default()
            };
            c.receptions.delete_reception(request).await?;
        }
        Record::Support(_) => {
            let request = r::DeleteSupportAssignmentRequest {
                name,
                ..Default::default()
            };
            c.support.delete_support_assignment(request).await?;
        }
    }
    Ok(())
}

/// A reception of a delegation that complies with the regulations.
fn delegation(i: usize, plan: &Reception) -> r::Reception {
    let (arrival, departure) = (plan.arrival, later(plan.arrival, 1));
    let at = |day, minute| {
        Some(timestamp(local_instant(
            day,
            minute,
            chrono_tz::Asia::Shanghai,
        )))
    };
    let guests = (0..4 + i % 9).map(|n| r::Guest {
        person: people::person(i + n * 7),
        unit: "省发展改革部门".into(),
        post: if n == 0 {
            "带队领导"
        } else {
            "工作人员"
        }
        .into(),
        rank: if n == 0 {
            plan.rank.into()
        } else {
            Rank::SectionHead.into()
        },
    });
    let guests: Vec<r::Guest> = guests.collect();
    let count = i32::try_from(guests.len()).unwrap_or(0);
    r::Reception {
        title: format!("{}一行到访", people::subject(i)),
        letter: Some(r::Letter {
            unit: "省发展改革部门".into(),
            number: format!("来函第{}号", i + 1),
            date: Some(earlier(arrival, 5).into()),
            purpose: LetterPurpose::Research.into(),
            content: format!("调研{}", people::subject(i)),
            persons: count,
            tells_itinerary: true,
        }),
        nature: plan.nature.into(),
        guest_origin: GuestOrigin::OutsideCounty.into(),
        guests,
        itinerary_items: vec![
            r::ItineraryItem {
                start_time: at(arrival, 9 * 60),
                end_time: at(arrival, 11 * 60),
                title: format!("实地察看{}", people::subject(i)),
                place: people::place(i).into(),
                place_kind: PlaceKind::Normal.into(),
                kind: ActivityKind::Visit.into(),
                host_leader: people::person(i + 3),
            },
            r::ItineraryItem {
                start_time: at(departure, 9 * 60),
                end_time: at(departure, 10 * 60 + 30),
                title: "座谈交流".into(),
                place: people::place(i + 1).into(),
                place_kind: PlaceKind::Normal.into(),
                kind: ActivityKind::Meeting.into(),
                host_leader: people::person(i + 4),
            },
        ],
        companions: vec![r::Companion {
            person: people::person(i + 3),
            unit: "县委办公室".into(),
            post: "副主任".into(),
        }],
        meals: vec![r::Meal {
            date: Some(arrival.into()),
            kind: MealKind::WorkingMeal.into(),
            time_of_day: MealTime::Lunch.into(),
            guests: count,
            companions: 2,
            standard_fen: 9_000,
            cost_fen: 8_000 * i64::from(count + 2),
            dishes: "家常菜".into(),
            ..Default::default()
        }],
        applicant: people::person(i + 5),
        arrival_day: Some(arrival.into()),
        departure_day: Some(departure.into()),
        ..Default::default()
    }
}

/// Makes a reception and takes it to its final state.
async fn receive(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Reception,
) -> Result<String, Status> {
    let (arrival, departure) = (plan.arrival, later(plan.arrival, 1));
    let request = r::CreateReceptionRequest {
        parent,
        reception: Some(delegation(i, plan)),
        request_id: request_id(),
        ..Default::default()
    };
    let created = c.receptions.create_reception(request).await?.into_inner();
    let (name, amount_fen) = (created.name, created.total_cost_fen);
    match plan.outcome {
        ReceptionOutcome::Proposed => return Ok(name),
        ReceptionOutcome::Refused => {
            let request = r::RefuseReceptionRequest {
                name: name.clone(),
                reason: "与公务无关".into(),
                refused_on: Some(earlier(arrival, 1).into()),
                ..Default::default()
            };
            c.receptions.refuse_reception(request).await?;
            return Ok(name);
        }
        _ => {}
    }
    let request = r::ApproveReceptionRequest {
        name: name.clone(),
        approver: people::person(i + 6),
        approved_on: Some(earlier(arrival, 1).into()),
        ..Default::default()
    };
    c.receptions.approve_reception(request).await?;
    match plan.outcome {
        ReceptionOutcome::Approved => return Ok(name),
        ReceptionOutcome::Cancelled => {
            let request = r::CancelReceptionRequest {
                name: name.clone(),
                reason: "来访改期".into(),
                cancelled_on: Some(earlier(arrival, 1).into()),
                ..Default::default()
            };
            c.receptions.cancel_reception(request).await?;
            return Ok(name);
        }
        _ => {}
    }
    let request = r::BeginReceptionRequest {
        name: name.clone(),
        begun_on: Some(arrival.into()),
        ..Default::default()
    };
    c.receptions.begin_reception(request).await?;
    if plan.outcome == ReceptionOutcome::Receiving {
        return Ok(name);
    }
    let request = r::EndReceptionRequest {
        name: name.clone(),
        ended_on: Some(departure.into()),
        ..Default::default()
    };
    c.receptions.end_reception(request).await?;
    let request = r::SignReceptionListRequest {
        name: name.clone(),
        signed_by: people::person(i + 6),
        signed_on: Some(departure.into()),
        ..Default::default()
    };
    c.receptions.sign_reception_list(request).await?;
    let settled = Some(later(departure, 5).into());
    let request = r::SettleReceptionRequest {
        name: name.clone(),
        voucher_number: format!("PZ-{}", i + 1),
        method: SettlementMethod::OfficialCard.into(),
        amount_fen,
        settled_on: settled,
        ..Default::default()
    };
    c.receptions.settle_reception(request).await?;
    if plan.outcome == ReceptionOutcome::Archived {
        let request = r::ArchiveReceptionRequest {
            name: name.clone(),
            archived_on: settled,
            ..Default::default()
        };
        c.receptions.archive_reception(request).await?;
    }
    Ok(name)
}

/// Makes a support assignment and takes it to its final state.
async fn support(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Support,
) -> Result<String, Status> {
    let assignment = r::SupportAssignment {
        title: "巡视保障".into(),
        kind: plan.kind.into(),
        team: "省委巡视组".into(),
        first_day: Some(plan.first.into()),
        last_day: Some(plan.last.into()),
        members: vec![people::person(i), people::person(i + 1)],
        place: people::place(i).into(),
        ..Default::default()
    };
    let request = r::CreateSupportAssignmentRequest {
        parent,
        support_assignment: Some(assignment),
        request_id: request_id(),
        ..Default::default()
    };
    let created = c.support.create_support_assignment(request).await?;
    let name = created.into_inner().name;
    match plan.outcome {
        SupportOutcome::Planned => {}
        SupportOutcome::Cancelled => {
            let request = r::CancelSupportAssignmentRequest {
                name: name.clone(),
                reason: "任务调整".into(),
                ..Default::default()
            };
            c.support.cancel_support_assignment(request).await?;
        }
        SupportOutcome::UnderWay | SupportOutcome::Completed => {
            let request = r::BeginSupportAssignmentRequest {
                name: name.clone(),
                begun_on: Some(plan.first.into()),
                ..Default::default()
            };
            c.support.begin_support_assignment(request).await?;
        }
    }
    if plan.outcome == SupportOutcome::Completed {
        let request = r::CompleteSupportAssignmentRequest {
            name: name.clone(),
            completed_on: Some(plan.last.into()),
            ..Default::default()
        };
        c.support.complete_support_assignment(request).await?;
    }
    Ok(name)
}
