//! The days of a recurrence: pure functions.

use chrono::{Datelike, Days, Months, NaiveDate};
use taizhang_contracts::meetings::recurrence::Rule;
use taizhang_contracts::meetings::{MonthlyByDay, MonthlyByWeekday, Weekly};

/// The days of `rule` from `from` to `until`, both included.
pub(super) fn days(
    rule: &Rule,
    from: NaiveDate,
    until: NaiveDate,
) -> impl Iterator<Item = NaiveDate> {
    let rule = *rule;
    let monthly = !matches!(rule, Rule::Weekly(_));
    let begin = if monthly {
        from.with_day(1).unwrap_or(from)
    } else {
        from
    };
    let step = move |at: &NaiveDate| {
        if monthly {
            at.checked_add_months(Months::new(1))
        } else {
            at.checked_add_days(Days::new(1))
        }
    };
    std::iter::successors(Some(begin), step)
        .take_while(move |at| *at <= until)
        .filter_map(move |at| on(&rule, at))
        .filter(move |day| (from..=until).contains(day))
}

/// The day in the month that begins at `at`, or, for a weekly rule, `at` if it is the weekday.
fn on(rule: &Rule, at: NaiveDate) -> Option<NaiveDate> {
    match rule {
        Rule::MonthlyByDay(MonthlyByDay { day }) => at
            .with_day(u32::try_from(*day).ok()?)
            .or_else(|| last_of_month(at)),
        Rule::MonthlyByWeekday(MonthlyByWeekday { nth, weekday }) => {
            let days = at.iter_days().take_while(|day| day.month() == at.month());
            let mut fitting = days.filter(|day| number(*day) == *weekday);
            if *nth == 5 {
                fitting.last()
            } else {
                fitting.nth(usize::try_from(*nth - 1).ok()?)
            }
        }
        Rule::Weekly(Weekly { weekday }) => (number(at) == *weekday).then_some(at),
    }
}

fn last_of_month(first: NaiveDate) -> Option<NaiveDate> {
    first.checked_add_months(Months::new(1))?.pred_opt()
}

/// The weekday as the contract numbers it: Monday is 1.
fn number(day: NaiveDate) -> i32 {
    day.weekday().number_from_monday() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap_or_default()
    }

    fn listed(rule: Rule, from: NaiveDate, until: NaiveDate) -> Vec<String> {
        days(&rule, from, until)
            .map(|d| d.format("%m-%d").to_string())
            .collect()
    }

    #[test]
    fn the_31st_is_the_last_day_of_a_shorter_month() {
        let rule = Rule::MonthlyByDay(MonthlyByDay { day: 31 });
        assert_eq!(
            listed(rule, day(2022, 1, 15), day(2022, 4, 30)),
            ["01-31", "02-28", "03-31", "04-30"]
        );
    }

    #[test]
    fn nth_weekdays_are_counted_within_the_month() {
        let first_monday = Rule::MonthlyByWeekday(MonthlyByWeekday { nth: 1, weekday: 1 });
        assert_eq!(
            listed(first_monday, day(2022, 1, 4), day(2022, 3, 31)),
            ["02-07", "03-07"]
        );
        let last_friday = Rule::MonthlyByWeekday(MonthlyByWeekday { nth: 5, weekday: 5 });
        assert_eq!(
            listed(last_friday, day(2022, 1, 1), day(2022, 2, 28)),
            ["01-28", "02-25"]
        );
    }

    #[test]
    fn weekly_days_continue_across_the_year() {
        let rule = Rule::Weekly(Weekly { weekday: 6 });
        assert_eq!(
            listed(rule, day(2022, 12, 24), day(2023, 1, 8)),
            ["12-24", "12-31", "01-07"]
        );
    }

    #[test]
    fn the_end_is_included_and_no_day_is_out_of_range() {
        let rule = Rule::MonthlyByDay(MonthlyByDay { day: 10 });
        assert_eq!(
            listed(rule, day(2022, 1, 11), day(2022, 3, 10)),
            ["02-10", "03-10"]
        );
        assert!(listed(rule, day(2022, 1, 11), day(2022, 2, 9)).is_empty());
    }
}
