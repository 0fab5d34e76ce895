#![allow(clippy::unwrap_used)]

use chrono::{Days, TimeZone};
use proptest::prelude::*;
use taizhang_contracts::supervision::{
    Feedback, Lamp, MatterPart, MergeMatterRequest, Recheck as RecheckRecord, Source,
    SplitMatterRequest, Urging,
};
use taizhang_contracts::{Call, Reason, Resource};

use super::*;
use crate::lamp::{self, Warning};
use crate::matter::bonds;

type S = MatterState;

pub(in crate::matter) fn june(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2022, 6, day).unwrap()
}

pub(in crate::matter) fn date(day: u32) -> Option<Date> {
    Some(june(day).into())
}

/// Noon of a day in the office.
pub(in crate::matter) fn noon(day: NaiveDate) -> Moment {
    let zone = chrono_tz::Asia::Shanghai;
    let now = zone.from_local_datetime(&day.and_hms_opt(12, 0, 0).unwrap());
    Moment {
        now: now.unwrap().to_utc(),
        zone,
    }
}

/// A matter registered on 1 June and due on the 15th.
pub(in crate::matter) fn registered() -> Matter {
    let mut matter = Matter {
        name: "offices/demo/matters/m1".into(),
        registered_on: date(1),
        due_date: date(15),
        ..Default::default()
    };
    matter.set_state(MACHINE.initial);
    let office = Office::from_id("demo").unwrap();
    place(&mut matter, true, &office, noon(june(1))).unwrap();
    matter
}

pub(in crate::matter) fn fields(error: &Error) -> Vec<&str> {
    error
        .violations()
        .iter()
        .map(|v| v.field.as_str())
        .collect()
}

pub(in crate::matter) fn rule(error: &Error) -> &str {
    error
        .preconditions()
        .first()
        .map_or("", |p| p.rule.as_str())
}

/// A method of a matter.
#[derive(Debug, Clone)]
pub(in crate::matter) enum Action {
    Assign,
    Accept,
    Report { last: bool },
    Review,
    Close,
    SendBack,
    Urge,
    Ask { days: u64 },
    Grant,
    Refuse,
    Suspend,
    Resume,
    Recheck { passed: bool },
    Merge,
    Split,
}

