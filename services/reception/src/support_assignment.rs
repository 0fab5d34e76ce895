//! Support assignments (保障任务).

use chrono::NaiveDate;
use taizhang_contracts::reception::support_assignment_service_server::SupportAssignmentService;
use taizhang_contracts::reception::{
    BeginSupportAssignmentRequest, CancelSupportAssignmentRequest,
    CompleteSupportAssignmentRequest, CreateSupportAssignmentRequest,
    DeleteSupportAssignmentRequest, GetSupportAssignmentRequest, ListSupportAssignmentsRequest,
    ListSupportAssignmentsResponse, SupportAssignment,
    SupportAssignmentState::{self, Cancelled, Completed, Planned, UnderWay},
    UndeleteSupportAssignmentRequest, UpdateSupportAssignmentRequest,
};
use taizhang_contracts::{Error, Result, Violations};
use taizhang_ledger::days::{day, naive};
use taizhang_ledger::transition::{Machine, keeps, leads};
use taizhang_ledger::{Behavior, Moment, Record, Tx, serve};

use crate::Receptions;
use crate::entities::support_assignments;

/// The states of a support assignment.
pub const MACHINE: Machine<SupportAssignmentState> = Machine {
    resource: "SupportAssignment",
    initial: Planned,
    transitions: &[
        leads("BeginSupportAssignment", "开始保障", &[Planned], UnderWay),
        leads(
            "CompleteSupportAssignment",
            "完成保障",
            &[UnderWay],
            Completed,
        ),
        leads("CancelSupportAssignment", "取消保障", OPEN, Cancelled),
        keeps("UpdateSupportAssignment", "修改", OPEN),
    ],
    name: SupportAssignmentState::as_str_name,
};

const OPEN: &[SupportAssignmentState] = &[Planned, UnderWay];

impl Record for support_assignments::Entity {
    fn title(assignment: &SupportAssignment) -> &str {
        &assignment.title
    }

    fn initial(assignment: &mut SupportAssignment, _at: Moment) {
        assignment.set_state(MACHINE.initial);
    }

    fn check(assignment: &SupportAssignment, v: &mut Violations) {
        if naive(assignment.last_day) < naive(assignment.first_day) {
            v.add(
                "last_day",
                "不得早于首日",
                "must not be before the first day",
            );
        }
    }
}

impl Behavior for support_assignments::Entity {
    async fn settle(
        assignment: &mut SupportAssignment,
        _: Option<&SupportAssignment>,
        _: &mut Tx<'_>,
    ) -> Result<()> {
        assignment.days = days(naive(assignment.first_day), naive(assignment.last_day));
        Ok(())
    }
}

/// The days from the first to the last, both included.
fn days(first: Option<NaiveDate>, last: Option<NaiveDate>) -> i32 {
    let (Some(first), Some(last)) = (first, last) else {
        return 0;
    };
    i32::try_from((last - first).num_days() + 1).unwrap_or(0)
}

/// UpdateSupportAssignment.
fn update(before: &SupportAssignment, after: &SupportAssignment, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateSupportAssignment", before.state())?;
    if before.state() == UnderWay && before.first_day != after.first_day {
        return Err(Error::refused(
            "FIRST_DAY_STANDS",
            "support_assignment.first_day",
            "保障开始后首日不可更改",
            "the first day can't be changed after the support has begun",
        ));
    }
    Ok(())
}

/// BeginSupportAssignment: replaces the planned first day by the actual one.
fn begin(
    assignment: &mut SupportAssignment,
    q: &BeginSupportAssignmentRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("BeginSupportAssignment", assignment.state())?;
    let begun = day("begun_on", q.begun_on, None, at)?;
    assignment.first_day = Some(begun);
    if naive(assignment.last_day) < naive(Some(begun)) {
        assignment.last_day = Some(begun);
    }
    assignment.set_state(next);
    Ok(())
}

/// CompleteSupportAssignment: replaces the planned last day by the actual one.
fn complete(
    assignment: &mut SupportAssignment,
    q: &CompleteSupportAssignmentRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("CompleteSupportAssignment", assignment.state())?;
    let first = naive(assignment.first_day);
    assignment.last_day = Some(day("completed_on", q.completed_on, first, at)?);
    assignment.set_state(next);
    Ok(())
}

