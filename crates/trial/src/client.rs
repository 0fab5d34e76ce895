//! The clients of the services that a trial calls.

use taizhang_client::AuthorizedChannel;
use taizhang_contracts::meetings::{
    facility_service_client::FacilityServiceClient, facility_service_server,
    lecture_service_client::LectureServiceClient, lecture_service_server,
    meeting_series_service_client::MeetingSeriesServiceClient, meeting_series_service_server,
    meeting_service_client::MeetingServiceClient, meeting_service_server,
};
use taizhang_contracts::reception::{
    reception_service_client::ReceptionServiceClient, reception_service_server,
    support_assignment_service_client::SupportAssignmentServiceClient,
    support_assignment_service_server,
};
use taizhang_contracts::reporting::{
    annual_report_service_client::AnnualReportServiceClient, annual_report_service_server,
};
use taizhang_contracts::research::{
    bulletin_service_client::BulletinServiceClient, bulletin_service_server,
    field_survey_service_client::FieldSurveyServiceClient, field_survey_service_server,
    information_item_service_client::InformationItemServiceClient, information_item_service_server,
    research_report_service_client::ResearchReportServiceClient, research_report_service_server,
    topic_service_client::TopicServiceClient, topic_service_server,
};
use taizhang_contracts::supervision::{
    inspection_service_client::InspectionServiceClient, inspection_service_server,
    interview_service_client::InterviewServiceClient, interview_service_server,
    issue_series_service_client::IssueSeriesServiceClient, issue_series_service_server,
    issue_service_client::IssueServiceClient, issue_service_server,
    matter_service_client::MatterServiceClient, matter_service_server,
    reform_plan_service_client::ReformPlanServiceClient, reform_plan_service_server,
    reform_task_service_client::ReformTaskServiceClient, reform_task_service_server,
};

/// One client for each gRPC service that a trial calls.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(crate) meetings: MeetingServiceClient<AuthorizedChannel>,
    pub(crate) series: MeetingSeriesServiceClient<AuthorizedChannel>,
    pub(crate) lectures: LectureServiceClient<AuthorizedChannel>,
    pub(crate) facilities: FacilityServiceClient<AuthorizedChannel>,
    pub(crate) matters: MatterServiceClient<AuthorizedChannel>,
    pub(crate) issue_series: IssueSeriesServiceClient<AuthorizedChannel>,
    pub(crate) issues: IssueServiceClient<AuthorizedChannel>,
    pub(crate) inspections: InspectionServiceClient<AuthorizedChannel>,
    pub(crate) interviews: InterviewServiceClient<AuthorizedChannel>,
    pub(crate) reform_plans: ReformPlanServiceClient<AuthorizedChannel>,
    pub(crate) reform_tasks: ReformTaskServiceClient<AuthorizedChannel>,
    pub(crate) receptions: ReceptionServiceClient<AuthorizedChannel>,
    pub(crate) support: SupportAssignmentServiceClient<AuthorizedChannel>,
    pub(crate) topics: TopicServiceClient<AuthorizedChannel>,
    pub(crate) surveys: FieldSurveyServiceClient<AuthorizedChannel>,
    pub(crate) research_reports: ResearchReportServiceClient<AuthorizedChannel>,
    pub(crate) information: InformationItemServiceClient<AuthorizedChannel>,
    pub(crate) bulletins: BulletinServiceClient<AuthorizedChannel>,
    pub(crate) reports: AnnualReportServiceClient<AuthorizedChannel>,
}

impl Clients {
    /// Makes the clients. `channel` gives the channel to a gRPC service by its full name, such as
    /// `taizhang.meetings.v1.MeetingService`.
    ///
    /// # Errors
    /// The first error of `channel`.
    pub fn new(
        channel: impl Fn(&str) -> anyhow::Result<AuthorizedChannel>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            meetings: MeetingServiceClient::new(channel(meeting_service_server::SERVICE_NAME)?),
            series: MeetingSeriesServiceClient::new(channel(
                meeting_series_service_server::SERVICE_NAME,
            )?),
            lectures: LectureServiceClient::new(channel(lecture_service_server::SERVICE_NAME)?),
            facilities: FacilityServiceClient::new(channel(facility_service_server::SERVICE_NAME)?),
            matters: MatterServiceClient::new(channel(matter_service_server::SERVICE_NAME)?),
            issue_series: IssueSeriesServiceClient::new(channel(
                issue_series_service_server::SERVICE_NAME,
            )?),
            issues: IssueServiceClient::new(channel(issue_service_server::SERVICE_NAME)?),
            inspections: InspectionServiceClient::new(channel(
                inspection_service_server::SERVICE_NAME,
            )?),
            interviews: InterviewServiceClient::new(channel(
                interview_service_server::SERVICE_NAME,
            )?),
            reform_plans: ReformPlanServiceClient::new(channel(
                reform_plan_service_server::SERVICE_NAME,
            )?),
            reform_tasks: ReformTaskServiceClient::new(channel(
                reform_task_service_server::SERVICE_NAME,
            )?),
            receptions: ReceptionServiceClient::new(channel(
                reception_service_server::SERVICE_NAME,
            )?),
            support: SupportAssignmentServiceClient::new(channel(
                support_assignment_service_server::SERVICE_NAME,
            )?),
            topics: TopicServiceClient::new(channel(topic_service_server::SERVICE_NAME)?),
            surveys: FieldSurveyServiceClient::new(channel(
                field_survey_service_server::SERVICE_NAME,
            )?),
            research_reports: ResearchReportServiceClient::new(channel(
                research_report_service_server::SERVICE_NAME,
            )?),
            information: InformationItemServiceClient::new(channel(
                information_item_service_server::SERVICE_NAME,
            )?),
            bulletins: BulletinServiceClient::new(channel(bulletin_service_server::SERVICE_NAME)?),
            reports: AnnualReportServiceClient::new(channel(
                annual_report_service_server::SERVICE_NAME,
            )?)
            .max_decoding_message_size(64 << 20),
        })
    }
}

/// A new request id.
pub(crate) fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