impl Action {
    fn method(&self) -> &'static str {
        match self {
            Self::Assign => AssignMatterRequest::METHOD,
            Self::Accept => AcceptMatterRequest::METHOD,
            Self::Report { .. } => SubmitFeedbackRequest::METHOD,
            Self::Review => ReviewMatterRequest::METHOD,
            Self::Close => CloseMatterRequest::METHOD,
            Self::SendBack => ReturnMatterRequest::METHOD,
            Self::Urge => UrgeMatterRequest::METHOD,
            Self::Ask { .. } => RequestExtensionRequest::METHOD,
            Self::Grant => GrantExtensionRequest::METHOD,
            Self::Refuse => RefuseExtensionRequest::METHOD,
            Self::Suspend => SuspendMatterRequest::METHOD,
            Self::Resume => ResumeMatterRequest::METHOD,
            Self::Recheck { .. } => RecheckMatterRequest::METHOD,
            Self::Merge => MergeMatterRequest::METHOD,
            Self::Split => SplitMatterRequest::METHOD,
        }
    }

    /// Applies it to a copy, as the ledger does, on a given day or by default today.
    pub(in crate::matter) fn to(
        &self,
        matter: &Matter,
        on: Option<NaiveDate>,
        today: NaiveDate,
    ) -> Result<Matter> {
        let (mut after, at) = (matter.clone(), noon(today));
        let (m, on) = (&mut after, on.map(Date::from));
        match self {
            Self::Assign => assign(
                m,
                &AssignMatterRequest {
                    assigned_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Accept => accept(
                m,
                &AcceptMatterRequest {
                    accepted_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Report { last } => {
                let given = Feedback {
                    date: on,
                    r#final: *last,
                    ..Default::default()
                };
                feedback(
                    m,
                    &SubmitFeedbackRequest {
                        feedback: Some(given),
                        ..Default::default()
                    },
                    at,
                )
            }
            Self::Review => review(
                m,
                &ReviewMatterRequest {
                    reviewed_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Close => {
                let q = CloseMatterRequest {
                    closed_on: on,
                    conclusion: "已办结".into(),
                    ..Default::default()
                };
                close(m, &q, at)
            }
            Self::SendBack => send_back(
                m,
                &ReturnMatterRequest {
                    returned_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Urge => {
                let given = Urging {
                    date: on,
                    ..Default::default()
                };
                urge(
                    m,
                    &UrgeMatterRequest {
                        urging: Some(given),
                        ..Default::default()
                    },
                    at,
                )
            }
            Self::Ask { days } => {
                let to = naive(matter.due_date).unwrap() + Days::new(*days);
                let q = RequestExtensionRequest {
                    requested_on: on,
                    due_date: Some(to.into()),
                    ..Default::default()
                };
                request_extension(m, &q, at)
            }
            Self::Grant => grant_extension(
                m,
                &GrantExtensionRequest {
                    decided_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Refuse => refuse_extension(
                m,
                &RefuseExtensionRequest {
                    decided_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Suspend => suspend(
                m,
                &SuspendMatterRequest {
                    suspended_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Resume => resume(
                m,
                &ResumeMatterRequest {
                    resumed_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Recheck { passed } => {
                let look = RecheckRecord {
                    date: on,
                    passed: *passed,
                    by: "督查室".into(),
                    findings: "已看".into(),
                    // Output only, so ignored.
                    closed_on: date(30),
                    conclusion: "假".into(),
                };
                recheck(
                    m,
                    &RecheckMatterRequest {
                        recheck: Some(look),
                        ..Default::default()
                    },
                    at,
                )
            }
            Self::Merge => bonds::merge(
                m,
                &MergeMatterRequest {
                    into: "offices/demo/matters/other".into(),
                    merged_on: on,
                    ..Default::default()
                },
                at,
            ),
            Self::Split => {
                let part = MatterPart {
                    due_date: Some((today + Days::new(30)).into()),
                    matter: "offices/demo/matters/false".into(),
                    ..Default::default()
                };
                bonds::split(
                    m,
                    &SplitMatterRequest {
                        parts: vec![part; 2],
                        split_on: on,
                        ..Default::default()
                    },
                    at,
                )
            }
        }?;
        Ok(after)
    }
}

/// The matter after some actions, each entered on its day.
pub(in crate::matter) fn matter_after(actions: &[(u32, Action)]) -> Matter {
    actions.iter().fold(registered(), |matter, (day, action)| {
        action.to(&matter, None, june(*day)).unwrap()
    })
}

use Action::*;

pub(in crate::matter) const FINAL_REPORT: Action = Report { last: true };

#[test]
fn a_matter_passes_through_all_states() {
    let matter = matter_after(&[
        (2, Assign),
        (3, Accept),
        (6, Urge),
        (7, Report { last: false }),
        (8, FINAL_REPORT),
        (9, Review),
        (10, Close),
    ]);
    assert_eq!(matter.state(), S::Closed);
    assert_eq!(matter.conclusion, "已办结");
    assert_eq!(
        [
            matter.assigned_on,
            matter.accepted_on,
            matter.reported_on,
            matter.reviewed_on,
            matter.closed_on
        ],
        [date(2), date(3), date(8), date(9), date(10)]
    );
    assert_eq!((matter.feedbacks.len(), matter.urgings.len()), (2, 1));
}

#[test]
fn a_returned_matter_has_no_valid_report() {
    let matter = matter_after(&[
        (2, Assign),
        (3, Accept),
        (4, FINAL_REPORT),
        (5, Review),
        (6, SendBack),
    ]);
    assert_eq!(matter.state(), S::InProgress);
    assert_eq!((matter.reported_on, matter.reviewed_on), (None, None));
    assert_eq!(matter.returns[0].returned_on, date(6));
    // The next report is not dated before the return; an interim one may be entered late.
    let early = FINAL_REPORT
        .to(&matter, Some(june(5)), june(9))
        .unwrap_err();
    assert_eq!(fields(&early), ["feedback.date"]);
    assert!(
        Report { last: false }
            .to(&matter, Some(june(5)), june(9))
            .is_ok()
    );
    assert_eq!(
        FINAL_REPORT.to(&matter, None, june(9)).unwrap().reported_on,
        date(9)
    );
}

#[test]
fn days_are_in_order_and_not_in_the_future() {
    let assigned = matter_after(&[(5, Assign)]);
    assert_eq!(
        fields(
            &Assign
                .to(&registered(), Some(june(6)), june(5))
                .unwrap_err()
        ),
        ["assigned_on"]
    );
    assert_eq!(
        fields(&Accept.to(&assigned, Some(june(4)), june(9)).unwrap_err()),
        ["accepted_on"]
    );
    assert_eq!(
        fields(&Urge.to(&assigned, Some(june(4)), june(9)).unwrap_err()),
        ["urging.date"]
    );
    let reported = matter_after(&[(5, Assign), (5, Accept), (7, FINAL_REPORT)]);
    assert_eq!(
        fields(&Review.to(&reported, Some(june(6)), june(9)).unwrap_err()),
        ["reviewed_on"]
    );
    let reviewed = Review.to(&reported, None, june(8)).unwrap();
    assert_eq!(
        fields(&Close.to(&reviewed, Some(june(7)), june(9)).unwrap_err()),
        ["closed_on"]
    );
    assert_eq!(
        fields(&SendBack.to(&reviewed, Some(june(7)), june(9)).unwrap_err()),
        ["returned_on"]
    );
    assert_eq!(
        fields(&Suspend.to(&reviewed, Some(june(7)), june(9)).unwrap_err()),
        ["suspended_on"]
    );
    let stopped = Suspend.to(&reviewed, None, june(9)).unwrap();
    assert_eq!(
        fields(&Resume.to(&stopped, Some(june(8)), june(10)).unwrap_err()),
        ["resumed_on"]
    );
}

#[test]
fn an_extension_is_asked_for_before_the_due_date_and_decided_on() {
    let matter = matter_after(&[(2, Assign)]);
    let ask = Ask { days: 10 };
    assert_eq!(
        rule(&ask.to(&matter, None, june(15)).unwrap_err()),
        "EXTENSION_BEFORE_DUE"
    );
    let same = Ask { days: 0 }.to(&matter, None, june(10)).unwrap_err();
    assert_eq!(fields(&same), ["due_date"]);
    assert_eq!(
        rule(&Grant.to(&matter, None, june(10)).unwrap_err()),
        "EXTENSION_REQUESTED"
    );

    let asked = ask.to(&matter, None, june(14)).unwrap();
    assert_eq!(asked.due_date, date(15));
    assert_eq!(
        rule(&ask.to(&asked, None, june(14)).unwrap_err()),
        "ONE_EXTENSION_AT_A_TIME"
    );
    assert_eq!(
        fields(&Grant.to(&asked, Some(june(13)), june(20)).unwrap_err()),
        ["decided_on"]
    );

    let refused = Refuse.to(&asked, None, june(14)).unwrap();
    assert_eq!(
        (refused.due_date, refused.original_due_date),
        (date(15), date(15))
    );
    assert!(ask.to(&refused, None, june(14)).is_ok());

    let granted = Grant.to(&asked, None, june(16)).unwrap();
    assert_eq!(
        (granted.due_date, granted.original_due_date),
        (date(25), date(15))
    );
    assert_eq!(granted.extensions[0].from_due_date, date(15));
    assert_eq!(granted.extensions[0].to_due_date, date(25));
    assert_eq!(granted.state(), S::Assigned);
}

#[test]
fn a_resumed_matter_is_in_progress_whatever_it_was_before() {
    let matter = matter_after(&[(2, Suspend), (5, Resume)]);
    assert_eq!(matter.state(), S::InProgress);
    assert_eq!((matter.assigned_on, matter.accepted_on), (date(5), date(5)));
    let begun = matter_after(&[
        (2, Assign),
        (3, Accept),
        (4, FINAL_REPORT),
        (5, Suspend),
        (6, Resume),
    ]);
    assert_eq!((begun.accepted_on, begun.reported_on), (date(3), None));
}

/// A matter closed on the 10th and due on the 15th.
fn closed() -> Matter {
    matter_after(&[
        (2, Assign),
        (3, Accept),
        (8, FINAL_REPORT),
        (9, Review),
        (10, Close),
    ])
}

#[test]
fn a_recheck_that_passes_keeps_the_closing_and_one_that_does_not_reopens() {
    let passed = Recheck { passed: true }
        .to(&closed(), None, june(12))
        .unwrap();
    assert_eq!(passed.state(), S::Closed);
    assert_eq!(passed.closed_on, date(10));
    let failed = Recheck { passed: false };
    let reopened = failed.to(&passed, None, june(20)).unwrap();
    assert_eq!(reopened.state(), S::InProgress);
    assert_eq!(
        (
            reopened.closed_on,
            reopened.reviewed_on,
            reopened.reported_on,
            reopened.conclusion.as_str()
        ),
        (None, None, None, "")
    );
    // The rechecked closings are kept.
    let summary = |r: &RecheckRecord| (r.date, r.passed, r.closed_on, r.conclusion.clone());
    assert_eq!(
        reopened.rechecks.iter().map(summary).collect::<Vec<_>>(),
        [
            (date(12), true, date(10), "已办结".to_owned()),
            (date(20), false, date(10), "已办结".to_owned())
        ]
    );
    // The next report is not dated before the recheck.
    let early = FINAL_REPORT
        .to(&reopened, Some(june(19)), june(21))
        .unwrap_err();
    assert_eq!(fields(&early), ["feedback.date"]);
    assert!(FINAL_REPORT.to(&reopened, None, june(21)).is_ok());
}

#[test]
fn a_recheck_is_in_order_and_has_findings() {
    let look =
        |matter: &Matter, day| Recheck { passed: true }.to(matter, Some(june(day)), june(20));
    assert_eq!(fields(&look(&closed(), 9).unwrap_err()), ["recheck.date"]);
    let looked = look(&closed(), 12).unwrap();
    assert_eq!(fields(&look(&looked, 11).unwrap_err()), ["recheck.date"]);
    let silent = RecheckMatterRequest {
        recheck: Some(RecheckRecord::default()),
        ..Default::default()
    };
    let error = recheck(&mut closed(), &silent, noon(june(20))).unwrap_err();
    assert_eq!(fields(&error), ["recheck.findings"]);
    let elsewhere = Matter {
        superseded: true,
        ..closed()
    };
    let error = look(&elsewhere, 12).unwrap_err();
    assert_eq!(rule(&error), "RECHECK_WHAT_WAS_WORKED_ON");
}

#[test]
fn the_days_between_a_closing_and_its_recheck_are_not_red() {
    let failed = Recheck { passed: false };
    // Reopened before and after the due date.
    let in_time = failed.to(&closed(), None, june(12)).unwrap();
    assert!(!lamp::ever_red(&in_time, june(15)));
    assert!(lamp::ever_red(&in_time, june(16)));
    let late = failed.to(&closed(), None, june(20)).unwrap();
    assert!(!lamp::overdue(&late, june(19)));
    assert!(lamp::overdue(&late, june(20)));
    assert!(lamp::ever_red(&late, june(20)));
    // Closed late, so it was red before.
    let actions = [
        (2, Assign),
        (3, Accept),
        (17, FINAL_REPORT),
        (18, Review),
        (18, Close),
    ];
    let late = failed.to(&matter_after(&actions), None, june(25)).unwrap();
    assert!(lamp::overdue(&late, june(16)));
    assert!(!lamp::overdue(&late, june(18)));
    assert!(lamp::ever_red(&late, june(25)));
}

#[test]
fn a_merged_or_split_matter_is_not_deleted() {
    let deleted = |matter: Matter| {
        bound_stay(&Matter {
            delete_time: Some(Default::default()),
            ..matter
        })
    };
    assert!(deleted(registered()).is_ok());
    for bound in [
        Merge.to(&registered(), None, june(2)).unwrap(),
        Split.to(&registered(), None, june(2)).unwrap(),
        Matter {
            merged: vec!["offices/demo/matters/m2".into()],
            ..registered()
        },
        Matter {
            split_from: "offices/demo/matters/m2".into(),
            ..registered()
        },
    ] {
        assert!(bound_stay(&bound).is_ok());
        assert_eq!(rule(&deleted(bound).unwrap_err()), "BOUND_MATTERS_STAY");
    }
}

#[test]
fn only_a_registered_matter_gets_another_due_date_by_an_update() {
    let before = registered();
    let mut after = Matter {
        due_date: date(20),
        ..before.clone()
    };
    assert!(update(&before, &after, noon(june(2))).is_ok());
    let office = Office::from_id("demo").unwrap();
    place(&mut after, false, &office, noon(june(2))).unwrap();
    assert_eq!(after.original_due_date, date(20));

    let before = matter_after(&[(2, Assign)]);
    let after = Matter {
        due_date: date(20),
        ..before.clone()
    };
    assert_eq!(
        rule(&update(&before, &after, noon(june(2))).unwrap_err()),
        "DUE_DATE_BY_EXTENSION"
    );
    let after = Matter {
        title: "改".into(),
        ..before.clone()
    };
    assert!(update(&before, &after, noon(june(2))).is_ok());

    let closed = matter_after(&[
        (2, Assign),
        (3, Accept),
        (4, FINAL_REPORT),
        (5, Review),
        (6, Close),
    ]);
    let error = update(
        &closed,
        &Matter {
            title: "改".into(),
            ..closed.clone()
        },
        noon(june(7)),
    );
    assert_eq!(error.unwrap_err().reason(), Reason::WrongState);
}

#[test]
fn source_fields_match_the_kind_of_source() {
    let found = |kind: SourceKind, by_secretary, record: &str| {
        let source = Source {
            kind: kind.into(),
            by_secretary,
            record: record.into(),
            ..Default::default()
        };
        let mut matter = Matter {
            source: Some(source),
            ..registered()
        };
        let mut v = Violations::default();
        check(&matter, &mut v);
        let office = Office::from_id("demo").unwrap();
        let placed = place(&mut matter, false, &office, noon(june(2)));
        let fields: Vec<_> = v.fields().map(str::to_owned).collect();
        (fields, placed.is_ok())
    };
    use SourceKind::*;
    let none: Vec<String> = Vec::new();
    assert_eq!(
        found(Instruction, true, "县委〔2022〕1号"),
        (none.clone(), true)
    );
    assert_eq!(
        found(KeyTask, true, ""),
        (vec!["source.by_secretary".into()], true)
    );
    assert_eq!(
        found(MeetingDecision, false, "offices/demo/decisions/d1"),
        (none.clone(), true)
    );
    assert_eq!(
        found(MeetingDecision, false, "offices/other/decisions/d1"),
        (none, false)
    );
    for bad in [
        "",
        "d1",
        "offices/demo/meetings/m1",
        "offices/demo/decisions",
    ] {
        assert_eq!(
            found(MeetingDecision, false, bad).0,
            ["source.record"],
            "{bad}"
        );
    }
}

#[test]
fn a_registration_is_not_in_the_future_and_not_after_the_due_date() {
    let office = Office::from_id("demo").unwrap();
    let place = |registered_on, due_date| {
        let mut matter = Matter {
            registered_on,
            due_date,
            ..Default::default()
        };
        place(&mut matter, true, &office, noon(june(10))).map(|()| matter)
    };
    assert_eq!(place(None, date(10)).unwrap().registered_on, date(10));
    assert_eq!(
        fields(&place(None, date(9)).unwrap_err()),
        ["matter.due_date"]
    );
    assert_eq!(
        fields(&place(date(11), date(9)).unwrap_err()),
        ["matter.registered_on", "matter.due_date"]
    );
}

#[test]
fn lists_are_limited() {
    let mut matter = matter_after(&[(2, Assign), (3, Accept)]);
    matter.feedbacks = vec![Feedback::default(); MOST_ENTRIES];
    matter.urgings = vec![Urging::default(); MOST_ENTRIES];
    matter.extensions = vec![Extension::default(); MOST_EVENTS];
    matter.suspensions = vec![Suspension::default(); MOST_EVENTS];
    for action in [FINAL_REPORT, Urge, Ask { days: 1 }, Suspend] {
        let error = action.to(&matter, None, june(4)).unwrap_err();
        assert_eq!(rule(&error), "LIST_FULL", "{action:?}");
    }
    let mut matter = matter_after(&[(2, Assign), (3, Accept), (4, FINAL_REPORT), (5, Review)]);
    matter.returns = vec![Return::default(); MOST_EVENTS];
    assert_eq!(
        rule(&SendBack.to(&matter, None, june(6)).unwrap_err()),
        "LIST_FULL"
    );
    let mut matter = closed();
    matter.rechecks = vec![RecheckRecord::default(); MOST_EVENTS];
    let error = Recheck { passed: true }.to(&matter, None, june(12));
    assert_eq!(rule(&error.unwrap_err()), "LIST_FULL");
}

fn all_states() -> impl Iterator<Item = S> {
    (1..=9).filter_map(|n| S::try_from(n).ok())
}

/// Every method in every state: it is refused with WRONG_STATE exactly where the table has no row.
#[test]
fn methods_are_refused_exactly_where_the_table_has_no_row() {
    let actions = [
        Assign,
        Accept,
        FINAL_REPORT,
        Report { last: false },
        Review,
        Close,
        SendBack,
        Urge,
        Ask { days: 1 },
        Grant,
        Refuse,
        Suspend,
        Resume,
        Recheck { passed: true },
        Recheck { passed: false },
        Merge,
        Split,
    ];
    for action in &actions {
        for state in all_states() {
            let mut matter = registered();
            matter.set_state(state);
            let refused = action.to(&matter, None, june(5)).err().map(|e| e.reason());
            let row = MACHINE
                .transitions
                .iter()
                .find(|r| r.method == action.method() && r.from.contains(&state));
            assert_eq!(
                refused == Some(Reason::WrongState),
                row.is_none(),
                "{action:?} in {state:?}"
            );
        }
    }
    let methods: Vec<_> = actions.iter().map(Action::method).collect();
    // Changes caused by another matter are tested in `bonds/tests.rs`.
    for row in MACHINE
        .transitions
        .iter()
        .filter(|r| !r.method.ends_with(')'))
    {
        assert!(
            methods.contains(&row.method) || row.method == "UpdateMatter",
            "{}",
            row.method
        );
    }
}

#[test]
fn every_state_is_reachable_and_can_be_left() {
    let diagram = MACHINE.diagram();
    assert!(
        diagram.starts_with("stateDiagram-v2\n    [*] --> REGISTERED\n"),
        "{diagram}"
    );
    assert!(
        diagram.contains("    REGISTERED --> ASSIGNED: AssignMatter 交办\n"),
        "{diagram}"
    );
    let mut reached = vec![MACHINE.initial];
    for _ in all_states() {
        for row in MACHINE.transitions {
            let Some(to) = row.to else { continue };
            if row.from.iter().any(|s| reached.contains(s)) && !reached.contains(&to) {
                reached.push(to);
            }
        }
    }
    for state in all_states() {
        assert!(reached.contains(&state), "{state:?}");
        let leaves = MACHINE.transitions.iter().any(|r| r.from.contains(&state));
        assert!(leaves, "{state:?}");
    }
    // A closing comes from a review, its own or that of another.
    let to_closed: Vec<_> = MACHINE
        .transitions
        .iter()
        .filter(|r| r.to == Some(S::Closed))
        .map(|r| r.from)
        .collect();
    assert_eq!(to_closed, [[S::UnderReview], [S::Merged], [S::Split]]);
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Assign),
        3 => Just(Accept),
        2 => any::<bool>().prop_map(|last| Report { last }),
        3 => Just(FINAL_REPORT),
        4 => Just(Review),
        2 => Just(Close),
        2 => Just(SendBack),
        1 => Just(Urge),
        3 => (0_u64..15).prop_map(|days| Ask { days }),
        3 => Just(Grant),
        1 => Just(Refuse),
        1 => Just(Suspend),
        3 => Just(Resume),
        2 => any::<bool>().prop_map(|passed| Recheck { passed }),
        1 => Just(Merge),
        1 => Just(Split),
    ]
}

fn in_order(days: &[Option<Date>]) -> bool {
    days.iter().filter_map(|d| naive(*d)).is_sorted()
}

/// Checks the invariants of a matter.
fn check_invariants(matter: &Matter, today: NaiveDate) -> Result<(), TestCaseError> {
    let m = matter;
    // Days are in order.
    prop_assert!(in_order(&[
        m.registered_on,
        m.assigned_on,
        m.accepted_on,
        m.reported_on,
        m.reviewed_on,
        m.closed_on
    ]));
    prop_assert!(since(m) <= Some(today));
    let state = m.state();
    prop_assert_eq!(m.closed_on.is_some(), state == S::Closed);
    prop_assert!(state != S::Closed || (m.reported_on.is_some() && m.reviewed_on.is_some()));
    // A state determines which days are set.
    if matches!(state, S::Reported | S::UnderReview) {
        prop_assert_eq!(
            (m.reported_on.is_some(), m.reviewed_on.is_some()),
            (true, state == S::UnderReview)
        );
    }
    if matches!(state, S::Registered | S::Assigned | S::InProgress) {
        prop_assert_eq!((m.reported_on, m.reviewed_on), (None, None));
        prop_assert_eq!(m.assigned_on.is_some(), state != S::Registered);
        prop_assert_eq!(m.accepted_on.is_some(), state == S::InProgress);
    }
    // The valid report is the last final one.
    if m.reported_on.is_some() {
        let last = m.feedbacks.iter().rfind(|f| f.r#final);
        prop_assert_eq!(m.reported_on, last.and_then(|f| f.date));
    }
    // The due dates follow from the extensions in order.
    let mut due = m.original_due_date;
    let mut decided = None;
    for (i, e) in m.extensions.iter().enumerate() {
        prop_assert_eq!(e.from_due_date, due);
        prop_assert!(naive(e.to_due_date) > naive(e.from_due_date));
        prop_assert!(naive(e.requested_on) < naive(e.from_due_date));
        prop_assert!(in_order(&[
            m.assigned_on,
            decided,
            e.requested_on,
            e.decided_on
        ]));
        let waits = e.state() == ExtensionState::Requested;
        prop_assert!(!waits || i + 1 == m.extensions.len());
        prop_assert_eq!(waits, e.decided_on.is_none());
        if e.state() == ExtensionState::Granted {
            due = e.to_due_date;
        }
        decided = e.decided_on;
    }
    prop_assert_eq!(m.due_date, due);
    // Suspensions do not overlap, and only the last may be open.
    let mut before = m.registered_on;
    for (i, s) in m.suspensions.iter().enumerate() {
        prop_assert!(in_order(&[before, s.suspended_on, s.resumed_on]));
        let open = state == S::Suspended && i + 1 == m.suspensions.len();
        prop_assert_eq!(s.resumed_on.is_none(), open);
        before = s.resumed_on;
    }
    prop_assert!(state != S::Suspended || !m.suspensions.is_empty());
    // Rechecks are in order, each of a closing.
    prop_assert!(in_order(
        &m.rechecks.iter().map(|r| r.date).collect::<Vec<_>>()
    ));
    for r in &m.rechecks {
        prop_assert!(in_order(&[m.accepted_on, r.closed_on, r.date]));
        prop_assert!(r.closed_on.is_some());
    }
    // A merged or split matter has no report of its own.
    let superseded = matches!(state, S::Merged | S::Split);
    prop_assert_eq!(m.superseded, superseded);
    prop_assert_eq!(m.merged_on.is_some(), state == S::Merged);
    prop_assert_eq!(m.merged_into.is_empty(), state != S::Merged);
    prop_assert_eq!(m.split_on.is_some(), state == S::Split);
    prop_assert_eq!(m.parts.is_empty(), state != S::Split);
    prop_assert!(!superseded || m.reported_on.is_none());
    prop_assert!(m.parts.iter().all(|p| p.matter.is_empty()));
    // Red implies ever red, and a matter that is open and overdue is red.
    let lamp = lamp::lamp(m, today, &Warning::default());
    prop_assert!(lamp != Lamp::Unspecified);
    prop_assert!(lamp != Lamp::Red || lamp::ever_red(m, today));
    prop_assert_eq!(
        lamp == Lamp::Red,
        lamp::overdue(m, today) || lamp::ended(m) > naive(m.due_date)
    );
    Ok(())
}

/// An extension is granted and the matter resumed on one day, which is past the old due date.
#[test]
fn on_one_day_an_extension_is_granted_before_work_is_resumed() {
    let suspended =
        |extension| matter_after(&[(5, Assign), (9, Ask { days: extension }), (13, Suspend)]);
    for extension in [1, 2] {
        for actions in [[Grant, Resume], [Resume, Grant]] {
            let matter = actions.iter().fold(suspended(extension), |matter, action| {
                action.to(&matter, None, june(16)).unwrap()
            });
            let due = 15 + u32::try_from(extension).unwrap();
            assert!(!lamp::ever_red(&matter, june(due)));
            assert!(lamp::ever_red(&matter, june(due + 1)));
        }
    }
    // Suspended after the due date, so red before.
    let late = matter_after(&[
        (5, Assign),
        (9, Ask { days: 9 }),
        (16, Suspend),
        (17, Grant),
        (17, Resume),
    ]);
    assert!(lamp::ever_red(&late, june(17)));
    // Also red if suspended and resumed on the day of the decision.
    let open = matter_after(&[
        (5, Assign),
        (9, Ask { days: 9 }),
        (16, Suspend),
        (16, Resume),
        (16, Grant),
    ]);
    assert!(lamp::ever_red(&open, june(16)));
    // Also red if the new due date has passed too.
    let passed = matter_after(&[
        (5, Assign),
        (9, Ask { days: 1 }),
        (13, Suspend),
        (20, Grant),
        (20, Resume),
    ]);
    assert!(lamp::ever_red(&passed, june(20)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(1000)))]

    /// The invariants hold after any sequence of methods on any days.
    #[test]
    fn invariants_hold_after_any_sequence_of_methods(
        steps in prop::collection::vec((actions(), 0_u64..4, prop::option::of(0_u64..8)), 1..60),
    ) {
        let mut matter = registered();
        let mut today = june(1);
        for (action, passed, back) in steps {
            today = today + Days::new(passed);
            // Mostly in the past, sometimes tomorrow.
            let on = back.map(|back| today + Days::new(1) - Days::new(back));
            let before = matter.clone();
            match action.to(&before, on, today) {
                Err(error) => prop_assert!(matches!(
                    error.reason(),
                    Reason::WrongState | Reason::InvalidFields | Reason::RuleRefuses
                )),
                Ok(after) => {
                    let row = MACHINE.transitions.iter().find(|row| {
                        row.method == action.method() && row.from.contains(&before.state()) && row.to.unwrap_or(before.state()) == after.state()
                    });
                    prop_assert!(row.is_some(), "{:?} led from {:?} to {:?}", action, before.state(), after.state());
                    let rechecked = matches!(action, Recheck { .. });
                    prop_assert!(before.state() != S::Closed || rechecked);
                    let superseded = matches!(before.state(), S::Merged | S::Split);
                    prop_assert!(!superseded);
                    prop_assert!(on.is_none_or(|on| on <= today));
                    prop_assert!(after.same_field(&before, "original_due_date"));
                    prop_assert!(after.extensions.len() >= before.extensions.len());
                    prop_assert!(after.feedbacks.starts_with(&before.feedbacks));
                    prop_assert!(after.urgings.starts_with(&before.urgings));
                    prop_assert!(after.returns.starts_with(&before.returns));
                    prop_assert!(after.rechecks.starts_with(&before.rechecks));
                    matter = after;
                }
            }
            check_invariants(&matter, today)?;
        }
    }

    /// For events that are entered on their day, `ever_red` computed from the record equals a daily
    /// check of the lamp. An extension comes before a resumption of the same day, so it takes back
    /// what was red since that day's first resumption.
    #[test]
    fn ever_red_equals_a_daily_check(
        steps in prop::collection::vec((actions(), 0_u64..5), 1..60),
    ) {
        let mut matter = registered();
        let mut today = june(1);
        let mut seen = false;
        // The day of the last resumption, and whether it was red before.
        let mut resumption = (NaiveDate::MIN, false);
        for (action, passed) in steps {
            for day in 0..=passed {
                today = today + Days::new(u64::from(day > 0));
                let open =
                    !matches!(matter.state(), S::Closed | S::Suspended | S::Merged | S::Split);
                seen |= open && Some(today) > naive(matter.due_date);
                prop_assert_eq!(lamp::ever_red(&matter, today), seen);
            }
            if let Ok(after) = action.to(&matter, None, today) {
                match action {
                    Resume if resumption.0 != today => resumption = (today, seen),
                    Grant if resumption.0 == today => seen = resumption.1,
                    _ => {}
                }
                matter = after;
            }
        }
    }
}
