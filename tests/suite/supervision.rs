//! Issues and their numbers, inspections, interviews, and reform plans from the adoption to the
//! completion of the tasks.

use std::collections::BTreeMap;

use futures::future::join_all;
use prost_types::FieldMask;
use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::GatherFiguresRequest;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::supervision::*;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{ANOTHER, OFFICE, Suite, reason};
use crate::records::*;

on_each_database!(
    numbers_of_each_series_have_no_gaps_and_void_ones_are_kept,
    a_year_of_a_series_has_numbers_of_its_own,
    a_reform_plan_from_adoption_to_completion,
    reform_plans_and_tasks_stay_consistent,
    an_enterprise_with_several_interviews_counts_once,
    a_follow_up_matter_must_exist,
    inspecting_a_unit_twice_is_a_warning,
);

/// The service's figures of 2022.
async fn figures(suite: &Suite) -> BTreeMap<String, i64> {
    let mut statistics = StatisticsServiceClient::new(suite.authorized("supervision"));
    let request = GatherFiguresRequest {
        parent: OFFICE.into(),
        period: Some(Period::year(2022)),
        ..Default::default()
    };
    let answer = statistics.gather_figures(request).await.unwrap();
    let figures = answer.into_inner().figures.into_iter();
    figures.map(|f| (f.indicator, f.value)).collect()
}

/// The rule in an error.
fn rule(status: Status) -> String {
    assert_eq!(reason(&status), "RULE_REFUSES", "{status:?}");
    let failure = status.get_details_precondition_failure().unwrap();
    failure.violations[0].r#type.clone()
}

async fn new_series(api: &Api, title: &str, kind: IssueKind) -> String {
    let request = CreateIssueSeriesRequest {
        parent: OFFICE.into(),
        issue_series: Some(issue_series(title, kind)),
        ..Default::default()
    };
    let mut series = api.issue_series.clone();
    let made = series.create_issue_series(request).await.unwrap();
    made.into_inner().name
}

async fn new_issue(api: &Api, issue: Issue) -> Result<Issue, Status> {
    let request = CreateIssueRequest {
        parent: OFFICE.into(),
        issue: Some(issue),
        ..Default::default()
    };
    Ok(api.issues.clone().create_issue(request).await?.into_inner())
}

async fn void(api: &Api, issue: &Issue) -> Issue {
    let request = VoidIssueRequest {
        name: issue.name.clone(),
        reason: "内容重复".into(),
        ..Default::default()
    };
    let voided = api.issues.clone().void_issue(request).await.unwrap();
    voided.into_inner()
}

async fn numbers_of_each_series_have_no_gaps_and_void_ones_are_kept(suite: Suite) {
    const EACH: usize = 20;
    let api = Api::of(&suite);
    let notices = new_series(&api, "县委督查通知", IssueKind::SupervisionNotice).await;
    let bulletins = new_series(&api, "县委督查通报", IssueKind::SupervisionBulletin).await;
    let dated = |series: &str| Issue {
        dated_on: Some(day("2022-03-01")),
        ..issue(series, "污染防治")
    };
    let api = &api;
    let made = join_all((0..2 * EACH).map(|i| {
        let issue = dated(if i % 2 == 0 { &notices } else { &bulletins });
        async move {
            let made = new_issue(api, issue).await.unwrap();
            // Some are voided while others are created.
            if i % 5 == 0 {
                void(api, &made).await
            } else {
                made
            }
        }
    }))
    .await;
    for (series, kind) in [
        (&notices, IssueKind::SupervisionNotice),
        (&bulletins, IssueKind::SupervisionBulletin),
    ] {
        let of_it = made.iter().filter(|i| i.series == *series);
        let mut numbers: Vec<i32> = of_it.clone().map(|i| i.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=EACH as i32).collect::<Vec<_>>());
        assert!(of_it.clone().all(|i| i.kind() == kind));

        let request = ListIssuesRequest {
            parent: OFFICE.into(),
            filter: format!("series = \"{series}\" AND year = 2022"),
            order_by: "number".into(),
            page_size: 100,
            ..Default::default()
        };
        let listed = api.issues.clone().list_issues(request).await.unwrap();
        let listed = listed.into_inner().issues;
        let numbers: Vec<i32> = listed.iter().map(|i| i.number).collect();
        assert_eq!(numbers, (1..=EACH as i32).collect::<Vec<_>>());
        let voided = |i: &&Issue| i.state() == IssueState::Voided;
        assert_eq!(listed.iter().filter(voided).count(), EACH / 5);
    }
    // The number of a void issue is not reused.
    let next = new_issue(api, dated(&notices)).await.unwrap();
    assert_eq!(next.number, EACH as i32 + 1);
    assert!(suite.audit("supervision").await.findings.is_empty());
}

