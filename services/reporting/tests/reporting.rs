//! The service over its own routes, with gRPC servers as sources and an SQLite database.

#![allow(clippy::unwrap_used)]

mod source;

use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::MigratorTrait;
use source::{FakeSource, Mode};
use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::history::ListHistoryRequest;
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::reporting::opening_figure_service_client::OpeningFigureServiceClient;
use taizhang_contracts::reporting::template_service_client::TemplateServiceClient;
use taizhang_contracts::reporting::*;
use taizhang_contracts::{Office, Until, descriptors};
use taizhang_ledger::{Clock, Database, Key, Ledger};
use taizhang_reporting::{Migrator, Source, routes};
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

const OFFICE: &str = "offices/demo";

/// Sets the extensions of a request that the runtime sets: the caller and the deadline.
#[derive(Clone)]
struct AsCaller(Arc<Caller>, Option<Until>);

impl Interceptor for AsCaller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        if let Some(until) = self.1 {
            request.extensions_mut().insert(until);
        }
        Ok(request)
    }
}

type CallerClient = InterceptedService<Routes, AsCaller>;

/// The indicators of the default template other than those of meetings and matters.
const OTHERS: &[(&str, &str, &str)] = &[
    ("county_supervision_notices_issued", "其他", "期"),
    ("supervision_bulletins_issued", "其他", "期"),
    ("county_work_deployment_issues", "其他", "期"),
    ("supervision_bulletins_environment", "其他", "期"),
    ("mining_enterprises_interviewed", "其他", "家"),
    ("reform_tasks", "其他", "项"),
    ("reform_task_categories", "其他", "类"),
    ("reform_tasks_completed", "其他", "项"),
    ("derived_research_topics_sum", "其他", "个"),
    ("research_topics_city", "其他", "个"),
    ("research_topics_county", "其他", "个"),
    ("research_topics_township", "其他", "个"),
    ("special_research_trips", "其他", "次"),
    ("research_reports", "其他", "篇"),
    ("research_reports_submitted_city", "其他", "篇"),
    ("research_reports_adopted", "其他", "篇"),
    ("research_reports_instructed", "其他", "篇"),
    ("info_items_collected", "其他", "条"),
    ("work_info_issues", "其他", "期"),
    ("info_adopted_province", "其他", "条"),
    ("info_quality_award", "其他", "条"),
    ("receptions_all", "其他", "批次"),
    ("reception_guests", "其他", "人次"),
    ("derived_receptions_sum", "其他", "批次"),
    ("receptions_vice_minister_up", "其他", "批次"),
    ("receptions_province_city_leaders", "其他", "批次"),
    ("receptions_study_delegations", "其他", "批次"),
    ("receptions_compliant", "其他", "批次"),
    ("inspection_support_days", "其他", "天"),
    ("inspection_support_assignments", "其他", "次"),
];

struct TestReporting {
    meetings: FakeSource,
    supervision: FakeSource,
    /// The indicators of all other services.
    others: FakeSource,
    routes: Routes,
    _folder: tempfile::TempDir,
}

impl TestReporting {
    async fn start() -> Self {
        Self::with_deadline(Duration::from_millis(400)).await
    }

