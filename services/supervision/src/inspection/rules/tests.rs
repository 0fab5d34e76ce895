#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::Reason;

use super::*;
use crate::testing::{fields, june, noon, rule};

type S = InspectionState;

/// An inspection of two townships from 6 to 10 June.
fn planned() -> Inspection {
    Inspection {
        objects: vec!["甲镇".into(), "乙镇".into()],
        first_day: june(6),
        last_day: june(10),
        state: S::Planned.into(),
        ..Default::default()
    }
}

fn finding(object: &str) -> Finding {
    Finding {
        object: object.into(),
        problem: "垃圾未清运".into(),
        ..Default::default()
    }
}

fn completed(inspection: &Inspection, found: &[&str], today: u32) -> Result<Inspection> {
    let mut inspection = inspection.clone();
    let q = CompleteInspectionRequest {
        findings: found.iter().copied().map(finding).collect(),
        ..Default::default()
    };
    complete(&mut inspection, &q, noon(today))?;
    Ok(inspection)
}

fn checked(inspection: &Inspection) -> Vec<String> {
    let mut v = Violations::default();
    check(inspection, &mut v);
    v.fields().map(str::to_owned).collect()
}

#[test]
fn it_is_completed_on_its_last_day_or_later() {
    let early = completed(&planned(), &[], 9).unwrap_err();
    assert_eq!(rule(&early), "INSPECTION_LAST_DAY_HAS_COME");
    let done = completed(&planned(), &["乙镇"], 10).unwrap();
    assert_eq!((done.state(), done.findings.len()), (S::Done, 1));
    // Nor can its last day be moved into the future afterwards.
    let moved = Inspection {
        last_day: june(20),
        ..done.clone()
    };
    let refused = update(&done, &moved, noon(12)).unwrap_err();
    assert_eq!(rule(&refused), "INSPECTION_LAST_DAY_HAS_COME");
    assert!(update(&planned(), &moved, noon(12)).is_ok());
}

#[test]
fn findings_can_be_entered_before_and_after_the_completion() {
    let mut before = planned();
    before.findings.push(finding("甲镇"));
    let done = completed(&before, &[], 11).unwrap();
    assert_eq!(done.findings, before.findings);
    let mut later = done.clone();
    later.findings.push(finding("乙镇"));
    assert!(update(&done, &later, noon(15)).is_ok());
    assert!(checked(&later).is_empty());
}

#[test]
fn the_unit_of_a_finding_was_inspected() {
    let refused = completed(&planned(), &["甲镇", "丙镇"], 11).unwrap_err();
    assert_eq!(fields(&refused), ["findings[1].object"]);
    let mut inspection = planned();
    inspection.findings.push(finding("丙镇"));
    assert_eq!(checked(&inspection), ["findings[0].object"]);
}

#[test]
fn units_are_unique_and_days_are_in_order() {
    let mut inspection = planned();
    inspection.objects.push("甲镇".into());
    inspection.last_day = june(5);
    assert_eq!(checked(&inspection), ["last_day", "objects[2]"]);
}

#[test]
fn a_cancelled_inspection_is_immutable() {
    let mut off = planned();
    let q = CancelInspectionRequest {
        reason: "并入综合督查".into(),
        ..Default::default()
    };
    cancel(&mut off, &q, noon(7)).unwrap();
    assert_eq!(
        (off.state(), off.cancel_reason.as_str()),
        (S::Cancelled, "并入综合督查")
    );
    for refused in [
        completed(&off, &[], 11).map(drop),
        cancel(&mut off.clone(), &q, noon(7)),
        update(&off, &off, noon(7)),
    ] {
        assert_eq!(refused.unwrap_err().reason(), Reason::WrongState);
    }
}

proptest! {
    /// A completed inspection has ended, and its findings are at units that it inspected.
    #[test]
    fn a_completed_inspection_has_ended(
        last in 6u32..30, today in 1u32..30,
        found in prop::collection::vec(prop::sample::select(vec!["甲镇", "乙镇", "丙镇"]), 0..4),
    ) {
        let inspection = Inspection { last_day: june(last), ..planned() };
        let after = completed(&inspection, &found, today);
        prop_assert_eq!(after.is_ok(), last <= today && !found.contains(&"丙镇"));
        if let Ok(after) = after {
            prop_assert!(checked(&after).is_empty());
        }
    }
}
