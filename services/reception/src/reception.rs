//! Receptions (政务接待).

mod rules;
mod states;
mod totals;

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::reception::reception_service_server::ReceptionService;
use taizhang_contracts::reception::{
    ApproveReceptionRequest, ArchiveReceptionRequest, BeginReceptionRequest,
    CancelReceptionRequest, CheckReceptionRequest, CheckReceptionResponse, CreateReceptionRequest,
    DeleteReceptionRequest, EndReceptionRequest, FindClashesRequest, FindClashesResponse,
    GetReceptionRequest, GuestOrigin, ListReceptionsRequest, ListReceptionsResponse,
    PrintReceptionRequest, PrintReceptionResponse, Reception, ReceptionClass, ReceptionNature,
    ReceptionState, RefuseReceptionRequest, SettleReceptionRequest, SignReceptionListRequest,
    UndeleteReceptionRequest, UpdateReceptionRequest,
};
use taizhang_contracts::{Context, Result, Violations};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::regulations::{self, Case, Step};
use crate::{Receptions, clashes, print};
pub use states::MACHINE;
pub(crate) use totals::is_at_least;

pub(crate) const STATE: Column<Reception> = enum_column!(Reception, state: ReceptionState);
pub(crate) const CLASS: Column<Reception> =
    enum_column!(Reception, reception_class: ReceptionClass);
pub(crate) const GUEST_COUNT: Column<Reception> =
    Column::number("guest_count", |r| i64::from(r.guest_count).into());
pub(crate) const TOTAL_COST: Column<Reception> =
    Column::number("total_cost_fen", |r| r.total_cost_fen.into());
pub(crate) const COMPLIANT: Column<Reception> = Column::bool("compliant", |r| r.compliant.into());
pub(crate) const ARRIVAL_DAY: Column<Reception> =
    Column::day("arrival_day", |r| day(r.arrival_day.as_ref()));
pub(crate) const SETTLED_ON: Column<Reception> =
    Column::day("settlement.settled_on", |r: &Reception| {
        day(r.settlement.as_ref().and_then(|s| s.settled_on.as_ref()))
    })
    .named("settled_on");

impl Record<Receptions> for Reception {
    const TABLE: &'static str = "receptions";

    const COLUMNS: &'static [Column<Self>] = &[
        STATE,
        enum_column!(Reception, nature: ReceptionNature),
        CLASS,
        enum_column!(Reception, guest_origin: GuestOrigin),
        GUEST_COUNT,
        TOTAL_COST,
        Column::number("finding_count", |r| i64::from(r.finding_count).into()),
        COMPLIANT,
        ARRIVAL_DAY,
        Column::day("departure_day", |r| day(r.departure_day.as_ref())),
        SETTLED_ON,
        Column::text("letter.unit", |r: &Reception| {
            r.letter.as_ref().map_or("", |l| l.unit.as_str()).into()
        })
        .named("letter_unit"),
        Column::text("letter.number", |r: &Reception| {
            r.letter.as_ref().map_or("", |l| l.number.as_str()).into()
        })
        .named("letter_number"),
        Column::text("title", |r| r.title.as_str().into()),
        Column::text("applicant", |r| r.applicant.as_str().into()),
        Column::text("approver", |r| r.approver.as_str().into()),
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

    /// Works out what follows from the fields, and holds the reception to the regulations: a step
    /// is refused if any of its rules, or of those before, refuses.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Receptions>) -> Result<()> {
        totals::work_out(self);
        let case = Case::read(tx.ledger(), tx.office(), self).await?;
        let ahead = Step::ahead(self.state());
        if let (Some(before), Some(_)) = (before, ahead)
            && before.state() != self.state()
            && let Some(step) = Step::ahead(before.state())
        {
            regulations::refuse(&case.findings(step))?;
        }
        let findings = ahead.map_or(0, |step| case.findings(step).len());
        self.finding_count = i32::try_from(findings).unwrap_or(i32::MAX);
        self.compliant = findings == 0;
        Ok(())
    }
}

/// The receptions that were neither refused nor called off.
pub(crate) fn live() -> Condition {
    let dropped = [ReceptionState::Refused, ReceptionState::Cancelled];
    Condition::all().add(Expr::col("state").is_not_in(dropped.map(|state| state as i64)))
}

/// CheckReception.
///
/// # Errors
/// NOT_FOUND; if the database is away.
async fn check(
    service: &Receptions,
    context: &Context,
    q: &CheckReceptionRequest,
) -> Result<CheckReceptionResponse> {
    let reception: Reception = service.ledger.read(context, &q.name).await?;
    let case = Case::read(&service.ledger, &context.office, &reception).await?;
    let ahead = Step::ahead(reception.state());
    let findings = ahead.map_or_else(Vec::new, |step| case.findings(step));
    Ok(CheckReceptionResponse {
        findings: findings.into_iter().map(Into::into).collect(),
    })
}

serve! {
    ReceptionService for Receptions {
        create_reception(CreateReceptionRequest) -> Reception: create;
        get_reception(GetReceptionRequest) -> Reception: get;
        list_receptions(ListReceptionsRequest) -> ListReceptionsResponse: list;
        update_reception(UpdateReceptionRequest) -> Reception: update_with(rules::update);
        delete_reception(DeleteReceptionRequest) -> Reception: delete;
        undelete_reception(UndeleteReceptionRequest) -> Reception: undelete;
        approve_reception(ApproveReceptionRequest) -> Reception: change(rules::approve);
        refuse_reception(RefuseReceptionRequest) -> Reception: change(rules::refuse);
        cancel_reception(CancelReceptionRequest) -> Reception: change(rules::cancel);
        begin_reception(BeginReceptionRequest) -> Reception: change(rules::begin);
        end_reception(EndReceptionRequest) -> Reception: change(rules::end);
        sign_reception_list(SignReceptionListRequest) -> Reception: change(rules::sign);
        settle_reception(SettleReceptionRequest) -> Reception: change(rules::settle);
        archive_reception(ArchiveReceptionRequest) -> Reception: change(rules::archive);
    } and {
        check_reception(CheckReceptionRequest) -> CheckReceptionResponse = check;
        find_clashes(FindClashesRequest) -> FindClashesResponse = clashes::find;
        print_reception(PrintReceptionRequest) -> PrintReceptionResponse = print::print;
    }
}
