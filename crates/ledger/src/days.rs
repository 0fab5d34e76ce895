//! Days that callers give, and the days of a record: business days in the office's zone.

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::{Result, Violations};

use crate::record::Moment;

/// What is said of a day to come where something is told that happened.
pub const FUTURE: (&str, &str) = ("不得晚于今天", "must not be in the future");

/// A day of a record as chrono's; `None` if it has none.
pub fn naive(date: Option<Date>) -> Option<NaiveDate> {
    date.and_then(|d| d.naive())
}

/// The day on which something happened: as a caller gave it in `field`, or today. It is not to come,
/// and not before `earliest`, the day of the step before.
///
/// # Errors
/// INVALID_ARGUMENT for a day out of order.
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
