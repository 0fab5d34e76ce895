//! What a trial makes: records that the plan's figures count, and records that they must not.

use chrono::{Days, NaiveDate};

use super::plan::Plan;
use super::{matters, meetings, reception, research, supervision};

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

/// A record of one of the services.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// Of meetings.
    Meetings(meetings::What),
    /// A supervision matter.
    Matter(matters::Matter),
    /// Another one of supervision.
    Supervision(supervision::What),
    /// Of reception.
    Reception(reception::What),
    /// Of research.
    Research(research::What),
}

impl Job {
    /// A record of the office whose summary is made.
    pub(super) fn ours(what: impl Into<What>) -> Self {
        Self {
            whose: Whose::Ours,
            deleted: false,
            what: what.into(),
        }
    }

    /// A record that is deleted in the end.
    pub(super) fn deleted(what: impl Into<What>) -> Self {
        Self {
            deleted: true,
            ..Self::ours(what)
        }
    }

    /// A record of another office.
    pub(super) fn of_another(what: impl Into<What>) -> Self {
        Self {
            whose: Whose::Another,
            ..Self::ours(what)
        }
    }
}

/// Everything that the plan asks for, and the noise.
pub(super) fn jobs(plan: &Plan) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (year, figures) in [
        (plan.year - 1, &plan.previous()),
        (plan.year, &plan.figures),
    ] {
        meetings::counted(year, figures, &mut jobs);
        matters::counted(year, figures, &mut jobs);
        supervision::counted(year, figures, &mut jobs);
        reception::counted(year, figures, &mut jobs);
        research::counted(year, figures, &mut jobs);
    }
    meetings::noise(plan.year, &mut jobs);
    matters::noise(plan.year, &mut jobs);
    supervision::noise(plan.year, &mut jobs);
    reception::noise(plan.year, &mut jobs);
    research::noise(plan.year, &mut jobs);
    jobs
}

/// A day.
pub(super) fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// A day so many days later.
pub(super) fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// A day so many days earlier.
pub(super) fn earlier(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// The last day before the two years of a plan, and the first day after them.
pub(super) fn neighbours(year: i32) -> [NaiveDate; 2] {
    [day(year - 2, 12, 31), day(year + 1, 1, 1)]
}

/// The `i`-th of `n` days spread over a year, the first and the last day among them.
pub(super) fn spread(year: i32, i: u32, n: u32) -> NaiveDate {
    let first = day(year, 1, 1);
    let days = (day(year, 12, 31) - first).num_days().unsigned_abs();
    later(first, u64::from(i) * days / u64::from(n.max(2) - 1))
}
