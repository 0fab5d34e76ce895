//! Days and instants: conversions between the types of the contract and chrono's.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use prost_types::Timestamp;

use crate::Violations;
use crate::admit::Admit;
use crate::common::{Date, Period};

impl Date {
    /// The day as a chrono date; `None` if there is no such day in the years 1 to 9999.
    pub fn naive(&self) -> Option<NaiveDate> {
        let (month, day) = (
            u32::try_from(self.month).ok()?,
            u32::try_from(self.day).ok()?,
        );
        NaiveDate::from_ymd_opt(self.year, month, day).filter(|d| (1..=9999).contains(&d.year()))
    }
}

impl From<NaiveDate> for Date {
    fn from(day: NaiveDate) -> Self {
        Self {
            year: day.year(),
            month: day.month() as i32,
            day: day.day() as i32,
        }
    }
}

impl Admit for Date {
    fn admit(&mut self, v: &mut Violations) {
        if self.naive().is_none() {
            v.add(
                "",
                "没有这一天，年月日都要填",
                "no such day; give year, month and day",
            );
        }
    }
}

impl Period {
    /// The first and the last day; `None` if one is missing or the last is before the first.
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let first = self.first_day.as_ref()?.naive()?;
        let last = self.last_day.as_ref()?.naive()?;
        (first <= last).then_some((first, last))
    }

    /// The period from 1 January to 31 December of a year.
    pub fn year(year: i32) -> Self {
        Self {
            first_day: Some(Date {
                year,
                month: 1,
                day: 1,
            }),
            last_day: Some(Date {
                year,
                month: 12,
                day: 31,
            }),
        }
    }
}

impl Admit for Period {
    fn admit(&mut self, v: &mut Violations) {
        for (field, day) in [
            ("first_day", &mut self.first_day),
            ("last_day", &mut self.last_day),
        ] {
            match day {
                Some(day) => v.within(field, |v| day.admit(v)),
                None => v.add(field, "必填", "is required"),
            }
        }
        if let (Some(first), Some(last)) = (
            self.first_day.and_then(|d| d.naive()),
            self.last_day.and_then(|d| d.naive()),
        ) && last < first
        {
            v.add(
                "last_day",
                "不得早于起始日",
                "must not be before the first day",
            );
        }
    }
}

/// A timestamp as a chrono instant; `None` outside of the years 1 to 9999, or if its nanoseconds
/// are not those of a valid `Timestamp`.
pub fn instant(timestamp: &Timestamp) -> Option<DateTime<Utc>> {
    // chrono accepts up to 1,999,999,999 nanoseconds, for leap seconds; `Timestamp` has none.
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)?;
    DateTime::from_timestamp(timestamp.seconds, nanos).filter(|t| (1..=9999).contains(&t.year()))
}

/// A chrono instant as a timestamp.
pub fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        nanos: instant.timestamp_subsec_nanos() as i32,
    }
}

/// The calendar day of an instant in a time zone.
pub fn local_day(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// The instant at which local clocks show so many minutes after midnight of a day. If they skip
/// that time because summer time begins, one hour later.
pub fn local_instant(day: NaiveDate, minutes: u32, zone: Tz) -> DateTime<Utc> {
    let wall = day.and_time(chrono::NaiveTime::MIN) + TimeDelta::minutes(i64::from(minutes));
    wall.and_local_timezone(zone)
        .earliest()
        .or_else(|| {
            (wall + TimeDelta::hours(1))
                .and_local_timezone(zone)
                .earliest()
        })
        .map_or_else(|| wall.and_utc(), |t| t.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_day_is_that_of_the_time_zone() {
        let zone = chrono_tz::Asia::Shanghai;
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap_or_default();
        let late = local_instant(day(2022, 12, 31), 23 * 60 + 30, zone);
        assert_eq!(late.to_rfc3339(), "2022-12-31T15:30:00+00:00");
        assert_eq!(local_day(late, zone), day(2022, 12, 31));
        assert_eq!(
            local_day(late + TimeDelta::minutes(40), zone),
            day(2023, 1, 1)
        );
    }

    #[test]
    fn days_that_do_not_exist_are_none() {
        for (year, month, day) in [
            (2022, 2, 29),
            (2022, 13, 1),
            (2022, 0, 1),
            (0, 1, 1),
            (2022, 1, -1),
        ] {
            assert_eq!(Date { year, month, day }.naive(), None);
        }
        assert!(
            Date {
                year: 2024,
                month: 2,
                day: 29
            }
            .naive()
            .is_some()
        );
    }
}
