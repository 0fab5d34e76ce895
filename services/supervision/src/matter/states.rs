//! The states of a matter, and which methods go with which.

use taizhang_contracts::supervision::MatterState::{
    self, Assigned, Closed, InProgress, Registered, Reported, Suspended, UnderReview,
};
use taizhang_ledger::transition::{Machine, Transition};

/// The states of a matter, from the registration to the closing. A row whose state stays is there
/// so that the table tells of every method when it may be called.
pub const MACHINE: Machine<MatterState> = Machine {
    resource: "Matter",
    initial: Registered,
    transitions: &[
        row("AssignMatter", "交办", &[Registered], Assigned),
        row("AcceptMatter", "承办", &[Assigned], InProgress),
        row("SubmitFeedback", "办结反馈", &[InProgress], Reported),
        row("SubmitFeedback", "阶段反馈", &[InProgress], InProgress),
        row("ReviewMatter", "审核", &[Reported], UnderReview),
        row("CloseMatter", "办结", &[UnderReview], Closed),
        row("ReturnMatter", "退回重办", &[UnderReview], InProgress),
        row(
            "SuspendMatter",
            "中止",
            &[Registered, Assigned, InProgress, Reported, UnderReview],
            Suspended,
        ),
        row("ResumeMatter", "恢复办理", &[Suspended], InProgress),
        row("UrgeMatter", "催办", &[Assigned], Assigned),
        row("UrgeMatter", "催办", &[InProgress], InProgress),
        row("RequestExtension", "申请延期", &[Assigned], Assigned),
        row("RequestExtension", "申请延期", &[InProgress], InProgress),
        row("RequestExtension", "申请延期", &[Reported], Reported),
        row("RequestExtension", "申请延期", &[UnderReview], UnderReview),
        row("GrantExtension", "同意延期", &[Assigned], Assigned),
        row("GrantExtension", "同意延期", &[InProgress], InProgress),
        row("GrantExtension", "同意延期", &[Reported], Reported),
        row("GrantExtension", "同意延期", &[UnderReview], UnderReview),
        row("GrantExtension", "同意延期", &[Suspended], Suspended),
        row("RefuseExtension", "不同意延期", &[Assigned], Assigned),
        row("RefuseExtension", "不同意延期", &[InProgress], InProgress),
        row("RefuseExtension", "不同意延期", &[Reported], Reported),
        row("RefuseExtension", "不同意延期", &[UnderReview], UnderReview),
        row("RefuseExtension", "不同意延期", &[Suspended], Suspended),
        row("UpdateMatter", "修改", &[Registered], Registered),
        row("UpdateMatter", "修改", &[Assigned], Assigned),
        row("UpdateMatter", "修改", &[InProgress], InProgress),
        row("UpdateMatter", "修改", &[Reported], Reported),
        row("UpdateMatter", "修改", &[UnderReview], UnderReview),
        row("UpdateMatter", "修改", &[Suspended], Suspended),
    ],
    name: MatterState::as_str_name,
};

const fn row(
    method: &'static str,
    label: &'static str,
    from: &'static [MatterState],
    to: MatterState,
) -> Transition<MatterState> {
    Transition {
        method,
        label,
        from,
        to,
    }
}
