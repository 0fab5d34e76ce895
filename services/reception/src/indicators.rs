//! What the office's receptions add up to.

use taizhang_contracts::reception::{
    Reception, ReceptionClass, ReceptionState, SupportAssignment, SupportAssignmentState,
    SupportKind,
};
use taizhang_ledger::figures::{Declaration, Indicator, Test, count, days, is, one_of, sum};

use crate::{Receptions, reception, support_assignment};

/// The delegation has come.
fn took_place() -> Test<Reception> {
    let states = [
        ReceptionState::Receiving,
        ReceptionState::Listing,
        ReceptionState::Signed,
        ReceptionState::Settled,
        ReceptionState::Archived,
    ];
    one_of(reception::STATE, states.map(|state| state as i64))
}

fn paid_for() -> Test<Reception> {
    let states = [ReceptionState::Settled, ReceptionState::Archived];
    one_of(reception::STATE, states.map(|state| state as i64))
}

/// The receptions of a class, by their day of arrival.
fn of_class(
    class: ReceptionClass,
    id: &'static str,
    label: &'static str,
    definition: &'static str,
) -> Indicator<Receptions> {
    count(id, label, "批次", definition)
        .when(took_place())
        .when(is(reception::CLASS, class as i64))
        .placed_by(reception::ARRIVAL_DAY)
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator<Receptions>> {
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
    let received = |of: Declaration<Receptions, Reception>| {
        of.when(took_place()).placed_by(reception::ARRIVAL_DAY)
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
            .when(is(reception::COMPLIANT, true)),
        )
        .part_of("receptions_all"),
        received(sum(
            "reception_guests",
            "接待人次",
            "人次",
            "已开始接待的批次中接待对象的人数之和，按来访日期计",
            reception::GUEST_COUNT,
        )),
        sum(
            "reception_spending",
            "接待费支出",
            "元",
            "已结算批次的接待费合计之和，按结算日期计",
            reception::TOTAL_COST,
        )
        .when(paid_for())
        .placed_by(reception::SETTLED_ON)
        .decimals(2),
        days::<_, SupportAssignment>(
            "inspection_support_days",
            "巡视保障天数",
            "天",
            "已开始和已完成的巡视保障任务在统计期内的天数（首末日均计，跨年各计各的），未到的日子不计",
        )
        .when(is(support_assignment::KIND, SupportKind::Inspection as i64))
        .when(one_of(
            support_assignment::STATE,
            [
                SupportAssignmentState::UnderWay as i64,
                SupportAssignmentState::Completed as i64,
            ],
        ))
        .placed_over(support_assignment::FIRST_DAY, support_assignment::LAST_DAY),
        count::<_, SupportAssignment>(
            "inspection_support_assignments",
            "巡视保障任务",
            "次",
            "已完成的巡视保障任务，按末日计",
        )
        .when(is(support_assignment::KIND, SupportKind::Inspection as i64))
        .when(is(
            support_assignment::STATE,
            SupportAssignmentState::Completed as i64,
        ))
        .placed_by(support_assignment::LAST_DAY),
    ]);
    all
}
