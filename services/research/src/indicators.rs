//! The indicators of research and information.

use sea_orm::sea_query::Expr;
use taizhang_contracts::research::{
    BulletinKind, BulletinState, FieldSurveyState, ResearchReportState, TopicLevel, TopicState,
    UnitKind,
};
use taizhang_ledger::figures::{Indicator, count};

use crate::entities::{bulletins, field_surveys, information_items, research_reports, topics};

/// In the plan and not dropped.
fn in_plan() -> Expr {
    topics::COLUMN.state.is_in([
        TopicState::Approved,
        TopicState::UnderWay,
        TopicState::Reported,
        TopicState::Concluded,
    ])
}

fn of_level(level: TopicLevel) -> Expr {
    topics::COLUMN.level.eq(level)
}

fn finished() -> Expr {
    research_reports::COLUMN
        .state
        .eq(ResearchReportState::Finished)
}

fn from_townships_and_bureaus() -> Expr {
    information_items::COLUMN
        .unit_kind
        .is_in([UnitKind::Township, UnitKind::Bureau])
}

fn issued() -> Expr {
    bulletins::COLUMN.state.eq(BulletinState::Issued)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator> {
    let city = count(
        "research_topics_city",
        "市重点调研课题",
        "个",
        "已立项且未撤销的市重点课题，按立项日期计",
    )
    .when(of_level(TopicLevel::CityKey))
    .when(in_plan())
    .placed_by(topics::COLUMN.approved_on);
    let county = count(
        "research_topics_county",
        "县重点调研课题",
        "个",
        "已立项且未撤销的县重点课题，按立项日期计",
    )
    .when(of_level(TopicLevel::CountyKey))
    .when(in_plan())
    .placed_by(topics::COLUMN.approved_on);
    let township = count(
        "research_topics_township",
        "乡镇调研课题",
        "个",
        "已立项且未撤销的乡镇课题，按立项日期计",
    )
    .when(of_level(TopicLevel::Township))
    .when(in_plan())
    .placed_by(topics::COLUMN.approved_on);
    let topics = Indicator::total(
        "derived_research_topics_sum",
        "调研课题合计",
        "个",
        "市重点、县重点与乡镇调研课题之和，按立项日期计",
        &[&city, &county, &township],
    );
    let mut all = vec![city, county, township];
    all.extend(topics);
    all.extend([
        count(
            "research_topics_concluded",
            "结题调研课题",
            "个",
            "已结题的调研课题，不论何年立项，按结题日期计",
        )
        .when(topics::COLUMN.state.eq(TopicState::Concluded))
        .placed_by(topics::COLUMN.concluded_on),
        count(
            "special_research_trips",
            "开展专题调研",
            "次",
            "已开展的专题调研，按开始日期计",
        )
        .when(field_surveys::COLUMN.state.eq(FieldSurveyState::Done))
        .placed_by(field_surveys::COLUMN.first_day),
        count(
            "research_reports",
            "形成调研报告",
            "篇",
            "已形成的调研报告，按形成日期计",
        )
        .when(finished())
        .placed_by(research_reports::COLUMN.finished_on),
        count(
            "research_reports_submitted_city",
            "向市委政研室上报",
            "篇",
            "其中已向市级（市委政研室等）上报的，同一篇多次上报计一篇，按形成日期计",
        )
        .when(finished())
        .when(research_reports::COLUMN.submitted_to_city.eq(true))
        .placed_by(research_reports::COLUMN.finished_on)
        .part_of("research_reports"),
        count(
            "research_reports_adopted",
            "采用调研报告",
            "篇",
            "被采用的调研报告，同一篇多次采用计一篇，按首次采用日期计",
        )
        .placed_by(research_reports::COLUMN.adopted_on),
        count(
            "research_reports_instructed",
            "获领导批示调研报告",
            "篇",
            "获领导批示的调研报告，同一篇多次批示计一篇，按首次批示日期计",
        )
        .placed_by(research_reports::COLUMN.instructed_on),
        count(
            "info_items_collected",
            "收集乡镇、委局报送信息",
            "条",
            "乡镇和委局报送的信息，不含其他单位的，按收到日期计",
        )
        .when(from_townships_and_bureaus())
        .placed_by(information_items::COLUMN.received_on),
        count(
            "work_info_issues",
            "下发《工作信息》",
            "期",
            "已印发且未作废的《工作信息》，按印发日期计",
        )
        .when(bulletins::COLUMN.kind.eq(BulletinKind::WorkInformation))
        .when(issued())
        .placed_by(bulletins::COLUMN.issued_on),
        count(
            "info_adopted_province",
            "省委办公厅采用信息",
            "条",
            "被省级（省委办公厅等）采用的信息，同一条多次采用计一条，按省级首次采用日期计",
        )
        .placed_by(information_items::COLUMN.province_adopted_on),
        count(
            "info_quality_award",
            "被评为优质信息",
            "条",
            "采用时被评为优质的信息，同一条多次获评计一条，按首次获评的采用日期计",
        )
        .placed_by(information_items::COLUMN.awarded_on),
    ]);
    all
}
