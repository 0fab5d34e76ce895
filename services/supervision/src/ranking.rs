//! The ranking of lead units by the results of their matters in a period (承办单位排名).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use sea_orm::sea_query::Condition;
use taizhang_contracts::supervision::{Matter, RankUnitsRequest, RankUnitsResponse, UnitRank};
use taizhang_contracts::{Context, Office, Result, Violations};
use taizhang_ledger::Ledger;

use crate::entities::matters;
use crate::{Supervision, lamp, naive};

/// The number of matters read at once.
const PAGE: u64 = 1000;

/// RankUnits.
///
/// # Errors
/// INVALID_ARGUMENT without a period; if the database is unavailable.
pub(crate) async fn rank_units(
    service: &Supervision,
    context: &Context,
    q: &RankUnitsRequest,
) -> Result<RankUnitsResponse> {
    let (first, last) = q
        .period
        .as_ref()
        .and_then(|p| p.days())
        .ok_or_else(|| Violations::of("period", "必填", "is required"))?;
    let today = service.ledger.moment().today();
    let mut ranking = Ranking::new(first, last, today);
    add_all(&mut ranking, &service.ledger, &context.office, PAGE).await?;
    Ok(RankUnitsResponse {
        units: ranking.finish(),
    })
}

/// Adds the office's matters to a ranking; reads `page` at once.
async fn add_all(ranking: &mut Ranking, ledger: &Ledger, office: &Office, page: u64) -> Result<()> {
    // Matters closed before the period or registered after it do not count.
    let part = Condition::all()
        .add(matters::COLUMN.registered_on.lte(ranking.last))
        .add(
            Condition::any()
                .add(matters::COLUMN.closed_on.is_null())
                .add(matters::COLUMN.closed_on.gte(ranking.first)),
        );
    let add = |matter| ranking.add(&matter);
    ledger
        .each::<matters::Entity>(office, part, page, add)
        .await
}

/// Accumulates a ranking, matter by matter.
#[derive(Debug)]
struct Ranking {
    first: NaiveDate,
    last: NaiveDate,
    /// Overdue matters are counted at the end of this day.
    end: NaiveDate,
    units: BTreeMap<String, UnitRank>,
}

impl Ranking {
    fn new(first: NaiveDate, last: NaiveDate, today: NaiveDate) -> Self {
        Self {
            first,
            last,
            end: std::cmp::min(last, today),
            units: BTreeMap::new(),
        }
    }

    fn add(&mut self, matter: &Matter) {
        let within = |day| (self.first..=self.last).contains(&day);
        // A merged or split matter was closed by the work on other matters.
        let closed = naive(matter.closed_on).filter(|day| within(*day) && !matter.superseded);
        let late = closed > naive(matter.due_date);
        let returns = matter.returns.iter().filter_map(|r| naive(r.returned_on));
        // A matter has at most 100 returns.
        let returned = returns.filter(|day| within(*day)).count() as i32;
        let overdue = lamp::overdue(matter, self.end);
        if closed.is_none() && returned == 0 && !overdue {
            return;
        }
        let unit = self.units.entry(matter.lead_unit.clone()).or_default();
        unit.closed_on_time += i32::from(closed.is_some() && !late);
        unit.closed_late += i32::from(closed.is_some() && late);
        unit.returned += returned;
        unit.open_overdue += i32::from(overdue);
    }

    /// The units, the best first. Equal ones share a rank, ordered by name; the next rank skips as
    /// many (1, 1, 3).
    fn finish(self) -> Vec<UnitRank> {
        let mut units: Vec<_> = self
            .units
            .into_iter()
            .map(|(unit, tally)| UnitRank { unit, ..tally })
            .collect();
        units.sort_by(better);
        let mut rank = 0;
        for i in 0..units.len() {
            if i == 0 || better(&units[i - 1], &units[i]).is_ne() {
                rank = i as i32 + 1;
            }
            units[i].rank = rank;
        }
        units
    }
}

/// Orders units, the best first: by the share closed on time among the closed and overdue, then by
/// fewest overdue, closed late, and returned.
fn better(a: &UnitRank, b: &UnitRank) -> Ordering {
    let ((a_part, a_whole), (b_part, b_whole)) = (share(a), share(b));
    let by_share = (b_part * a_whole).cmp(&(a_part * b_whole));
    let rest = |u: &UnitRank| (u.open_overdue, u.closed_late, u.returned);
    by_share.then_with(|| rest(a).cmp(&rest(b)))
}

