//! Issues, inspections, interviews, reform plans and tasks.

use chrono::NaiveDate;
use taizhang_contracts::supervision::{
    self as s, FindingSeverity, InspectionKind, InterviewTargetKind, IssueKind, SupervisionTopic,
};
use tonic::{Code, Status};

use super::people;
use crate::client::{Clients, request_id};
use crate::days::{day, later, outside, spread};
use crate::figures::{Figures, Plannable, indicator, part, planned};
use crate::job::Job;

/// The indicators that a plan can name. Each category of the reform plan has at least one task.
pub(crate) const PLANNABLE: &[Plannable] = &[
    indicator("supervision_bulletins_environment"),
    indicator("mining_enterprises_interviewed"),
    indicator("reform_tasks"),
    part("reform_task_categories", "reform_tasks"),
    indicator("county_supervision_notices_issued"),
    indicator("county_work_deployment_issues"),
];

/// The issue series of each office: id, title and kind.
const SERIES: &[(&str, &str, IssueKind)] = &[
    ("notices", "县委督查通知", IssueKind::SupervisionNotice),
    ("bulletins", "县委督查通报", IssueKind::SupervisionBulletin),
    ("deployments", "县委工作部署", IssueKind::WorkDeployment),
    ("reports", "督查专报", IssueKind::SpecialReport),
];

/// A record of the supervision service other than a matter.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// A numbered issue.
    Issue(Issue),
    /// An inspection on one day.
    Inspection(InspectionKind, NaiveDate, Outcome),
    /// An interview with the enterprise or unit of this number.
    Interview(InterviewTargetKind, u32, NaiveDate, Outcome),
    /// The reform plan of a year with its tasks.
    Reform(Reform),
}

/// A numbered issue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issue {
    /// The kind of its series.
    kind: IssueKind,
    /// Its topic.
    topic: SupervisionTopic,
    /// Its day.
    day: NaiveDate,
    /// Its final state.
    outcome: IssueOutcome,
}

/// The final state of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IssueOutcome {
    Drafted,
    Issued,
    Voided,
}

/// The final state of an inspection or an interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is only planned.
    Planned,
    /// It was held.
    Done,
    /// It is cancelled.
    Cancelled,
}

/// The reform plan of a year.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reform {
    /// The day it is adopted.
    adopted: NaiveDate,
    /// How many categories its tasks have.
    categories: u32,
    /// How many tasks it has, without the dropped ones.
    tasks: u32,
    /// How many dropped tasks it has.
    dropped: u32,
}

const TOPICS: &[SupervisionTopic] = &[
    SupervisionTopic::KeyProjects,
    SupervisionTopic::RuralRevitalization,
    SupervisionTopic::Safety,
    SupervisionTopic::WorkStyle,
    SupervisionTopic::Other,
];

/// The records that are counted in a year.
pub(crate) fn counted(year: i32, figures: &Figures) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let figure = |id| planned(figures, id);
    for (id, kind) in [
        (
            "county_supervision_notices_issued",
            IssueKind::SupervisionNotice,
        ),
        ("county_work_deployment_issues", IssueKind::WorkDeployment),
        (
            "supervision_bulletins_environment",
            IssueKind::SupervisionBulletin,
        ),
    ] {
        let number = figure(id);
        for i in 0..number {
            let topic = match kind {
                IssueKind::SupervisionBulletin => SupervisionTopic::PollutionControl,
                _ => TOPICS
                    .get(i as usize % TOPICS.len())
                    .copied()
                    .unwrap_or(SupervisionTopic::Other),
            };
            jobs.push(Job::new(Record::Issue(Issue {
                kind,
                topic,
                day: spread(year, i, number),
                outcome: IssueOutcome::Issued,
            })));
        }
    }
    let enterprises = figure("mining_enterprises_interviewed");
    for i in 0..enterprises {
        let target = InterviewTargetKind::MiningEnterprise;
        let day = spread(year, i, enterprises);
        jobs.push(Job::new(Record::Interview(target, i, day, Outcome::Done)));
        // Some are interviewed twice, and still counted once.
        if i % 3 == 0 {
            jobs.push(Job::new(Record::Interview(target, i, day, Outcome::Done)));
        }
    }
    let tasks = figure("reform_tasks");
    if tasks > 0 {
        jobs.push(Job::new(Record::Reform(Reform {
            adopted: day(year, 2, 20),
            categories: figure("reform_task_categories"),
            tasks,
            dropped: 2,
        })));
    }
    jobs
}

