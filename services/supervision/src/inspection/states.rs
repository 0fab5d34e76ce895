//! The states of an inspection.

use taizhang_contracts::supervision::InspectionState::{self, Cancelled, Done, Planned};
use taizhang_ledger::transition::{Machine, keeps, leads};

/// The states of an inspection. Findings can still be entered when it is completed.
pub const MACHINE: Machine<InspectionState> = Machine {
    resource: "Inspection",
    initial: Planned,
    transitions: &[
        leads("CompleteInspection", "完成督查", &[Planned], Done),
        leads("CancelInspection", "取消督查", &[Planned], Cancelled),
        keeps("UpdateInspection", "修改", &[Planned, Done]),
    ],
    name: InspectionState::as_str_name,
};
