//! What the office's research and information add up to.

use taizhang_contracts::research::{
    Bulletin, BulletinKind, BulletinState, FieldSurveyState, InformationItem, ResearchReport,
    ResearchReportState, Topic, TopicLevel, TopicState, UnitKind,
};
use taizhang_ledger::figures::{Indicator, Test, count, is, one_of};

use crate::{Research, bulletin, field_survey, information_item, research_report, topic};

/// In the plan, and not given up.
fn in_plan() -> Test<Topic> {
    one_of(
        topic::STATE,
        [
            TopicState::Approved as i64,
            TopicState::UnderWay as i64,
            TopicState::Reported as i64,
            TopicState::Concluded as i64,
        ],
    )
}

fn of_level(level: TopicLevel) -> Test<Topic> {
    is(topic::LEVEL, level as i64)
}

fn finished() -> Test<ResearchReport> {
    is(research_report::STATE, ResearchReportState::Finished as i64)
}

fn from_townships_and_bureaus() -> Test<InformationItem> {
    one_of(
        information_item::UNIT_KIND,
        [UnitKind::Township as i64, UnitKind::Bureau as i64],
    )
}

fn issued() -> Test<Bulletin> {
    is(bulletin::STATE, BulletinState::Issued as i64)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator<Research>> {
    let city = count(
        "research_topics_city",
        "市重点调研课题",
        "个",
        "已立项且未撤销的市重点课题，按立项日期计",
    )
    .when(of_level(TopicLevel::CityKey))
    .when(in_plan())
    .placed_by(topic::APPROVED_ON);
    let county = count(
        "research_topics_county",
        "县重点调研课题",
        "个",
        "已立项且未撤销的县重点课题，按立项日期计",
    )
    .when(of_level(TopicLevel::CountyKey))
    .when(in_plan())
    .placed_by(topic::APPROVED_ON);
    let township = count(
        "research_topics_township",
        "乡镇调研课题",
        "个",
        "已立项且未撤销的乡镇课题，按立项日期计",
    )
    .when(of_level(TopicLevel::Township))
    .when(in_plan())
    .placed_by(topic::APPROVED_ON);
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
        .when(is(topic::STATE, TopicState::Concluded as i64))
        .placed_by(topic::CONCLUDED_ON),
        count(
            "special_research_trips",
            "开展专题调研",
            "次",
            "已开展的专题调研，按开始日期计",
        )
        .when(is(field_survey::STATE, FieldSurveyState::Done as i64))
        .placed_by(field_survey::FIRST_DAY),
        count(
            "research_reports",
            "形成调研报告",
            "篇",
            "已形成的调研报告，按形成日期计",
        )
        .when(finished())
        .placed_by(research_report::FINISHED_ON),
        count(
            "research_reports_submitted_city",
            "向市委政研室上报",
            "篇",
            "其中已向市级（市委政研室等）上报的，同一篇多次上报计一篇，按形成日期计",
        )
        .when(finished())
        .when(is(research_report::SUBMITTED_TO_CITY, true))
        .placed_by(research_report::FINISHED_ON)
        .part_of("research_reports"),
        count(
            "research_reports_adopted",
            "采用调研报告",
            "篇",
            "被采用的调研报告，同一篇多次采用计一篇，按首次采用日期计",
        )
        .placed_by(research_report::ADOPTED_ON),
        count(
            "research_reports_instructed",
            "获领导批示调研报告",
            "篇",
            "获领导批示的调研报告，同一篇多次批示计一篇，按首次批示日期计",
        )
        .placed_by(research_report::INSTRUCTED_ON),
        count(
            "info_items_collected",
            "收集乡镇、委局报送信息",
            "条",
            "乡镇和委局报送的信息，不含其他单位的，按收到日期计",
        )
        .when(from_townships_and_bureaus())
        .placed_by(information_item::RECEIVED_ON),
        count(
            "work_info_issues",
            "下发《工作信息》",
            "期",
            "已印发且未作废的《工作信息》，按印发日期计",
        )
        .when(is(bulletin::KIND, BulletinKind::WorkInformation as i64))
        .when(issued())
        .placed_by(bulletin::ISSUED_ON),
        count(
            "info_adopted_province",
            "省委办公厅采用信息",
            "条",
            "被省级（省委办公厅等）采用的信息，同一条多次采用计一条，按省级首次采用日期计",
        )
        .placed_by(information_item::PROVINCE_ADOPTED_ON),
        count(
            "info_quality_award",
            "被评为优质信息",
            "条",
            "采用时被评为优质的信息，同一条多次获评计一条，按首次获评的采用日期计",
        )
        .placed_by(information_item::AWARDED_ON),
    ]);
    all
}
