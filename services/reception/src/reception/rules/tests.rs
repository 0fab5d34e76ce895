#![allow(clippy::unwrap_used)]

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use taizhang_contracts::common::Date;
use taizhang_contracts::date::timestamp;
use taizhang_contracts::reception::{
    ItineraryItem, Letter, Meal, ReceptionSettings, ReceptionState,
};
use taizhang_contracts::{Change, Reason};
use taizhang_ledger::transition::Transition;

use super::*;
use crate::reception::totals;
use crate::regulations::{self, Case, Step};

fn june(day: i32) -> Option<Date> {
    Some(Date {
        year: 2025,
        month: 6,
        day,
    })
}

/// Noon of a day of June 2025.
fn at(day: u32) -> Moment {
    let noon = NaiveDate::from_ymd_opt(2025, 6, day).and_then(|d| d.and_hms_opt(4, 0, 0));
    Moment {
        now: noon.unwrap().and_utc(),
        zone: chrono_tz::Asia::Shanghai,
    }
}

/// A reception from the 10th to the 11th.
fn planned() -> Reception {
    Reception {
        arrival_day: june(10),
        departure_day: june(11),
        state: ReceptionState::Proposed.into(),
        ..Default::default()
    }
}

fn bad(reception: &Reception) -> Vec<String> {
    let mut v = Violations::default();
    check(reception, &mut v);
    v.fields().map(str::to_owned).collect()
}

#[test]
fn days_and_times_are_in_order() {
    let time = |hour: i64| Some(timestamp(DateTime::from_timestamp(hour * 3600, 0).unwrap()));
    let item = |start_time, end_time| ItineraryItem {
        start_time,
        end_time,
        ..Default::default()
    };
    let meal = |date| Meal {
        date,
        ..Default::default()
    };
    let mut reception = Reception {
        itinerary_items: vec![
            item(time(1), time(2)),
            item(time(1), time(1)),
            item(time(1), None),
        ],
        meals: vec![
            meal(june(9)),
            meal(june(10)),
            meal(june(11)),
            meal(june(12)),
        ],
        ..planned()
    };
    let expected = [
        "itinerary_items[1].end_time",
        "meals[0].date",
        "meals[3].date",
    ];
    assert_eq!(bad(&reception), expected);
    reception.departure_day = june(9);
    assert_eq!(bad(&reception)[0], "departure_day");
}

#[test]
fn steps_have_days_in_order() {
    let mut r = planned();
    let q = ApproveReceptionRequest {
        approver: "张三".into(),
        approved_on: june(5),
        ..Default::default()
    };
    let early = approve(&mut r, &q, at(4)).unwrap_err();
    assert_eq!(early.violations()[0].field, "approved_on");
    approve(&mut r, &q, at(5)).unwrap();
    assert_eq!((r.approved_on, r.approver.as_str()), (june(5), "张三"));
    // A reception does not begin before the day of arrival.
    let early = begin(&mut r, &Default::default(), at(9)).unwrap_err();
    assert_eq!(early.violations()[0].field, "begun_on");
    begin(&mut r, &Default::default(), at(10)).unwrap();
    let q = EndReceptionRequest {
        ended_on: june(9),
        ..Default::default()
    };
    assert!(end(&mut r, &q, at(12)).is_err());
    end(&mut r, &Default::default(), at(11)).unwrap();
    sign(&mut r, &Default::default(), at(12)).unwrap();
    let q = SettleReceptionRequest {
        settled_on: june(11),
        ..Default::default()
    };
    assert!(settle(&mut r, &q, at(13)).is_err());
    settle(&mut r, &Default::default(), at(13)).unwrap();
    let q = ArchiveReceptionRequest {
        archived_on: june(12),
        ..Default::default()
    };
    assert!(archive(&mut r, &q, at(14)).is_err());
    archive(&mut r, &Default::default(), at(14)).unwrap();
    assert_eq!(
        (r.state(), r.archived_on),
        (ReceptionState::Archived, june(14))
    );
}

#[test]
fn a_refused_or_cancelled_reception_has_a_reason() {
    let mut r = planned();
    let q = RefuseReceptionRequest {
        reason: "无公函".into(),
        ..Default::default()
    };
    refuse(&mut r, &q, at(5)).unwrap();
    assert_eq!(
        (r.state(), r.drop_reason.as_str(), r.dropped_on),
        (ReceptionState::Refused, "无公函", june(5))
    );
    let mut r = planned();
    r.set_state(ReceptionState::Approved);
    r.approved_on = june(5);
    let q = CancelReceptionRequest {
        reason: "改期".into(),
        cancelled_on: june(4),
        ..Default::default()
    };
    assert!(cancel(&mut r, &q, at(6)).is_err());
    cancel(
        &mut r,
        &CancelReceptionRequest {
            cancelled_on: None,
            ..q
        },
        at(6),
    )
    .unwrap();
    assert_eq!(r.state(), ReceptionState::Cancelled);
    let wrong = approve(&mut r, &Default::default(), at(6)).unwrap_err();
    assert_eq!(wrong.reason(), Reason::WrongState);
}

