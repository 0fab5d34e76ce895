//! Random issues, inspections, interviews and reform plans for the tests of figures.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use taizhang_contracts::common::Date;
use taizhang_contracts::supervision::*;
use tonic::Status;

use super::{days, one_of};
use crate::records::*;

/// A record to write, and its final state.
#[derive(Debug, Clone)]
pub enum Planned {
    Issue {
        kind: IssueKind,
        topic: SupervisionTopic,
        day: NaiveDate,
        end: IssueState,
    },
    Inspection {
        kind: InspectionKind,
        day: NaiveDate,
        end: InspectionState,
    },
    Interview {
        target: &'static str,
        kind: InterviewTargetKind,
        day: NaiveDate,
        end: InterviewState,
    },
    /// A plan and its tasks, each with its category.
    Reform {
        adopted: NaiveDate,
        tasks: Vec<(&'static str, ReformTaskState)>,
    },
}

pub fn planned() -> impl Strategy<Value = Planned> {
    use SupervisionTopic::{PollutionControl, Safety};
    let kinds = one_of(&[
        IssueKind::SupervisionNotice,
        IssueKind::SupervisionBulletin,
        IssueKind::SupervisionBulletin,
        IssueKind::WorkDeployment,
        IssueKind::SpecialReport,
    ]);
    let ends = one_of(&[
        IssueState::Drafted,
        IssueState::Issued,
        IssueState::Issued,
        IssueState::Voided,
    ]);
    let issue = (kinds, one_of(&[PollutionControl, Safety]), days(), ends).prop_map(
        |(kind, topic, day, end)| Planned::Issue {
            kind,
            topic,
            day,
            end,
        },
    );
    let kinds = one_of(&[InspectionKind::Supervision, InspectionKind::Unannounced]);
    let ends = one_of(&[
        InspectionState::Planned,
        InspectionState::Done,
        InspectionState::Done,
        InspectionState::Cancelled,
    ]);
    let inspection =
        (kinds, days(), ends).prop_map(|(kind, day, end)| Planned::Inspection { kind, day, end });
    let kinds = one_of(&[
        InterviewTargetKind::MiningEnterprise,
        InterviewTargetKind::MiningEnterprise,
        InterviewTargetKind::Unit,
    ]);
    let ends = one_of(&[
        InterviewState::Planned,
        InterviewState::Held,
        InterviewState::Held,
        InterviewState::Cancelled,
    ]);
    let interview = (one_of(&["东山矿业", "西山矿业"]), kinds, days(), ends).prop_map(
        |(target, kind, day, end)| Planned::Interview {
            target,
            kind,
            day,
            end,
        },
    );
    let ends = one_of(&[
        ReformTaskState::Planned,
        ReformTaskState::InProgress,
        ReformTaskState::Completed,
        ReformTaskState::Dropped,
    ]);
    let tasks = prop::collection::vec((one_of(&["a", "b"]), ends), 0..4);
    let reform = (days(), tasks).prop_map(|(adopted, tasks)| Planned::Reform { adopted, tasks });
    prop_oneof![3 => issue, 2 => inspection, 2 => interview, 1 => reform]
}

pub async fn write(api: &Api, office: &str, planned: Planned, deleted: bool) -> Result<(), Status> {
    let parent = office.to_owned();
    match planned {
        Planned::Issue {
            kind,
            topic,
            day,
            end,
        } => {
            let request = CreateIssueSeriesRequest {
                parent: parent.clone(),
                issue_series: Some(issue_series("期刊", kind)),
                ..Default::default()
            };
            let mut series = api.issue_series.clone();
            let series = series.create_issue_series(request).await?.into_inner().name;
            let made = Issue {
                topic: topic.into(),
                dated_on: Some(day.into()),
                ..issue(&series, "第一期")
            };
            let mut issues = api.issues.clone();
            let request = CreateIssueRequest {
                parent,
                issue: Some(made),
                ..Default::default()
            };
            let name = issues.create_issue(request).await?.into_inner().name;
            if end != IssueState::Drafted {
                let request = PublishIssueRequest {
                    name: name.clone(),
                    issued_on: Some(day.into()),
                    ..Default::default()
                };
                issues.publish_issue(request).await?;
            }
            // An issue can't be deleted, only voided.
            if end == IssueState::Voided || deleted {
                let request = VoidIssueRequest {
                    name,
                    reason: "重复".into(),
                    ..Default::default()
                };
                issues.void_issue(request).await?;
            }
        }
        Planned::Inspection { kind, day, end } => {
            let made = Inspection {
                kind: kind.into(),
                ..inspection("甲镇", day.into())
            };
            let mut inspections = api.inspections.clone();
            let request = CreateInspectionRequest {
                parent,
                inspection: Some(made),
                ..Default::default()
            };
            let name = inspections.create_inspection(request).await?;
            let name = name.into_inner().name;
            if end == InspectionState::Done {
                let request = CompleteInspectionRequest {
                    name: name.clone(),
                    ..Default::default()
                };
                inspections.complete_inspection(request).await?;
            } else if end == InspectionState::Cancelled {
                let request = CancelInspectionRequest {
                    name: name.clone(),
                    reason: "合并".into(),
                    ..Default::default()
                };
                inspections.cancel_inspection(request).await?;
            }
            if deleted {
                let request = DeleteInspectionRequest {
                    name,
                    ..Default::default()
                };
                inspections.delete_inspection(request).await?;
            }
        }
        Planned::Interview {
            target,
            kind,
            day,
            end,
        } => {
            let made = Interview {
                target_kind: kind.into(),
                ..interview(target, day.into())
            };
            let mut interviews = api.interviews.clone();
            let request = CreateInterviewRequest {
                parent,
                interview: Some(made),
                ..Default::default()
            };
            let name = interviews
                .create_interview(request)
                .await?
                .into_inner()
                .name;
            if end == InterviewState::Held {
                let request = HoldInterviewRequest {
                    name: name.clone(),
                    held_on: Some(day.into()),
                    ..Default::default()
                };
                interviews.hold_interview(request).await?;
            } else if end == InterviewState::Cancelled {
                let request = CancelInterviewRequest {
                    name: name.clone(),
                    reason: "已整改".into(),
                    ..Default::default()
                };
                interviews.cancel_interview(request).await?;
            }
            if deleted {
                let request = DeleteInterviewRequest {
                    name,
                    ..Default::default()
                };
                interviews.delete_interview(request).await?;
            }
        }
        Planned::Reform { adopted, tasks } => {
            let mut plans = api.reform_plans.clone();
            let request = CreateReformPlanRequest {
                parent: parent.clone(),
                reform_plan: Some(reform_plan(&["a", "b"], adopted.into())),
                ..Default::default()
            };
            let plan = plans.create_reform_plan(request).await?.into_inner().name;
            for (category, end) in tasks {
                task(api, &parent, &plan, adopted, (category, end, deleted)).await?;
            }
            if deleted {
                let request = DeleteReformPlanRequest {
                    name: plan,
                    ..Default::default()
                };
                plans.delete_reform_plan(request).await?;
            }
        }
    }
    Ok(())
}

async fn task(
    api: &Api,
    office: &str,
    plan: &str,
    adopted: NaiveDate,
    (category, end, deleted): (&str, ReformTaskState, bool),
) -> Result<(), Status> {
    let after = |days| Some(Date::from(adopted + Days::new(days)));
    let mut tasks = api.reform_tasks.clone();
    let request = CreateReformTaskRequest {
        parent: office.into(),
        reform_task: Some(reform_task(plan, category, after(90).unwrap())),
        ..Default::default()
    };
    let name = tasks.create_reform_task(request).await?.into_inner().name;
    if matches!(
        end,
        ReformTaskState::InProgress | ReformTaskState::Completed
    ) {
        let request = StartReformTaskRequest {
            name: name.clone(),
            started_on: after(10),
            ..Default::default()
        };
        tasks.start_reform_task(request).await?;
    }
    if end == ReformTaskState::Completed {
        let request = CompleteReformTaskRequest {
            name: name.clone(),
            completed_on: after(60),
            ..Default::default()
        };
        tasks.complete_reform_task(request).await?;
    } else if end == ReformTaskState::Dropped {
        let request = DropReformTaskRequest {
            name: name.clone(),
            reason: "另有部署".into(),
            ..Default::default()
        };
        tasks.drop_reform_task(request).await?;
    }
    if deleted {
        let request = DeleteReformTaskRequest {
            name,
            ..Default::default()
        };
        tasks.delete_reform_task(request).await?;
    }
    Ok(())
}

/// All these records of an office, read by lists.
pub struct World {
    issues: Vec<Issue>,
    inspections: Vec<Inspection>,
    interviews: Vec<Interview>,
    tasks: Vec<ReformTask>,
}

impl World {
    pub async fn of(api: &Api, office: &str) -> Self {
        let (parent, page_size) = (office.to_owned(), 1000);
        let request = ListIssuesRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let issues = api.issues.clone().list_issues(request).await.unwrap();
        let request = ListInspectionsRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let mut inspections = api.inspections.clone();
        let inspections = inspections.list_inspections(request).await.unwrap();
        let request = ListInterviewsRequest {
            parent: parent.clone(),
            page_size,
            ..Default::default()
        };
        let mut interviews = api.interviews.clone();
        let interviews = interviews.list_interviews(request).await.unwrap();
        let request = ListReformTasksRequest {
            parent,
            page_size,
            ..Default::default()
        };
        let mut tasks = api.reform_tasks.clone();
        let tasks = tasks.list_reform_tasks(request).await.unwrap();
        Self {
            issues: issues.into_inner().issues,
            inspections: inspections.into_inner().inspections,
            interviews: interviews.into_inner().interviews,
            tasks: tasks.into_inner().reform_tasks,
        }
    }

