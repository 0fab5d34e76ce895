//! The office's calendar of working days.

use std::collections::HashMap;

use chrono::{Datelike, NaiveDate, Weekday};
use taizhang_contracts::supervision::CalendarDay;

/// The most working days that are counted.
const MOST_DAYS: usize = 999;

/// The calendar of working days: Monday to Friday, except for the holidays and the working weekend
/// days of the State Council's yearly plan (调休).
#[derive(Debug, Default)]
pub(crate) struct Workdays {
    planned: HashMap<NaiveDate, bool>,
}

impl Workdays {
    /// A calendar with the exceptions of the yearly plan.
    pub(crate) fn new(planned: &[CalendarDay]) -> Self {
        let day = |entry: &CalendarDay| Some((entry.date?.naive()?, entry.working));
        Self {
            planned: planned.iter().filter_map(day).collect(),
        }
    }

    /// Whether a day is a working day.
    pub(crate) fn works(&self, day: NaiveDate) -> bool {
        let planned = self.planned.get(&day).copied();
        planned.unwrap_or(!matches!(day.weekday(), Weekday::Sat | Weekday::Sun))
    }

    /// The number of working days after `day` up to `until`, inclusive; negative if `until` has
    /// passed. Limited to [`MOST_DAYS`] in both directions.
    pub(crate) fn left(&self, day: NaiveDate, until: NaiveDate) -> i32 {
        let count = |from: NaiveDate, to: NaiveDate| {
            let days = from.iter_days().skip(1).take_while(|d| *d <= to);
            days.filter(|d| self.works(*d)).take(MOST_DAYS).count() as i32
        };
        if day <= until {
            count(day, until)
        } else {
            -count(until, day)
        }
    }

    /// Whether there are at most `count` working days after `day` up to `until`, inclusive.
    pub(crate) fn at_most(&self, count: usize, day: NaiveDate, until: NaiveDate) -> bool {
        day.iter_days()
            .skip(1)
            .take_while(|d| *d <= until)
            .filter(|d| self.works(*d))
            // Stops counting after `count` days.
            .nth(count)
            .is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::common::Date;

    fn day(month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2022, month, day).unwrap_or_default()
    }

    /// National Day of 2022: off from 1 to 7 October; 8 and 9 October, a weekend, were worked.
    fn national_day() -> Workdays {
        let entry = |d: NaiveDate, working| CalendarDay {
            date: Some(d.into()),
            working,
        };
        let off = (1..=7).map(|d| entry(day(10, d), false));
        let worked = [entry(day(10, 8), true), entry(day(10, 9), true)];
        Workdays::new(&off.chain(worked).collect::<Vec<_>>())
    }

    #[test]
    fn holidays_are_off_and_planned_weekend_days_are_worked() {
        let calendar = national_day();
        assert!(calendar.works(day(9, 30)));
        assert!(!calendar.works(day(10, 3)), "a Monday off");
        assert!(calendar.works(day(10, 8)), "a Saturday worked");
        assert!(!calendar.works(day(10, 15)), "an ordinary Saturday");
        assert!(calendar.works(day(10, 10)));
    }

    #[test]
    fn days_left_are_counted_over_a_long_holiday() {
        let calendar = national_day();
        // After 30 September: 8, 9 and 10 October are worked.
        assert!(calendar.at_most(3, day(9, 30), day(10, 10)));
        assert!(!calendar.at_most(2, day(9, 30), day(10, 10)));
        assert!(calendar.at_most(0, day(9, 30), day(10, 7)));
        assert!(Workdays::default().at_most(0, day(10, 10), day(10, 10)));
        assert!(!Workdays::default().at_most(60, day(10, 10), NaiveDate::MAX));
    }

    #[test]
    fn days_left_and_days_late_are_counted() {
        let calendar = national_day();
        assert_eq!(calendar.left(day(9, 30), day(10, 10)), 3);
        assert_eq!(calendar.left(day(9, 30), day(10, 7)), 0);
        assert_eq!(calendar.left(day(10, 10), day(9, 30)), -3);
        assert_eq!(calendar.left(day(10, 10), day(10, 10)), 0);
        assert_eq!(calendar.left(day(1, 1), NaiveDate::MAX), 999);
        assert_eq!(calendar.left(day(1, 1), NaiveDate::MIN), -999);
    }

    #[test]
    fn an_invalid_day_is_ignored() {
        let bad = CalendarDay {
            date: Some(Date {
                year: 2022,
                month: 2,
                day: 30,
            }),
            working: true,
        };
        assert!(
            Workdays::new(&[bad, CalendarDay::default()])
                .planned
                .is_empty()
        );
    }

    proptest! {
        /// The number of days left never grows with time, and `at_most` is monotonic in `count`.
        #[test]
        fn days_left_never_grow(from in 0_u64..400, gap in 0_u64..60, later in 0_u64..20, n in 0_usize..20) {
            let calendar = national_day();
            let start = day(1, 1) + chrono::Days::new(from);
            let until = start + chrono::Days::new(gap);
            if calendar.at_most(n, start, until) {
                prop_assert!(calendar.at_most(n, start + chrono::Days::new(later), until));
                prop_assert!(calendar.at_most(n + 1, start, until));
            }
        }
    }
}
