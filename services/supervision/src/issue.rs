//! Issues of numbered papers (期刊).

#[cfg(test)]
mod tests;

use chrono::Datelike;
use sea_orm::sea_query::Condition;
use taizhang_contracts::Result;
use taizhang_contracts::supervision::IssueState::{self, Drafted, Issued, Voided};
use taizhang_contracts::supervision::issue_service_server::IssueService;
use taizhang_contracts::supervision::{
    CreateIssueRequest, GetIssueRequest, Issue, ListIssuesRequest, ListIssuesResponse,
    PublishIssueRequest, UpdateIssueRequest, VoidIssueRequest,
};
use taizhang_ledger::days::day;
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::entities::{issue_series, issues};
use crate::{Supervision, naive};

/// The states of an issue. A void one is immutable and keeps its number.
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

impl Record for issues::Entity {
    fn title(issue: &Issue) -> &str {
        &issue.title
    }

    fn initial(issue: &mut Issue, _at: Moment) {
        issue.set_state(MACHINE.initial);
    }
}

impl Behavior for issues::Entity {
    /// Sets the day and the number of a new issue.
    async fn settle(issue: &mut Issue, before: Option<&Issue>, tx: &mut Tx<'_>) -> Result<()> {
        if before.is_some() {
            return Ok(());
        }
        let series = tx
            .refer::<issue_series::Entity>("issue.series", &issue.series)
            .await?;
        issue.kind = series.kind;
        issue.dated_on = Some(day("issue.dated_on", issue.dated_on, None, tx.at())?);
        let counted = Condition::all()
            .add(issues::COLUMN.series.eq(issue.series.as_str()))
            .add(issues::COLUMN.year.eq(i64::from(year(issue))));
        issue.number = tx.next_number(issues::COLUMN.number, counted).await?;
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
    IssueService for Supervision, issues {
        create_issue(CreateIssueRequest) -> Issue: create;
        get_issue(GetIssueRequest) -> Issue: get;
        list_issues(ListIssuesRequest) -> ListIssuesResponse: list;
        update_issue(UpdateIssueRequest) -> Issue: update_with(update);
        publish_issue(PublishIssueRequest) -> Issue: change(publish);
        void_issue(VoidIssueRequest) -> Issue: change(void);
    }
}
