//! Interviews in which a unit, enterprise or person is asked to account for something (约谈).

#[cfg(test)]
mod tests;

use taizhang_contracts::Result;
use taizhang_contracts::supervision::InterviewState::{self, Cancelled, Held, Planned};
use taizhang_contracts::supervision::interview_service_server::InterviewService;
use taizhang_contracts::supervision::{
    CancelInterviewRequest, CreateInterviewRequest, DeleteInterviewRequest, GetInterviewRequest,
    HoldInterviewRequest, Interview, ListInterviewsRequest, ListInterviewsResponse,
    UndeleteInterviewRequest, UpdateInterviewRequest,
};
use taizhang_ledger::days::day;
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Supervision;
use crate::entities::{interviews, matters};

/// The states of an interview. The record of a held one can be corrected.
pub const MACHINE: Machine<InterviewState> = Machine {
    resource: "Interview",
    initial: Planned,
    transitions: &[
        leads("HoldInterview", "进行约谈", &[Planned], Held),
        leads("CancelInterview", "取消约谈", &[Planned], Cancelled),
        keeps("UpdateInterview", "修改", &[Planned, Held]),
    ],
    name: InterviewState::as_str_name,
};

impl Record for interviews::Entity {
    fn title(interview: &Interview) -> &str {
        &interview.target
    }

    fn initial(interview: &mut Interview, _at: Moment) {
        interview.set_state(MACHINE.initial);
    }
}

impl Behavior for interviews::Entity {
    async fn settle(
        interview: &mut Interview,
        before: Option<&Interview>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        // Figures count distinct targets, so spaces around the name must not matter.
        interview.target = interview.target.trim().to_owned();
        let known = before.is_some_and(|before| before.matter == interview.matter);
        if !known && !interview.matter.is_empty() {
            tx.refer::<matters::Entity>("interview.matter", &interview.matter)
                .await?;
        }
        Ok(())
    }
}

fn update(before: &Interview, _after: &Interview, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateInterview", before.state()).map(drop)
}

fn hold(interview: &mut Interview, q: &HoldInterviewRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("HoldInterview", interview.state())?;
    interview.held_on = Some(day("held_on", q.held_on, None, at)?);
    if !q.requirements.is_empty() {
        interview.requirements.clone_from(&q.requirements);
    }
    if !q.commitments.is_empty() {
        interview.commitments.clone_from(&q.commitments);
    }
    interview.set_state(next);
    Ok(())
}

fn cancel(interview: &mut Interview, q: &CancelInterviewRequest, _at: Moment) -> Result<()> {
    interview.set_state(MACHINE.next("CancelInterview", interview.state())?);
    interview.cancel_reason.clone_from(&q.reason);
    Ok(())
}

serve! {
    InterviewService for Supervision, interviews {
        create_interview(CreateInterviewRequest) -> Interview: create;
        get_interview(GetInterviewRequest) -> Interview: get;
        list_interviews(ListInterviewsRequest) -> ListInterviewsResponse: list;
        update_interview(UpdateInterviewRequest) -> Interview: update_with(update);
        delete_interview(DeleteInterviewRequest) -> Interview: delete;
        undelete_interview(UndeleteInterviewRequest) -> Interview: undelete;
        hold_interview(HoldInterviewRequest) -> Interview: change(hold);
        cancel_interview(CancelInterviewRequest) -> Interview: change(cancel);
    }
}