/// The share closed on time as a fraction; 1 for a unit with nothing closed and nothing overdue.
fn share(unit: &UnitRank) -> (i64, i64) {
    let part = i64::from(unit.closed_on_time);
    let whole = part + i64::from(unit.closed_late) + i64::from(unit.open_overdue);
    if whole == 0 { (1, 1) } else { (part, whole) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::supervision::{MatterState, Return};

    fn day(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2022, 6, day).unwrap_or_default()
    }

    /// A matter due on the 10th.
    fn matter(unit: &str, closed: Option<u32>, returns: &[u32]) -> Matter {
        let returned = |d: &u32| Return {
            returned_on: Some(day(*d).into()),
            ..Default::default()
        };
        Matter {
            lead_unit: unit.into(),
            registered_on: Some(day(1).into()),
            due_date: Some(day(10).into()),
            original_due_date: Some(day(10).into()),
            closed_on: closed.map(|d| day(d).into()),
            returns: returns.iter().map(returned).collect(),
            state: match closed {
                Some(_) => MatterState::Closed.into(),
                None => MatterState::InProgress.into(),
            },
            ..Default::default()
        }
    }

    /// The ranking of 5 to 20 June as of a day: unit, rank, on time, late, returned, overdue.
    fn rank(matters: &[Matter], today: u32) -> Vec<(String, i32, [i32; 4])> {
        let mut ranking = Ranking::new(day(5), day(20), day(today));
        for matter in matters {
            ranking.add(matter);
        }
        let tell = |u: UnitRank| {
            let counts = [u.closed_on_time, u.closed_late, u.returned, u.open_overdue];
            (u.unit, u.rank, counts)
        };
        ranking.finish().into_iter().map(tell).collect()
    }

    #[test]
    fn only_events_of_the_period_count() {
        let matters = [
            matter("before", Some(4), &[]),
            matter("after", Some(21), &[]),
            matter("on time", Some(10), &[4, 5]),
            matter("late", Some(11), &[]),
            matter("open", None, &[]),
        ];
        assert_eq!(
            rank(&matters, 30),
            [
                ("on time".into(), 1, [1, 0, 1, 0]),
                ("late".into(), 2, [0, 1, 0, 0]),
                // Closed after the period, so overdue at its end.
                ("after".into(), 3, [0, 0, 0, 1]),
                ("open".into(), 3, [0, 0, 0, 1]),
            ]
        );
    }

    #[test]
    fn overdue_in_an_unfinished_period_is_as_of_today() {
        assert!(rank(&[matter("open", None, &[])], 10).is_empty());
        assert_eq!(rank(&[matter("open", None, &[])], 11).len(), 1);
    }

    #[test]
    fn equal_units_share_a_rank_and_the_next_is_skipped() {
        let matters = [
            matter("丙", Some(9), &[]),
            matter("乙", Some(9), &[]),
            matter("乙", Some(9), &[]),
            matter("甲", Some(9), &[]),
            matter("甲", Some(12), &[]),
        ];
        let ranks: Vec<_> = rank(&matters, 30).into_iter().map(|r| (r.0, r.1)).collect();
        assert_eq!(
            ranks,
            [("丙".into(), 1), ("乙".into(), 1), ("甲".into(), 3)]
        );
    }

    #[test]
    fn equal_shares_are_ordered_by_overdue_late_and_returned() {
        let unit = |closed_on_time, open_overdue, closed_late, returned| UnitRank {
            closed_on_time,
            closed_late,
            returned,
            open_overdue,
            ..Default::default()
        };
        let order = [
            unit(3, 0, 0, 0),
            unit(1, 0, 0, 1),
            unit(0, 0, 0, 2),
            unit(1, 0, 1, 0),
            unit(1, 1, 0, 0),
            unit(2, 1, 1, 0),
            unit(0, 1, 0, 0),
        ];
        for pair in order.windows(2) {
            assert!(better(&pair[0], &pair[1]).is_lt(), "{pair:?}");
        }
    }
    proptest! {
        /// Every matter is counted, the order of entry does not matter, and ranks are consistent.
        #[test]
        fn a_ranking_is_complete_and_independent_of_order(
            given in prop::collection::vec(
                (0_usize..4, prop::option::of(1_u32..30), prop::collection::vec(1_u32..30, 0..3)), 0..40,
            ),
        ) {
            let unit = |n: usize| ["甲", "乙", "丙", "丁"][n];
            let matters: Vec<_> =
                given.iter().map(|(n, closed, returns)| matter(unit(*n), *closed, returns)).collect();
            let ranked = rank(&matters, 30);
            let backwards: Vec<_> = matters.iter().rev().cloned().collect();
            prop_assert_eq!(&ranked, &rank(&backwards, 30));

            let sum = |i: usize| ranked.iter().map(|u| u.2[i]).sum::<i32>();
            let closed = |days: std::ops::RangeInclusive<u32>| {
                given.iter().filter(|(_, closed, _)| closed.is_some_and(|d| days.contains(&d))).count() as i32
            };
            let returned = given.iter().flat_map(|(_, _, days)| days).filter(|d| (5..=20).contains(*d));
            prop_assert_eq!(sum(0), closed(5..=10));
            prop_assert_eq!(sum(1), closed(11..=20));
            prop_assert_eq!(sum(2), returned.count() as i32);
            prop_assert_eq!(sum(3), given.len() as i32 - closed(1..=20));
            for (i, (_, rank, _)) in ranked.iter().enumerate() {
                let shares = i > 0 && ranked[i - 1].1 == *rank;
                prop_assert!(shares || *rank == i as i32 + 1);
            }
        }
    }

    #[tokio::test]
    async fn every_page_is_read() {
        let test = crate::tests::test_service().await;
        for _ in 0..10 {
            test.create(crate::tests::task()).await;
        }
        let office = Office::from_id("demo").unwrap_or_else(|| unreachable!());
        for page in [1, 3, 5, 10, 11] {
            let mut ranking = Ranking::new(day(1), day(20), day(20));
            let added = add_all(&mut ranking, &test.service.ledger, &office, page).await;
            assert!(added.is_ok());
            assert_eq!(ranking.finish()[0].open_overdue, 10, "{page}");
        }
    }
}
