//! The clients of the suite, as another system would have them.

use std::collections::BTreeMap;

use anyhow::Context;
use taizhang_contracts::meetings::facility_service_client::FacilityServiceClient;
use taizhang_contracts::meetings::lecture_service_client::LectureServiceClient;
use taizhang_contracts::meetings::meeting_series_service_client::MeetingSeriesServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::reception::reception_service_client::ReceptionServiceClient;
use taizhang_contracts::reception::support_assignment_service_client::SupportAssignmentServiceClient;
use taizhang_contracts::reporting::annual_report_service_client::AnnualReportServiceClient;
use taizhang_contracts::research::bulletin_service_client::BulletinServiceClient;
use taizhang_contracts::research::field_survey_service_client::FieldSurveyServiceClient;
use taizhang_contracts::research::information_item_service_client::InformationItemServiceClient;
use taizhang_contracts::research::research_report_service_client::ResearchReportServiceClient;
use taizhang_contracts::research::topic_service_client::TopicServiceClient;
use taizhang_contracts::supervision::inspection_service_client::InspectionServiceClient;
use taizhang_contracts::supervision::interview_service_client::InterviewServiceClient;
use taizhang_contracts::supervision::issue_series_service_client::IssueSeriesServiceClient;
use taizhang_contracts::supervision::issue_service_client::IssueServiceClient;
use taizhang_contracts::supervision::matter_service_client::MatterServiceClient;
use taizhang_contracts::supervision::reform_plan_service_client::ReformPlanServiceClient;
use taizhang_contracts::supervision::reform_task_service_client::ReformTaskServiceClient;
use taizhang_runtime::client::connect_lazy;
use taizhang_runtime::config::Tls;
use tonic::service::interceptor::InterceptedService;

use crate::client::{Bearer, Bearing};

/// One client for each gRPC service that a trial calls.
#[derive(Clone)]
#[allow(missing_docs)]
pub(super) struct Clients {
    pub(super) meetings: MeetingServiceClient<Bearing>,
    pub(super) series: MeetingSeriesServiceClient<Bearing>,
    pub(super) lectures: LectureServiceClient<Bearing>,
    pub(super) facilities: FacilityServiceClient<Bearing>,
    pub(super) matters: MatterServiceClient<Bearing>,
    pub(super) issue_series: IssueSeriesServiceClient<Bearing>,
    pub(super) issues: IssueServiceClient<Bearing>,
    pub(super) inspections: InspectionServiceClient<Bearing>,
    pub(super) interviews: InterviewServiceClient<Bearing>,
    pub(super) reform_plans: ReformPlanServiceClient<Bearing>,
    pub(super) reform_tasks: ReformTaskServiceClient<Bearing>,
    pub(super) receptions: ReceptionServiceClient<Bearing>,
    pub(super) support: SupportAssignmentServiceClient<Bearing>,
    pub(super) topics: TopicServiceClient<Bearing>,
    pub(super) surveys: FieldSurveyServiceClient<Bearing>,
    /// Research reports.
    pub(super) papers: ResearchReportServiceClient<Bearing>,
    pub(super) information: InformationItemServiceClient<Bearing>,
    pub(super) bulletins: BulletinServiceClient<Bearing>,
    pub(super) reports: AnnualReportServiceClient<Bearing>,
}

impl Clients {
    /// Connects to the services at these addresses.
    ///
    /// # Errors
    /// If an address is missing or can't be used.
    pub(super) fn connect(
        addresses: &BTreeMap<&'static str, String>,
        tls: &Tls,
        token: &str,
    ) -> anyhow::Result<Self> {
        let bearer = Bearer::of(token)?;
        let to = |name: &str| -> anyhow::Result<Bearing> {
            let address = addresses
                .get(name)
                .with_context(|| format!("service {name} does not run"))?;
            let channel = connect_lazy(address, tls)?;
            Ok(InterceptedService::new(channel, bearer.clone()))
        };
        let (meetings, supervision) = (to("meetings")?, to("supervision")?);
        let (reception, research) = (to("reception")?, to("research")?);
        Ok(Self {
            meetings: MeetingServiceClient::new(meetings.clone()),
            series: MeetingSeriesServiceClient::new(meetings.clone()),
            lectures: LectureServiceClient::new(meetings.clone()),
            facilities: FacilityServiceClient::new(meetings),
            matters: MatterServiceClient::new(supervision.clone()),
            issue_series: IssueSeriesServiceClient::new(supervision.clone()),
            issues: IssueServiceClient::new(supervision.clone()),
            inspections: InspectionServiceClient::new(supervision.clone()),
            interviews: InterviewServiceClient::new(supervision.clone()),
            reform_plans: ReformPlanServiceClient::new(supervision.clone()),
            reform_tasks: ReformTaskServiceClient::new(supervision),
            receptions: ReceptionServiceClient::new(reception.clone()),
            support: SupportAssignmentServiceClient::new(reception),
            topics: TopicServiceClient::new(research.clone()),
            surveys: FieldSurveyServiceClient::new(research.clone()),
            papers: ResearchReportServiceClient::new(research.clone()),
            information: InformationItemServiceClient::new(research.clone()),
            bulletins: BulletinServiceClient::new(research),
            reports: AnnualReportServiceClient::new(to("reporting")?)
                .max_decoding_message_size(64 << 20),
        })
    }
}
