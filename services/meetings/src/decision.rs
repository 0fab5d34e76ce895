//! Decisions of meetings (决定事项).

use taizhang_contracts::common::Date;
use taizhang_contracts::meetings::decision_service_server::DecisionService;
use taizhang_contracts::meetings::{
    CreateDecisionRequest, Decision, DeleteDecisionRequest, GetDecisionRequest,
    ListDecisionsRequest, ListDecisionsResponse, Meeting, UndeleteDecisionRequest,
    UpdateDecisionRequest,
};
use taizhang_contracts::{Error, Result, Violations};
use taizhang_ledger::{Behavior, Record, Tx, serve};

use crate::entities::{decisions, meetings};
use crate::{Meetings, meeting};

impl Record for decisions::Entity {
    fn title(decision: &Decision) -> &str {
        &decision.content
    }
}

impl Behavior for decisions::Entity {
    async fn settle(
        decision: &mut Decision,
        before: Option<&Decision>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        if before.is_none() {
            let meeting = tx
                .refer::<meetings::Entity>("decision.meeting", &decision.meeting)
                .await?;
            decision.decided_on = decided_on(&meeting)?;
        }
        let early = |d: &Decision| Some(d.due_date?.naive()? < d.decided_on?.naive()?);
        if early(decision) == Some(true) {
            return Err(Violations::of(
                "decision.due_date",
                "不得早于会议召开日期",
                "must not be before the meeting",
            ));
        }
        Ok(())
    }
}

/// The day of a meeting's decisions: the day on which it was held.
fn decided_on(meeting: &Meeting) -> Result<Option<Date>> {
    if meeting::was_held(meeting) {
        return Ok(meeting.held_on);
    }
    Err(Error::refused(
        "DECIDED_BY_A_HELD_MEETING",
        &meeting.name,
        "会议尚未召开，不能登记决定事项",
        "only a meeting that was held has decisions",
    ))
}

serve! {
    DecisionService for Meetings, decisions {
        create_decision(CreateDecisionRequest) -> Decision: create;
        get_decision(GetDecisionRequest) -> Decision: get;
        list_decisions(ListDecisionsRequest) -> ListDecisionsResponse: list;
        update_decision(UpdateDecisionRequest) -> Decision: update;
        delete_decision(DeleteDecisionRequest) -> Decision: delete;
        undelete_decision(UndeleteDecisionRequest) -> Decision: undelete;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use taizhang_contracts::meetings::MeetingState;

    #[test]
    fn only_a_meeting_that_was_held_has_decisions() {
        let day = Date {
            year: 2022,
            month: 3,
            day: 1,
        };
        let mut meeting = Meeting {
            held_on: Some(day),
            state: MeetingState::Held.into(),
            ..Default::default()
        };
        assert_eq!(decided_on(&meeting).unwrap(), Some(day));
        meeting.set_state(MeetingState::Convened);
        let error = decided_on(&meeting).unwrap_err();
        assert_eq!(error.preconditions()[0].rule, "DECIDED_BY_A_HELD_MEETING");
    }
}
