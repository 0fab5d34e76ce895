//! The indicators of receptions.

use sea_orm::sea_query::Expr;
use taizhang_contracts::reception::{
    ReceptionClass, ReceptionState, SupportAssignmentState, SupportKind,
};
use taizhang_ledger::figures::{Declaration, Indicator, count, days, sum};

use crate::entities::{receptions, support_assignments};

/// The delegation has arrived.
fn took_place() -> Expr {
    let states = [
        ReceptionState::Receiving,
        ReceptionState::Listing,
        ReceptionState::Signed,
        ReceptionState::Settled,
        ReceptionState::Archived,
    ];
    receptions::COLUMN.state.is_in(states)
}

fn paid_for() -> Expr {
    let states = [ReceptionState::Settled, ReceptionState::Archived];
    receptions::COLUMN.state.is_in(states)
}

/// The receptions of a class, by their day of arrival.
fn of_class(
    class: ReceptionClass,
    id: &'static str,
    label: &'static str,
    definition: &'static str,
) -> Indicator {
    count(id, label, "批次", definition)
        .when(took_place())
        .when(receptions::COLUMN.reception_class.eq(class))
        .placed_by(receptions::COLUMN.arrival_day)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator> {
    let vice_minister_up = of_class(
        ReceptionClass::ViceMinisterUp,
        "receptions_vice_minister_up",
        "接待副部级以上领导",
        "来宾最高职级为副部级以上、已开始接待的批次，按来访日期计",
    );
    let province_city_leaders = of_class(
        ReceptionClass::LeadersVisit,
        "receptions_province_city_leaders",
        "接待省市领导调研",
        "省市领导调研（最高职级不到副部级）、已开始接待的批次，按来访日期计",
    );
    let study_delegations = of_class(
        ReceptionClass::StudyDelegation,
        "receptions_study_delegations",
        "接待各类考察团",
        "考察团（最高职级不到副部级）、已开始接待的批次，按来访日期计",
    );
    let these_three = Indicator::total(
        "derived_receptions_sum",
        "接待合计",
        "批次",
        "副部级以上领导、省市领导调研与考察团之和，三类互不重复，按来访日期计",
        &[
            &vice_minister_up,
            &province_city_leaders,
            &study_delegations,
        ],
    );
    let received = |of: Declaration<receptions::Entity>| {
        of.when(took_place())
            .placed_by(receptions::COLUMN.arrival_day)
    };
    let mut all = vec![vice_minister_up, province_city_leaders, study_delegations];
    all.extend(these_three);
    all.extend([
        received(count(
            "receptions_all",
            "接待总批次",
            "批次",
            "已开始接待的全部批次，各类合计，按来访日期计",
        )),
        received(
            count(
                "receptions_compliant",
                "合规接待",
                "批次",
                "已开始接待的批次中没有任何合规问题的，按来访日期计",
            )
            .when(receptions::COLUMN.compliant.eq(true)),
        )
        .part_of("receptions_all"),
        received(sum(
            "reception_guests",
            "接待人次",
            "人次",
            "已开始接待的批次中接待对象的人数之和，按来访日期计",
            receptions::COLUMN.guest_count,
        )),
        sum(
            "reception_spending",
            "接待费支出",
            "元",
            "已结算批次的接待费合计之和，按结算日期计",
            receptions::COLUMN.total_cost_fen,
        )
        .when(paid_for())
        .placed_by(receptions::COLUMN.settled_on)
        .decimals(2),
        days(
            "inspection_support_days",
            "巡视保障天数",
            "天",
            "已开始和已完成的巡视保障任务在统计期内的天数（首末日均计，跨年各计各的），未到的日子不计",
        )
        .when(support_assignments::COLUMN.kind.eq(SupportKind::Inspection))
        .when(support_assignments::COLUMN.state.is_in([
                SupportAssignmentState::UnderWay,
                SupportAssignmentState::Completed,
            ]))
        .placed_over(support_assignments::COLUMN.first_day, support_assignments::COLUMN.last_day),
        count(
            "inspection_support_assignments",
            "巡视保障任务",
            "次",
            "已完成的巡视保障任务，按末日计",
        )
        .when(support_assignments::COLUMN.kind.eq(SupportKind::Inspection))
        .when(support_assignments::COLUMN.state.eq(SupportAssignmentState::Completed))
        .placed_by(support_assignments::COLUMN.last_day),
    ]);
    all
}
