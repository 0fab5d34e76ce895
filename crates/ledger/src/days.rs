//! Days that callers give: they record what happened, so they don't lie in the future, and they
//! follow one another.

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::{Result, Violations};

use crate::record::Moment;

/// What is said of a day that is yet to come.
pub const FUTURE: (&str, &str) = ("不得晚于今天", "must not be in the future");

/// A day of a record as chrono's; `None` if it has none.
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