    async fn with_deadline(deadline: Duration) -> Self {
        let meetings = FakeSource::start(
            "meetings",
            &[
                ("meetings_total", "组织召开各类会议", "次"),
                ("reform_group_meetings", "县委深改领导小组会议", "次"),
                (
                    "joint_office_directors_meeting_cadence",
                    "办公室主任联席会议",
                    "次",
                ),
                (
                    "provincial_site_meetings_hosted",
                    "全省现场会在县召开",
                    "次",
                ),
                ("lectures_grassroots", "基层集中宣讲", "场"),
                ("lectures_by_standing_committee", "县委常委宣讲", "场"),
                ("lecture_audience", "基层集中宣讲听众", "人次"),
                ("video_systems_installed", "安装视频会议系统", "套"),
                ("video_duty_rooms_renovated", "改造视频值班室", "间"),
            ],
        )
        .await;
        meetings.count(2022, &[475, 4, 12, 1, 115, 36, 5317, 1, 0]);
        meetings.count(2021, &[462, 4, 12, 0, 110, 30, 5000, 0, 1]);
        let supervision = FakeSource::start(
            "supervision",
            &[
                (
                    "city_secretary_instructions_closed",
                    "办结市委书记批示件",
                    "件",
                ),
                (
                    "city_supervision_notices_implemented",
                    "落实市委督查通知",
                    "件",
                ),
                (
                    "county_leader_instructions_handled",
                    "办理县委领导批示件",
                    "件",
                ),
                ("derived_supervision_handled_sum", "办理督查事项合计", "件"),
                ("matters_registered", "立项登记督查事项", "件"),
                ("matters_closed", "办结督查事项", "件"),
            ],
        )
        .await;
        supervision.count(2022, &[8, 44, 25, 77, 90, 80]);
        let others = FakeSource::start("others", OTHERS).await;
        others.count(2022, &[1; OTHERS.len()]);
        others.count(2021, &[1; OTHERS.len()]);
        let source = |name: &str, fake: &FakeSource| Source {
            name: name.into(),
            channel: fake.channel(),
            deadline,
        };
        let sources = vec![
            source("meetings", &meetings),
            source("supervision", &supervision),
            source("others", &others),
        ];

        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/reporting.db", folder.path().display());
        let database = Database::connect(&url, 4, Some(Duration::from_secs(5)))
            .await
            .unwrap();
        Migrator::up(database.writer(), None).await.unwrap();
        let ledger = Ledger::new(
            database,
            Key::new(b"a key of the test"),
            Clock::system(),
            chrono_tz::Asia::Shanghai,
        );
        Self {
            routes: routes(ledger, sources),
            meetings,
            supervision,
            others,
            _folder: folder,
        }
    }

    fn caller(&self) -> AsCaller {
        let caller = Caller {
            system: "test".into(),
            offices: vec![Office::from_id("demo").unwrap()],
            scopes: Vec::new(),
            token_id: "t1".into(),
            token: Secret("the-callers-token".into()),
        };
        AsCaller(Arc::new(caller), None)
    }

    fn reports(&self) -> AnnualReportServiceClient<CallerClient> {
        AnnualReportServiceClient::with_interceptor(self.routes.clone(), self.caller())
    }

    fn opening(&self) -> OpeningFigureServiceClient<CallerClient> {
        OpeningFigureServiceClient::with_interceptor(self.routes.clone(), self.caller())
    }

    fn templates(&self) -> TemplateServiceClient<CallerClient> {
        TemplateServiceClient::with_interceptor(self.routes.clone(), self.caller())
    }

    async fn create(&self, id: &str) -> AnnualReport {
        self.reports()
            .create_annual_report(new_report(id))
            .await
            .unwrap()
            .into_inner()
    }

    async fn refresh(&self, name: &str) -> Result<AnnualReport, Status> {
        let q = RefreshAnnualReportRequest {
            name: name.into(),
            ..Default::default()
        };
        Ok(self.reports().refresh_annual_report(q).await?.into_inner())
    }

    async fn submit(&self, name: &str) -> Result<AnnualReport, Status> {
        let q = SubmitAnnualReportRequest {
            name: name.into(),
            ..Default::default()
        };
        Ok(self.reports().submit_annual_report(q).await?.into_inner())
    }

    async fn finalize(&self, name: &str) -> Result<AnnualReport, Status> {
        let q = FinalizeAnnualReportRequest {
            name: name.into(),
            ..Default::default()
        };
        Ok(self.reports().finalize_annual_report(q).await?.into_inner())
    }

    async fn compare(&self, name: &str) -> CompareAnnualReportResponse {
        let q = CompareAnnualReportRequest { name: name.into() };
        self.reports()
            .compare_annual_report(q)
            .await
            .unwrap()
            .into_inner()
    }

    async fn evidence(
        &self,
        name: &str,
        indicator: &str,
        previous: bool,
    ) -> Result<ListEvidenceResponse, Status> {
        let q = ListEvidenceRequest {
            name: name.into(),
            indicator: indicator.into(),
            previous,
            page_size: 7,
            page_token: "a-page".into(),
        };
        Ok(self.reports().list_evidence(q).await?.into_inner())
    }

