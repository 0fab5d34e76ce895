//! The lamp of a matter (督办灯), its status against the due date: pure functions of the record, the
//! day, and the office's calendar.
//!
//! Events have a day, not a time. An event takes effect at the end of its day: on the day of its
//! closing or suspension a matter is still open, and on the day of a granted extension the old due
//! date still applies. So a matter that is red on a day stays "ever red", whatever is recorded later
//! on that day.
//!
//! One pair of events needs an order within the day: if an extension is granted and a suspended matter
//! is resumed on one day, the extension comes first, so the work is resumed under the new due date.
//! The days of the suspension after the old due date do not make the matter red.
//!
//! The lamp of a matter that was merged or split stays as it was on that day, as it does after a
//! closing.

use chrono::NaiveDate;
use taizhang_contracts::supervision::{
    Extension, ExtensionState, Lamp, Matter, SupervisionSettings,
};

use crate::naive;
use crate::workdays::Workdays;

/// The office's setting of when lamps turn yellow.
#[derive(Debug, Default)]
pub(crate) struct Warning {
    workdays: Workdays,
    days: usize,
}

impl Warning {
    /// From the office's settings.
    pub(crate) fn of(settings: &SupervisionSettings) -> Self {
        Self {
            workdays: Workdays::new(&settings.calendar_days),
            days: usize::try_from(settings.warning_working_days).unwrap_or(0),
        }
    }

    /// The office's calendar.
    pub(crate) fn workdays(&self) -> &Workdays {
        &self.workdays
    }
}

/// The lamp on a day.
pub(crate) fn lamp(matter: &Matter, today: NaiveDate, warning: &Warning) -> Lamp {
    let Some(due) = naive(matter.due_date) else {
        return Lamp::Unspecified;
    };
    let ended = ended(matter);
    let red = match ended {
        Some(ended) => ended > due,
        None => overdue(matter, today),
    };
    let waits = ended.is_some() || stopped(matter, today).is_some();
    if red {
        Lamp::Red
    } else if !waits && warning.workdays.at_most(warning.days, today, due) {
        Lamp::Yellow
    } else {
        Lamp::Green
    }
}

/// Whether the matter was open and overdue at the end of a day. During a suspension this is as on the
/// day of the suspension.
pub(crate) fn overdue(matter: &Matter, on: NaiveDate) -> bool {
    let registered = naive(matter.registered_on).is_some_and(|d| d <= on);
    let closed = closings(matter).any(|(from, until)| holds(from, until, on));
    let due = granted(matter)
        .take_while(|(decided, _)| *decided <= on)
        .last()
        .map(|(_, due)| due)
        .or_else(|| naive(matter.original_due_date));
    let judged = stopped(matter, on).unwrap_or(on);
    registered && !closed && due.is_some_and(|due| judged > due)
}

/// Whether, on any day up to today, the matter was open, not suspended, and past the due date that
/// applied then.
pub(crate) fn ever_red(matter: &Matter, today: NaiveDate) -> bool {
    let last = ended(matter).map_or(today, |ended| ended.min(today));
    let Some(mut due) = naive(matter.original_due_date) else {
        return false;
    };
    for (decided, next) in granted(matter) {
        let red = first_open_day(matter, due)
            .filter(|day| *day != decided || !resumed(matter, decided))
            .is_some_and(|day| day <= decided.min(last));
        if red {
            return true;
        }
        due = next;
    }
    first_open_day(matter, due).is_some_and(|day| day <= last)
}

/// The due dates set by granted extensions, each with the day of the decision, in order.
fn granted(matter: &Matter) -> impl Iterator<Item = (NaiveDate, NaiveDate)> {
    let granted = |e: &&Extension| e.state() == ExtensionState::Granted;
    let days = |e: &Extension| Some((naive(e.decided_on)?, naive(e.to_due_date)?));
    matter.extensions.iter().filter(granted).filter_map(days)
}

