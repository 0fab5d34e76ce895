//! The rules of an inspection's methods: pure functions of the record, the request and the day.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use taizhang_contracts::supervision::{
    CancelInspectionRequest, CompleteInspectionRequest, Finding, Inspection, InspectionState,
};
use taizhang_contracts::{Error, Result, Violations};
use taizhang_ledger::Moment;

use super::MACHINE;
use crate::naive;

/// The rules between the fields that a caller sets.
pub(super) fn check(inspection: &Inspection, v: &mut Violations) {
    if naive(inspection.last_day) < naive(inspection.first_day) {
        v.add(
            "last_day",
            "不得早于开始日期",
            "must not be before the first day",
        );
    }
    let mut seen = HashSet::new();
    for (i, object) in inspection.objects.iter().enumerate() {
        if !seen.insert(object) {
            v.item("objects", i, |v| {
                v.add("", "与前面的对象重复", "is a duplicate");
            });
        }
    }
    findings_of(&inspection.objects, &inspection.findings, v);
}

/// The unit of a finding must be one of those inspected.
fn findings_of(objects: &[String], findings: &[Finding], v: &mut Violations) {
    for (i, finding) in findings.iter().enumerate() {
        if !finding.object.is_empty() && !objects.contains(&finding.object) {
            v.item("findings", i, |v| {
                v.add("object", "应为督查对象之一", "must be one of the objects");
            });
        }
    }
}

/// UpdateInspection.
///
/// # Errors
/// WRONG_STATE; RULE_REFUSES if a completed one would end in the future.
pub(super) fn update(before: &Inspection, after: &Inspection, at: Moment) -> Result<()> {
    match MACHINE.next("UpdateInspection", before.state())? {
        InspectionState::Done => is_over(after, at),
        _ => Ok(()),
    }
}

/// CompleteInspection.
///
/// # Errors
/// WRONG_STATE; RULE_REFUSES if the last day is in the future; INVALID_ARGUMENT for a finding at a
/// unit that was not inspected.
pub(super) fn complete(
    inspection: &mut Inspection,
    q: &CompleteInspectionRequest,
    at: Moment,
) -> Result<()> {
    let next = MACHINE.next("CompleteInspection", inspection.state())?;
    is_over(inspection, at)?;
    if !q.findings.is_empty() {
        let mut v = Violations::default();
        findings_of(&inspection.objects, &q.findings, &mut v);
        v.finish()?;
        inspection.findings.clone_from(&q.findings);
    }
    inspection.set_state(next);
    Ok(())
}

/// CancelInspection.
///
/// # Errors
/// WRONG_STATE.
pub(super) fn cancel(
    inspection: &mut Inspection,
    q: &CancelInspectionRequest,
    _at: Moment,
) -> Result<()> {
    inspection.set_state(MACHINE.next("CancelInspection", inspection.state())?);
    inspection.cancel_reason.clone_from(&q.reason);
    Ok(())
}

fn is_over(inspection: &Inspection, at: Moment) -> Result<()> {
    if naive(inspection.last_day).is_some_and(|last| last <= at.today()) {
        return Ok(());
    }
    Err(Error::refused(
        "INSPECTION_LAST_DAY_HAS_COME",
        "inspection.last_day",
        "督查结束日期未到",
        "the last day of the inspection is in the future",
    ))
}
