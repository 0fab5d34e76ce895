//! Adoptions (采用) of information items and of research reports.

use chrono::NaiveDate;
use taizhang_contracts::Result;
use taizhang_contracts::common::Date;
use taizhang_contracts::research::Adoption;
use taizhang_ledger::Moment;
use taizhang_ledger::days::{day, naive};
use taizhang_ledger::lists::room;

/// The most adoptions of one item or report.
pub(crate) const MOST: usize = 100;

/// Adds an adoption, dated not before the record that is adopted.
///
/// # Errors
/// INVALID_ARGUMENT for a day out of order; RULE_REFUSES if there are too many.
pub(crate) fn record(
    adoptions: &mut Vec<Adoption>,
    given: Option<&Adoption>,
    there_since: Option<Date>,
    at: Moment,
) -> Result<()> {
    room(adoptions.len(), MOST, "adoptions")?;
    let mut adoption = given.cloned().unwrap_or_default();
    let earliest = naive(there_since);
    let day = day("adoption.adopted_on", adoption.adopted_on, earliest, at)?;
    adoption.adopted_on = Some(day);
    adoptions.push(adoption);
    Ok(())
}

/// The day of the first adoption that matches.
pub(crate) fn first(adoptions: &[Adoption], matches: impl Fn(&Adoption) -> bool) -> Option<Date> {
    let days = adoptions
        .iter()
        .filter(|a| matches(a))
        .map(|a| a.adopted_on);
    first_day(days)
}

/// The earliest of some days.
pub(crate) fn first_day(days: impl Iterator<Item = Option<Date>>) -> Option<Date> {
    let first: Option<NaiveDate> = days.filter_map(naive).min();
    first.map(Date::from)
}
