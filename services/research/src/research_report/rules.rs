//! The rules of a research report's methods: pure functions of the record, the request and the day.
//! A report is submitted, adopted, instructed or converted only after it is finished.

#[cfg(test)]
mod tests;

use taizhang_contracts::common::Level;
use taizhang_contracts::meetings::Decision;
use taizhang_contracts::research::ResearchReportState::{self, Drafting, Finished};
use taizhang_contracts::research::{
    AdoptResearchReportRequest, ConvertResearchReportRequest, FinishResearchReportRequest,
    InstructResearchReportRequest, ResearchReport, SubmitResearchReportRequest,
};
use taizhang_contracts::supervision::Matter;
use taizhang_contracts::{Error, Name, Office, Result, Violations};
use taizhang_ledger::Moment;
use taizhang_ledger::days::{day, naive};
use taizhang_ledger::lists::room;
use taizhang_ledger::transition::{Machine, keeps, leads};

use crate::adoption;

/// The states of a research report.
pub const MACHINE: Machine<ResearchReportState> = Machine {
    resource: "ResearchReport",
    initial: Drafting,
    transitions: &[
        leads("FinishResearchReport", "形成报告", &[Drafting], Finished),
        keeps("SubmitResearchReport", "上报", &[Finished]),
        keeps("AdoptResearchReport", "采用", &[Finished]),
        keeps("InstructResearchReport", "批示", &[Finished]),
        keeps("ConvertResearchReport", "成果转化", &[Finished]),
    ],
    name: ResearchReportState::as_str_name,
};

/// The most submissions, and the most conversions, of one report.
const MOST: usize = 50;

/// The most instructions on one report.
const MOST_INSTRUCTIONS: usize = 100;

pub(super) fn finish(
    report: &mut ResearchReport,
    q: &FinishResearchReportRequest,
    at: Moment,
) -> Result<()> {
    report.set_state(MACHINE.next("FinishResearchReport", report.state())?);
    report.finished_on = Some(day("finished_on", q.finished_on, None, at)?);
    Ok(())
}

pub(super) fn submit(
    report: &mut ResearchReport,
    q: &SubmitResearchReportRequest,
    at: Moment,
) -> Result<()> {
    MACHINE.next("SubmitResearchReport", report.state())?;
    room(
        report.submissions.len(),
        MOST,
        "research_report.submissions",
    )?;
    let mut submission = q.submission.clone().unwrap_or_default();
    let finished = naive(report.finished_on);
    let day = day(
        "submission.submitted_on",
        submission.submitted_on,
        finished,
        at,
    )?;
    submission.submitted_on = Some(day);
    let mut others = report.submissions.iter();
    if others.any(|s| s.to == submission.to && s.submitted_on == Some(day)) {
        return Err(Error::refused(
            "SUBMITTED_ONCE_A_DAY",
            "submission.to",
            "同一天已向该单位上报",
            "the report was submitted to it on that day already",
        ));
    }
    report.submitted_to_city |= submission.level() == Level::City;
    report.submissions.push(submission);
    Ok(())
}

pub(super) fn adopt(
    report: &mut ResearchReport,
    q: &AdoptResearchReportRequest,
    at: Moment,
) -> Result<()> {
    MACHINE.next("AdoptResearchReport", report.state())?;
    let adoptions = &mut report.adoptions;
    adoption::record(adoptions, q.adoption.as_ref(), report.finished_on, at)?;
    report.adopted_on = adoption::first(adoptions, |_| true);
    Ok(())
}

pub(super) fn instruct(
    report: &mut ResearchReport,
    q: &InstructResearchReportRequest,
    at: Moment,
) -> Result<()> {
    MACHINE.next("InstructResearchReport", report.state())?;
    let list = "research_report.instructions";
    room(report.instructions.len(), MOST_INSTRUCTIONS, list)?;
    let mut instruction = q.instruction.clone().unwrap_or_default();
    let given = instruction.instructed_on;
    let day = day(
        "instruction.instructed_on",
        given,
        naive(report.finished_on),
        at,
    )?;
    instruction.instructed_on = Some(day);
    report.instructions.push(instruction);
    let days = report.instructions.iter().map(|i| i.instructed_on);
    report.instructed_on = adoption::first_day(days);
    Ok(())
}

pub(super) fn convert(
    report: &mut ResearchReport,
    q: &ConvertResearchReportRequest,
    at: Moment,
) -> Result<()> {
    MACHINE.next("ConvertResearchReport", report.state())?;
    room(
        report.conversions.len(),
        MOST,
        "research_report.conversions",
    )?;
    let mut conversion = q.conversion.clone().unwrap_or_default();
    let given = conversion.converted_on;
    let day = day(
        "conversion.converted_on",
        given,
        naive(report.finished_on),
        at,
    )?;
    conversion.converted_on = Some(day);
    if office_of(&conversion.record).is_none_or(|o| Office::of(&report.name) != Some(o)) {
        return Err(Violations::of(
            "conversion.record",
            "应为本单位会议决定事项或督查事项的资源名，如 offices/{office}/decisions/{decision}",
            "must be the name of a decision or a matter of the same office, such as \
             offices/{office}/decisions/{decision}",
        ));
    }
    report.conversions.push(conversion);
    Ok(())
}

/// The office of a decision or a matter. They belong to other services, so only the name is checked.
fn office_of(record: &str) -> Option<Office> {
    let decision = Name::<Decision>::parse(record).map(|n| n.office().clone());
    decision.or_else(|| Name::<Matter>::parse(record).map(|n| n.office().clone()))
}
