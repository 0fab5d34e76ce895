//! The states of a matter and their transitions.

use taizhang_contracts::supervision::MatterState::{
    self, Assigned, Closed, InProgress, Merged, Registered, Reported, Split, Suspended, UnderReview,
};
use taizhang_ledger::transition::{Machine, keeps, leads};

/// The states of a matter, from the registration to the closing. The table has every method, also
/// those that keep the state, since it determines where each is allowed.
pub const MACHINE: Machine<MatterState> = Machine {
    resource: "Matter",
    initial: Registered,
    transitions: &[
        leads("AssignMatter", "交办", &[Registered], Assigned),
        leads("AcceptMatter", "承办", &[Assigned], InProgress),
        leads("SubmitFeedback", "办结反馈", &[InProgress], Reported),
        keeps("SubmitFeedback", "阶段反馈", &[InProgress]),
        leads("ReviewMatter", "审核", &[Reported], UnderReview),
        leads("CloseMatter", "办结", &[UnderReview], Closed),
        leads("ReturnMatter", "退回重办", &[UnderReview], InProgress),
        leads("SuspendMatter", "中止", OPEN, Suspended),
        leads("ResumeMatter", "恢复办理", &[Suspended], InProgress),
        keeps("UrgeMatter", "催办", &[Assigned, InProgress]),
        keeps("RequestExtension", "申请延期", HANDED_OVER),
        keeps("GrantExtension", "同意延期", DECIDED_IN),
        keeps("RefuseExtension", "不同意延期", DECIDED_IN),
        keeps("UpdateMatter", "修改", OPEN),
        keeps("UpdateMatter", "修改", &[Suspended]),
        leads("RecheckMatter", "回头看未通过", &[Closed], InProgress),
        keeps("RecheckMatter", "回头看通过", &[Closed]),
        leads("MergeMatter", "合并", OPEN, Merged),
        keeps(TAKES_IN, "并入", OPEN),
        leads(OTHER_CLOSES, "随之办结", &[Merged], Closed),
        leads(OTHER_REOPENS, "随之重办", &[Closed], Merged),
        leads(
            "SplitMatter",
            "分解",
            &[Registered, Assigned, InProgress],
            Split,
        ),
        leads(PARTS_CLOSED, "各项均已办结", &[Split], Closed),
        leads(PART_REOPENS, "一项重办", &[Closed], Split),
    ],
    name: MatterState::as_str_name,
};

/// Transitions caused by a method that is called on another matter.
pub(super) const TAKES_IN: &str = "MergeMatter (another into it)";
pub(super) const OTHER_CLOSES: &str = "CloseMatter (what it was merged into)";
pub(super) const OTHER_REOPENS: &str = "RecheckMatter (what it was merged into)";
pub(super) const PARTS_CLOSED: &str = "CloseMatter (its last part)";
pub(super) const PART_REOPENS: &str = "RecheckMatter (one of its parts)";

pub(crate) const OPEN: &[MatterState] = &[Registered, Assigned, InProgress, Reported, UnderReview];
const HANDED_OVER: &[MatterState] = &[Assigned, InProgress, Reported, UnderReview];
/// An extension can be decided on during a suspension too.
const DECIDED_IN: &[MatterState] = &[Assigned, InProgress, Reported, UnderReview, Suspended];
