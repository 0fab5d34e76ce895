//! Helpers for the tests of rules: days of June 2022, and the fields and rules of errors.

#![allow(clippy::unwrap_used)]

use chrono::{NaiveDate, TimeZone};
use taizhang_contracts::Error;
use taizhang_contracts::common::Date;
use taizhang_ledger::Moment;

/// A day of June 2022.
pub(crate) fn june(day: u32) -> Option<Date> {
    NaiveDate::from_ymd_opt(2022, 6, day).map(Date::from)
}

/// Noon of that day in the office.
pub(crate) fn noon(day: u32) -> Moment {
    let zone = chrono_tz::Asia::Shanghai;
    let now = zone.with_ymd_and_hms(2022, 6, day, 12, 0, 0);
    Moment {
        now: now.unwrap().to_utc(),
        zone,
    }
}

/// The fields in an error.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    let violations = error.violations().iter();
    violations.map(|v| v.field.as_str()).collect()
}

/// The rule in an error.
pub(crate) fn rule(error: &Error) -> &str {
    error
        .preconditions()
        .first()
        .map_or("", |p| p.rule.as_str())
}
