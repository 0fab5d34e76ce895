//! The rules of a matter's methods: pure functions of the record, the request and the day.
//!
//! Days are in order: none is in the future, and a change of the state is not dated before the day
//! on which the matter entered its present state.

#[cfg(test)]
pub(super) mod tests;

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::meetings::Decision;
use taizhang_contracts::supervision::{
    AcceptMatterRequest, AssignMatterRequest, CloseMatterRequest, Extension, ExtensionState,
    GrantExtensionRequest, Matter, MatterState, RecheckMatterRequest, RefuseExtensionRequest,
    RequestExtensionRequest, ResumeMatterRequest, Return, ReturnMatterRequest, ReviewMatterRequest,
    SourceKind, SubmitFeedbackRequest, SuspendMatterRequest, Suspension, UrgeMatterRequest,
};
use taizhang_contracts::{Error, Name, Office, Result, Violations};
use taizhang_ledger::Moment;
use taizhang_ledger::days::{FUTURE, day};
use taizhang_ledger::lists::room;

use super::MACHINE;
use crate::naive;

/// The most reports, and the most urgings, of one matter.
const MOST_ENTRIES: usize = 200;

/// The most extensions, returns, suspensions, rechecks and merged matters of one matter, of each.
pub(super) const MOST_EVENTS: usize = 50;

/// The rules between the fields that a caller sets.
pub(super) fn check(matter: &Matter, v: &mut Violations) {
    if naive(matter.due_date) < naive(matter.registered_on) {
        due_before_registration(v);
    }
    let Some(source) = &matter.source else { return };
    v.within("source", |v| {
        if source.by_secretary && source.kind() != SourceKind::Instruction {
            v.add("by_secretary", "仅批示件可填", "is for instructions only");
        }
        if source.kind() == SourceKind::MeetingDecision && decision(matter).is_none() {
            v.add(
                "record",
                "应为会议决定事项的资源名 offices/{office}/decisions/{decision}",
                "must be the name of a decision, offices/{office}/decisions/{decision}",
            );
        }
    });
}

fn due_before_registration(v: &mut Violations) {
    v.add(
        "due_date",
        "不得早于立项日期",
        "must not be before the registration",
    );
}

/// The decision that the matter comes from. It belongs to another service, so only its name is
/// checked.
fn decision(matter: &Matter) -> Option<Name<Decision>> {
    Name::parse(&matter.source.as_ref()?.record)
}

/// The rules that depend on the office and the day. Sets the day of registration of a new matter.
///
/// # Errors
/// INVALID_ARGUMENT naming every bad field.
pub(super) fn place(matter: &mut Matter, new: bool, office: &Office, at: Moment) -> Result<()> {
    let mut v = Violations::default();
    v.within("matter", |v| {
        if new {
            let registered = at.day_or_today(matter.registered_on.as_ref());
            matter.registered_on = Some(registered.into());
            if registered > at.today() {
                v.add("registered_on", FUTURE.0, FUTURE.1);
            }
            if naive(matter.due_date) < Some(registered) {
                due_before_registration(v);
            }
        }
        let by_decision =
            matter.source.as_ref().map(|s| s.kind()) == Some(SourceKind::MeetingDecision);
        if by_decision && decision(matter).is_none_or(|name| name.office() != office) {
            v.add(
                "source.record",
                "应为本单位的会议决定事项",
                "must be a decision of the same office",
            );
        }
    });
    v.finish()?;
    // Until the assignment the due date can be changed, and the original one follows it.
    if matter.state() == MatterState::Registered {
        matter.original_due_date = matter.due_date;
    }
    Ok(())
}

/// UpdateMatter.
///
/// # Errors
/// WRONG_STATE; RULE_REFUSES if the due date would change after the assignment.
pub(super) fn update(before: &Matter, after: &Matter, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateMatter", before.state())?;
    if before.state() != MatterState::Registered && before.due_date != after.due_date {
        return Err(Error::refused(
            "DUE_DATE_BY_EXTENSION",
            "matter.due_date",
            "交办后的办理时限只能通过延期更改",
            "once the matter is assigned, only an extension changes its due date",
        ));
    }
    Ok(())
}

/// AssignMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn assign(matter: &mut Matter, q: &AssignMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("AssignMatter", matter.state())?;
    let day = day("assigned_on", q.assigned_on, since(matter), at)?;
    matter.assigned_on = Some(day);
    matter.set_state(next);
    Ok(())
}

/// AcceptMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn accept(matter: &mut Matter, q: &AcceptMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("AcceptMatter", matter.state())?;
    let day = day("accepted_on", q.accepted_on, since(matter), at)?;
    matter.accepted_on = Some(day);
    matter.set_state(next);
    Ok(())
}

