//! Research reports (调研报告).

mod rules;

use taizhang_contracts::Result;
use taizhang_contracts::research::research_report_service_server::ResearchReportService;
use taizhang_contracts::research::{
    AdoptResearchReportRequest, ConvertResearchReportRequest, CreateResearchReportRequest,
    DeleteResearchReportRequest, FinishResearchReportRequest, GetResearchReportRequest,
    InstructResearchReportRequest, ListResearchReportsRequest, ListResearchReportsResponse,
    ResearchReport, ResearchReportState, SubmitResearchReportRequest, Topic,
    UndeleteResearchReportRequest, UpdateResearchReportRequest,
};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::{Research, topic};
pub use rules::MACHINE;

pub(crate) const STATE: Column<ResearchReport> =
    enum_column!(ResearchReport, state: ResearchReportState);
pub(crate) const FINISHED_ON: Column<ResearchReport> =
    Column::day("finished_on", |r| day(r.finished_on.as_ref()));
pub(crate) const SUBMITTED_TO_CITY: Column<ResearchReport> =
    Column::bool("submitted_to_city", |r| r.submitted_to_city.into());
pub(crate) const ADOPTED_ON: Column<ResearchReport> =
    Column::day("adopted_on", |r| day(r.adopted_on.as_ref()));
pub(crate) const INSTRUCTED_ON: Column<ResearchReport> =
    Column::day("instructed_on", |r| day(r.instructed_on.as_ref()));

impl Record<Research> for ResearchReport {
    const TABLE: &'static str = "research_reports";

    const COLUMNS: &'static [Column<Self>] = &[
        STATE,
        FINISHED_ON,
        SUBMITTED_TO_CITY,
        ADOPTED_ON,
        INSTRUCTED_ON,
        Column::text("title", |r| r.title.as_str().into()),
        Column::text("topic", |r| r.topic.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    /// The topic of a new report must be there. The report that is finished takes its topic along.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Research>) -> Result<()> {
        let finished =
            before.is_some_and(|b| b.finished_on.is_none()) && self.finished_on.is_some();
        if self.topic.is_empty() || before.is_some() && !finished {
            return Ok(());
        }
        let before: Topic = tx.refer("research_report.topic", &self.topic).await?;
        if finished {
            let mut after = before.clone();
            topic::report(&mut after, self.finished_on, tx.at())?;
            if after != before {
                tx.update(&before, after).await?;
            }
        }
        Ok(())
    }
}

serve! {
    ResearchReportService for Research {
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
