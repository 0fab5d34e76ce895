//! Annual reports (年度工作总结): gathered, reviewed and finalized.

pub(crate) mod states;

use taizhang_contracts::reporting::annual_report_service_server::AnnualReportService;
use taizhang_contracts::reporting::{
    AnnualReport, AnnualReportState, CompareAnnualReportRequest, CompareAnnualReportResponse,
    CreateAnnualReportRequest, DeleteAnnualReportRequest, FinalizeAnnualReportRequest,
    GetAnnualReportRequest, ListAnnualReportsRequest, ListAnnualReportsResponse,
    ListEvidenceRequest, ListEvidenceResponse, ListIndicatorsRequest, ListIndicatorsResponse,
    RefreshAnnualReportRequest, ReportFigure, ReturnAnnualReportRequest, SourceIndicators,
    SubmitAnnualReportRequest, Template, UndeleteAnnualReportRequest,
};
use taizhang_contracts::{Context, Error, Office, Reason, Resource, Result, date};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};
use tonic::Status;

use crate::entities::{annual_reports, templates};
use crate::gather::Gathered;
use crate::source::reason;
use crate::{Reporting, compare, evidence, template};
use states::{MACHINE, finalize, give_back, submit};

impl Record for annual_reports::Entity {
    fn title(_report: &AnnualReport) -> &str {
        "年度工作总结"
    }
}

impl Behavior for annual_reports::Entity {
    /// Refuses to change or delete a final report.
    async fn settle(
        _report: &mut AnnualReport,
        before: Option<&AnnualReport>,
        _tx: &mut Tx<'_>,
    ) -> Result<()> {
        match before {
            Some(before) if before.state() == AnnualReportState::Final => {
                Err(Error::new(Reason::WrongState)
                    .saying(
                        "总结已定稿，不得修改或删除",
                        "the report is final; it can't be changed or deleted",
                    )
                    .about(AnnualReport::MESSAGE, before.name.as_str()))
            }
            _ => Ok(()),
        }
    }
}

/// The result of gathering that is stored in a draft.
#[derive(Clone)]
struct Draft {
    figures: Gathered,
    text: String,
    gather_time: prost_types::Timestamp,
}

impl Draft {
    fn put_into(&self, report: &mut AnnualReport) {
        report.figures.clone_from(&self.figures.figures);
        report
            .missing_sources
            .clone_from(&self.figures.missing_sources);
        report.text.clone_from(&self.text);
        report.gather_time = Some(self.gather_time);
    }
}

impl Reporting {
    /// Gathers a year's figures and renders the text. Stores nothing: sources are called before
    /// the ledger's write begins, never within it.
    async fn draft(
        &self,
        context: &Context,
        year: i32,
        before: Option<&AnnualReport>,
    ) -> Result<Draft> {
        let office = &context.office;
        let template = self.ledger.singleton::<templates::Entity>(office).await?;
        // The time before gathering: later records may not be counted.
        let gather_time = date::timestamp(self.ledger.moment().now);
        let wanted = template::references(&template.text);
        let figures = self.gather(context, year, before, wanted).await?;
        let text = text(&template, office, year, &figures.figures)?;
        Ok(Draft {
            figures,
            text,
            gather_time,
        })
    }
}

async fn create(
    reporting: &Reporting,
    context: &Context,
    q: &CreateAnnualReportRequest,
) -> Result<AnnualReport> {
    let year = q.annual_report.as_ref().map_or(0, |given| given.year);
    let draft = &reporting.draft(context, year, None).await;
    reporting
        .ledger
        .write::<annual_reports::Entity, _, _>(context, q, move |tx| {
            Box::pin(async move {
                let mut report = AnnualReport {
                    year,
                    ..Default::default()
                };
                report.set_state(MACHINE.initial);
                // Returned here, within the write, so that a retry of a successful call gets its answer
                // even if gathering fails now.
                draft.as_ref().map_err(Clone::clone)?.put_into(&mut report);
                let id = Some(q.annual_report_id.as_str()).filter(|id| !id.is_empty());
                tx.insert::<annual_reports::Entity>(id, report).await
            })
        })
        .await
}

