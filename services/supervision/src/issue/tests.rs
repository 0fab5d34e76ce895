#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::{Reason, common::Date};

use super::*;
use crate::testing::{fields, june, noon};

/// An issue numbered on 10 June.
fn drafted() -> Issue {
    Issue {
        number: 7,
        dated_on: june(10),
        state: Drafted.into(),
        ..Default::default()
    }
}

fn published(issue: &Issue, issued_on: Option<Date>, today: u32) -> Result<Issue> {
    let mut issue = issue.clone();
    let q = PublishIssueRequest {
        issued_on,
        ..Default::default()
    };
    publish(&mut issue, &q, noon(today))?;
    Ok(issue)
}

fn voided(issue: &Issue, voided_on: Option<Date>, today: u32) -> Result<Issue> {
    let mut issue = issue.clone();
    let q = VoidIssueRequest {
        reason: "内容重复".into(),
        voided_on,
        ..Default::default()
    };
    void(&mut issue, &q, noon(today))?;
    Ok(issue)
}

#[test]
fn an_issue_is_published_and_can_be_voided_then() {
    let issued = published(&drafted(), None, 12).unwrap();
    assert_eq!((issued.state(), issued.issued_on), (Issued, june(12)));
    let void = voided(&issued, None, 15).unwrap();
    assert_eq!((void.state(), void.voided_on), (Voided, june(15)));
    assert_eq!((void.number, void.void_reason.as_str()), (7, "内容重复"));
    assert_eq!(voided(&drafted(), None, 12).unwrap().state(), Voided);
}

#[test]
fn days_are_in_order_and_not_in_the_future() {
    let early = published(&drafted(), june(9), 12).unwrap_err();
    assert_eq!(fields(&early), ["issued_on"]);
    let late = published(&drafted(), june(13), 12).unwrap_err();
    assert_eq!(fields(&late), ["issued_on"]);
    let issued = published(&drafted(), june(12), 14).unwrap();
    let early = voided(&issued, june(11), 14).unwrap_err();
    assert_eq!(fields(&early), ["voided_on"]);
}

#[test]
fn a_void_issue_is_immutable() {
    let void = voided(&drafted(), None, 12).unwrap();
    for refused in [
        published(&void, None, 12).map(drop),
        voided(&void, None, 12).map(drop),
        update(&void, &void, noon(12)),
    ] {
        assert_eq!(refused.unwrap_err().reason(), Reason::WrongState);
    }
    let issued = published(&drafted(), None, 12).unwrap();
    assert!(update(&issued, &issued, noon(12)).is_ok());
}

proptest! {
    /// After any sequence of methods the days are in order and the number is unchanged.
    #[test]
    fn days_stay_in_order(tries in prop::collection::vec((any::<bool>(), 1u32..30, 1u32..30), 0..8)) {
        let mut issue = drafted();
        for (publish, day, today) in tries {
            let act = if publish { published } else { voided };
            issue = act(&issue, june(day), today).unwrap_or(issue);
            prop_assert_eq!(issue.number, 7);
            let days = [issue.dated_on, issue.issued_on, issue.voided_on].map(naive);
            prop_assert!(days.iter().flatten().is_sorted(), "{:?}", days);
            prop_assert_eq!(issue.state() == Voided, issue.voided_on.is_some());
        }
    }
}
