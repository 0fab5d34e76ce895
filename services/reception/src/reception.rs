//! Receptions (政务接待).

mod rules;
mod states;
mod totals;

use taizhang_contracts::reception::reception_service_server::ReceptionService;
use taizhang_contracts::reception::{
    ApproveReceptionRequest, ArchiveReceptionRequest, BeginReceptionRequest,
    CancelReceptionRequest, CheckReceptionRequest, CheckReceptionResponse, CreateReceptionRequest,
    DeleteReceptionRequest, EndReceptionRequest, FindClashesRequest, FindClashesResponse,
    GetReceptionRequest, ListReceptionsRequest, ListReceptionsResponse, PrintReceptionRequest,
    PrintReceptionResponse, Reception, RefuseReceptionRequest, SettleReceptionRequest,
    SignReceptionListRequest, UndeleteReceptionRequest, UpdateReceptionRequest,
};
use taizhang_contracts::{Context, Result, Violations};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::entities::receptions;
use crate::regulations::{self, Case, Step};
use crate::{Receptions, clashes, print};
pub use states::MACHINE;
pub(crate) use totals::is_at_least;

impl Record for receptions::Entity {
    fn title(reception: &Reception) -> &str {
        &reception.title
    }

    fn initial(reception: &mut Reception, _at: Moment) {
        reception.set_state(MACHINE.initial);
    }

    fn check(reception: &Reception, v: &mut Violations) {
        rules::check(reception, v);
    }
}

impl Behavior for receptions::Entity {
    /// Computes the derived fields and checks the regulations: a step is refused if any rule of it
    /// or of the steps before refuses.
    async fn settle(
        reception: &mut Reception,
        before: Option<&Reception>,
        tx: &mut Tx<'_>,
    ) -> Result<()> {
        totals::work_out(reception);
        let case = Case::read(tx.ledger(), tx.office(), reception).await?;
        let ahead = Step::ahead(reception.state());
        if let (Some(before), Some(_)) = (before, ahead)
            && before.state() != reception.state()
            && let Some(step) = Step::ahead(before.state())
        {
            regulations::refuse(&case.findings(step))?;
        }
        let findings = ahead.map_or(0, |step| case.findings(step).len());
        reception.finding_count = i32::try_from(findings).unwrap_or(i32::MAX);
        reception.compliant = findings == 0;
        Ok(())
    }
}

/// CheckReception.
///
/// # Errors
/// NOT_FOUND; if the database is unavailable.
async fn check(
    service: &Receptions,
    context: &Context,
    q: &CheckReceptionRequest,
) -> Result<CheckReceptionResponse> {
    let reception = service
        .ledger
        .read::<receptions::Entity>(context, &q.name)
        .await?;
    let case = Case::read(&service.ledger, &context.office, &reception).await?;
    let ahead = Step::ahead(reception.state());
    let findings = ahead.map_or_else(Vec::new, |step| case.findings(step));
    Ok(CheckReceptionResponse {
        findings: findings.into_iter().map(Into::into).collect(),
    })
}

serve! {
    ReceptionService for Receptions, receptions {
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
