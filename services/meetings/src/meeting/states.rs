//! The states of a meeting.

use taizhang_contracts::meetings::MeetingState::{
    self, Cancelled, Convened, Held, MinutesIssued, Planned, Postponed,
};
use taizhang_ledger::transition::{Machine, Transition};

/// The states of a meeting, from the plan to the minutes.
pub const MACHINE: Machine<MeetingState> = Machine {
    resource: "Meeting",
    initial: Planned,
    transitions: &[
        row("ConveneMeeting", "印发通知", &[Planned], Convened),
        row("HoldMeeting", "召开", &[Convened], Held),
        row("IssueMinutes", "印发纪要", &[Held], MinutesIssued),
        row("PostponeMeeting", "推迟", &[Planned, Convened], Postponed),
        row("RescheduleMeeting", "重新安排", &[Postponed], Planned),
        row(
            "CancelMeeting",
            "取消",
            &[Planned, Convened, Postponed],
            Cancelled,
        ),
    ],
    name: MeetingState::as_str_name,
};

const fn row(
    method: &'static str,
    label: &'static str,
    from: &'static [MeetingState],
    to: MeetingState,
) -> Transition<MeetingState> {
    Transition {
        method,
        label,
        from,
        to,
    }
}
