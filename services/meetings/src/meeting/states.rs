//! The states of a meeting.

use taizhang_contracts::meetings::MeetingState::{
    self, Cancelled, Convened, Held, MinutesIssued, Planned, Postponed,
};
use taizhang_ledger::transition::{Machine, leads};

/// The states of a meeting, from the plan to the minutes.
pub const MACHINE: Machine<MeetingState> = Machine {
    resource: "Meeting",
    initial: Planned,
    transitions: &[
        leads("ConveneMeeting", "印发通知", &[Planned], Convened),
        leads("HoldMeeting", "召开", &[Convened], Held),
        leads("IssueMinutes", "印发纪要", &[Held], MinutesIssued),
        leads("PostponeMeeting", "推迟", &[Planned, Convened], Postponed),
        leads("RescheduleMeeting", "重新安排", &[Postponed], Planned),
        leads(
            "CancelMeeting",
            "取消",
            &[Planned, Convened, Postponed],
            Cancelled,
        ),
    ],
    name: MeetingState::as_str_name,
};
