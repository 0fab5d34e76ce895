//! The indicators of the service; in this file those of matters.

mod beside_matters;

use sea_orm::sea_query::Expr;
use taizhang_contracts::common::Level;
use taizhang_contracts::supervision::{MatterState, SourceKind};
use taizhang_ledger::figures::{Indicator, count};

use crate::entities::matters;

fn from(kind: SourceKind) -> Expr {
    matters::COLUMN.source_kind.eq(kind)
}

fn of_level(level: Level) -> Expr {
    matters::COLUMN.source_level.eq(level)
}

/// Not a part of a split matter: otherwise one instruction or notice would count once for each of
/// its parts.
fn of_its_own() -> Expr {
    matters::COLUMN.split_from.eq("")
}

/// Neither merged into another matter nor split into parts.
fn worked_on() -> Expr {
    matters::COLUMN.superseded.eq(false)
}

fn closed() -> Expr {
    matters::COLUMN.state.eq(MatterState::Closed)
}

/// The lead unit has given its final report, and it was not sent back.
fn implemented() -> Expr {
    matters::COLUMN.state.is_in([
        MatterState::Reported,
        MatterState::UnderReview,
        MatterState::Closed,
    ])
}

/// The service's indicators, in the order of the report.
pub fn indicators() -> Vec<Indicator> {
    let city_secretary = count(
        "city_secretary_instructions_closed",
        "办结市委书记批示件",
        "件",
        "市委书记的批示件中已办结的，一件批示分解为几项的计一件，各项均办结后计，按办结日期计",
    )
    .when(from(SourceKind::Instruction))
    .when(of_its_own())
    .when(of_level(Level::City))
    .when(matters::COLUMN.by_secretary.eq(true))
    .when(closed())
    .placed_by(matters::COLUMN.closed_on);
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
    .placed_by(matters::COLUMN.reported_on);
    let county_leaders = count(
        "county_leader_instructions_handled",
        "办理县委领导批示件",
        "件",
        "县级领导的批示件，不论办理到哪一步，分解为几项的计一件，按立项日期计",
    )
    .when(from(SourceKind::Instruction))
    .when(of_its_own())
    .when(of_level(Level::County))
    .placed_by(matters::COLUMN.registered_on);
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
        .placed_by(matters::COLUMN.registered_on),
        count(
            "matters_closed",
            "办结督查事项",
            "件",
            "已办结的督查事项，已分解的以各项计、本身不计，已并入其他事项的不计，按办结日期计",
        )
        .when(worked_on())
        .when(closed())
        .placed_by(matters::COLUMN.closed_on),
    ]);
    all.extend(beside_matters::of_supervision());
    all.extend(beside_matters::of_reform());
    all
}
