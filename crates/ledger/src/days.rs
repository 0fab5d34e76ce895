//! Validates the days that callers give for steps of a record: never in the future, and not before
//! the day of the step before.

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::{Result, Violations};

use crate::record::Moment;

/// The error text for a day in the future, in Chinese and English.
pub const FUTURE: (&str, &str) = ("不得晚于今天", "must not be in the future");

/// Converts a day to chrono's type; `None` if it is absent.
pub fn naive(date: Option<Date>) -> Option<NaiveDate> {
    date.and_then(|d| d.naive())
}

/// The day that a caller gave in `field`, or today.
///
/// # Errors
/// INVALID_ARGUMENT if it lies in the future, or before the day of the step before.
pub fn day(
    field: &str,
    given: Option<Date>,
    earliest: Option<NaiveDate>,
    at: Moment,
) -> Result<Date> {
    let day = at.day_or_today(given.as_ref());
    if day > at.today() {
        return Err(Violations::of(field, FUTURE.0, FUTURE.1));
    }
    match earliest {
        Some(earliest) if day < earliest => Err(Violations::of(
            field,
            format!("不得早于前一步的日期{earliest}"),
            format!("must not be before {earliest}, the day of the step before"),
        )),
        _ => Ok(day.into()),
    }
}
