//! The rules of a reception's methods: pure functions of the record, the request and the day. The
//! rules of the regulations are in `regulations.rs`.

#[cfg(test)]
mod tests;

use taizhang_contracts::date::instant;
use taizhang_contracts::reception::{
    ApproveReceptionRequest, ArchiveReceptionRequest, BeginReceptionRequest,
    CancelReceptionRequest, EndReceptionRequest, Reception, RefuseReceptionRequest,
    SettleReceptionRequest, Settlement, SignReceptionListRequest,
};
use taizhang_contracts::{Result, Violations};
use taizhang_ledger::Moment;
use taizhang_ledger::days::{day, naive};

use super::MACHINE;

/// The rules between the fields that a caller sets.
pub(super) fn check(reception: &Reception, v: &mut Violations) {
    let (arrival, departure) = (naive(reception.arrival_day), naive(reception.departure_day));
    if departure < arrival {
        v.add(
            "departure_day",
            "不得早于来访日期",
            "must not be before the arrival",
        );
    }
    for (i, item) in reception.itinerary_items.iter().enumerate() {
        let start = item.start_time.as_ref().and_then(instant);
        let end = item.end_time.as_ref().and_then(instant);
        if end.is_some() && end <= start {
            v.item("itinerary_items", i, |v| {
                v.add("end_time", "应晚于开始时间", "must be later than the start");
            });
        }
    }
    for (i, meal) in reception.meals.iter().enumerate() {
        let date = naive(meal.date);
        if date.is_some() && (date < arrival || date > departure) {
            v.item("meals", i, |v| {
                v.add(
                    "date",
                    "应在来访日期和离开日期之间",
                    "must be between the arrival and the departure",
                );
            });
        }
    }
}

/// UpdateReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT if the arrival would be after the day on which it began.
pub(super) fn update(before: &Reception, after: &Reception, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateReception", before.state())?;
    let begun = naive(before.begun_on);
    if begun.is_some() && naive(after.arrival_day) > begun {
        return Err(Violations::of(
            "reception.arrival_day",
            "不得晚于开始日期",
            "must not be after the day it began",
        ));
    }
    Ok(())
}

/// ApproveReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day in the future.
pub(super) fn approve(r: &mut Reception, q: &ApproveReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ApproveReception", r.state())?;
    r.approved_on = Some(day("approved_on", q.approved_on, None, at)?);
    r.approver.clone_from(&q.approver);
    r.set_state(next);
    Ok(())
}

/// RefuseReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day in the future.
pub(super) fn refuse(r: &mut Reception, q: &RefuseReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("RefuseReception", r.state())?;
    r.dropped_on = Some(day("refused_on", q.refused_on, None, at)?);
    r.drop_reason.clone_from(&q.reason);
    r.set_state(next);
    Ok(())
}

/// CancelReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn cancel(r: &mut Reception, q: &CancelReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("CancelReception", r.state())?;
    let approved = naive(r.approved_on);
    r.dropped_on = Some(day("cancelled_on", q.cancelled_on, approved, at)?);
    r.drop_reason.clone_from(&q.reason);
    r.set_state(next);
    Ok(())
}

/// BeginReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day before the approval or the arrival.
pub(super) fn begin(r: &mut Reception, q: &BeginReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("BeginReception", r.state())?;
    let earliest = naive(r.approved_on).max(naive(r.arrival_day));
    r.begun_on = Some(day("begun_on", q.begun_on, earliest, at)?);
    r.set_state(next);
    Ok(())
}

/// EndReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn end(r: &mut Reception, q: &EndReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("EndReception", r.state())?;
    r.ended_on = Some(day("ended_on", q.ended_on, naive(r.begun_on), at)?);
    r.set_state(next);
    Ok(())
}

/// SignReceptionList. The regulations refuse a signature before the end.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day in the future.
pub(super) fn sign(r: &mut Reception, q: &SignReceptionListRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("SignReceptionList", r.state())?;
    r.signed_on = Some(day("signed_on", q.signed_on, None, at)?);
    r.signed_by.clone_from(&q.signed_by);
    r.set_state(next);
    Ok(())
}

/// SettleReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn settle(r: &mut Reception, q: &SettleReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("SettleReception", r.state())?;
    r.settlement = Some(Settlement {
        voucher_number: q.voucher_number.clone(),
        method: q.method,
        amount_fen: q.amount_fen,
        settled_on: Some(day("settled_on", q.settled_on, naive(r.signed_on), at)?),
    });
    r.set_state(next);
    Ok(())
}

/// ArchiveReception.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order.
pub(super) fn archive(r: &mut Reception, q: &ArchiveReceptionRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ArchiveReception", r.state())?;
    let settled = r.settlement.as_ref().and_then(|s| naive(s.settled_on));
    r.archived_on = Some(day("archived_on", q.archived_on, settled, at)?);
    r.set_state(next);
    Ok(())
}
