//! Inspections on the spot (督查检查).

mod overlap;
mod rules;
mod states;

use std::collections::HashSet;

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::supervision::inspection_service_server::InspectionService;
use taizhang_contracts::supervision::{
    CancelInspectionRequest, CompleteInspectionRequest, CreateInspectionRequest,
    DeleteInspectionRequest, GetInspectionRequest, Inspection, InspectionKind, InspectionState,
    ListInspectionsRequest, ListInspectionsResponse, Matter, SupervisionTopic,
    UndeleteInspectionRequest, UpdateInspectionRequest,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Ledger, Moment, Record, Tx, enum_column, serve};

use crate::{Supervision, naive};
pub use states::MACHINE;

pub(crate) const KIND: Column<Inspection> = enum_column!(Inspection, kind: InspectionKind);
pub(crate) const STATE: Column<Inspection> = enum_column!(Inspection, state: InspectionState);
pub(crate) const LAST_DAY: Column<Inspection> =
    Column::day("last_day", |i| day(i.last_day.as_ref()));

/// The most inspections that those of one answer are compared with.
const MOST_COMPARED: u64 = 5000;

impl Record<Supervision> for Inspection {
    const TABLE: &'static str = "inspections";

    const COLUMNS: &'static [Column<Self>] = &[
        KIND,
        enum_column!(Inspection, topic: SupervisionTopic),
        STATE,
        Column::day("first_day", |i| day(i.first_day.as_ref())),
        LAST_DAY,
        Column::text("title", |i| i.title.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    fn check(&self, v: &mut Violations) {
        rules::check(self, v);
    }

    /// A matter that a finding newly names must be there.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Supervision>) -> Result<()> {
        let before = before.map(|b| b.findings.as_slice()).unwrap_or_default();
        let known: HashSet<&str> = before.iter().map(|f| f.matter.as_str()).collect();
        for (i, finding) in self.findings.iter().enumerate() {
            let matter = finding.matter.as_str();
            if !matter.is_empty() && !known.contains(matter) {
                let field = format!("inspection.findings[{i}].matter");
                tx.refer::<Matter>(&field, matter).await?;
            }
        }
        Ok(())
    }

    const SHOWS: bool = true;

    async fn show(
        records: &mut [Self],
        _at: Moment,
        ledger: &Ledger<Supervision>,
        office: &Office,
    ) -> Result<()> {
        let first = records.iter().filter_map(|i| naive(i.first_day)).min();
        let last = records.iter().filter_map(|i| naive(i.last_day)).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(());
        };
        let meanwhile = Condition::all()
            .add(Expr::col("last_day").gte(first))
            .add(Expr::col("first_day").lte(last))
            .add(Expr::col("state").ne(InspectionState::Cancelled as i64));
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
    InspectionService for Supervision {
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
