//! The annual summary (年度工作总结): gathered, examined, sealed.

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
use taizhang_contracts::{Admit, Call, Context, Error, Office, Reason, Result, Violations, date};
use taizhang_ledger::column::time;
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::gather::Gathered;
use crate::source::{Asking, reason};
use crate::{Reporting, compare, evidence, template};
use states::{MACHINE, finalize, give_back, submit};

impl Record<Reporting> for AnnualReport {
    const TABLE: &'static str = "annual_reports";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::number("year", |r| i64::from(r.year).into()),
        enum_column!(AnnualReport, state: AnnualReportState),
        Column::instant("gather_time", |r| time(r.gather_time.as_ref())),
        Column::instant("finalize_time", |r| time(r.finalize_time.as_ref())),
    ];

    fn title(&self) -> &str {
        "年度工作总结"
    }

    /// What is final stays as it is, and stays.
    async fn settle(&mut self, before: Option<&Self>, _tx: &mut Tx<'_, Reporting>) -> Result<()> {
        match before {
            Some(before) if before.state() == AnnualReportState::Final => {
                Err(Error::new(Reason::WrongState)
                    .saying(
                        "总结已定稿，不得修改或删除",
                        "the report is final; it can't be changed or deleted",
                    )
                    .about("AnnualReport", before.name.as_str()))
            }
            _ => Ok(()),
        }
    }
}

/// What a draft takes over from one gathering.
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
    /// Gathers a year and writes its text. Nothing is kept yet: the network is asked before the
    /// ledger's write begins, and never within it.
    async fn draft(
        &self,
        asking: &Asking<'_>,
        year: i32,
        before: Option<&AnnualReport>,
    ) -> Result<Draft> {
        let office = &asking.context().office;
        let template: Template = self.ledger.singleton(office).await?;
        // The beginning: what is recorded from here on may not be counted.
        let gather_time = date::timestamp(self.ledger.moment().now);
        let wanted = template::references(&template.text);
        let figures = self.gather(asking, year, before, wanted).await?;
        let text = text(&template, office, year, &figures.figures)?;
        Ok(Draft {
            figures,
            text,
            gather_time,
        })
    }

    async fn create(
        &self,
        context: &Context,
        metadata: &MetadataMap,
        mut q: CreateAnnualReportRequest,
    ) -> Result<AnnualReport> {
        let mut v = Violations::default();
        if let Some(report) = &mut q.annual_report {
            v.within("annual_report", |v| report.admit(v));
        }
        v.finish()?;
        let year = q.annual_report.as_ref().map_or(0, |r| r.year);
        let draft = self.draft(&Asking::of(context, metadata), year, None).await;
        let (q, draft) = (&q, &draft);
        self.ledger
            .write(context, q, move |tx| {
                Box::pin(async move {
                    let mut report = AnnualReport {
                        year,
                        ..Default::default()
                    };
                    report.set_state(MACHINE.initial);
                    // A failure is told in here, so that a retry of what succeeded never sees one.
                    draft.as_ref().map_err(Clone::clone)?.put_into(&mut report);
                    let id = Some(q.annual_report_id.as_str()).filter(|id| !id.is_empty());
                    tx.insert(id, report).await
                })
            })
            .await
    }
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

/// Lets a request in, and gives it back as it came for the ledger to let in too.
fn entered<Q: Call>(request: Request<Q>) -> Result<(Context, MetadataMap, Request<Q>)> {
    let (metadata, extensions, message) = request.into_parts();
    let again = Request::from_parts(metadata.clone(), extensions.clone(), message.clone());
    let (context, _) = Context::enter(again)?;
    let request = Request::from_parts(metadata.clone(), extensions, message);
    Ok((context, metadata, request))
}