async fn a_year_of_a_series_has_numbers_of_its_own(suite: Suite) {
    let api = Api::of(&suite);
    let series = new_series(&api, "县委督查通报", IssueKind::SupervisionBulletin).await;
    let mut numbers = Vec::new();
    for date in ["2021-12-31", "2022-01-01", "2022-06-01", "2021-12-31"] {
        let dated = Issue {
            dated_on: Some(day(date)),
            topic: SupervisionTopic::PollutionControl.into(),
            ..issue(&series, "污染防治")
        };
        let made = new_issue(&api, dated).await.unwrap();
        numbers.push(made.number);
        let request = PublishIssueRequest {
            name: made.name,
            issued_on: Some(day("2022-06-02")),
            ..Default::default()
        };
        api.issues.clone().publish_issue(request).await.unwrap();
    }
    assert_eq!(numbers, [1, 1, 2, 2]);
    // Issues count by the day on which they were published.
    let figures = figures(&suite).await;
    assert_eq!(figures["supervision_bulletins_issued"], 4);
    assert_eq!(figures["supervision_bulletins_environment"], 4);
    assert_eq!(figures["county_supervision_notices_issued"], 0);

    let nowhere = format!("{OFFICE}/issueSeries/no-such-one");
    let refused = new_issue(&api, issue(&nowhere, "通报")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = DeleteIssueSeriesRequest {
        name: series.clone(),
        ..Default::default()
    };
    let mut all = api.issue_series.clone();
    all.delete_issue_series(request).await.unwrap();
    let refused = new_issue(&api, issue(&series, "通报")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

async fn new_plan(api: &Api, plan: ReformPlan) -> Result<ReformPlan, Status> {
    let request = CreateReformPlanRequest {
        parent: OFFICE.into(),
        reform_plan: Some(plan),
        ..Default::default()
    };
    let mut plans = api.reform_plans.clone();
    Ok(plans.create_reform_plan(request).await?.into_inner())
}

async fn new_task(api: &Api, task: ReformTask) -> Result<ReformTask, Status> {
    let request = CreateReformTaskRequest {
        parent: OFFICE.into(),
        reform_task: Some(task),
        ..Default::default()
    };
    let mut tasks = api.reform_tasks.clone();
    Ok(tasks.create_reform_task(request).await?.into_inner())
}

/// For all tasks and each category: tasks, completed, in progress, behind, percent.
async fn summary(api: &Api, plan: &str) -> Vec<(String, [i32; 5])> {
    let request = SummarizeReformPlanRequest { name: plan.into() };
    let mut plans = api.reform_plans.clone();
    let answer = plans.summarize_reform_plan(request).await.unwrap();
    let answer = answer.into_inner();
    let told = |t: Option<ReformTally>| {
        let t = t.unwrap();
        [t.tasks, t.completed, t.in_progress, t.behind, t.percent]
    };
    let categories = answer.categories.into_iter();
    let mut all = vec![(String::new(), told(answer.total))];
    all.extend(categories.map(|c| (c.category, told(c.tally))));
    all
}

async fn a_reform_plan_from_adoption_to_completion(suite: Suite) {
    let api = Api::of(&suite);
    let meeting = api
        .create_meeting(new_meeting(meeting("深改领导小组会议")))
        .await
        .unwrap();
    let plan = ReformPlan {
        meetings: vec![meeting.name],
        ..reform_plan(&["economy", "party"], day("2022-02-10"))
    };
    let plan = new_plan(&api, plan).await.unwrap().name;
    let with_milestone = ReformTask {
        milestones: vec![Milestone {
            title: "出台方案".into(),
            due_date: Some(day("2022-06-30")),
            // Output only: set by a report.
            done_on: Some(day("2022-03-01")),
        }],
        ..reform_task(&plan, "economy", day("2099-12-31"))
    };
    let first = new_task(&api, with_milestone).await.unwrap();
    assert_eq!(first.planned_on, Some(day("2022-02-10")));
    assert_eq!(first.plan_category, format!("{plan}/economy"));
    assert_eq!(first.milestones[0].done_on, None);
    let second = reform_task(&plan, "economy", day("2099-12-31"));
    new_task(&api, second).await.unwrap();
    let third = reform_task(&plan, "party", day("2099-12-31"));
    let third = new_task(&api, third).await.unwrap();

    let mut tasks = api.reform_tasks.clone();
    let name = || first.name.clone();
    let request = StartReformTaskRequest {
        name: name(),
        started_on: Some(day("2022-03-01")),
        ..Default::default()
    };
    tasks.start_reform_task(request).await.unwrap();
    let complete = CompleteReformTaskRequest {
        name: name(),
        completed_on: Some(day("2022-11-30")),
        ..Default::default()
    };
    let refused = tasks.complete_reform_task(complete.clone()).await;
    assert_eq!(rule(refused.unwrap_err()), "MILESTONES_DONE");
    let economy = |told| ("economy".to_owned(), told);
    let party = |told| ("party".to_owned(), told);
    let all = |told| (String::new(), told);
    assert_eq!(
        summary(&api, &plan).await,
        [
            all([3, 0, 1, 1, 0]),
            economy([2, 0, 1, 1, 0]),
            party([1, 0, 0, 0, 0]),
        ]
    );

    let request = ReportReformProgressRequest {
        name: name(),
        progress: "方案已印发".into(),
        percent: 45,
        milestone: "出台方案".into(),
        reported_on: Some(day("2022-06-20")),
        ..Default::default()
    };
    let reported = tasks.report_reform_progress(request).await.unwrap();
    let reported = reported.into_inner();
    assert_eq!(reported.milestones[0].done_on, Some(day("2022-06-20")));
    assert_eq!(
        summary(&api, &plan).await,
        [
            all([3, 0, 1, 0, 15]),
            economy([2, 0, 1, 0, 23]),
            party([1, 0, 0, 0, 0]),
        ]
    );

    let completed = tasks.complete_reform_task(complete).await.unwrap();
    assert_eq!(completed.into_inner().state(), ReformTaskState::Completed);
    let request = DropReformTaskRequest {
        name: third.name,
        reason: "上级另有部署".into(),
        ..Default::default()
    };
    tasks.drop_reform_task(request).await.unwrap();
    assert_eq!(
        summary(&api, &plan).await,
        [
            all([2, 1, 0, 0, 50]),
            economy([2, 1, 0, 0, 50]),
            party([0, 0, 0, 0, 0]),
        ]
    );
    let figures = figures(&suite).await;
    assert_eq!(figures["reform_tasks"], 2);
    assert_eq!(figures["reform_task_categories"], 1);
    assert_eq!(figures["reform_tasks_completed"], 1);
}

async fn reform_plans_and_tasks_stay_consistent(suite: Suite) {
    let api = Api::of(&suite);
    let elsewhere = ReformPlan {
        meetings: vec![format!("{ANOTHER}/meetings/m1")],
        ..reform_plan(&["a"], day("2022-02-10"))
    };
    let refused = new_plan(&api, elsewhere).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELDS");

    let plan = reform_plan(&["a", "b"], day("2022-02-10"));
    let plan = new_plan(&api, plan).await.unwrap();
    let refused = new_task(&api, reform_task(&plan.name, "c", day("2022-12-31"))).await;
    assert_eq!(reason(&refused.unwrap_err()), "INVALID_FIELDS");
    let task = new_task(&api, reform_task(&plan.name, "a", day("2022-12-31")))
        .await
        .unwrap();

    let mut plans = api.reform_plans.clone();
    let delete = DeleteReformPlanRequest {
        name: plan.name.clone(),
        ..Default::default()
    };
    let refused = plans.delete_reform_plan(delete.clone()).await.unwrap_err();
    assert_eq!(rule(refused), "REFORM_PLAN_HAS_TASKS");
    let mut update = async |path: &str, changed: ReformPlan| {
        let request = UpdateReformPlanRequest {
            reform_plan: Some(ReformPlan {
                name: plan.name.clone(),
                ..changed
            }),
            update_mask: Some(FieldMask {
                paths: vec![path.into()],
            }),
            ..Default::default()
        };
        plans.update_reform_plan(request).await
    };
    let without = |categories: &[&str]| reform_plan(categories, day("2022-03-15"));
    let refused = update("categories", without(&["b"])).await.unwrap_err();
    assert_eq!(rule(refused), "REFORM_CATEGORY_HAS_TASKS");
    update("categories", without(&["a"])).await.unwrap();

    // A corrected day of adoption is copied to the tasks.
    update("adopted_on", without(&["a"])).await.unwrap();
    let mut tasks = api.reform_tasks.clone();
    let request = GetReformTaskRequest {
        name: task.name.clone(),
    };
    let moved = tasks.get_reform_task(request).await.unwrap().into_inner();
    assert_eq!(moved.planned_on, Some(day("2022-03-15")));

    let request = DeleteReformTaskRequest {
        name: task.name.clone(),
        ..Default::default()
    };
    tasks.delete_reform_task(request).await.unwrap();
    plans.delete_reform_plan(delete).await.unwrap();
    // A task of a deleted plan can't be restored.
    let request = UndeleteReformTaskRequest {
        name: task.name,
        ..Default::default()
    };
    let refused = tasks.undelete_reform_task(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(suite.audit("supervision").await.findings.is_empty());
}

async fn new_interview(api: &Api, interview: Interview) -> Result<Interview, Status> {
    let request = CreateInterviewRequest {
        parent: OFFICE.into(),
        interview: Some(interview),
        ..Default::default()
    };
    let mut interviews = api.interviews.clone();
    Ok(interviews.create_interview(request).await?.into_inner())
}

async fn an_enterprise_with_several_interviews_counts_once(suite: Suite) {
    let api = Api::of(&suite);
    for (target, kind, date) in [
        (
            "东山矿业",
            InterviewTargetKind::MiningEnterprise,
            "2022-03-01",
        ),
        (
            "西山矿业",
            InterviewTargetKind::MiningEnterprise,
            "2022-03-01",
        ),
        (
            " 东山矿业 ",
            InterviewTargetKind::MiningEnterprise,
            "2022-07-01",
        ),
        (
            "北山矿业",
            InterviewTargetKind::MiningEnterprise,
            "2021-12-31",
        ),
        ("县水利局", InterviewTargetKind::Unit, "2022-07-01"),
    ] {
        let planned = Interview {
            target_kind: kind.into(),
            ..interview(target, day(date))
        };
        let made = new_interview(&api, planned).await.unwrap();
        assert_eq!(made.target, target.trim());
        let request = HoldInterviewRequest {
            name: made.name,
            held_on: Some(day(date)),
            commitments: "限期整改".into(),
            ..Default::default()
        };
        let held = api.interviews.clone().hold_interview(request).await;
        assert_eq!(held.unwrap().into_inner().commitments, "限期整改");
    }
    let never = interview("南山矿业", day("2022-07-01"));
    new_interview(&api, never).await.unwrap();
    let figures = figures(&suite).await;
    assert_eq!(figures["interviews_held"], 4);
    assert_eq!(figures["mining_enterprises_interviewed"], 2);
}

async fn new_inspection(api: &Api, inspection: Inspection) -> Result<Inspection, Status> {
    let request = CreateInspectionRequest {
        parent: OFFICE.into(),
        inspection: Some(inspection),
        ..Default::default()
    };
    let mut inspections = api.inspections.clone();
    Ok(inspections.create_inspection(request).await?.into_inner())
}

async fn a_follow_up_matter_must_exist(suite: Suite) {
    let api = Api::of(&suite);
    let nowhere = format!("{OFFICE}/matters/no-such-one");
    let found = |matter: &str| Finding {
        object: "甲镇".into(),
        problem: "垃圾未清运".into(),
        severity: FindingSeverity::Serious.into(),
        matter: matter.into(),
        ..Default::default()
    };
    let planned = inspection("甲镇", day("2022-05-10"));
    let planned = new_inspection(&api, planned).await.unwrap();
    let mut inspections = api.inspections.clone();
    let complete = |matter: &str| CompleteInspectionRequest {
        name: planned.name.clone(),
        findings: vec![found(matter)],
        ..Default::default()
    };
    let refused = inspections.complete_inspection(complete(&nowhere)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let info = refused.get_details_resource_info().unwrap();
    assert_eq!(info.resource_name, nowhere);
    let another = format!("{ANOTHER}/matters/m1");
    let refused = inspections.complete_inspection(complete(&another)).await;
    assert_eq!(reason(&refused.unwrap_err()), "INVALID_FIELDS");

    let follow_up = api.create_matter(new_matter(matter("清运垃圾"))).await;
    let follow_up = follow_up.unwrap().name;
    let done = inspections.complete_inspection(complete(&follow_up)).await;
    let done = done.unwrap().into_inner();
    assert_eq!(done.state(), InspectionState::Done);
    assert_eq!(done.findings, [found(&follow_up)]);

    let about = |matter: &str| Interview {
        matter: matter.into(),
        ..interview("东山矿业", day("2022-05-11"))
    };
    let refused = new_interview(&api, about(&nowhere)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    new_interview(&api, about(&follow_up)).await.unwrap();

    // A finding can still be updated when its matter is deleted.
    let request = DeleteMatterRequest {
        name: follow_up,
        ..Default::default()
    };
    api.matters.clone().delete_matter(request).await.unwrap();
    let request = UpdateInspectionRequest {
        inspection: Some(Inspection {
            name: done.name,
            title: "暗访".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    inspections.update_inspection(request).await.unwrap();
    let figures = figures(&suite).await;
    assert_eq!(figures["inspections_done"], 1);
    assert_eq!(figures["unannounced_inspections"], 0);
}

async fn inspecting_a_unit_twice_is_a_warning(suite: Suite) {
    let api = Api::of(&suite);
    let first = inspection("甲镇", day("2022-05-10"));
    let first = new_inspection(&api, first).await.unwrap();
    assert!(first.overlapping.is_empty());
    let again = Inspection {
        first_day: Some(day("2022-05-01")),
        overlapping: vec!["ignored".into()],
        ..inspection("甲镇", day("2022-05-31"))
    };
    let again = new_inspection(&api, again).await.unwrap();
    assert_eq!(again.overlapping, std::slice::from_ref(&first.name));
    new_inspection(&api, inspection("乙镇", day("2022-05-10")))
        .await
        .unwrap();
    let request = ListInspectionsRequest {
        parent: OFFICE.into(),
        ..Default::default()
    };
    let mut inspections = api.inspections.clone();
    let listed = inspections.list_inspections(request).await.unwrap();
    let warned: Vec<_> = listed
        .into_inner()
        .inspections
        .into_iter()
        .filter(|i| !i.overlapping.is_empty())
        .map(|i| (i.name, i.overlapping))
        .collect();
    assert_eq!(
        warned,
        [
            (first.name.clone(), vec![again.name.clone()]),
            (again.name.clone(), vec![first.name.clone()]),
        ]
    );
    let request = CancelInspectionRequest {
        name: again.name,
        reason: "避免重复督查".into(),
        ..Default::default()
    };
    inspections.cancel_inspection(request).await.unwrap();
    let request = GetInspectionRequest { name: first.name };
    let alone = inspections.get_inspection(request).await.unwrap();
    assert!(alone.into_inner().overlapping.is_empty());
}