/// Records that no figure of the year or of the year before may count.
pub(crate) fn uncounted(year: i32) -> Vec<Job<Record>> {
    let mut jobs = Vec::new();
    let issue = |kind, topic, day, outcome| {
        Record::Issue(Issue {
            kind,
            topic,
            day,
            outcome,
        })
    };
    let bulletin = |day, outcome| {
        let topic = SupervisionTopic::PollutionControl;
        issue(IssueKind::SupervisionBulletin, topic, day, outcome)
    };
    let mining = InterviewTargetKind::MiningEnterprise;
    let reform = |adopted| {
        Record::Reform(Reform {
            adopted,
            categories: 2,
            tasks: 3,
            dropped: 0,
        })
    };
    let mid = day(year, 6, 15);
    for record in [
        bulletin(mid, IssueOutcome::Drafted),
        bulletin(mid, IssueOutcome::Voided),
        issue(
            IssueKind::SupervisionNotice,
            SupervisionTopic::Other,
            mid,
            IssueOutcome::Voided,
        ),
        issue(
            IssueKind::SupervisionBulletin,
            SupervisionTopic::Safety,
            mid,
            IssueOutcome::Issued,
        ),
        issue(
            IssueKind::SpecialReport,
            SupervisionTopic::PollutionControl,
            mid,
            IssueOutcome::Issued,
        ),
        Record::Inspection(InspectionKind::Unannounced, mid, Outcome::Done),
        Record::Inspection(InspectionKind::Special, later(mid, 30), Outcome::Done),
        Record::Inspection(InspectionKind::Supervision, mid, Outcome::Cancelled),
        Record::Interview(mining, 900_001, mid, Outcome::Planned),
        Record::Interview(mining, 900_002, mid, Outcome::Cancelled),
        Record::Interview(InterviewTargetKind::OtherEnterprise, 0, mid, Outcome::Done),
        Record::Interview(InterviewTargetKind::Unit, 0, mid, Outcome::Done),
    ] {
        jobs.push(Job::new(record));
    }
    for day in outside(year) {
        for record in [
            bulletin(day, IssueOutcome::Issued),
            issue(
                IssueKind::WorkDeployment,
                SupervisionTopic::Other,
                day,
                IssueOutcome::Issued,
            ),
            Record::Inspection(InspectionKind::Unannounced, day, Outcome::Done),
            Record::Interview(mining, 900_003, day, Outcome::Done),
            reform(day),
        ] {
            jobs.push(Job::new(record));
        }
    }
    let interview = Record::Interview(mining, 900_004, mid, Outcome::Done);
    jobs.push(Job::deleted(interview.clone()));
    for record in [interview, bulletin(mid, IssueOutcome::Issued), reform(mid)] {
        jobs.push(Job::of_neighbour(record));
    }
    jobs
}

