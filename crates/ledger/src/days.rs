//! The days on which something happened, as callers tell them.

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::{Result, Violations};

use crate::Moment;

/// What is said of a day that has not come, in Chinese and in English.
pub const FUTURE: (&str, &str) = ("不得晚于今天", "must not be in the future");

/// The day that a caller gave in `field`, or today. It must have come, and not be before the day of
/// the step before.
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