/// The day on which the matter was closed, merged or split, if it was.
pub(crate) fn ended(matter: &Matter) -> Option<NaiveDate> {
    let superseded = naive(matter.merged_on).or(naive(matter.split_on));
    superseded.or(naive(matter.closed_on))
}

/// The first day of the suspension at the end of a day, if the matter was suspended then.
fn stopped(matter: &Matter, on: NaiveDate) -> Option<NaiveDate> {
    suspensions(matter)
        .find(|(from, until)| holds(*from, *until, on))
        .map(|(from, _)| from)
}

/// Whether an interval that began on `from` and ended on `until` includes the end of a day.
fn holds(from: NaiveDate, until: Option<NaiveDate>, on: NaiveDate) -> bool {
    from <= on && until.is_none_or(|until| until > on)
}

/// The first day after `due` on which the matter was open and not suspended.
fn first_open_day(matter: &Matter, due: NaiveDate) -> Option<NaiveDate> {
    let mut pauses: Vec<_> = suspensions(matter).chain(closings(matter)).collect();
    pauses.sort();
    let mut first = due.succ_opt();
    for (from, until) in pauses {
        if first.is_some_and(|d| from < d && until.is_none_or(|until| d < until)) {
            first = until;
        }
    }
    first
}

/// Whether a suspension of an earlier day ended on this day.
fn resumed(matter: &Matter, on: NaiveDate) -> bool {
    suspensions(matter).any(|(from, until)| from < on && until == Some(on))
}

/// The intervals in which the matter was closed, merged or split. A closing ends by a failed recheck.
fn closings(matter: &Matter) -> impl Iterator<Item = (NaiveDate, Option<NaiveDate>)> {
    let undone = matter.rechecks.iter().filter(|r| !r.passed);
    let undone = undone.filter_map(|r| Some((naive(r.closed_on)?, Some(naive(r.date)?))));
    undone.chain(ended(matter).map(|ended| (ended, None)))
}

