//! Clashes: activities of different receptions that overlap and need the same leader or place.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use taizhang_contracts::date::{instant, local_day};
use taizhang_contracts::reception::{
    Clash, FindClashesRequest, FindClashesResponse, ItineraryItem, Reception,
};
use taizhang_contracts::{Context, Result, Violations};
use taizhang_ledger::Moment;

use crate::Receptions;
use crate::entities::live;
use crate::entities::receptions;

/// The longest period of one request, in days.
const LONGEST: i64 = 366;
/// The most receptions that are read, and the most clashes in an answer.
const MOST_RECEPTIONS: u64 = 5000;
const MOST_CLASHES: usize = 1000;

/// The assumed length of an activity without an end.
const DEFAULT_LENGTH: TimeDelta = TimeDelta::hours(1);

/// FindClashes.
///
/// # Errors
/// INVALID_ARGUMENT without a period, or for one with too much in it; if the database is unavailable.
pub(crate) async fn find(
    service: &Receptions,
    context: &Context,
    q: &FindClashesRequest,
) -> Result<FindClashesResponse> {
    let bad = |zh: String, en: String| Violations::of("period", zh, en);
    let (first, last) = q
        .period
        .and_then(|p| p.days())
        .ok_or_else(|| bad("必填".into(), "is required".into()))?;
    if (last - first).num_days() >= LONGEST {
        return Err(bad(
            format!("不得超过{LONGEST}天"),
            format!("must be at most {LONGEST} days"),
        ));
    }
    let within = live()
        .add(receptions::COLUMN.arrival_day.lte(last))
        .add(receptions::COLUMN.departure_day.gte(first));
    let ledger = &service.ledger;
    let receptions = ledger
        .select::<receptions::Entity>(&context.office, within, MOST_RECEPTIONS + 1)
        .await?;
    let clashes = clashes(&receptions, (first, last), ledger.moment());
    if receptions.len() as u64 > MOST_RECEPTIONS || clashes.len() > MOST_CLASHES {
        return Err(bad(
            "接待或冲突过多，请缩短期间".into(),
            "has too many receptions or clashes; ask for a shorter one".into(),
        ));
    }
    Ok(FindClashesResponse { clashes })
}

/// An activity and its reception.
struct Activity<'a> {
    reception: &'a str,
    item: &'a ItineraryItem,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// A leader or a place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Resource<'a> {
    Leader(&'a str),
    Place(&'a str),
}

/// A sweep over the activities of a period by their start: for each leader and place it keeps those
/// that have not ended yet, with which the next can clash.
fn clashes(receptions: &[Reception], period: (NaiveDate, NaiveDate), at: Moment) -> Vec<Clash> {
    let activities = activities(receptions, period, at);
    let mut open: BTreeMap<Resource<'_>, Vec<usize>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (i, next) in activities.iter().enumerate() {
        for wanted in wants(next.item) {
            let open = open.entry(wanted).or_default();
            let ended = |j: &usize| activities.get(*j).is_none_or(|a| a.end <= next.start);
            open.retain(|j| !ended(j));
            let others = open.iter().filter(|j| {
                activities
                    .get(**j)
                    .is_some_and(|a| a.reception != next.reception)
            });
            found.extend(others.map(|j| (i, *j)));
            open.push(i);
        }
        // Too many for an answer already.
        if found.len() > MOST_CLASHES {
            break;
        }
    }
    let pair = |(i, j): (usize, usize)| Some(clash(activities.get(j)?, activities.get(i)?));
    found.into_iter().filter_map(pair).collect()
}

/// The activities that begin in a period, ordered by start.
fn activities<'a>(
    receptions: &'a [Reception],
    (first, last): (NaiveDate, NaiveDate),
    at: Moment,
) -> Vec<Activity<'a>> {
    let mut activities: Vec<_> = receptions
        .iter()
        .flat_map(|r| r.itinerary_items.iter().map(|item| (r.name.as_str(), item)))
        .filter_map(|(reception, item)| {
            let start = item.start_time.as_ref().and_then(instant)?;
            let end = item.end_time.as_ref().and_then(instant);
            let day = local_day(start, at.zone);
            (first <= day && day <= last).then(|| Activity {
                reception,
                item,
                start,
                end: end.unwrap_or(start + DEFAULT_LENGTH),
            })
        })
        .collect();
    activities.sort_by_key(|activity| (activity.start, activity.reception));
    activities
}

