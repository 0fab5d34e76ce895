#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use taizhang_contracts::Reason;
use taizhang_contracts::common::Date;
use taizhang_contracts::supervision::matter_service_server::MatterService;
use taizhang_contracts::supervision::*;
use tonic::{Code, Status};

use super::*;
use crate::matter::rules::tests::{
    Action, FINAL_REPORT, date, fields, june, matter_after, registered, rule,
};
use crate::tests::{TestService, call, task, test_service};

type S = MatterState;

fn merging(into: &str) -> MergeMatterRequest {
    MergeMatterRequest {
        into: into.into(),
        reason: "同一事项".into(),
        ..Default::default()
    }
}

fn at(day: u32) -> Moment {
    crate::matter::rules::tests::noon(june(day))
}

fn closed() -> Matter {
    use Action::{Accept, Assign, Close, Review};
    matter_after(&[
        (2, Assign),
        (3, Accept),
        (8, FINAL_REPORT),
        (9, Review),
        (10, Close),
    ])
}

#[test]
fn a_matter_is_merged_into_another_that_is_open() {
    let mut matter = matter_after(&[(2, Action::Assign), (3, Action::Accept), (4, FINAL_REPORT)]);
    let own = matter.name.clone();
    let error = merge(&mut matter, &merging(&own), at(5)).unwrap_err();
    assert_eq!(rule(&error), "MERGE_INTO_ANOTHER");
    let early = MergeMatterRequest {
        merged_on: date(3),
        ..merging("offices/demo/matters/m2")
    };
    let error = merge(&mut matter, &early, at(5)).unwrap_err();
    assert_eq!(fields(&error), ["merged_on"]);

    merge(&mut matter, &merging("offices/demo/matters/m2"), at(5)).unwrap();
    assert_eq!((matter.state(), matter.merged_on), (S::Merged, date(5)));
    assert_eq!((matter.reported_on, matter.superseded), (None, true));
    let other = take_in(&registered(), &matter).unwrap();
    assert_eq!(other.merged, [matter.name.as_str()]);
    for not_open in [closed(), matter.clone()] {
        let error = take_in(&not_open, &matter).unwrap_err();
        assert_eq!(error.reason(), Reason::WrongState);
    }
    let late = Matter {
        registered_on: date(6),
        ..registered()
    };
    assert_eq!(fields(&take_in(&late, &matter).unwrap_err()), ["merged_on"]);
    let full = Matter {
        merged: vec![String::new(); MOST_EVENTS],
        ..registered()
    };
    assert_eq!(rule(&take_in(&full, &matter).unwrap_err()), "LIST_FULL");
}

#[test]
fn a_merged_matter_is_closed_and_reopened_with_the_other_one() {
    let mut matter = registered();
    merge(&mut matter, &merging("offices/demo/matters/m2"), at(9)).unwrap();
    let other = Matter {
        number: 7,
        title: "河道整治".into(),
        ..closed()
    };
    let done = with_other(&matter, &other).unwrap();
    assert_eq!(done.state(), S::Closed);
    // The other one was reported on the 8th, before the merge.
    assert_eq!((done.reported_on, done.closed_on), (date(9), date(10)));
    assert_eq!(
        done.conclusion,
        "与并入的督查事项〔2022〕7号“河道整治”一并办结"
    );
    let failed = Action::Recheck { passed: false };
    let reopened = failed.to(&other, None, june(12)).unwrap();
    let again = with_other(&done, &reopened).unwrap();
    assert_eq!(again, matter);
}

#[test]
fn a_matter_is_split_into_two_or_more() {
    let part = |due| MatterPart {
        title: "清淤".into(),
        due_date: date(due),
        matter: "offices/demo/matters/false".into(),
        ..Default::default()
    };
    let q = |parts| SplitMatterRequest {
        parts,
        split_on: date(5),
        ..Default::default()
    };
    let mut matter = matter_after(&[(2, Action::Assign)]);
    let error = split(&mut matter, &q(vec![part(4)]), at(6)).unwrap_err();
    assert_eq!(fields(&error), ["parts", "parts[0].due_date"]);
    split(&mut matter, &q(vec![part(20), part(25)]), at(6)).unwrap();
    assert_eq!((matter.state(), matter.split_on), (S::Split, date(5)));
    let made = part_of(&matter, &matter.parts[1]);
    assert_eq!((made.state(), made.registered_on), (S::Registered, date(5)));
    assert_eq!(
        (made.due_date, made.split_from),
        (date(25), matter.name.clone())
    );
    assert_eq!(matter.parts[1].matter, "");
    // A reported matter can't be split.
    let mut reported = matter_after(&[(2, Action::Assign), (3, Action::Accept), (4, FINAL_REPORT)]);
    let error = split(&mut reported, &q(vec![part(20), part(25)]), at(6)).unwrap_err();
    assert_eq!(error.reason(), Reason::WrongState);
}

