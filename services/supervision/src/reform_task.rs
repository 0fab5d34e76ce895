//! The tasks of reform plans (改革任务).

mod rules;
mod states;

use taizhang_contracts::supervision::reform_task_service_server::ReformTaskService;
use taizhang_contracts::supervision::{
    CompleteReformTaskRequest, CreateReformTaskRequest, DeleteReformTaskRequest,
    DropReformTaskRequest, GetReformTaskRequest, ListReformTasksRequest, ListReformTasksResponse,
    ReformTask, ReportReformProgressRequest, StartReformTaskRequest, UndeleteReformTaskRequest,
    UpdateReformTaskRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use taizhang_ledger::lists::room;

use crate::entities::{reform_plans, reform_tasks};
use crate::{Supervision, reform_plan};
pub(crate) use rules::behind;
pub use states::MACHINE;

/// The most tasks of one plan.
pub(crate) const MOST_OF_A_PLAN: u64 = 500;

impl Record for reform_tasks::Entity {
    fn title(task: &ReformTask) -> &str {
        &task.title
    }

    fn initial(task: &mut ReformTask, _at: Moment) {
        task.set_state(MACHINE.initial);
    }

    fn check(task: &ReformTask, v: &mut Violations) {
        rules::check(task, v);
    }
}

impl Behavior for reform_tasks::Entity {
    /// A new, restored or recategorized task must be in a category of its plan.
    async fn settle(
        task: &mut ReformTask,
        before: Option<&ReformTask>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        rules::mark_milestones(task);
        let was = before.filter(|b| b.delete_time.is_none());
        let comes = was.is_none() && task.delete_time.is_none();
        if !comes && was.is_none_or(|was| was.category == task.category) {
            return Ok(());
        }
        let plan = tx
            .refer::<reform_plans::Entity>("reform_task.plan", &task.plan)
            .await?;
        if comes {
            let others = tx
                .select::<Self>(reform_plan::tasks_of(&plan.name), MOST_OF_A_PLAN)
                .await?;
            room(others.len(), MOST_OF_A_PLAN as usize, "reform_task.plan")?;
        }
        rules::place(task, &plan)
    }
}

serve! {
    ReformTaskService for Supervision, reform_tasks {
        create_reform_task(CreateReformTaskRequest) -> ReformTask: create;
        get_reform_task(GetReformTaskRequest) -> ReformTask: get;
        list_reform_tasks(ListReformTasksRequest) -> ListReformTasksResponse: list;
        update_reform_task(UpdateReformTaskRequest) -> ReformTask: update_with(rules::update);
        delete_reform_task(DeleteReformTaskRequest) -> ReformTask: delete;
        undelete_reform_task(UndeleteReformTaskRequest) -> ReformTask: undelete;
        start_reform_task(StartReformTaskRequest) -> ReformTask: change(rules::start);
        report_reform_progress(ReportReformProgressRequest) -> ReformTask: change(rules::report);
        complete_reform_task(CompleteReformTaskRequest) -> ReformTask: change(rules::complete);
        drop_reform_task(DropReformTaskRequest) -> ReformTask: change(rules::give_up);
    }
}
