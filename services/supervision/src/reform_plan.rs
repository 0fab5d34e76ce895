//! Yearly reform plans (改革工作要点).

mod summary;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use sea_orm::sea_query::Condition;
use taizhang_contracts::meetings::Meeting;
use taizhang_contracts::supervision::reform_plan_service_server::ReformPlanService;
use taizhang_contracts::supervision::{
    CreateReformPlanRequest, DeleteReformPlanRequest, GetReformPlanRequest, ListReformPlansRequest,
    ListReformPlansResponse, ReformPlan, ReformTask, SummarizeReformPlanRequest,
    SummarizeReformPlanResponse, UndeleteReformPlanRequest, UpdateReformPlanRequest,
};
use taizhang_contracts::{Error, Name, Office, Result, Violations};
use taizhang_ledger::days::day;
use taizhang_ledger::{Behavior, Record, Tx, serve};

use crate::Supervision;
use crate::entities::{reform_plans, reform_tasks};
use crate::reform_task::MOST_OF_A_PLAN;

impl Record for reform_plans::Entity {
    fn title(plan: &ReformPlan) -> &str {
        &plan.title
    }

    fn check(plan: &ReformPlan, v: &mut Violations) {
        let mut seen = HashSet::new();
        for (i, category) in plan.categories.iter().enumerate() {
            if !seen.insert(&category.id) {
                v.item("categories", i, |v| {
                    v.add("id", "与前面的编号重复", "is a duplicate");
                });
            }
        }
    }
}

impl Behavior for reform_plans::Entity {
    /// A category with tasks can't be removed; a changed day of adoption is copied to the tasks.
    async fn settle(
        plan: &mut ReformPlan,
        before: Option<&ReformPlan>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        of_this_office(plan, tx.office())?;
        day("reform_plan.adopted_on", plan.adopted_on, None, tx.at())?;
        if before.is_none() {
            return Ok(());
        }
        let tasks = tx
            .select::<reform_tasks::Entity>(tasks_of(&plan.name), MOST_OF_A_PLAN)
            .await?;
        keeps_tasks(plan, &tasks)?;
        for task in tasks.iter().filter(|t| t.planned_on != plan.adopted_on) {
            let mut moved = task.clone();
            moved.planned_on = plan.adopted_on;
            tx.update::<reform_tasks::Entity>(task, moved).await?;
        }
        Ok(())
    }
}

/// The tasks of a plan.
pub(crate) fn tasks_of(plan: &str) -> Condition {
    Condition::all().add(reform_tasks::COLUMN.plan.eq(plan))
}

/// The meetings belong to another service, so only their names are checked.
fn of_this_office(plan: &ReformPlan, office: &Office) -> Result<()> {
    let mut v = Violations::default();
    for (i, meeting) in plan.meetings.iter().enumerate() {
        if Name::<Meeting>::parse(meeting).is_none_or(|name| name.office() != office) {
            v.item("reform_plan.meetings", i, |v| {
                v.add(
                    "",
                    "应为本单位的会议",
                    "must be a meeting of the same office",
                );
            });
        }
    }
    v.finish()
}

/// Refuses to delete a plan with tasks, and to remove a category with tasks.
fn keeps_tasks(plan: &ReformPlan, tasks: &[ReformTask]) -> Result<()> {
    if plan.delete_time.is_some() && !tasks.is_empty() {
        return Err(Error::refused(
            "REFORM_PLAN_HAS_TASKS",
            &plan.name,
            "要点下有改革任务，不能删除",
            "the plan has tasks, so it can't be deleted",
        ));
    }
    match tasks
        .iter()
        .find(|task| !has_category(plan, &task.category))
    {
        None => Ok(()),
        Some(task) => Err(Error::refused(
            "REFORM_CATEGORY_HAS_TASKS",
            "reform_plan.categories",
            format!("类别{}下有改革任务，不能删除", task.category),
            format!(
                "the category {} has tasks, so it can't be removed",
                task.category
            ),
        )),
    }
}

/// Whether a plan has a category of this id.
pub(crate) fn has_category(plan: &ReformPlan, id: &str) -> bool {
    plan.categories.iter().any(|category| category.id == id)
}

serve! {
    ReformPlanService for Supervision, reform_plans {
        create_reform_plan(CreateReformPlanRequest) -> ReformPlan: create;
        get_reform_plan(GetReformPlanRequest) -> ReformPlan: get;
        list_reform_plans(ListReformPlansRequest) -> ListReformPlansResponse: list;
        update_reform_plan(UpdateReformPlanRequest) -> ReformPlan: update;
        delete_reform_plan(DeleteReformPlanRequest) -> ReformPlan: delete;
        undelete_reform_plan(UndeleteReformPlanRequest) -> ReformPlan: undelete;
    } and {
        summarize_reform_plan(SummarizeReformPlanRequest) -> SummarizeReformPlanResponse
            = summary::summarize;
    }
}