/// Written out, because what asks the sources needs the caller's deadline from the metadata.
#[tonic::async_trait]
impl AnnualReportService for Reporting {
    async fn create_annual_report(
        &self,
        request: Request<CreateAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        let metadata = request.metadata().clone();
        let (context, q) = Context::enter(request)?;
        Ok(Response::new(self.create(&context, &metadata, q).await?))
    }

    async fn get_annual_report(
        &self,
        request: Request<GetAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.get(request).await
    }

    async fn list_annual_reports(
        &self,
        request: Request<ListAnnualReportsRequest>,
    ) -> Result<Response<ListAnnualReportsResponse>, Status> {
        self.ledger.list(request).await
    }

    async fn delete_annual_report(
        &self,
        request: Request<DeleteAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.delete(request).await
    }

    async fn undelete_annual_report(
        &self,
        request: Request<UndeleteAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.undelete(request).await
    }

    async fn refresh_annual_report(
        &self,
        request: Request<RefreshAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        let (context, metadata, request) = entered(request)?;
        let report: AnnualReport = self.ledger.read(&context, &request.get_ref().name).await?;
        // Whether it may be refreshed the ledger says, to which a retry is known.
        let draft = if report.state() == AnnualReportState::Draft {
            let asking = Asking::of(&context, &metadata);
            self.draft(&asking, report.year, Some(&report)).await
        } else {
            Err(Error::new(Reason::LostRace))
        };
        let rule = move |report: &mut AnnualReport, _: &RefreshAnnualReportRequest, _: Moment| {
            report.set_state(MACHINE.next("RefreshAnnualReport", report.state())?);
            draft.as_ref().map_err(Clone::clone)?.put_into(report);
            Ok(())
        };
        self.ledger.change(request, rule).await
    }

    async fn submit_annual_report(
        &self,
        request: Request<SubmitAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.change(request, submit).await
    }

    async fn return_annual_report(
        &self,
        request: Request<ReturnAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.change(request, give_back).await
    }

    async fn finalize_annual_report(
        &self,
        request: Request<FinalizeAnnualReportRequest>,
    ) -> Result<Response<AnnualReport>, Status> {
        self.ledger.change(request, finalize).await
    }

    async fn compare_annual_report(
        &self,
        request: Request<CompareAnnualReportRequest>,
    ) -> Result<Response<CompareAnnualReportResponse>, Status> {
        let metadata = request.metadata().clone();
        let (context, q) = Context::enter(request)?;
        let report: AnnualReport = self.ledger.read(&context, &q.name).await?;
        let asking = Asking::of(&context, &metadata);
        let today = self
            .gather(&asking, report.year, Some(&report), Vec::new())
            .await?;
        Ok(Response::new(compare::compare(&report, &today)))
    }

    async fn list_evidence(
        &self,
        request: Request<ListEvidenceRequest>,
    ) -> Result<Response<ListEvidenceResponse>, Status> {
        let metadata = request.metadata().clone();
        let (context, q) = Context::enter(request)?;
        let report: AnnualReport = self.ledger.read(&context, &q.name).await?;
        let asking = Asking::of(&context, &metadata);
        let page = evidence::list(&self.sources, &asking, &report, q).await?;
        Ok(Response::new(page))
    }

    async fn list_indicators(
        &self,
        request: Request<ListIndicatorsRequest>,
    ) -> Result<Response<ListIndicatorsResponse>, Status> {
        let metadata = request.metadata().clone();
        let (context, _) = Context::enter(request)?;
        let asking = Asking::of(&context, &metadata);
        let answers = self.indicators(&asking).await;
        let sources = answers
            .into_iter()
            .map(|(source, answer)| {
                let missing_reason = match &answer {
                    Ok(_) => String::new(),
                    Err(status) => reason(&source.name, status.code()).0,
                };
                SourceIndicators {
                    source: source.name.clone(),
                    indicators: answer.unwrap_or_default(),
                    missing_reason,
                }
            })
            .collect();
        Ok(Response::new(ListIndicatorsResponse { sources }))
    }
}
