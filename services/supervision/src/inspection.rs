//! Inspections on the spot (督查检查).

mod overlap;
mod rules;
mod states;

use std::collections::HashSet;

use sea_orm::sea_query::Condition;
use taizhang_contracts::supervision::inspection_service_server::InspectionService;
use taizhang_contracts::supervision::{
    CancelInspectionRequest, CompleteInspectionRequest, CreateInspectionRequest,
    DeleteInspectionRequest, GetInspectionRequest, Inspection, InspectionState,
    ListInspectionsRequest, ListInspectionsResponse, UndeleteInspectionRequest,
    UpdateInspectionRequest,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::{Behavior, Ledger, Moment, Record, Tx, serve};

use crate::entities::{inspections, matters};
use crate::{Supervision, naive};
pub use states::MACHINE;

/// The most inspections that are read to find overlaps for one answer.
const MOST_COMPARED: u64 = 5000;

impl Record for inspections::Entity {
    fn title(inspection: &Inspection) -> &str {
        &inspection.title
    }

    fn initial(inspection: &mut Inspection, _at: Moment) {
        inspection.set_state(MACHINE.initial);
    }

    fn check(inspection: &Inspection, v: &mut Violations) {
        rules::check(inspection, v);
    }
}

impl Behavior for inspections::Entity {
    /// A matter that is added to a finding must exist.
    async fn settle(
        inspection: &mut Inspection,
        before: Option<&Inspection>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        let before = before.map(|b| b.findings.as_slice()).unwrap_or_default();
        let known: HashSet<&str> = before.iter().map(|f| f.matter.as_str()).collect();
        for (i, finding) in inspection.findings.iter().enumerate() {
            let matter = finding.matter.as_str();
            if !matter.is_empty() && !known.contains(matter) {
                let field = format!("inspection.findings[{i}].matter");
                tx.refer::<matters::Entity>(&field, matter).await?;
            }
        }
        Ok(())
    }

    const SHOWS: bool = true;

    async fn show(
        records: &mut [Inspection],
        _at: Moment,
        ledger: &Ledger,
        office: &Office,
    ) -> Result<()> {
        let first = records.iter().filter_map(|i| naive(i.first_day)).min();
        let last = records.iter().filter_map(|i| naive(i.last_day)).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(());
        };
        let meanwhile = Condition::all()
            .add(inspections::COLUMN.last_day.gte(first))
            .add(inspections::COLUMN.first_day.lte(last))
            .add(inspections::COLUMN.state.ne(InspectionState::Cancelled));
        let others = ledger
            .select::<Self>(office, meanwhile, MOST_COMPARED)
            .await?;
        for inspection in records {
            inspection.overlapping = overlap::overlapping(inspection, &others);
        }
        Ok(())
    }
}

serve! {
    InspectionService for Supervision, inspections {
        create_inspection(CreateInspectionRequest) -> Inspection: create;
        get_inspection(GetInspectionRequest) -> Inspection: get;
        list_inspections(ListInspectionsRequest) -> ListInspectionsResponse: list;
        update_inspection(UpdateInspectionRequest) -> Inspection: update_with(rules::update);
        delete_inspection(DeleteInspectionRequest) -> Inspection: delete;
        undelete_inspection(UndeleteInspectionRequest) -> Inspection: undelete;
        complete_inspection(CompleteInspectionRequest) -> Inspection: change(rules::complete);
        cancel_inspection(CancelInspectionRequest) -> Inspection: change(rules::cancel);
    }
}
