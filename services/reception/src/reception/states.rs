//! The states of a reception and their transitions.

use taizhang_contracts::reception::ReceptionState::{
    self, Approved, Archived, Cancelled, Listing, Proposed, Receiving, Refused, Settled, Signed,
};
use taizhang_ledger::transition::{Machine, keeps, leads};

/// The states of a reception, from the proposal to the archive.
pub const MACHINE: Machine<ReceptionState> = Machine {
    resource: "Reception",
    initial: Proposed,
    transitions: &[
        leads("ApproveReception", "审批", &[Proposed], Approved),
        leads("RefuseReception", "不予接待", &[Proposed], Refused),
        leads(
            "CancelReception",
            "取消接待",
            &[Proposed, Approved],
            Cancelled,
        ),
        leads("BeginReception", "开始接待", &[Approved], Receiving),
        leads("EndReception", "接待结束", &[Receiving], Listing),
        leads("SignReceptionList", "审签清单", &[Listing], Signed),
        leads("SettleReception", "结算", &[Signed], Settled),
        leads("ArchiveReception", "归档", &[Settled], Archived),
        // The content of the list can't change after its signature.
        keeps(
            "UpdateReception",
            "修改",
            &[Proposed, Approved, Receiving, Listing],
        ),
    ],
    name: ReceptionState::as_str_name,
};