/// CancelSupportAssignment.
fn cancel(
    assignment: &mut SupportAssignment,
    q: &CancelSupportAssignmentRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("CancelSupportAssignment", assignment.state())?;
    assignment.cancelled_on = Some(day("cancelled_on", q.cancelled_on, None, at)?);
    assignment.cancel_reason.clone_from(&q.reason);
    assignment.set_state(next);
    Ok(())
}

serve! {
    SupportAssignmentService for Receptions, support_assignments {
        create_support_assignment(CreateSupportAssignmentRequest) -> SupportAssignment: create;
        get_support_assignment(GetSupportAssignmentRequest) -> SupportAssignment: get;
        list_support_assignments(ListSupportAssignmentsRequest) -> ListSupportAssignmentsResponse: list;
        update_support_assignment(UpdateSupportAssignmentRequest) -> SupportAssignment: update_with(update);
        delete_support_assignment(DeleteSupportAssignmentRequest) -> SupportAssignment: delete;
        undelete_support_assignment(UndeleteSupportAssignmentRequest) -> SupportAssignment: undelete;
        begin_support_assignment(BeginSupportAssignmentRequest) -> SupportAssignment: change(begin);
        complete_support_assignment(CompleteSupportAssignmentRequest) -> SupportAssignment: change(complete);
        cancel_support_assignment(CancelSupportAssignmentRequest) -> SupportAssignment: change(cancel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use taizhang_contracts::Reason;
    use taizhang_contracts::common::Date;

    fn june(day: i32) -> Option<Date> {
        Some(Date {
            year: 2025,
            month: 6,
            day,
        })
    }

    /// Noon of a day of June 2025.
    fn at(day: u32) -> Moment {
        let noon = NaiveDate::from_ymd_opt(2025, 6, day).and_then(|d| d.and_hms_opt(4, 0, 0));
        Moment {
            now: noon.unwrap().and_utc(),
            zone: chrono_tz::Asia::Shanghai,
        }
    }

    /// An assignment planned from the 5th to the 10th.
    fn planned() -> SupportAssignment {
        SupportAssignment {
            first_day: june(5),
            last_day: june(10),
            state: Planned.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_first_and_the_last_day_both_count() {
        let day = |d| naive(june(d));
        assert_eq!(days(day(5), day(5)), 1);
        assert_eq!(days(day(5), day(10)), 6);
    }

    #[test]
    fn actual_days_replace_the_planned_ones() {
        let mut assignment = planned();
        let q = BeginSupportAssignmentRequest {
            begun_on: june(6),
            ..Default::default()
        };
        begin(&mut assignment, &q, at(6)).unwrap();
        assert_eq!(assignment.first_day, june(6));
        let q = CompleteSupportAssignmentRequest {
            completed_on: june(5),
            ..Default::default()
        };
        let refused = complete(&mut assignment, &q, at(12)).unwrap_err();
        assert_eq!(refused.reason(), Reason::InvalidFields);
        complete(&mut assignment, &Default::default(), at(12)).unwrap();
        assert_eq!(
            (assignment.state(), assignment.last_day),
            (Completed, june(12))
        );
    }

    #[test]
    fn an_assignment_that_begins_after_its_planned_end_has_one_day() {
        let mut assignment = planned();
        begin(&mut assignment, &Default::default(), at(15)).unwrap();
        assert_eq!(assignment.first_day, assignment.last_day);
    }

    #[test]
    fn the_first_day_can_not_change_after_the_beginning() {
        let mut before = planned();
        let mut after = before.clone();
        after.first_day = june(4);
        update(&before, &after, at(1)).unwrap();
        before.set_state(UnderWay);
        let refused = update(&before, &after, at(1)).unwrap_err();
        assert_eq!(refused.preconditions()[0].rule, "FIRST_DAY_STANDS");
        before.set_state(Completed);
        let refused = update(&before, &after, at(1)).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
    }

    #[test]
    fn a_completed_assignment_is_not_cancelled() {
        let mut assignment = planned();
        let q = CancelSupportAssignmentRequest {
            reason: "改期".into(),
            ..Default::default()
        };
        cancel(&mut assignment, &q, at(1)).unwrap();
        assert_eq!(assignment.state(), Cancelled);
        assert_eq!(
            cancel(&mut assignment, &q, at(1)).unwrap_err().reason(),
            Reason::WrongState
        );
    }
}