/// Makes the issue series of an office.
///
/// # Errors
/// A refusal.
pub(crate) async fn prepare(c: &mut Clients, parent: &str) -> Result<(), Status> {
    for (id, title, kind) in SERIES {
        let series = s::IssueSeries {
            title: (*title).into(),
            kind: (*kind).into(),
            ..Default::default()
        };
        let request = s::CreateIssueSeriesRequest {
            parent: parent.to_owned(),
            issue_series_id: (*id).into(),
            issue_series: Some(series),
            ..Default::default()
        };
        match c.issue_series.create_issue_series(request).await {
            Err(status) if status.code() != Code::AlreadyExists => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

/// Makes a record and returns its name.
///
/// # Errors
/// The first refusal.
pub(crate) async fn make(
    c: &mut Clients,
    parent: String,
    i: usize,
    record: &Record,
) -> Result<String, Status> {
    match record {
        Record::Issue(plan) => issue(c, parent, i, plan).await,
        Record::Inspection(kind, day, outcome) => {
            inspect(c, parent, i, *kind, *day, *outcome).await
        }
        Record::Interview(kind, number, day, outcome) => {
            let target = match kind {
                InterviewTargetKind::MiningEnterprise => {
                    format!(
                        "{}第{}矿业公司",
                        people::township(*number as usize),
                        number + 1
                    )
                }
                _ => people::unit(*number as usize).into(),
            };
            interview(c, parent, i, (*kind, target), *day, *outcome).await
        }
        Record::Reform(plan) => reform(c, parent, i, plan).await,
    }
}

/// Deletes a record.
///
/// # Errors
/// A refusal.
pub(crate) async fn delete(c: &mut Clients, name: String, record: &Record) -> Result<(), Status> {
    match record {
        Record::Inspection(..) => {
            let request = s::DeleteInspectionRequest {
                name,
                ..Default::default()
            };
            c.inspections.delete_inspection(request).await?;
        }
        Record::Interview(..) => {
            let request = s::DeleteInterviewRequest {
                name,
                ..Default::default()
            };
            c.interviews.delete_interview(request).await?;
        }
        // A numbered issue can't be deleted, nor a plan that has tasks.
        Record::Issue(_) | Record::Reform(_) => {}
    }
    Ok(())
}

async fn issue(c: &mut Clients, parent: String, i: usize, plan: &Issue) -> Result<String, Status> {
    let series = SERIES
        .iter()
        .find(|(_, _, kind)| *kind == plan.kind)
        .map_or("reports", |(id, _, _)| id);
    let issue = s::Issue {
        series: format!("{parent}/issueSeries/{series}"),
        title: format!("关于{}的情况", people::subject(i)),
        topic: plan.topic.into(),
        recipients: vec![people::unit(i).into(), people::unit(i + 1).into()],
        dated_on: Some(plan.day.into()),
        ..Default::default()
    };
    let request = s::CreateIssueRequest {
        parent,
        issue: Some(issue),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c.issues.create_issue(request).await?.into_inner().name;
    match plan.outcome {
        IssueOutcome::Drafted => {}
        IssueOutcome::Issued => {
            let request = s::PublishIssueRequest {
                name: name.clone(),
                issued_on: Some(plan.day.into()),
                ..Default::default()
            };
            c.issues.publish_issue(request).await?;
        }
        IssueOutcome::Voided => {
            let request = s::VoidIssueRequest {
                name: name.clone(),
                reason: "内容有误".into(),
                voided_on: Some(plan.day.into()),
                ..Default::default()
            };
            c.issues.void_issue(request).await?;
        }
    }
    Ok(name)
}

async fn inspect(
    c: &mut Clients,
    parent: String,
    i: usize,
    kind: InspectionKind,
    day: NaiveDate,
    outcome: Outcome,
) -> Result<String, Status> {
    let object = people::unit(i).to_owned();
    let inspection = s::Inspection {
        kind: kind.into(),
        title: format!("{}督查", people::subject(i)),
        topic: SupervisionTopic::PollutionControl.into(),
        objects: vec![object.clone()],
        places: vec![people::place(i).into()],
        inspectors: vec![people::person(i), people::person(i + 1)],
        first_day: Some(day.into()),
        last_day: Some(day.into()),
        ..Default::default()
    };
    let request = s::CreateInspectionRequest {
        parent,
        inspection: Some(inspection),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .inspections
        .create_inspection(request)
        .await?
        .into_inner()
        .name;
    match outcome {
        Outcome::Planned => {}
        Outcome::Done => {
            let finding = s::Finding {
                object,
                problem: "整改进度偏慢".into(),
                severity: FindingSeverity::Minor.into(),
                ..Default::default()
            };
            let request = s::CompleteInspectionRequest {
                name: name.clone(),
                findings: vec![finding],
                ..Default::default()
            };
            c.inspections.complete_inspection(request).await?;
        }
        Outcome::Cancelled => {
            let request = s::CancelInspectionRequest {
                name: name.clone(),
                reason: "并入其他督查".into(),
                ..Default::default()
            };
            c.inspections.cancel_inspection(request).await?;
        }
    }
    Ok(name)
}

async fn interview(
    c: &mut Clients,
    parent: String,
    i: usize,
    (kind, target): (InterviewTargetKind, String),
    day: NaiveDate,
    outcome: Outcome,
) -> Result<String, Status> {
    let interview = s::Interview {
        target,
        target_kind: kind.into(),
        date: Some(day.into()),
        reason: "生态修复进度滞后".into(),
        interviewers: vec![people::person(i)],
        ..Default::default()
    };
    let request = s::CreateInterviewRequest {
        parent,
        interview: Some(interview),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .interviews
        .create_interview(request)
        .await?
        .into_inner()
        .name;
    match outcome {
        Outcome::Planned => {}
        Outcome::Done => {
            let request = s::HoldInterviewRequest {
                name: name.clone(),
                held_on: Some(day.into()),
                requirements: "限期完成整改".into(),
                ..Default::default()
            };
            c.interviews.hold_interview(request).await?;
        }
        Outcome::Cancelled => {
            let request = s::CancelInterviewRequest {
                name: name.clone(),
                reason: "已完成整改".into(),
                ..Default::default()
            };
            c.interviews.cancel_interview(request).await?;
        }
    }
    Ok(name)
}

/// Makes a reform plan and its tasks, of which some are completed and the last ones dropped.
async fn reform(
    c: &mut Clients,
    parent: String,
    i: usize,
    plan: &Reform,
) -> Result<String, Status> {
    let (adopted, categories) = (plan.adopted, plan.categories.max(1));
    let category = |n: u32| format!("c{}", n + 1);
    let made = s::ReformPlan {
        year: chrono::Datelike::year(&adopted),
        title: "全面深化改革工作要点".into(),
        adopted_on: Some(adopted.into()),
        categories: (0..categories)
            .map(|n| s::ReformCategory {
                id: category(n),
                title: format!("{}改革", people::subject(n as usize)),
            })
            .collect(),
        ..Default::default()
    };
    let request = s::CreateReformPlanRequest {
        parent: parent.clone(),
        reform_plan: Some(made),
        request_id: request_id(),
        ..Default::default()
    };
    let name = c
        .reform_plans
        .create_reform_plan(request)
        .await?
        .into_inner()
        .name;
    for n in 0..plan.tasks + plan.dropped {
        let task = s::ReformTask {
            plan: name.clone(),
            category: category(n % categories),
            title: format!("{}改革任务", people::subject(i + n as usize)),
            lead_unit: people::unit(n as usize).into(),
            due_date: Some(later(adopted, 200).into()),
            ..Default::default()
        };
        let request = s::CreateReformTaskRequest {
            parent: parent.clone(),
            reform_task: Some(task),
            request_id: request_id(),
            ..Default::default()
        };
        let task = c.reform_tasks.create_reform_task(request).await?;
        let name = task.into_inner().name;
        if n >= plan.tasks {
            let request = s::DropReformTaskRequest {
                name,
                reason: "上级未部署".into(),
                dropped_on: Some(later(adopted, 10).into()),
                ..Default::default()
            };
            c.reform_tasks.drop_reform_task(request).await?;
            continue;
        }
        let request = s::StartReformTaskRequest {
            name: name.clone(),
            started_on: Some(later(adopted, 10).into()),
            ..Default::default()
        };
        c.reform_tasks.start_reform_task(request).await?;
        if n % 3 > 0 {
            let request = s::CompleteReformTaskRequest {
                name,
                completed_on: Some(later(adopted, 30).into()),
                ..Default::default()
            };
            c.reform_tasks.complete_reform_task(request).await?;
        }
    }
    Ok(name)
}
