//! The progress of a plan's tasks (改革任务进展).

use chrono::NaiveDate;
use taizhang_contracts::supervision::{
    CategoryTally, ReformPlan, ReformTally, ReformTask, ReformTaskState,
    SummarizeReformPlanRequest, SummarizeReformPlanResponse,
};
use taizhang_contracts::{Context, Result};

use super::tasks_of;
use crate::Supervision;
use crate::entities::{reform_plans, reform_tasks};
use crate::reform_task::{MOST_OF_A_PLAN, behind};

pub(super) async fn summarize(
    service: &Supervision,
    context: &Context,
    q: &SummarizeReformPlanRequest,
) -> Result<SummarizeReformPlanResponse> {
    let ledger = &service.ledger;
    let plan = ledger
        .read::<reform_plans::Entity>(context, &q.name)
        .await?;
    let tasks = ledger
        .select::<reform_tasks::Entity>(&context.office, tasks_of(&plan.name), MOST_OF_A_PLAN)
        .await?;
    Ok(summary(&plan, &tasks, ledger.moment().today()))
}

pub(super) fn summary(
    plan: &ReformPlan,
    tasks: &[ReformTask],
    today: NaiveDate,
) -> SummarizeReformPlanResponse {
    let of = |id: &str| tally(tasks.iter().filter(|task| task.category == id), today);
    let categories = plan.categories.iter().map(|category| CategoryTally {
        category: category.id.clone(),
        title: category.title.clone(),
        tally: Some(of(&category.id)),
    });
    SummarizeReformPlanResponse {
        categories: categories.collect(),
        total: Some(tally(tasks.iter(), today)),
    }
}

fn tally<'a>(tasks: impl Iterator<Item = &'a ReformTask>, today: NaiveDate) -> ReformTally {
    let mut tally = ReformTally::default();
    let mut percents = 0;
    for task in tasks.filter(|task| task.state() != ReformTaskState::Dropped) {
        tally.tasks += 1;
        tally.completed += i32::from(task.state() == ReformTaskState::Completed);
        tally.in_progress += i32::from(task.state() == ReformTaskState::InProgress);
        tally.behind += i32::from(behind(task, today));
        percents += task.percent;
    }
    if tally.tasks > 0 {
        tally.percent = (2 * percents + tally.tasks) / (2 * tally.tasks);
    }
    tally
}
