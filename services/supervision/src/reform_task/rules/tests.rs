#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::Reason;
use taizhang_contracts::supervision::{Milestone, ReformCategory};

use super::*;
use crate::testing::{fields, june, noon, rule};

type S = ReformTaskState;

/// A task planned on 1 June with milestones on the 10th and the 20th, due on the 25th.
fn planned() -> ReformTask {
    let milestone = |title: &str, day| Milestone {
        title: title.into(),
        due_date: june(day),
        done_on: None,
    };
    ReformTask {
        milestones: vec![milestone("出台方案", 10), milestone("试点", 20)],
        due_date: june(25),
        planned_on: june(1),
        state: S::Planned.into(),
        ..Default::default()
    }
}

/// A method of a task.
#[derive(Debug, Clone)]
enum Action {
    Start,
    Report(i32, &'static str),
    Complete,
    Drop,
}

use Action::*;

impl Action {
    /// Applies it to a copy, as the ledger does, on a given day or by default today.
    fn to(&self, task: &ReformTask, on: Option<Date>, today: u32) -> Result<ReformTask> {
        let (mut after, at) = (task.clone(), noon(today));
        let task = &mut after;
        match self {
            Start => {
                let q = StartReformTaskRequest {
                    started_on: on,
                    ..Default::default()
                };
                start(task, &q, at)
            }
            Report(percent, milestone) => {
                let q = ReportReformProgressRequest {
                    progress: "有进展".into(),
                    percent: *percent,
                    milestone: (*milestone).into(),
                    reported_on: on,
                    ..Default::default()
                };
                report(task, &q, at)
            }
            Complete => {
                let q = CompleteReformTaskRequest {
                    completed_on: on,
                    ..Default::default()
                };
                complete(task, &q, at)
            }
            Drop => {
                let q = DropReformTaskRequest {
                    reason: "上级另有部署".into(),
                    dropped_on: on,
                    ..Default::default()
                };
                give_up(task, &q, at)
            }
        }?;
        mark_milestones(task);
        Ok(after)
    }
}

/// The task after some actions, each on its day.
fn task_after(actions: &[(u32, Action)]) -> ReformTask {
    actions.iter().fold(planned(), |task, (day, action)| {
        action.to(&task, None, *day).unwrap()
    })
}

#[test]
fn a_task_passes_through_all_states() {
    let task = task_after(&[
        (3, Start),
        (9, Report(40, "出台方案")),
        (15, Report(60, "")),
        (18, Report(90, "试点")),
        (22, Complete),
    ]);
    assert_eq!((task.state(), task.percent), (S::Completed, 100));
    assert_eq!((task.started_on, task.completed_on), (june(3), june(22)));
    let done: Vec<_> = task.milestones.iter().map(|m| m.done_on).collect();
    assert_eq!(done, [june(9), june(18)]);
}

#[test]
fn completion_requires_all_milestones_done() {
    let task = task_after(&[(3, Start), (9, Report(100, "试点"))]);
    let refused = Complete.to(&task, None, 20).unwrap_err();
    assert_eq!(rule(&refused), "MILESTONES_DONE");
}

#[test]
fn a_milestone_is_reported_done_once() {
    let task = task_after(&[(3, Start), (9, Report(40, "试点"))]);
    for milestone in ["试点", "推广"] {
        let refused = Report(50, milestone).to(&task, None, 10).unwrap_err();
        assert_eq!(fields(&refused), ["milestone"]);
    }
}

#[test]
fn a_done_milestone_is_not_removed() {
    let before = task_after(&[(3, Start), (9, Report(40, "试点"))]);
    let mut after = before.clone();
    after.milestones.remove(0);
    assert!(update(&before, &after, noon(10)).is_ok());
    after.milestones.clear();
    let refused = update(&before, &after, noon(10)).unwrap_err();
    assert_eq!(rule(&refused), "DONE_MILESTONE_STAYS");
}

#[test]
fn only_reports_mark_a_milestone_done() {
    let mut task = planned();
    task.milestones[0].done_on = june(2);
    mark_milestones(&mut task);
    assert_eq!(task.milestones, planned().milestones);
}

#[test]
fn reports_are_limited() {
    let mut task = task_after(&[(3, Start)]);
    task.progress = vec![ReformProgress::default(); MOST_REPORTS];
    let refused = Report(1, "").to(&task, None, 4).unwrap_err();
    assert_eq!(rule(&refused), "LIST_FULL");
}

#[test]
fn days_are_in_order_and_not_in_the_future() {
    let started = task_after(&[(5, Start)]);
    let reported = task_after(&[(5, Start), (8, Report(10, ""))]);
    for (action, task, on, field) in [
        (Start, &planned(), 11, "started_on"),
        (Report(1, ""), &started, 4, "reported_on"),
        (Report(1, ""), &started, 11, "reported_on"),
        (Drop, &reported, 7, "dropped_on"),
    ] {
        let refused = action.to(task, june(on), 10).unwrap_err();
        assert_eq!(fields(&refused), [field], "{action:?}");
    }
    let all = task_after(&[
        (5, Start),
        (6, Report(1, "出台方案")),
        (8, Report(2, "试点")),
    ]);
    let refused = Complete.to(&all, june(7), 10).unwrap_err();
    assert_eq!(fields(&refused), ["completed_on"]);
    let may = Date {
        month: 5,
        ..june(31 - 1).unwrap()
    };
    let refused = Start.to(&planned(), Some(may), 10).unwrap_err();
    assert_eq!(fields(&refused), ["started_on"]);
}

#[test]
fn a_completed_or_dropped_task_is_immutable() {
    let dropped = task_after(&[(3, Drop)]);
    assert_eq!(dropped.drop_reason, "上级另有部署");
    for action in [Start, Report(1, ""), Complete, Drop] {
        let refused = action.to(&dropped, None, 10).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
    }
    let refused = update(&dropped, &dropped, noon(10)).unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongState);
}

