//! The states of a topic and their transitions.

use taizhang_contracts::research::TopicState::{
    self, Approved, Concluded, Dropped, Proposed, Reported, UnderWay,
};
use taizhang_ledger::transition::{Machine, keeps, leads};

/// The states of a topic, from the proposal to the conclusion. `FinishResearchReport` is called on its
/// reports; the first that is finished changes the topic's state.
pub const MACHINE: Machine<TopicState> = Machine {
    resource: "Topic",
    initial: Proposed,
    transitions: &[
        leads("ApproveTopic", "立项", &[Proposed], Approved),
        leads("StartTopic", "开展调研", &[Approved], UnderWay),
        leads("FinishResearchReport", "形成报告", &[UnderWay], Reported),
        keeps("FinishResearchReport", "再形成报告", &[Reported, Concluded]),
        leads("ConcludeTopic", "结题", &[Reported], Concluded),
        leads(
            "DropTopic",
            "撤销",
            &[Proposed, Approved, UnderWay],
            Dropped,
        ),
        keeps(
            "UpdateTopic",
            "修改",
            &[Proposed, Approved, UnderWay, Reported],
        ),
    ],
    name: TopicState::as_str_name,
};
