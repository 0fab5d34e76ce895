#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::supervision::{ReformCategory, ReformTally, ReformTaskState};

use super::*;
use crate::entities::reform_plans;
use crate::naive;
use crate::testing::{fields, june, rule};

type S = ReformTaskState;

fn plan(categories: &[&str]) -> ReformPlan {
    let category = |id: &&str| ReformCategory {
        id: (*id).into(),
        title: "经济体制".into(),
    };
    ReformPlan {
        name: "offices/demo/reformPlans/y2022".into(),
        categories: categories.iter().map(category).collect(),
        ..Default::default()
    }
}

/// Due on 10 June.
fn task(category: &str, state: S, percent: i32) -> ReformTask {
    ReformTask {
        category: category.into(),
        state: state.into(),
        percent,
        due_date: june(10),
        ..Default::default()
    }
}

#[test]
fn categories_are_unique() {
    let mut v = Violations::default();
    reform_plans::Entity::check(&plan(&["a", "b", "a"]), &mut v);
    assert_eq!(v.fields().collect::<Vec<_>>(), ["categories[2].id"]);
}

#[test]
fn a_plan_with_tasks_is_not_deleted_nor_their_categories() {
    let tasks = [task("a", S::Dropped, 0)];
    assert!(keeps_tasks(&plan(&["a", "b"]), &tasks).is_ok());
    let refused = keeps_tasks(&plan(&["b"]), &tasks).unwrap_err();
    assert_eq!(rule(&refused), "REFORM_CATEGORY_HAS_TASKS");
    let mut deleted = plan(&["a"]);
    deleted.delete_time = Some(Default::default());
    let refused = keeps_tasks(&deleted, &tasks).unwrap_err();
    assert_eq!(rule(&refused), "REFORM_PLAN_HAS_TASKS");
    assert!(keeps_tasks(&deleted, &[]).is_ok());
}

#[test]
fn its_meetings_are_of_the_same_office() {
    let office = Office::from_id("demo").unwrap();
    let mut plan = plan(&["a"]);
    plan.meetings = vec![
        "offices/demo/meetings/m1".into(),
        "offices/other/meetings/m1".into(),
    ];
    let refused = of_this_office(&plan, &office).unwrap_err();
    assert_eq!(fields(&refused), ["reform_plan.meetings[1]"]);
}

fn summary(tasks: &[ReformTask], day: u32) -> SummarizeReformPlanResponse {
    summary::summary(&plan(&["a", "b"]), tasks, naive(june(day)).unwrap())
}

#[test]
fn a_summary_has_the_progress_of_each_category() {
    let tasks = [
        task("a", S::Completed, 100),
        task("a", S::InProgress, 30),
        task("a", S::Planned, 0),
        task("a", S::Dropped, 50),
    ];
    let answer = summary(&tasks, 11);
    let of_a = ReformTally {
        tasks: 3,
        completed: 1,
        in_progress: 1,
        behind: 2,
        percent: 43,
    };
    assert_eq!(answer.total, Some(of_a));
    let told: Vec<_> = answer
        .categories
        .iter()
        .map(|c| (c.category.as_str(), c.tally))
        .collect();
    assert_eq!(
        told,
        [("a", Some(of_a)), ("b", Some(ReformTally::default()))]
    );
    assert_eq!(summary(&tasks, 10).total.unwrap().behind, 0);
}

#[test]
fn half_a_percent_rounds_up() {
    let tasks = [task("a", S::InProgress, 0), task("a", S::InProgress, 1)];
    assert_eq!(summary(&tasks, 1).total.unwrap().percent, 1);
}

proptest! {
    /// The total is the sum of the categories, and the average is between the least and the greatest.
    #[test]
    fn categories_add_up(
        tasks in prop::collection::vec((any::<bool>(), 1i32..=4, 0..=100i32), 0..20), day in 1u32..30,
    ) {
        let tasks: Vec<_> = tasks
            .into_iter()
            .map(|(a, state, percent)| {
                task(if a { "a" } else { "b" }, S::try_from(state).unwrap(), percent)
            })
            .collect();
        let answer = summary(&tasks, day);
        let total = answer.total.unwrap();
        let sum = |pick: fn(&ReformTally) -> i32| -> i32 {
            answer.categories.iter().filter_map(|c| c.tally.as_ref()).map(pick).sum()
        };
        prop_assert_eq!(total.tasks, sum(|t| t.tasks));
        prop_assert_eq!(total.completed, sum(|t| t.completed));
        prop_assert_eq!(total.in_progress, sum(|t| t.in_progress));
        prop_assert_eq!(total.behind, sum(|t| t.behind));
        prop_assert!(total.behind + total.completed <= total.tasks);
        let counted = || tasks.iter().filter(|t| t.state() != S::Dropped).map(|t| t.percent);
        let (least, most) = (counted().min().unwrap_or(0), counted().max().unwrap_or(0));
        prop_assert!((least..=most).contains(&total.percent));
    }
}