fn text(
    template: &Template,
    office: &Office,
    year: i32,
    figures: &[ReportFigure],
) -> Result<String> {
    template::render(&template.text, office, year, figures).map_err(|failure| {
        let line = failure.line.unwrap_or_default();
        Error::refused(
            "TEMPLATE_RENDERS",
            template.name.as_str(),
            format!("模板第{line}行{}", failure.zh),
            format!("template, line {line}: {}", failure.en),
        )
    })
}

/// Gathers before the write. The state is checked within the write, and a failure to gather is
/// returned there too, so that a retry of a successful call gets its answer.
async fn refresh(
    reporting: &Reporting,
    context: &Context,
    q: &RefreshAnnualReportRequest,
) -> Result<AnnualReport, Status> {
    let report = reporting
        .ledger
        .read::<annual_reports::Entity>(context, &q.name)
        .await?;
    let draft = if report.state() == AnnualReportState::Draft {
        reporting.draft(context, report.year, Some(&report)).await
    } else {
        // Returned only if the report became a draft meanwhile.
        Err(Error::new(Reason::LostRace))
    };
    let rule = move |report: &mut AnnualReport, _: &RefreshAnnualReportRequest, _: Moment| {
        report.set_state(MACHINE.next("RefreshAnnualReport", report.state())?);
        draft.as_ref().map_err(Clone::clone)?.put_into(report);
        Ok(())
    };
    let refreshed = reporting
        .ledger
        .change_entered::<annual_reports::Entity, _>(context, q.clone(), rule);
    Ok(refreshed.await?)
}

async fn compare(
    reporting: &Reporting,
    context: &Context,
    q: &CompareAnnualReportRequest,
) -> Result<CompareAnnualReportResponse> {
    let report = reporting
        .ledger
        .read::<annual_reports::Entity>(context, &q.name)
        .await?;
    let today = reporting
        .gather(context, report.year, Some(&report), Vec::new())
        .await?;
    Ok(compare::compare(&report, &today))
}

async fn list_evidence(
    reporting: &Reporting,
    context: &Context,
    q: &ListEvidenceRequest,
) -> Result<ListEvidenceResponse, Status> {
    let report = reporting
        .ledger
        .read::<annual_reports::Entity>(context, &q.name)
        .await?;
    evidence::list(&reporting.sources, context, &report, q).await
}

async fn list_indicators(
    reporting: &Reporting,
    context: &Context,
    _q: &ListIndicatorsRequest,
) -> Result<ListIndicatorsResponse> {
    let answers = reporting.indicators(context).await;
    let sources = answers.into_iter().map(|(source, answer)| {
        let missing_reason = match &answer {
            Ok(_) => String::new(),
            Err(status) => reason(&source.name, status.code()).0,
        };
        SourceIndicators {
            source: source.name.clone(),
            indicators: answer.unwrap_or_default(),
            missing_reason,
        }
    });
    Ok(ListIndicatorsResponse {
        sources: sources.collect(),
    })
}

serve! {
    AnnualReportService for Reporting, annual_reports {
        get_annual_report(GetAnnualReportRequest) -> AnnualReport: get;
        list_annual_reports(ListAnnualReportsRequest) -> ListAnnualReportsResponse: list;
        delete_annual_report(DeleteAnnualReportRequest) -> AnnualReport: delete;
        undelete_annual_report(UndeleteAnnualReportRequest) -> AnnualReport: undelete;
        submit_annual_report(SubmitAnnualReportRequest) -> AnnualReport: change(submit);
        return_annual_report(ReturnAnnualReportRequest) -> AnnualReport: change(give_back);
        finalize_annual_report(FinalizeAnnualReportRequest) -> AnnualReport: change(finalize);
    } and {
        create_annual_report(CreateAnnualReportRequest) -> AnnualReport = create;
        refresh_annual_report(RefreshAnnualReportRequest) -> AnnualReport = refresh;
        compare_annual_report(CompareAnnualReportRequest) -> CompareAnnualReportResponse = compare;
        list_evidence(ListEvidenceRequest) -> ListEvidenceResponse = list_evidence;
        list_indicators(ListIndicatorsRequest) -> ListIndicatorsResponse = list_indicators;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_template_that_can_not_be_rendered_is_refused() {
        let office = Office::of("offices/demo").unwrap();
        let template = Template {
            text: "甲\n{{ year|unit }}".into(),
            ..Default::default()
        };
        let error = text(&template, &office, 2022, &[]).unwrap_err();
        assert_eq!(error.preconditions()[0].rule, "TEMPLATE_RENDERS");
    }
}
