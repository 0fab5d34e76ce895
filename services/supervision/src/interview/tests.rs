#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::Reason;

use super::*;
use crate::testing::{fields, june, noon};

/// An interview planned for 10 June.
fn planned() -> Interview {
    Interview {
        target: "东山矿业有限公司".into(),
        date: june(10),
        requirements: "限期治理扬尘".into(),
        state: Planned.into(),
        ..Default::default()
    }
}

fn held(interview: &Interview, q: HoldInterviewRequest, today: u32) -> Result<Interview> {
    let mut interview = interview.clone();
    hold(&mut interview, &q, noon(today))?;
    Ok(interview)
}

fn cancelled(interview: &Interview) -> Result<Interview> {
    let mut interview = interview.clone();
    let q = CancelInterviewRequest {
        reason: "已整改".into(),
        ..Default::default()
    };
    cancel(&mut interview, &q, noon(10))?;
    Ok(interview)
}

#[test]
fn a_held_interview_has_its_request_and_promise() {
    let q = HoldInterviewRequest {
        commitments: "一个月内完成".into(),
        ..Default::default()
    };
    let held = held(&planned(), q, 11).unwrap();
    assert_eq!((held.state(), held.held_on), (Held, june(11)));
    assert_eq!(held.requirements, "限期治理扬尘");
    assert_eq!(held.commitments, "一个月内完成");
}

#[test]
fn it_is_not_held_in_the_future() {
    let q = HoldInterviewRequest {
        held_on: june(12),
        ..Default::default()
    };
    assert_eq!(fields(&held(&planned(), q, 11).unwrap_err()), ["held_on"]);
}

#[test]
fn a_cancelled_interview_is_immutable() {
    let off = cancelled(&planned()).unwrap();
    assert_eq!(
        (off.state(), off.cancel_reason.as_str()),
        (Cancelled, "已整改")
    );
    for refused in [
        held(&off, HoldInterviewRequest::default(), 10).map(drop),
        cancelled(&off).map(drop),
        update(&off, &off, noon(10)),
    ] {
        assert_eq!(refused.unwrap_err().reason(), Reason::WrongState);
    }
}

proptest! {
    /// Exactly a held interview has a day, which is not in the future.
    #[test]
    fn a_held_interview_has_its_day(day in prop::option::of(1u32..30), today in 1u32..30, off in any::<bool>()) {
        let before = if off { cancelled(&planned()).unwrap() } else { planned() };
        let q = HoldInterviewRequest { held_on: day.and_then(june), ..Default::default() };
        let after = held(&before, q, today);
        prop_assert_eq!(after.is_ok(), !off && day.unwrap_or(today) <= today);
        if let Ok(after) = after {
            prop_assert_eq!(after.held_on, june(day.unwrap_or(today)));
        }
    }
}