#[test]
fn a_split_matter_is_closed_with_the_last_of_its_parts() {
    let whole = Action::Split.to(&registered(), None, june(2)).unwrap();
    let part = |reported, closed_on| Matter {
        reported_on: date(reported),
        closed_on: date(closed_on),
        ..closed()
    };
    let open = [part(8, 12), registered()];
    assert_eq!(with_parts(&whole, &open).unwrap(), None);
    let done = with_parts(&whole, &[part(8, 12), part(9, 10)])
        .unwrap()
        .unwrap();
    assert_eq!(
        (done.state(), done.conclusion.as_str()),
        (S::Closed, "分解的2项均已办结")
    );
    assert_eq!((done.reported_on, done.closed_on), (date(9), date(12)));
    assert_eq!(
        with_parts(&done, &[part(8, 12), part(9, 10)]).unwrap(),
        None
    );
    assert_eq!(with_parts(&done, &open).unwrap(), Some(whole));
}

/// A random step on one of many matters.
#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    /// The next method on the way to the closing.
    Further,
    Recheck {
        passed: bool,
    },
    Merge,
    Split {
        parts: usize,
    },
    Suspend,
    Delete,
}

fn steps() -> impl Strategy<Value = (Step, prop::sample::Index, prop::sample::Index)> {
    let step = prop_oneof![
        2 => Just(Step::Create),
        30 => Just(Step::Further),
        3 => any::<bool>().prop_map(|passed| Step::Recheck { passed }),
        4 => Just(Step::Merge),
        2 => (1_usize..4).prop_map(|parts| Step::Split { parts }),
        1 => Just(Step::Suspend),
        1 => Just(Step::Delete),
    ];
    (
        step,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
}

async fn take(t: &TestService, step: Step, matter: &Matter, other: &Matter) -> Result<(), Status> {
    let (s, name) = (&t.service, matter.name.clone());
    macro_rules! ask {
        ($method:ident($request:ident { $($field:ident: $value:expr),* })) => {
            s.$method(call($request { name, $($field: $value,)* ..Default::default() })).await.map(|_| ())
        };
    }
    match step {
        Step::Create => {
            t.create(task_of_june()).await;
            Ok(())
        }
        Step::Further => match matter.state() {
            S::Registered => ask!(assign_matter(AssignMatterRequest {})),
            S::Assigned => ask!(accept_matter(AcceptMatterRequest {})),
            S::InProgress => {
                let report = Feedback {
                    progress: "已完成".into(),
                    r#final: true,
                    ..Default::default()
                };
                ask!(submit_feedback(SubmitFeedbackRequest {
                    feedback: Some(report)
                }))
            }
            S::Reported => ask!(review_matter(ReviewMatterRequest {})),
            S::Suspended => ask!(resume_matter(ResumeMatterRequest {})),
            // Refused if it is merged, split or closed.
            _ => ask!(close_matter(CloseMatterRequest {})),
        },
        Step::Recheck { passed } => {
            let look = Recheck {
                passed,
                by: "督查室".into(),
                findings: "已看".into(),
                ..Default::default()
            };
            ask!(recheck_matter(RecheckMatterRequest {
                recheck: Some(look)
            }))
        }
        Step::Merge => ask!(merge_matter(MergeMatterRequest {
            into: other.name.clone(),
            reason: "同一事项".into()
        })),
        Step::Split { parts } => {
            let part = MatterPart {
                title: "分项".into(),
                lead_unit: "住建局".into(),
                due_date: date(25),
                ..Default::default()
            };
            ask!(split_matter(SplitMatterRequest {
                parts: vec![part; parts]
            }))
        }
        Step::Suspend => ask!(suspend_matter(SuspendMatterRequest {
            reason: "待批".into()
        })),
        Step::Delete => ask!(delete_matter(DeleteMatterRequest {})),
    }
}

async fn all(t: &TestService) -> BTreeMap<String, Matter> {
    let request = ListMattersRequest {
        parent: "offices/demo".into(),
        page_size: 1000,
        show_deleted: true,
        ..Default::default()
    };
    let page = t.service.list_matters(call(request)).await.unwrap();
    let matters = page.into_inner().matters.into_iter();
    matters.map(|m| (m.name.clone(), m)).collect()
}

/// Asserts the invariants at the end of a write.
fn check_invariants(matters: &BTreeMap<String, Matter>) {
    let mut numbers: Vec<i32> = matters.values().map(|m| m.number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=matters.len() as i32));
    let latest = |days: Vec<Option<Date>>| days.into_iter().filter_map(naive).max();
    for (name, m) in matters {
        let closed = m.state() == S::Closed;
        assert_eq!(m.closed_on.is_some(), closed, "{m:?}");
        assert_eq!(
            m.superseded,
            !m.merged_into.is_empty() || !m.parts.is_empty()
        );
        if !m.merged_into.is_empty() {
            let other = &matters[&m.merged_into];
            assert!(matches!(m.state(), S::Merged | S::Closed));
            assert_eq!(closed, other.state() == S::Closed, "{m:?} in {other:?}");
            assert!(other.merged.contains(name) && m.delete_time.is_none());
        }
        assert_eq!(
            m.merged
                .iter()
                .filter(|n| matters[*n].merged_into != *name)
                .count(),
            0
        );
        if !m.parts.is_empty() {
            let parts: Vec<_> = m.parts.iter().map(|p| &matters[&p.matter]).collect();
            assert!(matches!(m.state(), S::Split | S::Closed));
            assert_eq!(
                closed,
                parts.iter().all(|p| p.state() == S::Closed),
                "{m:?}"
            );
            assert!(
                parts
                    .iter()
                    .all(|p| p.split_from == *name && p.source == m.source)
            );
            let reported = latest(parts.iter().map(|p| p.reported_on).collect());
            assert!(!closed || naive(m.reported_on) == reported);
        }
        if !m.split_from.is_empty() {
            assert!(
                matters[&m.split_from]
                    .parts
                    .iter()
                    .any(|p| p.matter == *name)
            );
        }
    }
}

