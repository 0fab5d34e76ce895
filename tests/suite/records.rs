//! Sample records, and clients to write them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use taizhang_contracts::common::{Date, Level};
use taizhang_contracts::date::timestamp;
use taizhang_contracts::history::history_service_client::HistoryServiceClient;
use taizhang_contracts::history::{HistoryEntry, ListHistoryRequest};
use taizhang_contracts::meetings::facility_service_client::FacilityServiceClient;
use taizhang_contracts::meetings::lecture_service_client::LectureServiceClient;
use taizhang_contracts::meetings::meeting_series_service_client::MeetingSeriesServiceClient;
use taizhang_contracts::meetings::meeting_service_client::MeetingServiceClient;
use taizhang_contracts::meetings::*;
use taizhang_contracts::supervision::inspection_service_client::InspectionServiceClient;
use taizhang_contracts::supervision::interview_service_client::InterviewServiceClient;
use taizhang_contracts::supervision::issue_series_service_client::IssueSeriesServiceClient;
use taizhang_contracts::supervision::issue_service_client::IssueServiceClient;
use taizhang_contracts::supervision::matter_service_client::MatterServiceClient;
use taizhang_contracts::supervision::reform_plan_service_client::ReformPlanServiceClient;
use taizhang_contracts::supervision::reform_task_service_client::ReformTaskServiceClient;
use taizhang_contracts::supervision::*;
use taizhang_ledger::Database;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::harness::{Authorized, Bearer, OFFICE, Suite};

/// Clients of every service of a suite, all with one token.
#[derive(Clone)]
pub struct Api {
    pub meetings: MeetingServiceClient<Authorized>,
    pub facilities: FacilityServiceClient<Authorized>,
    pub lectures: LectureServiceClient<Authorized>,
    pub series: MeetingSeriesServiceClient<Authorized>,
    pub matters: MatterServiceClient<Authorized>,
    pub issue_series: IssueSeriesServiceClient<Authorized>,
    pub issues: IssueServiceClient<Authorized>,
    pub inspections: InspectionServiceClient<Authorized>,
    pub interviews: InterviewServiceClient<Authorized>,
    pub reform_plans: ReformPlanServiceClient<Authorized>,
    pub reform_tasks: ReformTaskServiceClient<Authorized>,
    /// The history of meetings, and that of supervision.
    pub history: HistoryServiceClient<Authorized>,
    pub supervision_history: HistoryServiceClient<Authorized>,
}

impl Api {
    /// With a token of every scope.
    pub fn of(suite: &Suite) -> Self {
        Self::with(suite, &suite.every_scope())
    }

    pub fn with(suite: &Suite, token: &str) -> Self {
        let channel = |service| Authorized::new(suite.channel(service), Bearer::of(token).unwrap());
        let (meetings, supervision) = (channel("meetings"), channel("supervision"));
        Self {
            meetings: MeetingServiceClient::new(meetings.clone()),
            facilities: FacilityServiceClient::new(meetings.clone()),
            lectures: LectureServiceClient::new(meetings.clone()),
            series: MeetingSeriesServiceClient::new(meetings.clone()),
            matters: MatterServiceClient::new(supervision.clone()),
            issue_series: IssueSeriesServiceClient::new(supervision.clone()),
            issues: IssueServiceClient::new(supervision.clone()),
            inspections: InspectionServiceClient::new(supervision.clone()),
            interviews: InterviewServiceClient::new(supervision.clone()),
            reform_plans: ReformPlanServiceClient::new(supervision.clone()),
            reform_tasks: ReformTaskServiceClient::new(supervision.clone()),
            history: HistoryServiceClient::new(meetings),
            supervision_history: HistoryServiceClient::new(supervision),
        }
    }

    pub async fn create_meeting(&self, request: CreateMeetingRequest) -> Result<Meeting, Status> {
        let mut meetings = self.meetings.clone();
        Ok(meetings.create_meeting(request).await?.into_inner())
    }

    pub async fn get_meeting(&self, name: &str) -> Result<Meeting, Status> {
        let request = GetMeetingRequest { name: name.into() };
        Ok(self
            .meetings
            .clone()
            .get_meeting(request)
            .await?
            .into_inner())
    }

    pub async fn update_meeting(&self, request: UpdateMeetingRequest) -> Result<Meeting, Status> {
        let mut meetings = self.meetings.clone();
        Ok(meetings.update_meeting(request).await?.into_inner())
    }

    pub async fn delete_meeting(&self, request: DeleteMeetingRequest) -> Result<Meeting, Status> {
        let mut meetings = self.meetings.clone();
        Ok(meetings.delete_meeting(request).await?.into_inner())
    }

    pub async fn create_matter(&self, request: CreateMatterRequest) -> Result<Matter, Status> {
        Ok(self
            .matters
            .clone()
            .create_matter(request)
            .await?
            .into_inner())
    }

    /// All changes of a record of the meetings service.
    pub async fn history(&self, name: &str) -> Vec<HistoryEntry> {
        let request = ListHistoryRequest {
            name: name.into(),
            page_size: 1000,
            ..Default::default()
        };
        self.history
            .clone()
            .list_history(request)
            .await
            .unwrap()
            .into_inner()
            .entries
    }
}

/// A meeting with the required fields.
pub fn meeting(title: &str) -> Meeting {
    Meeting {
        title: title.into(),
        kind: MeetingKind::Thematic.into(),
        organiser: "县委办公室".into(),
        organised_by_office: true,
        host_level: Level::County.into(),
        ..Default::default()
    }
}

