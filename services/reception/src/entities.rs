//! The tables of the service's records, as sea-orm entities. `migration.rs` creates them.

use sea_orm::sea_query::Condition;
use taizhang_contracts::reception::{
    GuestOrigin, Reception, ReceptionClass, ReceptionNature, ReceptionSettings, ReceptionState,
    SupportAssignment, SupportAssignmentState, SupportKind,
};
use taizhang_ledger::entity;

entity! {
    /// Rows of [`Reception`].
    #[sea_orm(table_name = "receptions")]
    pub mod receptions for Reception {
        state: ReceptionState,
        nature: ReceptionNature,
        reception_class: ReceptionClass,
        guest_origin: GuestOrigin,
        guest_count: number,
        total_cost_fen: number,
        finding_count: number,
        compliant: bool,
        arrival_day: day,
        departure_day: day,
        settled_on ("settlement.settled_on"): day = |r| r.settlement.as_ref()?.settled_on,
        letter_unit ("letter.unit"): text = |r| r.letter.as_ref().map_or("", |l| &l.unit),
        letter_number ("letter.number"): text = |r| r.letter.as_ref().map_or("", |l| &l.number),
        title: text,
        applicant: text,
        approver: text,
    }
}

entity! {
    /// Rows of [`ReceptionSettings`].
    #[sea_orm(table_name = "reception_settings")]
    pub mod reception_settings for ReceptionSettings {
    }
}

entity! {
    /// Rows of [`SupportAssignment`].
    #[sea_orm(table_name = "support_assignments")]
    pub mod support_assignments for SupportAssignment {
        kind: SupportKind,
        state: SupportAssignmentState,
        days: number,
        first_day: day,
        last_day: day,
        title: text,
        team: text,
        place: text,
    }
}

/// The receptions that were neither refused nor cancelled.
pub(crate) fn live() -> Condition {
    let dropped = [ReceptionState::Refused, ReceptionState::Cancelled];
    Condition::all().add(receptions::COLUMN.state.is_not_in(dropped))
}
