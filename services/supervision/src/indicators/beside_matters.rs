//! What issues, inspections, interviews and tasks for reform add up to.

use taizhang_contracts::supervision::{
    Inspection, InspectionKind, InspectionState, Interview, InterviewState, InterviewTargetKind,
    Issue, IssueKind, IssueState, ReformTask, ReformTaskState, SupervisionTopic,
};
use taizhang_ledger::figures::{Indicator, Test, count, distinct, is, one_of};

use crate::{Supervision, inspection, interview, issue, reform_task};

/// Numbered issues, inspections and interviews.
pub(super) fn of_supervision() -> Vec<Indicator<Supervision>> {
    vec![
        count(
            "county_supervision_notices_issued",
            "制发县委督查通知",
            "期",
            "已印发的督查通知（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionNotice))
        .when(issued())
        .placed_by(issue::ISSUED_ON),
        count(
            "county_work_deployment_issues",
            "下发《县委工作部署》",
            "期",
            "已印发的县委工作部署（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::WorkDeployment))
        .when(issued())
        .placed_by(issue::ISSUED_ON),
        count(
            "supervision_bulletins_issued",
            "下发督查通报",
            "期",
            "已印发的督查通报（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionBulletin))
        .when(issued())
        .placed_by(issue::ISSUED_ON),
        count(
            "supervision_bulletins_environment",
            "污染防治督查通报",
            "期",
            "已印发的督查通报中专题为污染防治的（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionBulletin))
        .when(is(issue::TOPIC, SupervisionTopic::PollutionControl as i64))
        .when(issued())
        .placed_by(issue::ISSUED_ON)
        .part_of("supervision_bulletins_issued"),
        count(
            "inspections_done",
            "开展督查检查",
            "次",
            "已完成的督查检查，按结束日期计",
        )
        .when(inspected())
        .placed_by(inspection::LAST_DAY),
        count(
            "unannounced_inspections",
            "开展暗访",
            "次",
            "已完成的督查检查中属于暗访的，按结束日期计",
        )
        .when(is(inspection::KIND, InspectionKind::Unannounced as i64))
        .when(inspected())
        .placed_by(inspection::LAST_DAY)
        .part_of("inspections_done"),
        count(
            "interviews_held",
            "约谈",
            "次",
            "已进行的约谈，每个对象每次约谈计一次，按实际约谈日期计",
        )
        .when(interviewed())
        .placed_by(interview::HELD_ON),
        distinct(
            "mining_enterprises_interviewed",
            "约谈矿山企业",
            "家",
            "已约谈的矿山企业，同一企业多次约谈只计一家，按实际约谈日期计",
            interview::TARGET,
        )
        .when(is(
            interview::TARGET_KIND,
            InterviewTargetKind::MiningEnterprise as i64,
        ))
        .when(interviewed())
        .placed_by(interview::HELD_ON),
    ]
}

/// The tasks of the plans for reform.
pub(super) fn of_reform() -> Vec<Indicator<Supervision>> {
    vec![
        count(
            "reform_tasks",
            "具体改革任务",
            "项",
            "列入改革工作要点的任务（不含终止的），按要点审议通过日期计",
        )
        .when(not_dropped())
        .placed_by(reform_task::PLANNED_ON),
        distinct(
            "reform_task_categories",
            "改革任务类别",
            "类",
            "列入改革工作要点的任务（不含终止的）所属的类别，同一要点的同一类别只计一类，按要点审议通过日期计",
            reform_task::PLAN_CATEGORY,
        )
        .when(not_dropped())
        .placed_by(reform_task::PLANNED_ON),
        count(
            "reform_tasks_completed",
            "完成改革任务",
            "项",
            "已完成的改革任务，按完成日期计",
        )
        .when(is(
            reform_task::STATE,
            ReformTaskState::Completed as i64,
        ))
        .placed_by(reform_task::COMPLETED_ON),
    ]
}

fn of_kind(kind: IssueKind) -> Test<Issue> {
    is(issue::KIND, kind as i64)
}

fn issued() -> Test<Issue> {
    is(issue::STATE, IssueState::Issued as i64)
}

fn inspected() -> Test<Inspection> {
    is(inspection::STATE, InspectionState::Done as i64)
}

fn interviewed() -> Test<Interview> {
    is(interview::STATE, InterviewState::Held as i64)
}

fn not_dropped() -> Test<ReformTask> {
    one_of(
        reform_task::STATE,
        [
            ReformTaskState::Planned as i64,
            ReformTaskState::InProgress as i64,
            ReformTaskState::Completed as i64,
        ],
    )
}
