//! The states of a reform task.

use taizhang_contracts::supervision::ReformTaskState::{
    self, Completed, Dropped, InProgress, Planned,
};
use taizhang_ledger::transition::{Machine, keeps, leads};

/// The states of a task, from the plan to the end.
pub const MACHINE: Machine<ReformTaskState> = Machine {
    resource: "ReformTask",
    initial: Planned,
    transitions: &[
        leads("StartReformTask", "启动", &[Planned], InProgress),
        keeps("ReportReformProgress", "填报进展", &[InProgress]),
        leads("CompleteReformTask", "完成", &[InProgress], Completed),
        leads("DropReformTask", "终止", &[Planned, InProgress], Dropped),
        keeps("UpdateReformTask", "修改", &[Planned, InProgress]),
    ],
    name: ReformTaskState::as_str_name,
};