/// After random steps on many matters: merged and split matters are closed and reopened together with
/// what they depend on, numbers have no gaps, and no write changes a record twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_and_split_matters_stay_consistent() {
    let mut runner = TestRunner::deterministic();
    let (mut merged, mut whole, mut reopened) = (0, 0, 0);
    for _ in 0..4 {
        let t = test_service().await;
        t.set_day(20);
        for _ in 0..3 {
            t.create(task_of_june()).await;
        }
        let run = prop::collection::vec(steps(), 150).new_tree(&mut runner);
        let mut before = all(&t).await;
        for (step, one, other) in run.unwrap().current() {
            let matters: Vec<Matter> = before.values().cloned().collect();
            let taken = take(&t, step, one.get(&matters), other.get(&matters)).await;
            if let Err(status) = &taken {
                let refusals = [
                    Code::FailedPrecondition,
                    Code::NotFound,
                    Code::InvalidArgument,
                ];
                assert!(refusals.contains(&status.code()), "{step:?}: {status:?}");
            }
            let after = all(&t).await;
            check_invariants(&after);
            for (name, matter) in &after {
                let version = |m: &Matter| m.etag.trim_start_matches('v').parse::<i64>().unwrap();
                let (was, is) = (before.get(name).map_or(0, version), version(matter));
                // Each created part and each changed record is one entry.
                assert!(is - was <= i64::from(taken.is_ok()), "{step:?} of {name}");
            }
            before = after;
        }
        let closed = |m: &&Matter| m.state() == S::Closed;
        let with_other = |m: &&Matter| !m.merged_into.is_empty();
        merged += before.values().filter(closed).filter(with_other).count();
        whole += before
            .values()
            .filter(closed)
            .filter(|m| !m.parts.is_empty())
            .count();
        reopened += before
            .values()
            .filter(|m| m.rechecks.iter().any(|r| !r.passed))
            .count();
    }
    // Every step succeeded at least once.
    assert!(
        merged > 0 && whole > 0 && reopened > 0,
        "{merged} {whole} {reopened}"
    );
}

/// A matter that is due late in June.
fn task_of_june() -> Matter {
    Matter {
        due_date: date(25),
        ..task()
    }
}
