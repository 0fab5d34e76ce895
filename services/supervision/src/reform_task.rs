//! The tasks of the year's plan for reform (改革任务).

mod rules;
mod states;

use taizhang_contracts::supervision::reform_task_service_server::ReformTaskService;
use taizhang_contracts::supervision::{
    CompleteReformTaskRequest, CreateReformTaskRequest, DeleteReformTaskRequest,
    DropReformTaskRequest, GetReformTaskRequest, ListReformTasksRequest, ListReformTasksResponse,
    ReformPlan, ReformTask, ReformTaskState, ReportReformProgressRequest, StartReformTaskRequest,
    UndeleteReformTaskRequest, UpdateReformTaskRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use taizhang_ledger::lists::room;

use crate::{Supervision, reform_plan};
pub(crate) use rules::behind;
pub use states::MACHINE;

/// The most tasks of one plan.
pub(crate) const MOST_OF_A_PLAN: u64 = 500;

pub(crate) const STATE: Column<ReformTask> = enum_column!(ReformTask, state: ReformTaskState);
pub(crate) const PLAN_CATEGORY: Column<ReformTask> =
    Column::text("plan_category", |t| t.plan_category.as_str().into());
pub(crate) const PLANNED_ON: Column<ReformTask> =
    Column::day("planned_on", |t| day(t.planned_on.as_ref()));
pub(crate) const COMPLETED_ON: Column<ReformTask> =
    Column::day("completed_on", |t| day(t.completed_on.as_ref()));

impl Record<Supervision> for ReformTask {
    const TABLE: &'static str = "reform_tasks";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::text("plan", |t| t.plan.as_str().into()),
        Column::text("category", |t| t.category.as_str().into()),
        STATE,
        PLAN_CATEGORY,
        PLANNED_ON,
        COMPLETED_ON,
        Column::day("due_date", |t| day(t.due_date.as_ref())),
        Column::number("percent", |t| i64::from(t.percent).into()),
        Column::text("lead_unit", |t| t.lead_unit.as_str().into()),
        Column::text("title", |t| t.title.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    fn check(&self, v: &mut Violations) {
        rules::check(self, v);
    }

    /// A task that comes into its plan, or changes its category there, must fit the plan.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Supervision>) -> Result<()> {
        rules::mark_milestones(self);
        let was = before.filter(|b| b.delete_time.is_none());
        let comes = was.is_none() && self.delete_time.is_none();
        if !comes && was.is_none_or(|was| was.category == self.category) {
            return Ok(());
        }
        let plan: ReformPlan = tx.refer("reform_task.plan", &self.plan).await?;
        if comes {
            let others = tx
                .select::<Self>(reform_plan::tasks_of(&plan.name), MOST_OF_A_PLAN)
                .await?;
            room(others.len(), MOST_OF_A_PLAN as usize, "reform_task.plan")?;
        }
        rules::place(self, &plan)
    }
}

serve! {
    ReformTaskService for Supervision {
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