/// SubmitFeedback. Only a final report changes the state.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if there are too many.
pub(super) fn feedback(matter: &mut Matter, q: &SubmitFeedbackRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("SubmitFeedback", matter.state())?;
    let mut feedback = q.feedback.clone().unwrap_or_default();
    room(matter.feedbacks.len(), MOST_ENTRIES, "matter.feedbacks")?;
    let earliest = if feedback.r#final {
        since(matter)
    } else {
        naive(matter.accepted_on)
    };
    let day = day("feedback.date", feedback.date, earliest, at)?;
    feedback.date = Some(day);
    if feedback.r#final {
        matter.reported_on = Some(day);
        matter.set_state(next);
    }
    matter.feedbacks.push(feedback);
    Ok(())
}

/// ReviewMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn review(matter: &mut Matter, q: &ReviewMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ReviewMatter", matter.state())?;
    let day = day("reviewed_on", q.reviewed_on, since(matter), at)?;
    matter.reviewed_on = Some(day);
    matter.set_state(next);
    Ok(())
}

/// CloseMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn close(matter: &mut Matter, q: &CloseMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("CloseMatter", matter.state())?;
    let day = day("closed_on", q.closed_on, since(matter), at)?;
    matter.closed_on = Some(day);
    matter.conclusion.clone_from(&q.conclusion);
    matter.set_state(next);
    Ok(())
}

/// ReturnMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if there are too many.
pub(super) fn send_back(matter: &mut Matter, q: &ReturnMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ReturnMatter", matter.state())?;
    room(matter.returns.len(), MOST_EVENTS, "matter.returns")?;
    let day = day("returned_on", q.returned_on, since(matter), at)?;
    matter.returns.push(Return {
        returned_on: Some(day),
        reason: q.reason.clone(),
    });
    withdraw_report(matter);
    matter.set_state(next);
    Ok(())
}

/// UrgeMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if there are too many.
pub(super) fn urge(matter: &mut Matter, q: &UrgeMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("UrgeMatter", matter.state())?;
    let mut urging = q.urging.clone().unwrap_or_default();
    room(matter.urgings.len(), MOST_ENTRIES, "matter.urgings")?;
    let day = day("urging.date", urging.date, naive(matter.assigned_on), at)?;
    urging.date = Some(day);
    matter.urgings.push(urging);
    matter.set_state(next);
    Ok(())
}

/// RequestExtension.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if the due date has come, if
/// another request is not decided yet, or if there are too many.
pub(super) fn request_extension(
    matter: &mut Matter,
    q: &RequestExtensionRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("RequestExtension", matter.state())?;
    if pending(matter).is_some() {
        return Err(Error::refused(
            "ONE_EXTENSION_AT_A_TIME",
            "matter.extensions",
            "已有延期申请待批",
            "another extension is pending",
        ));
    }
    room(matter.extensions.len(), MOST_EVENTS, "matter.extensions")?;
    let decided = matter.extensions.last().and_then(|e| naive(e.decided_on));
    let earliest = naive(matter.assigned_on).max(decided);
    let requested_on = day("requested_on", q.requested_on, earliest, at)?;
    if naive(q.due_date) <= naive(matter.due_date) {
        return Err(Violations::of(
            "due_date",
            "应晚于现办理时限",
            "must be later than the present due date",
        ));
    }
    if naive(Some(requested_on)) >= naive(matter.due_date) {
        return Err(Error::refused(
            "EXTENSION_BEFORE_DUE",
            "matter.due_date",
            "延期须在办理时限之前申请",
            "an extension must be requested before the due date",
        ));
    }
    matter.extensions.push(Extension {
        requested_on: Some(requested_on),
        from_due_date: matter.due_date,
        to_due_date: q.due_date,
        reason: q.reason.clone(),
        state: ExtensionState::Requested.into(),
        ..Default::default()
    });
    matter.set_state(next);
    Ok(())
}

/// GrantExtension.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES without a pending extension.
pub(super) fn grant_extension(
    matter: &mut Matter,
    q: &GrantExtensionRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("GrantExtension", matter.state())?;
    let granted = decide(
        matter,
        ExtensionState::Granted,
        &q.decided_by,
        q.decided_on,
        at,
    )?;
    matter.due_date = granted;
    matter.set_state(next);
    Ok(())
}

/// RefuseExtension.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES without a pending extension.
pub(super) fn refuse_extension(
    matter: &mut Matter,
    q: &RefuseExtensionRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("RefuseExtension", matter.state())?;
    decide(
        matter,
        ExtensionState::Refused,
        &q.decided_by,
        q.decided_on,
        at,
    )?;
    matter.set_state(next);
    Ok(())
}

/// SuspendMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES if there are too many.
pub(super) fn suspend(matter: &mut Matter, q: &SuspendMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("SuspendMatter", matter.state())?;
    room(matter.suspensions.len(), MOST_EVENTS, "matter.suspensions")?;
    let day = day("suspended_on", q.suspended_on, since(matter), at)?;
    matter.suspensions.push(Suspension {
        suspended_on: Some(day),
        reason: q.reason.clone(),
        resumed_on: None,
    });
    matter.set_state(next);
    Ok(())
}