    async fn enter(&self, id: &str, indicator: &str, year: i32) -> Result<OpeningFigure, Status> {
        let q = CreateOpeningFigureRequest {
            parent: OFFICE.into(),
            opening_figure_id: id.into(),
            opening_figure: Some(OpeningFigure {
                indicator: indicator.into(),
                year,
                value: 262,
                entered_by: "李某".into(),
                source: "上年总结|第三页".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        Ok(self.opening().create_opening_figure(q).await?.into_inner())
    }

    async fn put_template(&self, text: &str) -> Result<Template, Status> {
        let q = UpdateTemplateRequest {
            template: Some(Template {
                name: format!("{OFFICE}/template"),
                text: text.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        Ok(self.templates().update_template(q).await?.into_inner())
    }
}

fn new_report(id: &str) -> CreateAnnualReportRequest {
    CreateAnnualReportRequest {
        parent: OFFICE.into(),
        annual_report_id: id.into(),
        annual_report: Some(AnnualReport {
            year: 2022,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn figure<'a>(report: &'a AnnualReport, id: &str) -> &'a ReportFigure {
    report.figures.iter().find(|f| f.indicator == id).unwrap()
}

fn current<'a>(report: &'a AnnualReport, id: &str) -> &'a ReportValue {
    figure(report, id).current.as_ref().unwrap()
}

fn previous<'a>(report: &'a AnnualReport, id: &str) -> &'a ReportValue {
    figure(report, id).previous.as_ref().unwrap()
}

fn reason(status: &Status) -> String {
    status
        .get_error_details()
        .error_info()
        .map(|i| i.reason.clone())
        .unwrap_or_default()
}

/// The rule that refuses.
fn rule(status: &Status) -> String {
    assert_eq!(reason(status), "RULE_REFUSES");
    let failure = status.get_details_precondition_failure();
    failure
        .and_then(|failure| failure.violations.into_iter().next())
        .map(|violation| violation.r#type)
        .unwrap_or_default()
}

fn violations(status: &Status) -> String {
    let details = status.get_error_details();
    let fields = details
        .bad_request()
        .map(|b| b.field_violations.clone())
        .unwrap_or_default();
    fields
        .iter()
        .map(|f| format!("{}: {}\n", f.field, f.description))
        .collect()
}

#[tokio::test]
async fn a_report_from_a_draft_with_gaps_to_final() {
    let office = TestReporting::start().await;
    office.supervision.set_mode(Mode::Late);

    // The draft has gaps.
    let draft = office.create("r2022").await;
    assert_eq!(draft.name, "offices/demo/annualReports/r2022");
    assert_eq!(draft.state(), AnnualReportState::Draft);
    let meetings = current(&draft, "meetings_total");
    assert_eq!((meetings.value, meetings.records), (Some(475), 475));
    assert_eq!(previous(&draft, "meetings_total").value, Some(462));
    assert_eq!(draft.missing_sources.len(), 1);
    assert_eq!(draft.missing_sources[0].source, "supervision");
    assert_eq!(
        draft.missing_sources[0].reason,
        "来源 supervision 未答复：超过时限"
    );
    // The template refers to these; the source never listed them.
    let matters = current(&draft, "matters_registered");
    assert_eq!(matters.value, None);
    assert!(matters.missing_reason.contains("supervision"));
    assert!(
        draft
            .text
            .contains("全年组织召开各类会议475次，同比增长2.8%。"),
        "{}",
        draft.text
    );
    assert!(draft.text.contains("其中县委常委宣讲36场"));
    assert!(draft.text.contains("听众5300余人次"));
    assert!(
        draft
            .text
            .contains("全年立项登记督查事项［缺：matters_registered，")
    );

    // A report with gaps is not finalized; the error names them.
    office.submit(&draft.name).await.unwrap();
    let refused = office.finalize(&draft.name).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(reason(&refused), "FIGURES_MISSING");
    let details = refused.get_error_details();
    let subjects: Vec<&str> = details
        .precondition_failure()
        .unwrap()
        .violations
        .iter()
        .map(|v| v.subject.as_str())
        .collect();
    assert!(subjects.contains(&"supervision") && subjects.contains(&"matters_closed"));

    // It can't be refreshed in review; it can after it was returned.
    assert_eq!(
        reason(&office.refresh(&draft.name).await.unwrap_err()),
        "WRONG_STATE"
    );
    let q = ReturnAnnualReportRequest {
        name: draft.name.clone(),
        reason: "督查数据未取得".into(),
        ..Default::default()
    };
    let back = office
        .reports()
        .return_annual_report(q)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(back.return_reason, "督查数据未取得");
    office.supervision.set_mode(Mode::Answer);
    let whole = office.refresh(&draft.name).await.unwrap();
    assert!(whole.missing_sources.is_empty());
    assert_eq!(current(&whole, "matters_registered").value, Some(90));
    // Missing figures of the year before do not prevent the finalization.
    assert_eq!(previous(&whole, "matters_registered").value, None);
    assert_eq!(
        previous(&whole, "matters_registered").missing_reason,
        "台账启用前无记录，且无期初数"
    );
    assert!(
        whole
            .text
            .contains("全年立项登记督查事项90件，上年数缺失，不作同比")
    );
    assert!(!whole.text.contains("［缺：立项"));

    office.submit(&draft.name).await.unwrap();
    let sealed = office.finalize(&draft.name).await.unwrap();
    assert_eq!(sealed.state(), AnnualReportState::Final);
    assert_eq!(sealed.digest.len(), 64);
    assert_eq!(
        (&sealed.text, &sealed.figures),
        (&whole.text, &whole.figures)
    );

    // Later changes of the sources show in the comparison only.
    assert_eq!(office.compare(&draft.name).await.differences, []);
    office
        .meetings
        .count(2022, &[476, 4, 12, 1, 115, 36, 5317, 1, 0]);
    let compared = office.compare(&draft.name).await;
    assert!(compared.digest_matches);
    assert_eq!(compared.differences.len(), 1);
    let difference = &compared.differences[0];
    assert_eq!(difference.indicator, "meetings_total");
    assert_eq!(difference.reported.as_ref().unwrap().value, Some(475));
    assert_eq!(difference.current.as_ref().unwrap().value, Some(476));

    // A final report is immutable.
    for refused in [
        office.refresh(&draft.name).await.unwrap_err(),
        office.submit(&draft.name).await.unwrap_err(),
        office.finalize(&draft.name).await.unwrap_err(),
        office
            .reports()
            .delete_annual_report(DeleteAnnualReportRequest {
                name: draft.name.clone(),
                ..Default::default()
            })
            .await
            .unwrap_err(),
    ] {
        assert_eq!(reason(&refused), "WRONG_STATE");
    }
    let q = GetAnnualReportRequest {
        name: draft.name.clone(),
    };
    assert_eq!(
        office
            .reports()
            .get_annual_report(q)
            .await
            .unwrap()
            .into_inner(),
        sealed
    );

    // The history has every step.
    let q = ListHistoryRequest {
        name: draft.name.clone(),
        ..Default::default()
    };
    let mut history =
        HistoryServiceClient::with_interceptor(office.routes.clone(), office.caller());
    let entries = history.list_history(q).await.unwrap().into_inner().entries;
    let methods: Vec<&str> = entries.iter().map(|e| e.method.as_str()).collect();
    assert_eq!(
        methods,
        [
            "CreateAnnualReport",
            "SubmitAnnualReport",
            "ReturnAnnualReport",
            "RefreshAnnualReport",
            "SubmitAnnualReport",
            "FinalizeAnnualReport"
        ]
    );
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_validate_only_writes_nothing() {
    let office = TestReporting::start().await;
    let mut q = new_report("r1");
    q.validate_only = true;
    let trial = office
        .reports()
        .create_annual_report(q.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(current(&trial, "meetings_total").value, Some(475));
    let get = GetAnnualReportRequest {
        name: trial.name.clone(),
    };
    let gone = office.reports().get_annual_report(get).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);

    q.validate_only = false;
    q.request_id = uuid::Uuid::new_v4().to_string();
    let first = office
        .reports()
        .create_annual_report(q.clone())
        .await
        .unwrap()
        .into_inner();
    office.meetings.count(2022, &[500; 9]);
    let again = office
        .reports()
        .create_annual_report(q.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, first);
    // Also if a source fails now, and if the record has changed since.
    office.meetings.set_mode(Mode::Fail(Code::Internal));
    let refresh = RefreshAnnualReportRequest {
        name: first.name.clone(),
        request_id: uuid::Uuid::new_v4().to_string(),
        ..Default::default()
    };
    let refreshed = office
        .reports()
        .refresh_annual_report(refresh.clone())
        .await
        .unwrap()
        .into_inner();
    // The indicators of the failed source are those of the report's last version.
    let meetings = figure(&refreshed, "meetings_total");
    assert_eq!(meetings.label, "组织召开各类会议");
    assert_eq!(
        meetings.current.as_ref().unwrap().missing_reason,
        "来源 meetings 未答复：该来源出错"
    );
    office.submit(&first.name).await.unwrap();
    let again = office
        .reports()
        .refresh_annual_report(refresh)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again, refreshed);

    q.annual_report = Some(AnnualReport {
        year: 2021,
        ..Default::default()
    });
    let reused = office.reports().create_annual_report(q).await.unwrap_err();
    assert_eq!(reason(&reused), "REQUEST_ID_REUSED");
    let mut bad = new_report("r2");
    bad.annual_report = Some(AnnualReport::default());
    let bad = office
        .reports()
        .create_annual_report(bad)
        .await
        .unwrap_err();
    assert!(
        violations(&bad).starts_with("annual_report.year: "),
        "{bad:?}"
    );
    let taken = office
        .reports()
        .create_annual_report(new_report("r1"))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn indicators_of_a_failed_source_come_from_another_report() {
    let office = TestReporting::start().await;
    office.create("first").await;
    office
        .supervision
        .set_mode(Mode::Fail(Code::PermissionDenied));
    let second = office.create("second").await;
    let matters = figure(&second, "matters_closed");
    assert_eq!(
        (matters.label.as_str(), matters.unit.as_str()),
        ("办结督查事项", "件")
    );
    assert_eq!(matters.source, "supervision");
    assert_eq!(
        matters.current.as_ref().unwrap().missing_reason,
        "来源 supervision 未答复：令牌没有该来源的读取权限"
    );
}

#[tokio::test]
async fn a_late_source_does_not_exceed_the_callers_deadline() {
    let office = TestReporting::with_deadline(Duration::from_secs(60)).await;
    office.supervision.set_mode(Mode::Late);
    let AsCaller(caller, _) = office.caller();
    let until = Instant::now() + Duration::from_secs(2);
    let hurried = AsCaller(caller, Some(Until(until)));
    let mut reports = AnnualReportServiceClient::with_interceptor(office.routes.clone(), hurried);
    let report = reports
        .create_annual_report(new_report("r1"))
        .await
        .unwrap()
        .into_inner();
    assert!(Instant::now() < until);
    assert_eq!(report.missing_sources.len(), 1);
    assert_eq!(current(&report, "meetings_total").value, Some(475));
}

#[tokio::test]
async fn opening_figures_are_unique_by_year_and_marked() {
    let office = TestReporting::start().await;
    office
        .enter("m2021", "matters_registered", 2021)
        .await
        .unwrap();
    let second = office
        .enter("again", "matters_registered", 2021)
        .await
        .unwrap_err();
    assert_eq!(rule(&second), "ONE_OPENING_FIGURE_A_YEAR");
    office
        .enter("m2020", "matters_registered", 2020)
        .await
        .unwrap();

    // A deleted one can be replaced, and can't be restored then.
    let name = format!("{OFFICE}/openingFigures/m2021");
    let delete = DeleteOpeningFigureRequest {
        name: name.clone(),
        ..Default::default()
    };
    office
        .opening()
        .delete_opening_figure(delete)
        .await
        .unwrap();
    office
        .enter("new", "matters_registered", 2021)
        .await
        .unwrap();
    let undelete = UndeleteOpeningFigureRequest {
        name,
        ..Default::default()
    };
    let refused = office
        .opening()
        .undelete_opening_figure(undelete)
        .await
        .unwrap_err();
    assert_eq!(rule(&refused), "ONE_OPENING_FIGURE_A_YEAR");
    let update = UpdateOpeningFigureRequest {
        opening_figure: Some(OpeningFigure {
            name: format!("{OFFICE}/openingFigures/new"),
            value: 100,
            ..Default::default()
        }),
        ..Default::default()
    };
    office
        .opening()
        .update_opening_figure(update)
        .await
        .unwrap();

    let report = office.create("r1").await;
    let before = previous(&report, "matters_registered");
    assert_eq!((before.value, before.records), (Some(100), 0));
    assert_eq!(before.opening_source, "李某：上年总结|第三页");
    assert!(
        report.text.contains("督查事项90件，同比减少10.0%"),
        "{}",
        report.text
    );
    assert!(
        report
            .text
            .contains("上年期初数，李某：上年总结\\|第三页 |"),
        "{}",
        report.text
    );

    let refused = office
        .evidence(&report.name, "matters_registered", true)
        .await
        .unwrap_err();
    assert_eq!(rule(&refused), "EVIDENCE_OF_COUNTED_FIGURES");
    assert!(
        office
            .evidence(&report.name, "matters_registered", false)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn evidence_comes_from_the_source_with_the_callers_token() {
    let office = TestReporting::start().await;
    let report = office.create("r1").await;
    office.meetings.clear_evidence_asked();

    let page = office
        .evidence(&report.name, "meetings_total", false)
        .await
        .unwrap();
    assert_eq!(page.source, "meetings");
    assert_eq!(page.evidence[0].record, "offices/demo/meetings/m1");
    assert_eq!(page.next_page_token, "next");
    office
        .evidence(&report.name, "meetings_total", true)
        .await
        .unwrap();
    let seen = office.meetings.evidence_asked();
    assert_eq!(seen.len(), 2);
    for (token, q) in &seen {
        assert_eq!(token, "Bearer the-callers-token");
        assert_eq!((q.page_size, q.page_token.as_str()), (7, "a-page"));
        assert_eq!(
            (q.parent.as_str(), q.indicator.as_str()),
            (OFFICE, "meetings_total")
        );
    }
    let year = |i: usize| seen[i].1.period.unwrap().first_day.unwrap().year;
    assert_eq!((year(0), year(1)), (2022, 2021));

    let unknown = office
        .evidence(&report.name, "nothing", false)
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    for (code, seen_as) in [
        (Code::PermissionDenied, Code::PermissionDenied),
        (Code::InvalidArgument, Code::InvalidArgument),
        (Code::Internal, Code::Unavailable),
        (Code::Unavailable, Code::Unavailable),
    ] {
        office.meetings.set_mode(Mode::Fail(code));
        let status = office
            .evidence(&report.name, "meetings_total", false)
            .await
            .unwrap_err();
        assert_eq!(status.code(), seen_as);
        let passed_on = status.message().contains("the source's message");
        assert_eq!(passed_on, seen_as == code && code != Code::Unavailable);
        let retry = status.get_error_details().retry_info().is_some();
        assert_eq!(retry, seen_as == Code::Unavailable);
    }
    office.meetings.set_mode(Mode::Late);
    let status = office
        .evidence(&report.name, "meetings_total", false)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_template_is_checked_before_it_is_stored() {
    let office = TestReporting::start().await;
    let get = GetTemplateRequest {
        name: format!("{OFFICE}/template"),
    };
    let default = office
        .templates()
        .get_template(get.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(default.text.contains("meetings_total"));
    assert!(default.etag.is_empty());

    let refused = office
        .put_template("会议\n{{ meetings }}\n共475次")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let told = violations(&refused);
    assert!(
        told.contains("template.text: 第2行没有指标 meetings\n"),
        "{told}"
    );
    assert!(
        told.contains("template.text: 第3行写入了数字“475次”"),
        "{told}"
    );
    let refused = office.put_template("{% if %}").await.unwrap_err();
    assert!(violations(&refused).starts_with("template.text: 第1行语法有误"));

    office.supervision.set_mode(Mode::Fail(Code::Unavailable));
    let away = office
        .put_template("{{ meetings_total }}")
        .await
        .unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    assert!(away.get_error_details().retry_info().is_some());
    office
        .supervision
        .set_mode(Mode::Fail(Code::PermissionDenied));
    let barred = office
        .put_template("{{ meetings_total }}")
        .await
        .unwrap_err();
    assert_eq!(barred.code(), Code::PermissionDenied);
    office.supervision.set_mode(Mode::Answer);

    let kept = office
        .put_template("本年会议{{ meetings_total|unit }}。")
        .await
        .unwrap();
    assert!(!kept.etag.is_empty());
    let report = office.create("r1").await;
    assert_eq!(report.text, "本年会议475次。\n");
    // An empty text is refused like any empty required field.
    let q = UpdateTemplateRequest {
        template: Some(Template {
            name: get.name.clone(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["text".into()],
        }),
        ..Default::default()
    };
    let empty = office.templates().update_template(q).await.unwrap_err();
    assert!(violations(&empty).starts_with("template.text: 必填"));
    assert_eq!(
        office
            .templates()
            .get_template(get)
            .await
            .unwrap()
            .into_inner(),
        kept
    );
}

#[tokio::test]
async fn indicators_of_all_sources_are_listed() {
    let office = TestReporting::start().await;
    let q = ListIndicatorsRequest {
        parent: OFFICE.into(),
    };
    office.meetings.set_mode(Mode::Fail(Code::Unauthenticated));
    let sources = office
        .reports()
        .list_indicators(q)
        .await
        .unwrap()
        .into_inner()
        .sources;
    assert_eq!(sources.len(), 3);
    assert_eq!(
        (sources[0].source.as_str(), sources[0].indicators.len()),
        ("meetings", 0)
    );
    assert_eq!(
        sources[0].missing_reason,
        "来源 meetings 未答复：该来源不接受此令牌"
    );
    assert_eq!(
        (sources[1].source.as_str(), sources[1].indicators.len()),
        ("supervision", 6)
    );
}

#[tokio::test]
async fn the_default_template_renders_with_full_empty_and_missing_figures() {
    let office = TestReporting::start().await;
    let full = office.create("full").await.text;
    assert!(
        !full.contains("［缺：") || full.contains("| ［缺：台账启用前无记录"),
        "{full}"
    );
    assert!(
        full.contains("| 组织召开各类会议（次） | 475 | 462 | 增长2.8% | 475 | meetings |"),
        "{full}"
    );
    office.meetings.count(2022, &[0; 9]);
    office.supervision.count(2022, &[0; 6]);
    office.others.count(2022, &[0; OTHERS.len()]);
    let empty = office.create("empty").await.text;
    assert!(
        empty.contains("本年度未组织召开会议。") && empty.contains("本年度未开展基层集中宣讲。")
    );
    office.meetings.set_mode(Mode::Fail(Code::Unavailable));
    office.supervision.set_mode(Mode::Fail(Code::Unavailable));
    office.others.set_mode(Mode::Fail(Code::Unavailable));
    let gone = office.create("gone").await.text;
    assert!(
        gone.contains(
            "全年组织召开各类会议［缺：组织召开各类会议，来源 meetings 未答复：无法连接］"
        ),
        "{gone}"
    );
    for text in [&full, &empty, &gone] {
        assert!(!text.contains("\n\n\n") && text.ends_with("|\n"));
        // The table has no empty lines.
        let table: Vec<&str> = text
            .lines()
            .skip_while(|l| !l.starts_with("| 指标"))
            .collect();
        assert_eq!(table.len(), 2 + 15 + OTHERS.len());
        assert!(table.iter().all(|l| l.starts_with('|') && l.ends_with('|')));
    }
    if let Ok(folder) = std::env::var("SHOW_REPORTS_IN") {
        for (name, text) in [("full", full), ("empty", empty), ("gone", gone)] {
            std::fs::write(format!("{folder}/{name}.md"), text).unwrap();
        }
    }
}

#[test]
fn every_method_of_the_package_is_served() {
    let served = taizhang_reporting::GRPC_SERVICES;
    for service in descriptors::pool().services() {
        if service.full_name().starts_with("taizhang.reporting.") {
            assert!(
                served.contains(&service.full_name()),
                "{}",
                service.full_name()
            );
        }
    }
}
