//! Research reports (调研报告).

mod rules;

use taizhang_contracts::Result;
use taizhang_contracts::research::research_report_service_server::ResearchReportService;
use taizhang_contracts::research::{
    AdoptResearchReportRequest, ConvertResearchReportRequest, CreateResearchReportRequest,
    DeleteResearchReportRequest, FinishResearchReportRequest, GetResearchReportRequest,
    InstructResearchReportRequest, ListResearchReportsRequest, ListResearchReportsResponse,
    ResearchReport, SubmitResearchReportRequest, UndeleteResearchReportRequest,
    UpdateResearchReportRequest,
};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::entities::{research_reports, topics};
use crate::{Research, topic};
pub use rules::MACHINE;

impl Record for research_reports::Entity {
    fn title(report: &ResearchReport) -> &str {
        &report.title
    }

    fn initial(report: &mut ResearchReport, _at: Moment) {
        report.set_state(MACHINE.initial);
    }
}

impl Behavior for research_reports::Entity {
    /// The topic of a new report must exist. Finishing a report changes the state of its topic.
    async fn settle(
        report: &mut ResearchReport,
        before: Option<&ResearchReport>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        let finished =
            before.is_some_and(|b| b.finished_on.is_none()) && report.finished_on.is_some();
        if report.topic.is_empty() || before.is_some() && !finished {
            return Ok(());
        }
        let before = tx
            .refer::<topics::Entity>("research_report.topic", &report.topic)
            .await?;
        if finished {
            let mut after = before.clone();
            topic::report(&mut after, report.finished_on, tx.at())?;
            if after != before {
                tx.update::<topics::Entity>(&before, after).await?;
            }
        }
        Ok(())
    }
}

serve! {
    ResearchReportService for Research, research_reports {
        create_research_report(CreateResearchReportRequest) -> ResearchReport: create;
        get_research_report(GetResearchReportRequest) -> ResearchReport: get;
        list_research_reports(ListResearchReportsRequest) -> ListResearchReportsResponse: list;
        update_research_report(UpdateResearchReportRequest) -> ResearchReport: update;
        delete_research_report(DeleteResearchReportRequest) -> ResearchReport: delete;
        undelete_research_report(UndeleteResearchReportRequest) -> ResearchReport: undelete;
        finish_research_report(FinishResearchReportRequest) -> ResearchReport: change(rules::finish);
        submit_research_report(SubmitResearchReportRequest) -> ResearchReport: change(rules::submit);
        adopt_research_report(AdoptResearchReportRequest) -> ResearchReport: change(rules::adopt);
        instruct_research_report(InstructResearchReportRequest) -> ResearchReport: change(rules::instruct);
        convert_research_report(ConvertResearchReportRequest) -> ResearchReport: change(rules::convert);
    }
}