/// The intervals in which the matter was suspended, in order.
fn suspensions(matter: &Matter) -> impl Iterator<Item = (NaiveDate, Option<NaiveDate>)> {
    matter.suspensions.iter().filter_map(|s| {
        let from = naive(s.suspended_on)?;
        Some((from, naive(s.resumed_on)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::supervision::{MatterState, Suspension};

    /// A day of June 2022; the 6th is a Monday.
    fn june(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2022, 6, day).unwrap_or_default()
    }

    /// A matter in progress, registered on the 1st and due on the 15th, a Wednesday.
    fn under_way() -> Matter {
        Matter {
            registered_on: Some(june(1).into()),
            due_date: Some(june(15).into()),
            original_due_date: Some(june(15).into()),
            state: MatterState::InProgress.into(),
            ..Default::default()
        }
    }

    fn closed(on: u32) -> Matter {
        Matter {
            closed_on: Some(june(on).into()),
            state: MatterState::Closed.into(),
            ..under_way()
        }
    }

    fn suspended(from: u32, until: Option<u32>) -> Matter {
        Matter {
            suspensions: vec![Suspension {
                suspended_on: Some(june(from).into()),
                resumed_on: until.map(|d| june(d).into()),
                ..Default::default()
            }],
            ..under_way()
        }
    }

    /// A matter with an extension from the 15th to the 25th.
    fn extended(decided: u32, state: ExtensionState) -> Matter {
        let mut matter = under_way();
        if state == ExtensionState::Granted {
            matter.due_date = Some(june(25).into());
        }
        matter.extensions.push(Extension {
            requested_on: Some(june(10).into()),
            from_due_date: Some(june(15).into()),
            to_due_date: Some(june(25).into()),
            decided_on: Some(june(decided).into()),
            state: state.into(),
            ..Default::default()
        });
        matter
    }

    fn warning() -> Warning {
        Warning {
            days: 3,
            ..Warning::default()
        }
    }

    fn shown(matter: &Matter, today: u32) -> (Lamp, bool) {
        let lamp = lamp(matter, june(today), &warning());
        (lamp, ever_red(matter, june(today)))
    }

    #[test]
    fn an_open_matter_turns_yellow_three_working_days_before_it_is_due() {
        // The 11th and 12th are a weekend.
        for (today, lamp) in [
            (1, Lamp::Green),
            (9, Lamp::Green),
            (10, Lamp::Yellow),
            (12, Lamp::Yellow),
            (15, Lamp::Yellow),
            (16, Lamp::Red),
        ] {
            assert_eq!(
                shown(&under_way(), today),
                (lamp, lamp == Lamp::Red),
                "{today}"
            );
        }
    }

    #[test]
    fn a_closed_matter_keeps_its_lamp() {
        assert_eq!(shown(&closed(15), 30), (Lamp::Green, false));
        assert_eq!(shown(&closed(16), 30), (Lamp::Red, true));
    }

    #[test]
    fn a_suspended_matter_keeps_its_lamp() {
        assert_eq!(shown(&suspended(14, None), 30), (Lamp::Green, false));
        assert_eq!(shown(&suspended(15, None), 30), (Lamp::Green, false));
        assert_eq!(shown(&suspended(16, None), 30), (Lamp::Red, true));
        // After the resumption the due date applies again.
        assert_eq!(shown(&suspended(10, Some(15)), 15), (Lamp::Yellow, false));
        assert_eq!(shown(&suspended(10, Some(20)), 20), (Lamp::Red, true));
    }

    #[test]
    fn an_extension_in_time_keeps_it_green() {
        let granted = extended(14, ExtensionState::Granted);
        assert_eq!(shown(&granted, 20), (Lamp::Green, false));
        assert_eq!(shown(&granted, 26), (Lamp::Red, true));
    }

    #[test]
    fn an_extension_after_the_due_date_does_not_undo_the_red() {
        let late = extended(16, ExtensionState::Granted);
        assert_eq!(shown(&late, 16), (Lamp::Green, true));
        assert_eq!(shown(&late, 20), (Lamp::Green, true));
        // Granted on the due date itself, it never was red.
        assert!(!shown(&extended(15, ExtensionState::Granted), 20).1);
    }

    #[test]
    fn a_refused_extension_changes_nothing() {
        let refused = extended(14, ExtensionState::Refused);
        assert_eq!(shown(&refused, 15).0, Lamp::Yellow);
        assert_eq!(shown(&refused, 16), (Lamp::Red, true));
    }

    #[test]
    fn past_days_are_judged_by_the_due_date_of_that_time() {
        let late = extended(18, ExtensionState::Granted);
        let overdue_on = |d| overdue(&late, june(d));
        assert_eq!(
            [15, 16, 17, 18, 25, 26].map(overdue_on),
            [false, true, true, false, false, true]
        );
        assert!(overdue(&closed(18), june(17)));
        assert!(!overdue(&closed(18), june(18)));
        assert!(!overdue(&suspended(14, Some(20)), june(19)));
        assert!(overdue(&suspended(14, Some(20)), june(20)));
    }

    proptest! {
        /// Without events the lamp of an open matter only goes from green to yellow to red; and a matter
        /// that is red is ever red.
        #[test]
        fn the_lamp_never_improves_with_time(
            gap in 0_u64..60, day in 0_u64..90, later in 0_u64..30, days in 0_usize..10,
        ) {
            let start = june(1);
            let due = start + chrono::Days::new(gap);
            let matter = Matter {
                due_date: Some(due.into()),
                original_due_date: Some(due.into()),
                ..under_way()
            };
            let warning = Warning { days, ..Warning::default() };
            let (now, then) = (start + chrono::Days::new(day), start + chrono::Days::new(day + later));
            prop_assert!(lamp(&matter, now, &warning) as i32 <= lamp(&matter, then, &warning) as i32);
            prop_assert!(ever_red(&matter, now) <= ever_red(&matter, then));
            prop_assert_eq!(lamp(&matter, now, &warning) == Lamp::Red, ever_red(&matter, now));
        }
    }
}
