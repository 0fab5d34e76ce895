//! Days of the records of a trial.

use chrono::{Days, NaiveDate};

/// A day of the calendar.
pub(crate) fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

/// The day this many days later.
pub(crate) fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

/// The day this many days earlier.
pub(crate) fn earlier(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// The last day before the two years of a plan, and the first day after them.
pub(crate) fn outside(year: i32) -> [NaiveDate; 2] {
    [day(year - 2, 12, 31), day(year + 1, 1, 1)]
}

/// The `i`-th of `n` days spread evenly over a year, from its first day to its last.
pub(crate) fn spread(year: i32, i: u32, n: u32) -> NaiveDate {
    let first = day(year, 1, 1);
    let days = (day(year, 12, 31) - first).num_days().unsigned_abs();
    later(first, u64::from(i) * days / u64::from(n.max(2) - 1))
}
