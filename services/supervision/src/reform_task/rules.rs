//! The rules of a reform task's methods: pure functions of the record, the request and the day.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::supervision::{
    CompleteReformTaskRequest, DropReformTaskRequest, ReformPlan, ReformProgress, ReformTask,
    ReformTaskState, ReportReformProgressRequest, StartReformTaskRequest,
};
use taizhang_contracts::{Error, Result, Violations};
use taizhang_ledger::Moment;
use taizhang_ledger::days::day;

use super::MACHINE;
use taizhang_ledger::lists::room;

use crate::{naive, reform_plan};

/// The most reports of one task.
const MOST_REPORTS: usize = 200;

/// The rules between the fields that a caller sets.
pub(super) fn check(task: &ReformTask, v: &mut Violations) {
    let mut seen = HashSet::new();
    for (i, milestone) in task.milestones.iter().enumerate() {
        v.item("milestones", i, |v| {
            if !seen.insert(&milestone.title) {
                v.add("title", "与前面的节点重复", "is a duplicate");
            }
            if naive(milestone.due_date) > naive(task.due_date) {
                v.add(
                    "due_date",
                    "不得晚于任务的完成时限",
                    "must not be after the due date of the task",
                );
            }
        });
    }
}

/// Checks the task's category and copies the plan's day of adoption.
///
/// # Errors
/// INVALID_ARGUMENT if the plan has no such category.
pub(super) fn place(task: &mut ReformTask, plan: &ReformPlan) -> Result<()> {
    if !reform_plan::has_category(plan, &task.category) {
        return Err(Violations::of(
            "reform_task.category",
            "应为要点的类别之一",
            "must be one of the plan's categories",
        ));
    }
    task.planned_on = plan.adopted_on;
    task.plan_category = format!("{}/{}", task.plan, task.category);
    Ok(())
}

/// Sets the day of each milestone from the report that says it is done.
pub(super) fn mark_milestones(task: &mut ReformTask) {
    for milestone in &mut task.milestones {
        let mut reports = task.progress.iter();
        let done = reports.find(|report| report.milestone == milestone.title);
        milestone.done_on = done.and_then(|report| report.date);
    }
}

/// UpdateReformTask.
///
/// # Errors
/// WRONG_STATE; RULE_REFUSES if a done milestone would be removed.
pub(super) fn update(before: &ReformTask, after: &ReformTask, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateReformTask", before.state())?;
    let mut done = before.milestones.iter().filter(|m| m.done_on.is_some());
    match done.find(|m| !after.milestones.iter().any(|a| a.title == m.title)) {
        None => Ok(()),
        Some(gone) => Err(Error::refused(
            "DONE_MILESTONE_STAYS",
            "reform_task.milestones",
            format!("节点“{}”已完成，不能删除或改名", gone.title),
            format!(
                "the milestone {} is done, so it can't be removed",
                gone.title
            ),
        )),
    }
}

/// StartReformTask.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn start(task: &mut ReformTask, q: &StartReformTaskRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("StartReformTask", task.state())?;
    let day = day("started_on", q.started_on, naive(task.planned_on), at)?;
    task.started_on = Some(day);
    task.set_state(next);
    Ok(())
}

/// ReportReformProgress.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order or a milestone that is not open;
/// RULE_REFUSES if there are too many.
pub(super) fn report(
    task: &mut ReformTask,
    q: &ReportReformProgressRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("ReportReformProgress", task.state())?;
    room(task.progress.len(), MOST_REPORTS, "reform_task.progress")?;
    let date = day("reported_on", q.reported_on, naive(task.started_on), at)?;
    if !q.milestone.is_empty() && !open_milestones(task).any(|title| title == q.milestone) {
        return Err(Violations::of(
            "milestone",
            "应为尚未完成的节点之一",
            "must be one of the milestones that are not done",
        ));
    }
    task.progress.push(ReformProgress {
        date: Some(date),
        progress: q.progress.clone(),
        percent: q.percent,
        milestone: q.milestone.clone(),
    });
    task.percent = q.percent;
    task.set_state(next);
    Ok(())
}

/// CompleteReformTask.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if a milestone is not done.
pub(super) fn complete(
    task: &mut ReformTask,
    q: &CompleteReformTaskRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("CompleteReformTask", task.state())?;
    if let Some(open) = open_milestones(task).next() {
        return Err(Error::refused(
            "MILESTONES_DONE",
            "reform_task.milestones",
            format!("节点“{open}”尚未完成"),
            format!("the milestone {open} is not done"),
        ));
    }
    let day = day("completed_on", q.completed_on, last_step(task), at)?;
    task.completed_on = Some(day);
    task.percent = 100;
    task.set_state(next);
    Ok(())
}

/// DropReformTask.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn give_up(task: &mut ReformTask, q: &DropReformTaskRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("DropReformTask", task.state())?;
    let day = day("dropped_on", q.dropped_on, last_step(task), at)?;
    task.dropped_on = Some(day);
    task.drop_reason.clone_from(&q.reason);
    task.set_state(next);
    Ok(())
}

/// Whether the task is open and its due date, or that of an open milestone, has passed.
pub(crate) fn behind(task: &ReformTask, today: NaiveDate) -> bool {
    let past = |due: Option<Date>| naive(due).is_some_and(|due| due < today);
    let open = matches!(
        task.state(),
        ReformTaskState::Planned | ReformTaskState::InProgress
    );
    let mut steps = task.milestones.iter().filter(|m| m.done_on.is_none());
    open && (past(task.due_date) || steps.any(|m| past(m.due_date)))
}

fn open_milestones(task: &ReformTask) -> impl Iterator<Item = &str> {
    let open = task.milestones.iter().filter(|m| m.done_on.is_none());
    open.map(|m| m.title.as_str())
}

/// The day of the latest event of the task.
fn last_step(task: &ReformTask) -> Option<NaiveDate> {
    let reported = task.progress.iter().filter_map(|report| naive(report.date));
    let began = naive(task.started_on.or(task.planned_on));
    reported.max().max(began)
}
