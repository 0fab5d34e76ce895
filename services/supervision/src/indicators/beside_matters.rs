//! The indicators of issues, inspections, interviews and reform tasks.

use sea_orm::sea_query::Expr;
use taizhang_contracts::supervision::{
    InspectionKind, InspectionState, InterviewState, InterviewTargetKind, IssueKind, IssueState,
    ReformTaskState, SupervisionTopic,
};
use taizhang_ledger::figures::{Indicator, count, distinct};

use crate::entities::{inspections, interviews, issues, reform_tasks};

/// Numbered issues, inspections and interviews.
pub(super) fn of_supervision() -> Vec<Indicator> {
    vec![
        count(
            "county_supervision_notices_issued",
            "制发县委督查通知",
            "期",
            "已印发的督查通知（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionNotice))
        .when(issued())
        .placed_by(issues::COLUMN.issued_on),
        count(
            "county_work_deployment_issues",
            "下发《县委工作部署》",
            "期",
            "已印发的县委工作部署（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::WorkDeployment))
        .when(issued())
        .placed_by(issues::COLUMN.issued_on),
        count(
            "supervision_bulletins_issued",
            "下发督查通报",
            "期",
            "已印发的督查通报（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionBulletin))
        .when(issued())
        .placed_by(issues::COLUMN.issued_on),
        count(
            "supervision_bulletins_environment",
            "污染防治督查通报",
            "期",
            "已印发的督查通报中专题为污染防治的（不含作废），按印发日期计",
        )
        .when(of_kind(IssueKind::SupervisionBulletin))
        .when(issues::COLUMN.topic.eq(SupervisionTopic::PollutionControl))
        .when(issued())
        .placed_by(issues::COLUMN.issued_on)
        .part_of("supervision_bulletins_issued"),
        count(
            "inspections_done",
            "开展督查检查",
            "次",
            "已完成的督查检查，按结束日期计",
        )
        .when(inspected())
        .placed_by(inspections::COLUMN.last_day),
        count(
            "unannounced_inspections",
            "开展暗访",
            "次",
            "已完成的督查检查中属于暗访的，按结束日期计",
        )
        .when(inspections::COLUMN.kind.eq(InspectionKind::Unannounced))
        .when(inspected())
        .placed_by(inspections::COLUMN.last_day)
        .part_of("inspections_done"),
        count(
            "interviews_held",
            "约谈",
            "次",
            "已进行的约谈，每个对象每次约谈计一次，按实际约谈日期计",
        )
        .when(interviewed())
        .placed_by(interviews::COLUMN.held_on),
        distinct(
            "mining_enterprises_interviewed",
            "约谈矿山企业",
            "家",
            "已约谈的矿山企业，同一企业多次约谈只计一家，按实际约谈日期计",
            interviews::Column::Target,
        )
        .when(
            interviews::COLUMN
                .target_kind
                .eq(InterviewTargetKind::MiningEnterprise),
        )
        .when(interviewed())
        .placed_by(interviews::COLUMN.held_on),
    ]
}

/// The tasks of reform plans.
pub(super) fn of_reform() -> Vec<Indicator> {
    vec![
        count(
            "reform_tasks",
            "具体改革任务",
            "项",
            "列入改革工作要点的任务（不含终止的），按要点审议通过日期计",
        )
        .when(not_dropped())
        .placed_by(reform_tasks::COLUMN.planned_on),
        distinct(
            "reform_task_categories",
            "改革任务类别",
            "类",
            "列入改革工作要点的任务（不含终止的）所属的类别，同一要点的同一类别只计一类，按要点审议通过日期计",
            reform_tasks::Column::PlanCategory,
        )
        .when(not_dropped())
        .placed_by(reform_tasks::COLUMN.planned_on),
        count(
            "reform_tasks_completed",
            "完成改革任务",
            "项",
            "已完成的改革任务，按完成日期计",
        )
        .when(reform_tasks::COLUMN.state.eq(ReformTaskState::Completed))
        .placed_by(reform_tasks::COLUMN.completed_on),
    ]
}

fn of_kind(kind: IssueKind) -> Expr {
    issues::COLUMN.kind.eq(kind)
}

fn issued() -> Expr {
    issues::COLUMN.state.eq(IssueState::Issued)
}

fn inspected() -> Expr {
    inspections::COLUMN.state.eq(InspectionState::Done)
}

fn interviewed() -> Expr {
    interviews::COLUMN.state.eq(InterviewState::Held)
}

fn not_dropped() -> Expr {
    reform_tasks::COLUMN.state.is_in([
        ReformTaskState::Planned,
        ReformTaskState::InProgress,
        ReformTaskState::Completed,
    ])
}