    /// The value and the number of records of an indicator, counted in Rust by its definition;
    /// `None` for indicators that are not implemented here.
    pub fn count(&self, id: &str, within: &dyn Fn(&Option<Date>) -> bool) -> Option<(i64, i64)> {
        let issued = |kind: IssueKind, topic: Option<SupervisionTopic>| {
            let counts = |i: &&Issue| {
                i.state() == IssueState::Issued
                    && i.kind() == kind
                    && topic.is_none_or(|topic| i.topic() == topic)
                    && within(&i.issued_on)
            };
            counted(self.issues.iter().filter(counts).count())
        };
        let done = || {
            let inspections = self.inspections.iter();
            inspections.filter(|i| i.state() == InspectionState::Done && within(&i.last_day))
        };
        let held = || {
            let interviews = self.interviews.iter();
            interviews.filter(|i| i.state() == InterviewState::Held && within(&i.held_on))
        };
        let tasks = || {
            let tasks = self.tasks.iter();
            tasks.filter(|t| t.state() != ReformTaskState::Dropped && within(&t.planned_on))
        };
        match id {
            "county_supervision_notices_issued" => issued(IssueKind::SupervisionNotice, None),
            "county_work_deployment_issues" => issued(IssueKind::WorkDeployment, None),
            "supervision_bulletins_issued" => issued(IssueKind::SupervisionBulletin, None),
            "supervision_bulletins_environment" => issued(
                IssueKind::SupervisionBulletin,
                Some(SupervisionTopic::PollutionControl),
            ),
            "inspections_done" => counted(done().count()),
            "unannounced_inspections" => counted(
                done()
                    .filter(|i| i.kind() == InspectionKind::Unannounced)
                    .count(),
            ),
            "interviews_held" => counted(held().count()),
            "mining_enterprises_interviewed" => distinct(
                held()
                    .filter(|i| i.target_kind() == InterviewTargetKind::MiningEnterprise)
                    .map(|i| i.target.clone()),
            ),
            "reform_tasks" => counted(tasks().count()),
            "reform_task_categories" => {
                distinct(tasks().map(|t| format!("{} {}", t.plan, t.category)))
            }
            "reform_tasks_completed" => {
                let completed = |t: &&ReformTask| {
                    t.state() == ReformTaskState::Completed && within(&t.completed_on)
                };
                counted(self.tasks.iter().filter(completed).count())
            }
            _ => None,
        }
    }
}

fn counted(n: usize) -> Option<(i64, i64)> {
    Some((n as i64, n as i64))
}

/// The number of distinct values, and of records.
fn distinct(values: impl Iterator<Item = String>) -> Option<(i64, i64)> {
    let all: Vec<String> = values.collect();
    let different: BTreeSet<&String> = all.iter().collect();
    Some((different.len() as i64, all.len() as i64))
}