#[test]
fn a_signed_list_is_immutable_and_the_arrival_is_not_after_the_beginning() {
    let mut before = planned();
    before.set_state(ReceptionState::Receiving);
    before.begun_on = june(10);
    let later = Reception {
        arrival_day: june(11),
        ..before.clone()
    };
    let refused = update(&before, &later, at(12)).unwrap_err();
    assert_eq!(refused.violations()[0].field, "reception.arrival_day");
    update(&before, &before, at(12)).unwrap();
    for state in [ReceptionState::Signed, ReceptionState::Settled] {
        before.set_state(state);
        let refused = update(&before, &before, at(12)).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState, "{state:?}");
    }
}

/// Applies a method as the service does: first its rule, then the regulations.
fn step<Q: Change + Default>(
    r: &Reception,
    rule: fn(&mut Reception, &Q, Moment) -> Result<()>,
) -> Result<Reception> {
    let mut after = r.clone();
    rule(&mut after, &Q::default(), at(20))?;
    totals::work_out(&mut after);
    let case = Case {
        reception: &after,
        settings: ReceptionSettings::default(),
        at: at(20),
        shares_letter: false,
        spent_fen: 0,
    };
    if Step::ahead(after.state()).is_some()
        && let Some(step) = Step::ahead(r.state())
    {
        regulations::refuse(&case.findings(step))?;
    }
    Ok(after)
}

/// Calls a method by its index in the table, or changes a field.
fn call(r: &Reception, which: usize) -> Result<Reception> {
    let mut after = r.clone();
    match which {
        0 => step(r, approve),
        1 => step(r, begin),
        2 => step(r, end),
        3 => step(r, sign),
        4 => step(r, settle),
        5 => step(r, archive),
        6 => step(r, refuse),
        7 => step(r, cancel),
        8 => {
            after.letter = match r.letter {
                Some(_) => None,
                None => Some(Letter {
                    unit: "省水利厅".into(),
                    number: "8".into(),
                    date: june(1),
                    purpose: 1,
                    content: "调研".into(),
                    persons: 1,
                    tells_itinerary: true,
                }),
            };
            update(r, &after, at(20)).map(|()| after)
        }
        _ => {
            after.guests = vec![taizhang_contracts::reception::Guest {
                person: "甲".into(),
                unit: "省水利厅".into(),
                post: "处长".into(),
                rank: 7,
            }];
            after.itinerary_items = vec![ItineraryItem {
                title: "看水库".into(),
                place: "西山水库".into(),
                start_time: Some(timestamp(at(20).now)),
                ..Default::default()
            }];
            after.costs = vec![taizhang_contracts::reception::Cost {
                category: 1,
                paid_by_host_unit: true,
                ..Default::default()
            }];
            update(r, &after, at(20)).map(|()| after)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_settled_without_letter_list_and_signature(
        // Refusals and cancellations are rare, so that many receptions reach the end.
        calls in prop::collection::vec(
            prop_oneof![12 => 0..6_usize, 1 => 6..8_usize, 6 => 8..10_usize],
            0..40,
        ),
    ) {
        let mut r = Reception {
            arrival_day: june(20),
            departure_day: june(20),
            applicant: "丁".into(),
            ..planned()
        };
        for which in calls {
            let Ok(after) = call(&r, which) else { continue };
            r = after;
            let settled = matches!(r.state(), ReceptionState::Settled | ReceptionState::Archived);
            if settled {
                prop_assert!(r.letter.is_some() && r.signed_on.is_some() && r.approved_on.is_some());
                prop_assert!(!r.guests.is_empty() && !r.itinerary_items.is_empty());
            }
        }
    }
}

#[test]
fn a_reception_passes_through_all_states() {
    // Proposed, approved, begun, ended, signed, settled, archived.
    let mut r = Reception {
        arrival_day: june(20),
        departure_day: june(20),
        applicant: "丁".into(),
        ..planned()
    };
    for which in [8, 9, 0, 1, 2, 3, 4, 5] {
        r = call(&r, which).unwrap();
    }
    assert_eq!(r.state(), ReceptionState::Archived);
    // Each row of the table is a method that exists.
    let methods = MACHINE
        .transitions
        .iter()
        .map(|row: &Transition<_>| row.method);
    let known: Vec<_> = taizhang_contracts::METHODS.iter().map(|m| m.name).collect();
    assert!(methods.into_iter().all(|method| known.contains(&method)));
}