#[test]
fn milestones_are_unique_and_not_after_the_due_date() {
    let mut task = planned();
    task.milestones[1].title = "出台方案".into();
    task.milestones[0].due_date = june(26);
    let mut v = Violations::default();
    check(&task, &mut v);
    let fields: Vec<_> = v.fields().collect();
    assert_eq!(fields, ["milestones[0].due_date", "milestones[1].title"]);
}

#[test]
fn a_task_is_in_a_category_of_its_plan() {
    let plan = ReformPlan {
        categories: vec![ReformCategory {
            id: "economy".into(),
            title: "经济体制".into(),
        }],
        adopted_on: june(2),
        ..Default::default()
    };
    let mut task = ReformTask {
        plan: "offices/demo/reformPlans/y2022".into(),
        category: "culture".into(),
        ..planned()
    };
    let refused = place(&mut task, &plan).unwrap_err();
    assert_eq!(fields(&refused), ["reform_task.category"]);
    task.category = "economy".into();
    place(&mut task, &plan).unwrap();
    assert_eq!(task.planned_on, june(2));
    assert_eq!(task.plan_category, "offices/demo/reformPlans/y2022/economy");
}

#[test]
fn an_open_task_is_behind_after_a_missed_date() {
    let is_behind = |task: &ReformTask, day| behind(task, naive(june(day)).unwrap());
    assert_eq!([10, 11].map(|d| is_behind(&planned(), d)), [false, true]);
    let first = task_after(&[(3, Start), (9, Report(40, "出台方案"))]);
    assert_eq!([20, 21].map(|d| is_behind(&first, d)), [false, true]);
    let both = Report(90, "试点").to(&first, None, 12).unwrap();
    assert_eq!([25, 26].map(|d| is_behind(&both, d)), [false, true]);
    assert!(!is_behind(&Complete.to(&both, None, 13).unwrap(), 30));
    assert!(!is_behind(&Drop.to(&both, None, 13).unwrap(), 30));
}

fn actions() -> impl Strategy<Value = Action> {
    let milestones = prop::sample::select(vec!["", "出台方案", "试点"]);
    prop_oneof![
        2 => Just(Start),
        4 => (0..=100, milestones).prop_map(|(percent, milestone)| Report(percent, milestone)),
        2 => Just(Complete),
        1 => Just(Drop),
    ]
}

proptest! {
    /// After any sequence of actions the days are in order, and a completed task has no open
    /// milestone.
    #[test]
    fn invariants_hold_after_any_sequence_of_actions(tries in prop::collection::vec((actions(), 1u32..30, 1u32..30), 0..30)) {
        let mut task = planned();
        for (action, day, today) in tries {
            let before = task.state();
            task = action.to(&task, june(day), today).unwrap_or(task);
            let begun = naive(task.started_on);
            prop_assert!(begun >= naive(task.planned_on) || begun.is_none());
            prop_assert!(task.progress.iter().all(|p| naive(p.date) >= begun));
            let over = naive(task.completed_on.or(task.dropped_on));
            prop_assert!(over.is_none() || task.progress.iter().all(|p| naive(p.date) <= over));
            if task.state() == S::Completed {
                prop_assert!(task.milestones.iter().all(|m| m.done_on.is_some()));
                prop_assert_eq!(task.percent, 100);
            }
            let ended = matches!(before, S::Completed | S::Dropped);
            prop_assert!(!ended || task.state() == before);
        }
    }
}