/// A meeting that can be convened and held: in the past, with a participant.
pub fn past_meeting(title: &str, start: &str) -> Meeting {
    let start: DateTime<Utc> = start.parse().unwrap();
    let participant = Participant {
        person: "张三".into(),
        role: ParticipantRole::Attendee.into(),
        ..Default::default()
    };
    Meeting {
        chair: "李四".into(),
        place: "一号会议室".into(),
        start_time: Some(timestamp(start)),
        end_time: Some(timestamp(start + Duration::from_secs(1800))),
        participants: vec![participant],
        ..meeting(title)
    }
}

pub fn facility(title: &str) -> Facility {
    Facility {
        title: title.into(),
        kind: FacilityKind::Room.into(),
        ..Default::default()
    }
}

pub fn lecture(title: &str, day: Date) -> Lecture {
    Lecture {
        title: title.into(),
        kind: LectureKind::Grassroots.into(),
        date: Some(day),
        place: "城关镇".into(),
        speaker: "王五".into(),
        speaker_rank: SpeakerRank::StandingCommittee.into(),
        ..Default::default()
    }
}

/// A matter of the year 2022.
pub fn matter(title: &str) -> Matter {
    let source = Source {
        kind: SourceKind::Instruction.into(),
        level: Level::County.into(),
        ..Default::default()
    };
    Matter {
        title: title.into(),
        source: Some(source),
        lead_unit: "县水利局".into(),
        registered_on: Some(day("2022-03-01")),
        due_date: Some(day("2022-04-01")),
        ..Default::default()
    }
}

pub fn issue_series(title: &str, kind: IssueKind) -> IssueSeries {
    IssueSeries {
        title: title.into(),
        kind: kind.into(),
        ..Default::default()
    }
}

pub fn issue(series: &str, title: &str) -> Issue {
    Issue {
        series: series.into(),
        title: title.into(),
        topic: SupervisionTopic::Other.into(),
        ..Default::default()
    }
}

/// An inspection of one day.
pub fn inspection(object: &str, day: Date) -> Inspection {
    Inspection {
        kind: InspectionKind::Supervision.into(),
        title: "督查".into(),
        objects: vec![object.into()],
        first_day: Some(day),
        last_day: Some(day),
        ..Default::default()
    }
}

pub fn interview(target: &str, day: Date) -> Interview {
    Interview {
        target: target.into(),
        target_kind: InterviewTargetKind::MiningEnterprise.into(),
        date: Some(day),
        reason: "扬尘治理不力".into(),
        interviewers: vec!["李四".into()],
        ..Default::default()
    }
}

/// A plan of the year 2022.
pub fn reform_plan(categories: &[&str], adopted_on: Date) -> ReformPlan {
    let category = |id: &&str| ReformCategory {
        id: (*id).into(),
        title: format!("{id}类"),
    };
    ReformPlan {
        year: 2022,
        title: "2022年改革工作要点".into(),
        adopted_on: Some(adopted_on),
        categories: categories.iter().map(category).collect(),
        ..Default::default()
    }
}

pub fn reform_task(plan: &str, category: &str, due_date: Date) -> ReformTask {
    ReformTask {
        plan: plan.into(),
        category: category.into(),
        title: "改革任务".into(),
        lead_unit: "县发改局".into(),
        due_date: Some(due_date),
        ..Default::default()
    }
}

pub fn new_meeting(meeting: Meeting) -> CreateMeetingRequest {
    CreateMeetingRequest {
        parent: OFFICE.into(),
        meeting: Some(meeting),
        ..Default::default()
    }
}

pub fn new_matter(matter: Matter) -> CreateMatterRequest {
    CreateMatterRequest {
        parent: OFFICE.into(),
        matter: Some(matter),
        ..Default::default()
    }
}

pub fn day(text: &str) -> Date {
    text.parse::<chrono::NaiveDate>().unwrap().into()
}

/// An RFC 3339 instant.
pub fn at(text: &str) -> Option<Timestamp> {
    Some(timestamp(text.parse().unwrap()))
}

/// A new request id.
pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Whether an error says that the call changed nothing and can be retried.
pub fn may_retry(status: &Status) -> bool {
    let told = status
        .get_details_retry_info()
        .is_some_and(|info| info.retry_delay.is_some());
    status.code() == Code::Aborted && told
}

/// Retries a call while its error says so.
pub async fn insist<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    loop {
        match call().await {
            Err(status) if may_retry(&status) => {}
            answer => return answer,
        }
    }
}

/// The same for a method of a client.
pub async fn insist_on<T, F>(call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    insist(|| async { Ok(call().await?.into_inner()) }).await
}

/// Runs a statement directly on the database; returns the number of changed rows.
pub async fn execute(database: &Database, sql: &str, values: Vec<Value>) -> u64 {
    let statement = Statement::from_sql_and_values(database.backend(), sql, values);
    database
        .writer()
        .execute_raw(statement)
        .await
        .unwrap()
        .rows_affected()
}

pub async fn query(database: &Database, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(database.backend(), sql);
    database.reader().query_all_raw(statement).await.unwrap()
}

/// One number, such as a `COUNT(*)`.
pub async fn number(database: &Database, sql: &str) -> i64 {
    query(database, sql).await[0].try_get_by_index(0).unwrap()
}