fn wants(item: &ItineraryItem) -> impl Iterator<Item = Resource<'_>> {
    let (leader, place) = (item.host_leader.trim(), item.place.trim());
    let leader = (!leader.is_empty()).then_some(Resource::Leader(leader));
    let place = (!place.is_empty()).then_some(Resource::Place(place));
    leader.into_iter().chain(place)
}

fn clash(first: &Activity<'_>, second: &Activity<'_>) -> Clash {
    let common = |field: fn(&ItineraryItem) -> &str| {
        let (one, other) = (field(first.item).trim(), field(second.item).trim());
        if one == other {
            one.to_owned()
        } else {
            String::new()
        }
    };
    Clash {
        first_reception: first.reception.into(),
        first_item: Some(first.item.clone()),
        second_reception: second.reception.into(),
        second_item: Some(second.item.clone()),
        host_leader: common(|item| &item.host_leader),
        place: common(|item| &item.place),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use taizhang_contracts::date::timestamp;

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_750_000_000 + minute * 60, 0).unwrap()
    }

    /// The start and length in minutes, and the indexes of the leader and the place.
    type Plan = (i64, i64, usize, usize);

    fn item((start, length, leader, place): Plan) -> ItineraryItem {
        ItineraryItem {
            start_time: Some(timestamp(minute(start))),
            end_time: Some(timestamp(minute(start + length))),
            host_leader: ["", "张三", "李四"][leader].into(),
            place: ["", "会议室", "开发区"][place].into(),
            ..Default::default()
        }
    }

    fn receptions(items: &[(usize, Plan)]) -> Vec<Reception> {
        let reception = |r| Reception {
            name: format!("offices/demo/receptions/r{r}"),
            itinerary_items: items
                .iter()
                .filter(|(of, _)| *of == r)
                .map(|(_, i)| item(*i))
                .collect(),
            ..Default::default()
        };
        (0..4).map(reception).collect()
    }

    fn found(receptions: &[Reception]) -> Vec<Clash> {
        let at = Moment {
            now: minute(0),
            zone: chrono_tz::Asia::Shanghai,
        };
        let all = (NaiveDate::MIN, NaiveDate::MAX);
        clashes(receptions, all, at)
    }

    #[test]
    fn adjacent_activities_do_not_clash_and_a_pair_is_one_clash() {
        let found = found(&receptions(&[
            (0, (0, 60, 1, 1)),
            (0, (10, 60, 1, 1)),
            (1, (60, 30, 1, 0)),
            (2, (59, 30, 2, 1)),
            (3, (20, 10, 1, 1)),
        ]));
        let told: Vec<_> = found
            .iter()
            .map(|c| {
                let last = |name: &str| name.chars().last().unwrap();
                let pair = (last(&c.first_reception), last(&c.second_reception));
                (pair, c.host_leader.as_str(), c.place.as_str())
            })
            .collect();
        assert_eq!(
            told,
            [
                (('0', '3'), "张三", "会议室"),
                (('0', '3'), "张三", "会议室"),
                (('0', '2'), "", "会议室"),
                (('0', '2'), "", "会议室"),
                (('0', '1'), "张三", ""),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_sweep_equals_the_comparison_of_all_pairs(
            items in prop::collection::vec(
                (0..4_usize, (0..200_i64, 1..60_i64, 0..3_usize, 0..3_usize)), 0..40),
        ) {
            let clash = |(r, a): &(usize, Plan), (s, b): &(usize, Plan)| {
                let meets = a.0 < b.0 + b.1 && b.0 < a.0 + a.1;
                let shares = (a.2 == b.2 && a.2 > 0) || (a.3 == b.3 && a.3 > 0);
                r != s && meets && shares
            };
            let expected = items
                .iter()
                .enumerate()
                .map(|(i, a)| items.iter().skip(i + 1).filter(|b| clash(a, b)).count())
                .sum::<usize>();
            prop_assert_eq!(found(&receptions(&items)).len(), expected);
        }
    }
}
