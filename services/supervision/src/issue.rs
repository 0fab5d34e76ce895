//! Issues of the numbered papers (期刊).

#[cfg(test)]
mod tests;

use chrono::Datelike;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use taizhang_contracts::Result;
use taizhang_contracts::supervision::IssueState::{self, Drafted, Issued, Voided};
use taizhang_contracts::supervision::issue_service_server::IssueService;
use taizhang_contracts::supervision::{
    CreateIssueRequest, GetIssueRequest, Issue, IssueKind, IssueSeries, ListIssuesRequest,
    ListIssuesResponse, PublishIssueRequest, SupervisionTopic, UpdateIssueRequest,
    VoidIssueRequest,
};
use taizhang_ledger::column::day as day_column;
use taizhang_ledger::days::day;
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Column, Moment, Record, Tx, enum_column, serve};

use crate::{Supervision, naive};

/// The states of an issue. A void one is not written any more; it only holds its number.
pub const MACHINE: Machine<IssueState> = Machine {
    resource: "Issue",
    initial: Drafted,
    transitions: &[
        leads("PublishIssue", "印发", &[Drafted], Issued),
        leads("VoidIssue", "作废", &[Drafted, Issued], Voided),
        keeps("UpdateIssue", "修改", &[Drafted, Issued]),
    ],
    name: IssueState::as_str_name,
};

pub(crate) const KIND: Column<Issue> = enum_column!(Issue, kind: IssueKind);
pub(crate) const TOPIC: Column<Issue> = enum_column!(Issue, topic: SupervisionTopic);
pub(crate) const STATE: Column<Issue> = enum_column!(Issue, state: IssueState);
pub(crate) const ISSUED_ON: Column<Issue> =
    Column::day("issued_on", |i| day_column(i.issued_on.as_ref()));

impl Record<Supervision> for Issue {
    const TABLE: &'static str = "issues";

    const COLUMNS: &'static [Column<Self>] = &[
        Column::text("series", |i| i.series.as_str().into()),
        Column::number("year", |i| i64::from(year(i)).into()),
        Column::number("number", |i| i64::from(i.number).into()),
        KIND,
        TOPIC,
        STATE,
        ISSUED_ON,
        Column::day("dated_on", |i| day_column(i.dated_on.as_ref())),
        Column::text("title", |i| i.title.as_str().into()),
    ];

    fn title(&self) -> &str {
        &self.title
    }

    fn initial(&mut self, _at: Moment) {
        self.set_state(MACHINE.initial);
    }

    /// Dates and numbers a new issue.
    async fn settle(&mut self, before: Option<&Self>, tx: &mut Tx<'_, Supervision>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        let series: IssueSeries = tx.refer("issue.series", &self.series).await?;
        self.kind = series.kind;
        self.dated_on = Some(day("issue.dated_on", self.dated_on, None, tx.at())?);
        let counted = Condition::all()
            .add(Expr::col("series").eq(self.series.as_str()))
            .add(Expr::col("year").eq(i64::from(year(self))));
        self.number = tx.next_number::<Self>("number", counted).await?;
        Ok(())
    }
}

/// The year that the number belongs to.
fn year(issue: &Issue) -> i32 {
    naive(issue.dated_on).map_or(0, |day| day.year())
}

fn update(before: &Issue, _after: &Issue, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateIssue", before.state()).map(drop)
}

fn publish(issue: &mut Issue, q: &PublishIssueRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("PublishIssue", issue.state())?;
    issue.issued_on = Some(day("issued_on", q.issued_on, naive(issue.dated_on), at)?);
    issue.set_state(next);
    Ok(())
}

fn void(issue: &mut Issue, q: &VoidIssueRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("VoidIssue", issue.state())?;
    let since = naive(issue.issued_on.or(issue.dated_on));
    issue.voided_on = Some(day("voided_on", q.voided_on, since, at)?);
    issue.void_reason.clone_from(&q.reason);
    issue.set_state(next);
    Ok(())
}

serve! {
    IssueService for Supervision {
        create_issue(CreateIssueRequest) -> Issue: create;
        get_issue(GetIssueRequest) -> Issue: get;
        list_issues(ListIssuesRequest) -> ListIssuesResponse: list;
        update_issue(UpdateIssueRequest) -> Issue: update_with(update);
        publish_issue(PublishIssueRequest) -> Issue: change(publish);
        void_issue(VoidIssueRequest) -> Issue: change(void);
    }
}
