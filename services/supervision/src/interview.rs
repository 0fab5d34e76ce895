//! Interviews of those who fall short (约谈).

#[cfg(test)]
mod tests;

use taizhang_contracts::Result;
use taizhang_contracts::supervision::InterviewState::{self, Cancelled, Held, Planned};
use taizhang_contracts::supervision::interview_service_server::InterviewService;
use taizhang_contracts::supervision::{
    CancelInterviewRequest, CreateInterviewRequest, DeleteInterviewRequest, GetInterviewRequest,
    HoldInterviewRequest, Interview, InterviewTargetKind, ListInterviewsRequest,
    ListInterviewsResponse, Matter, UndeleteInterviewRequest, UpdateInterviewRequest,
};
use taizhang_ledger::column::day as day_column;
use taizhang_ledger::days::day;
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::Supervision;

/// The states of an interview. What is wrong in the record of a held one can be put right.
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

pub(crate) const TARGET: Column<Interview> = Column::text("target", |i| i.target.as_str().into());
pub(crate) const TARGET_KIND: Column<Interview> =
    enum_column!(Interview, target_kind: InterviewTargetKind);
pub(crate) const STATE: Column<Interview> = enum_column!(Interview, state: InterviewState);
pub(crate) const HELD_ON: Column<Interview> =
    Column::day("held_on", |i| day_column(i.held_on.as_ref()));

impl Record<Supervision> for Interview {
    const TABLE: &'static str = "interviews";

    const COLUMNS: &'static [Column<Self>] = &[
        TARGET,
        TARGET_KIND,
        STATE,
        HELD_ON,
        Column::day("date", |i| day_column(i.date.as_ref())),
        Column::text("matter", |i| i.matter.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.target
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Supervision>) -> Result<()> {
        // Figures count each target once, so one target is one text.
        self.target = self.target.trim().to_owned();
        let known = before.is_some_and(|before| before.matter == self.matter);
        if !known && !self.matter.is_empty() {
            tx.refer::<Matter>("interview.matter", &self.matter).await?;
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
    InterviewService for Supervision {
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
