//! Helpers for the tests of rules: days of June 2022, and the fields and rules of errors.
#![allow(clippy::unwrap_used)]

use chrono::{NaiveDate, TimeZone};
use taizhang_contracts::Error;
use taizhang_contracts::common::Date;
use taizhang_ledger::Moment;

/// A day of June 2022.
pub(crate) fn june(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2022, 6, day).unwrap()
}

/// A day of June 2022 as the contract's.
pub(crate) fn date(day: u32) -> Option<Date> {
    Some(june(day).into())
}

/// Noon of a day of June 2022 in the office.
pub(crate) fn noon(day: u32) -> Moment {
    let zone = chrono_tz::Asia::Shanghai;
    let now = zone.from_local_datetime(&june(day).and_hms_opt(12, 0, 0).unwrap());
    Moment {
        now: now.unwrap().to_utc(),
        zone,
    }
}

/// The fields that an error names.
pub(crate) fn fields(error: &Error) -> Vec<&str> {
    let violations = error.violations().iter();
    violations.map(|v| v.field.as_str()).collect()
}

/// The rule that an error names.
pub(crate) fn rule(error: &Error) -> &str {
    let first = error.preconditions().first();
    first.map_or("", |p| p.rule.as_str())
}
