//! Matters (督查事项).

mod bonds;
mod rules;
mod states;
mod timeline;

use chrono::Datelike;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::common::Level;
use taizhang_contracts::supervision::matter_service_server::MatterService;
use taizhang_contracts::supervision::{
    AcceptMatterRequest, AssignMatterRequest, CloseMatterRequest, CreateMatterRequest,
    DeleteMatterRequest, GetMatterRequest, GetMatterTimelineRequest, GetMatterTimelineResponse,
    GrantExtensionRequest, ListMattersRequest, ListMattersResponse, Matter, MatterState,
    MergeMatterRequest, RankUnitsRequest, RankUnitsResponse, RecheckMatterRequest,
    RefuseExtensionRequest, RequestExtensionRequest, ResumeMatterRequest, ReturnMatterRequest,
    ReviewMatterRequest, SourceKind, SplitMatterRequest, SubmitFeedbackRequest,
    SupervisionSettings, SuspendMatterRequest, UndeleteMatterRequest, UpdateMatterRequest,
    UrgeMatterRequest, WatchMattersRequest, WatchMattersResponse,
};
use taizhang_contracts::{Office, Result, Violations};
use taizhang_ledger::column::day;
use taizhang_ledger::{Column, Ledger, Moment, Record, Tx, enum_column, serve};

use crate::lamp::{self, Warning};
use crate::{Supervision, naive, ranking};
pub use states::MACHINE;
pub(crate) use states::OPEN;

pub(crate) const STATE: Column<Matter> = enum_column!(Matter, state: MatterState);
pub(crate) const SOURCE_KIND: Column<Matter> = Column::enumeration(
    "source.kind",
    "SourceKind",
    |name| SourceKind::from_str_name(name).map(Into::into),
    |m: &Matter| i64::from(m.source.as_ref().map_or(0, |s| s.kind)).into(),
)
.named("source_kind");
pub(crate) const SOURCE_LEVEL: Column<Matter> = Column::enumeration(
    "source.level",
    "Level",
    |name| Level::from_str_name(name).map(Into::into),
    |m: &Matter| i64::from(m.source.as_ref().map_or(0, |s| s.level)).into(),
)
.named("source_level");
pub(crate) const BY_SECRETARY: Column<Matter> =
    Column::bool("source.by_secretary", |m: &Matter| {
        m.source.as_ref().is_some_and(|s| s.by_secretary).into()
    })
    .named("by_secretary");
pub(crate) const REGISTERED_ON: Column<Matter> =
    Column::day("registered_on", |m| day(m.registered_on.as_ref()));
pub(crate) const REPORTED_ON: Column<Matter> =
    Column::day("reported_on", |m| day(m.reported_on.as_ref()));
pub(crate) const CLOSED_ON: Column<Matter> =
    Column::day("closed_on", |m| day(m.closed_on.as_ref()));
/// The matter that it is a part of; empty for one that stands for a paper of its own.
pub(crate) const SPLIT_FROM: Column<Matter> =
    Column::text("split_from", |m| m.split_from.as_str().into());
pub(crate) const SUPERSEDED: Column<Matter> = Column::bool("superseded", |m| m.superseded.into());

impl Record<Supervision> for Matter {
    const TABLE: &'static str = "matters";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::number("number", |m| i64::from(m.number).into()),
        Column::number("year", |m| i64::from(year(m)).into()),
        STATE,
        SOURCE_KIND,
        SOURCE_LEVEL,
        BY_SECRETARY,
        REGISTERED_ON,
        REPORTED_ON,
        CLOSED_ON,
        Column::day("due_date", |m| day(m.due_date.as_ref())),
        Column::text("lead_unit", |m| m.lead_unit.as_str().into()),
        Column::text("title", |m| m.title.as_str().into()),
        SPLIT_FROM,
        SUPERSEDED,
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

    /// Numbers a new matter; a deleted one keeps its number. What changes may concern the matters
    /// that it is bound to.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Supervision>) -> Result<()> {
        rules::place(self, before.is_none(), tx.office(), tx.at())?;
        let Some(before) = before else {
            let same_year = Condition::all().add(Expr::col("year").eq(i64::from(year(self))));
            self.number = tx.next_number::<Self>("number", same_year).await?;
            return Ok(());
        };
        rules::bound_stay(self)?;
        bonds::settle(self, before, tx).await
    }

    const SHOWS: bool = true;

    async fn show(
        records: &mut [Self],
        at: Moment,
        ledger: &Ledger<Supervision>,
        office: &Office,
    ) -> Result<()> {
        let warning = Warning::of(&ledger.singleton::<SupervisionSettings>(office).await?);
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
    MatterService for Supervision {
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