/// ResumeMatter. The state becomes IN_PROGRESS, whatever it was before the suspension.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn resume(matter: &mut Matter, q: &ResumeMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ResumeMatter", matter.state())?;
    let day = day("resumed_on", q.resumed_on, since(matter), at)?;
    if let Some(suspension) = matter.suspensions.last_mut() {
        suspension.resumed_on = Some(day);
    }
    matter.assigned_on.get_or_insert(day);
    matter.accepted_on.get_or_insert(day);
    withdraw_report(matter);
    matter.set_state(next);
    Ok(())
}

/// RecheckMatter. One that does not pass reopens the matter, as a return does.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order or missing findings; RULE_REFUSES if the
/// matter was merged or split, or if there are too many.
pub(super) fn recheck(matter: &mut Matter, q: &RecheckMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("RecheckMatter", matter.state())?;
    if matter.superseded {
        return Err(Error::refused(
            "RECHECK_WHAT_WAS_WORKED_ON",
            matter.name.as_str(),
            "已合并或分解的事项，应对并入的事项或分解的各项回头看",
            "it was merged or split; recheck what it was merged into, or its parts",
        ));
    }
    room(matter.rechecks.len(), MOST_EVENTS, "matter.rechecks")?;
    let mut recheck = q.recheck.clone().unwrap_or_default();
    if !recheck.passed && recheck.findings.trim().is_empty() {
        return Err(Violations::of(
            "recheck.findings",
            "未通过的须说明情况",
            "is required if it does not pass",
        ));
    }
    let before = matter.rechecks.last().and_then(|r| naive(r.date));
    let earliest = since(matter).max(before);
    recheck.date = Some(day("recheck.date", recheck.date, earliest, at)?);
    recheck.closed_on = matter.closed_on;
    recheck.conclusion.clone_from(&matter.conclusion);
    if !recheck.passed {
        withdraw_closing(matter);
        matter.set_state(next);
    }
    matter.rechecks.push(recheck);
    Ok(())
}

/// Refuses to delete a matter that is bound to another one by a merge or a split.
///
/// # Errors
/// RULE_REFUSES.
pub(super) fn bound_stay(matter: &Matter) -> Result<()> {
    let bound = matter.superseded || !matter.merged.is_empty() || !matter.split_from.is_empty();
    if matter.delete_time.is_none() || !bound {
        return Ok(());
    }
    Err(Error::refused(
        "BOUND_MATTERS_STAY",
        matter.name.as_str(),
        "与其他事项有合并或分解关系，不得删除",
        "it is bound to other matters by a merge or a split, and can't be deleted",
    ))
}

/// Clears the closing, and the report that it was based on.
pub(super) fn withdraw_closing(matter: &mut Matter) {
    withdraw_report(matter);
    matter.closed_on = None;
    matter.conclusion.clear();
}

/// Clears the final report: another one must follow.
pub(super) fn withdraw_report(matter: &mut Matter) {
    matter.reported_on = None;
    matter.reviewed_on = None;
}

/// The pending extension.
fn pending(matter: &Matter) -> Option<&Extension> {
    let last = matter.extensions.last();
    last.filter(|e| e.state() == ExtensionState::Requested)
}

/// Decides on the pending extension; returns the due date that it requests.
fn decide(
    matter: &mut Matter,
    decision: ExtensionState,
    decided_by: &str,
    decided_on: Option<Date>,
    at: Moment,
) -> Result<Option<Date>> {
    let Some(requested) = pending(matter).map(|e| naive(e.requested_on)) else {
        return Err(Error::refused(
            "EXTENSION_REQUESTED",
            "matter.extensions",
            "没有待批的延期申请",
            "no extension is pending",
        ));
    };
    let decided_on = day("decided_on", decided_on, requested, at)?;
    let Some(extension) = matter.extensions.last_mut() else {
        return Ok(None);
    };
    extension.set_state(decision);
    extension.decided_by = decided_by.to_owned();
    extension.decided_on = Some(decided_on);
    Ok(extension.to_due_date)
}

/// The day on which the matter entered its present state.
pub(super) fn since(matter: &Matter) -> Option<NaiveDate> {
    let day = match matter.state() {
        MatterState::Unspecified | MatterState::Registered => matter.registered_on,
        MatterState::Assigned => matter.assigned_on,
        MatterState::Reported => matter.reported_on,
        MatterState::UnderReview => matter.reviewed_on,
        MatterState::Closed => matter.closed_on,
        MatterState::Suspended => matter.suspensions.last().and_then(|s| s.suspended_on),
        MatterState::Merged => matter.merged_on,
        MatterState::Split => matter.split_on,
        MatterState::InProgress => {
            let returned = matter.returns.last().and_then(|r| naive(r.returned_on));
            let resumed = matter.suspensions.last().and_then(|s| naive(s.resumed_on));
            let failed = matter.rechecks.iter().rfind(|r| !r.passed);
            let reopened = failed.and_then(|r| naive(r.date));
            return naive(matter.accepted_on)
                .max(returned)
                .max(resumed)
                .max(reopened);
        }
    };
    naive(day)
}
