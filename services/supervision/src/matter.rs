//! Matters (督查事项).

mod bonds;
mod rules;
mod states;
mod timeline;

use chrono::Datelike;
use sea_orm::sea_query::Condition;
use taizhang_contracts::supervision::matter_service_server::MatterService;
use taizhang_contracts::supervision::{
    AcceptMatterRequest, AssignMatterRequest, CloseMatterRequest, CreateMatterRequest,
    DeleteMatterRequest, GetMatterRequest, GetMatterTimelineRequest, GetMatterTimelineResponse,
    GrantExtensionRequest, ListMattersRequest, ListMattersResponse, Matter, MergeMatterRequest,
    RankUnitsRequest, RankUnitsResponse, RecheckMatterRequest, RefuseExtensionRequest,
    RequestExtensionRequest, ResumeMatterRequest, ReturnMatterRequest, ReviewMatterRequest,
    SplitMatterRequest, SubmitFeedbackRequest, SuspendMatterRequest, UndeleteMatterRequest,
    UpdateMatterRequest, UrgeMatterRequest, WatchMattersRequest, WatchMattersResponse,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::{Behavior, Ledger, Moment, Record, Tx, serve};

use crate::entities::{matters, supervision_settings};
use crate::lamp::{self, Warning};
use crate::{Supervision, naive, ranking};
pub use states::MACHINE;
pub(crate) use states::OPEN;

impl Record for matters::Entity {
    fn title(matter: &Matter) -> &str {
        &matter.title
    }

    fn initial(matter: &mut Matter, _at: Moment) {
        matter.set_state(MACHINE.initial);
    }

    fn check(matter: &Matter, v: &mut Violations) {
        rules::check(matter, v);
    }
}

impl Behavior for matters::Entity {
    /// Numbers a new matter; a deleted one keeps its number. Carries a change over to the matters
    /// that it is merged into or split from.
    async fn settle(matter: &mut Matter, before: Option<&Matter>, tx: &mut Tx<'_>) -> Result<()> {
        rules::place(matter, before.is_none(), tx.office(), tx.at())?;
        let Some(before) = before else {
            let same_year = Condition::all().add(matters::COLUMN.year.eq(i64::from(year(matter))));
            matter.number = tx.next_number(matters::COLUMN.number, same_year).await?;
            return Ok(());
        };
        rules::bound_stay(matter)?;
        bonds::settle(matter, before, tx).await
    }

    const SHOWS: bool = true;

    async fn show(
        records: &mut [Matter],
        at: Moment,
        ledger: &Ledger,
        office: &Office,
    ) -> Result<()> {
        let warning = Warning::of(
            &ledger
                .singleton::<supervision_settings::Entity>(office)
                .await?,
        );
        for matter in records {
            let lamp = lamp::lamp(matter, at.today(), &warning);
            matter.set_lamp(lamp);
            matter.ever_red = lamp::ever_red(matter, at.today());
        }
        Ok(())
    }
}

/// The year that the number belongs to.
fn year(matter: &Matter) -> i32 {
    naive(matter.registered_on).map_or(0, |day| day.year())
}

serve! {
    MatterService for Supervision, matters {
        create_matter(CreateMatterRequest) -> Matter: create;
        get_matter(GetMatterRequest) -> Matter: get;
        list_matters(ListMattersRequest) -> ListMattersResponse: list;
        update_matter(UpdateMatterRequest) -> Matter: update_with(rules::update);
        delete_matter(DeleteMatterRequest) -> Matter: delete;
        undelete_matter(UndeleteMatterRequest) -> Matter: undelete;
        assign_matter(AssignMatterRequest) -> Matter: change(rules::assign);
        accept_matter(AcceptMatterRequest) -> Matter: change(rules::accept);
        submit_feedback(SubmitFeedbackRequest) -> Matter: change(rules::feedback);
        review_matter(ReviewMatterRequest) -> Matter: change(rules::review);
        close_matter(CloseMatterRequest) -> Matter: change(rules::close);
        return_matter(ReturnMatterRequest) -> Matter: change(rules::send_back);
        urge_matter(UrgeMatterRequest) -> Matter: change(rules::urge);
        request_extension(RequestExtensionRequest) -> Matter: change(rules::request_extension);
        grant_extension(GrantExtensionRequest) -> Matter: change(rules::grant_extension);
        refuse_extension(RefuseExtensionRequest) -> Matter: change(rules::refuse_extension);
        suspend_matter(SuspendMatterRequest) -> Matter: change(rules::suspend);
        resume_matter(ResumeMatterRequest) -> Matter: change(rules::resume);
        recheck_matter(RecheckMatterRequest) -> Matter: change(rules::recheck);
        merge_matter(MergeMatterRequest) -> Matter: change(bonds::merge);
        split_matter(SplitMatterRequest) -> Matter: change(bonds::split);
    } and {
        get_matter_timeline(GetMatterTimelineRequest) -> GetMatterTimelineResponse = timeline::get;
        rank_units(RankUnitsRequest) -> RankUnitsResponse = ranking::rank_units;
    } streams {
        watch_matters(WatchMattersRequest) -> WatchMattersStream of WatchMattersResponse: watch;
    }
}
