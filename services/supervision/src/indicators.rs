//! What the office's records add up to; here for its matters.

mod beside_matters;

use taizhang_contracts::common::Level;
use taizhang_contracts::supervision::{Matter, MatterState, SourceKind};
use taizhang_ledger::figures::{Indicator, Test, count, is, one_of};

use crate::{Supervision, matter};

fn from(kind: SourceKind) -> Test<Matter> {
    is(matter::SOURCE_KIND, kind as i64)
}

fn of_level(level: Level) -> Test<Matter> {
    is(matter::SOURCE_LEVEL, level as i64)
}

/// Stands for a paper or an order of its own, and is not a part of another matter. Without this,
/// one paper would count as often as it has parts.
fn of_its_own() -> Test<Matter> {
    is(matter::SPLIT_FROM, "")
}

/// Is worked on itself: neither merged into another matter nor split into parts.
fn worked_on() -> Test<Matter> {
    is(matter::SUPERSEDED, false)
}

fn closed() -> Test<Matter> {
    is(matter::STATE, MatterState::Closed as i64)
}

/// The lead unit has given its final report, and it was not sent back.
fn implemented() -> Test<Matter> {
    one_of(
        matter::STATE,
        [
            MatterState::Reported as i64,
            MatterState::UnderReview as i64,
            MatterState::Closed as i64,
        ],
    )
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator<Supervision>> {
    let city_secretary = count(
        "city_secretary_instructions_closed",
        "办结市委书记批示件",
        "件",
        "市委书记的批示件中已办结的，一件批示分解为几项的计一件，各项均办结后计，按办结日期计",
    )
    .when(from(SourceKind::Instruction))
    .when(of_its_own())
    .when(of_level(Level::City))
    .when(is(matter::BY_SECRETARY, true))
    .when(closed())
    .placed_by(matter::CLOSED_ON);
    let city_notices = count(
        "city_supervision_notices_implemented",
        "落实市委督查通知",
        "件",
        "市级督查通知中反馈完毕的（含审核中和已办结的），分解为几项的计一件，各项均办结后计，按反馈完毕日期计",
    )
    .when(from(SourceKind::SupervisionNotice))
    .when(of_its_own())
    .when(of_level(Level::City))
    .when(implemented())
    .placed_by(matter::REPORTED_ON);
    let county_leaders = count(
        "county_leader_instructions_handled",
        "办理县委领导批示件",
        "件",
        "县级领导的批示件，不论办理到哪一步，分解为几项的计一件，按立项日期计",
    )
    .when(from(SourceKind::Instruction))
    .when(of_its_own())
    .when(of_level(Level::County))
    .placed_by(matter::REGISTERED_ON);
    let handled = Indicator::total(
        "derived_supervision_handled_sum",
        "办理督查事项合计",
        "件",
        "办结市委书记批示件、落实市委督查通知与办理县委领导批示件之和，各按自己的日期计",
        &[&city_secretary, &city_notices, &county_leaders],
    );
    let mut all = vec![city_secretary, city_notices, county_leaders];
    all.extend(handled);
    all.extend([
        count(
            "matters_registered",
            "立项督查事项",
            "件",
            "立项的督查事项，已分解的以各项计、本身不计，已并入其他事项的不计，按立项日期计",
        )
        .when(worked_on())
        .placed_by(matter::REGISTERED_ON),
        count(
            "matters_closed",
            "办结督查事项",
            "件",
            "已办结的督查事项，已分解的以各项计、本身不计，已并入其他事项的不计，按办结日期计",
        )
        .when(worked_on())
        .when(closed())
        .placed_by(matter::CLOSED_ON),
    ]);
    all.extend(beside_matters::of_supervision());
    all.extend(beside_matters::of_reform());
    all
}
