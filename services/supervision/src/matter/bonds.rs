//! Merged and split matters (合并、分解).
//!
//! Invariants at the end of every write: a merged matter is closed exactly if the one it was merged
//! into is; a split matter is closed exactly if all its parts are.

#[cfg(test)]
mod tests;

use taizhang_contracts::supervision::{
    Matter, MatterPart, MatterState, MergeMatterRequest, SplitMatterRequest,
};
use taizhang_contracts::{Error, Name, Resource, Result, Violations};
use taizhang_ledger::days::day;
use taizhang_ledger::lists::room;
use taizhang_ledger::{Moment, Tx};

use super::rules::{MOST_EVENTS, since, withdraw_closing, withdraw_report};
use super::states::{OTHER_CLOSES, OTHER_REOPENS, PART_REOPENS, PARTS_CLOSED, TAKES_IN};
use super::{MACHINE, year};
use crate::entities::matters;
use crate::naive;

/// MergeMatter.
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for a day out of order; RULE_REFUSES for itself.
pub(super) fn merge(matter: &mut Matter, q: &MergeMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("MergeMatter", matter.state())?;
    if q.into == matter.name {
        return Err(Error::refused(
            "MERGE_INTO_ANOTHER",
            "into",
            "不能并入自身",
            "a matter can't be merged into itself",
        ));
    }
    let day = day("merged_on", q.merged_on, since(matter), at)?;
    matter.merged_into.clone_from(&q.into);
    matter.merged_on = Some(day);
    matter.merge_reason.clone_from(&q.reason);
    matter.superseded = true;
    withdraw_report(matter);
    matter.set_state(next);
    Ok(())
}

/// The state of `other` after `matter` is merged into it.
fn take_in(other: &Matter, matter: &Matter) -> Result<Matter> {
    MACHINE
        .next(TAKES_IN, other.state())
        .map_err(|e| e.about(Matter::MESSAGE, other.name.as_str()))?;
    room(other.merged.len(), MOST_EVENTS, "into.merged")?;
    if naive(matter.merged_on) < naive(other.registered_on) {
        return Err(Violations::of(
            "merged_on",
            "不得早于并入事项的立项日期",
            "must not be before the registration of the other matter",
        ));
    }
    let mut other = other.clone();
    other.merged.push(matter.name.clone());
    Ok(other)
}

/// SplitMatter. The matters of the parts are created by [`settle`].
///
/// # Errors
/// WRONG_STATE; INVALID_ARGUMENT for too few parts or a day out of order.
pub(super) fn split(matter: &mut Matter, q: &SplitMatterRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("SplitMatter", matter.state())?;
    let split_on = day("split_on", q.split_on, since(matter), at)?;
    let mut v = Violations::default();
    if q.parts.len() < 2 {
        v.add("parts", "至少两项", "needs at least two entries");
    }
    for (i, part) in q.parts.iter().enumerate() {
        if naive(part.due_date) < naive(Some(split_on)) {
            v.item("parts", i, |v| {
                v.add(
                    "due_date",
                    "不得早于分解日期",
                    "must not be before the split",
                );
            });
        }
    }
    v.finish()?;
    matter.parts = q.parts.iter().map(ordered).collect();
    matter.split_on = Some(split_on);
    matter.superseded = true;
    matter.set_state(next);
    Ok(())
}

/// A part of a request, without its output-only fields.
fn ordered(part: &MatterPart) -> MatterPart {
    MatterPart {
        matter: String::new(),
        ..part.clone()
    }
}

/// The new matter of a part of `whole`.
fn part_of(whole: &Matter, part: &MatterPart) -> Matter {
    let mut matter = Matter {
        title: part.title.clone(),
        content: part.content.clone(),
        source: whole.source.clone(),
        lead_unit: part.lead_unit.clone(),
        assisting_units: part.assisting_units.clone(),
        registered_on: whole.split_on,
        due_date: part.due_date,
        split_from: whole.name.clone(),
        ..Default::default()
    };
    matter.set_state(MACHINE.initial);
    matter
}

/// A merged matter after the one it was merged into was closed or reopened.
fn with_other(matter: &Matter, other: &Matter) -> Result<Matter> {
    let mut matter = matter.clone();
    if other.state() == MatterState::Closed {
        matter.set_state(MACHINE.next(OTHER_CLOSES, matter.state())?);
        // The other one's report and closing apply to it from the day of the merge on.
        let covered = |day| naive(day).max(naive(matter.merged_on)).map(Into::into);
        (matter.reported_on, matter.closed_on) =
            (covered(other.reported_on), covered(other.closed_on));
        matter.conclusion = format!(
            "与并入的督查事项〔{}〕{}号“{}”一并办结",
            year(other),
            other.number,
            other.title
        );
    } else {
        matter.set_state(MACHINE.next(OTHER_REOPENS, matter.state())?);
        withdraw_closing(&mut matter);
    }
    Ok(matter)
}

/// A split matter after a change of its parts; `None` if it does not change.
fn with_parts(whole: &Matter, parts: &[Matter]) -> Result<Option<Matter>> {
    let mut after = whole.clone();
    let done = parts.iter().all(|p| p.state() == MatterState::Closed);
    match (whole.state() == MatterState::Closed, done) {
        (false, true) => {
            after.set_state(MACHINE.next(PARTS_CLOSED, whole.state())?);
            let latest = |day: fn(&Matter) -> _| parts.iter().filter_map(|p| naive(day(p))).max();
            after.reported_on = latest(|p| p.reported_on).map(Into::into);
            after.closed_on = latest(|p| p.closed_on).map(Into::into);
            after.conclusion = format!("分解的{}项均已办结", parts.len());
        }
        (true, false) => {
            after.set_state(MACHINE.next(PART_REOPENS, whole.state())?);
            withdraw_closing(&mut after);
        }
        _ => return Ok(None),
    }
    Ok(Some(after))
}

/// Applies a change to the matters that are merged into this one or that it is a part of, in the same
/// write; their own [`settle`] continues. No matter is reached twice, since the dependencies form a
/// tree.
///
/// # Errors
/// A refusal of the change of another matter.
pub(super) async fn settle(matter: &mut Matter, before: &Matter, tx: &mut Tx<'_>) -> Result<()> {
    for i in 0..matter.parts.len() {
        if matter.parts[i].matter.is_empty() {
            let part = part_of(matter, &matter.parts[i]);
            matter.parts[i].matter = tx.insert::<matters::Entity>(None, part).await?.name;
        }
    }
    if before.merged_into.is_empty() && !matter.merged_into.is_empty() {
        let other = tx
            .refer::<matters::Entity>("into", &matter.merged_into)
            .await?;
        tx.update::<matters::Entity>(&other, take_in(&other, matter)?)
            .await?;
    }
    let closed = |m: &Matter| m.state() == MatterState::Closed;
    if closed(before) == closed(matter) {
        return Ok(());
    }
    for name in &matter.merged {
        let merged = bound(tx, name).await?;
        tx.update::<matters::Entity>(&merged, with_other(&merged, matter)?)
            .await?;
    }
    if !matter.split_from.is_empty() {
        let whole = bound(tx, &matter.split_from).await?;
        let mut parts = Vec::with_capacity(whole.parts.len());
        for part in &whole.parts {
            // The matter that is being changed is not yet among the write's changes.
            parts.push(if part.matter == matter.name {
                matter.clone()
            } else {
                bound(tx, &part.matter).await?
            });
        }
        if let Some(after) = with_parts(&whole, &parts)? {
            tx.update::<matters::Entity>(&whole, after).await?;
        }
    }
    Ok(())
}

/// A matter that another one refers to. It can't be deleted; see [`super::rules::bound_stay`].
async fn bound(tx: &Tx<'_>, name: &str) -> Result<Matter> {
    let found = match Name::parse(name) {
        Some(name) => tx.find::<matters::Entity>(&name).await?,
        None => None,
    };
    found.ok_or_else(|| {
        Error::internal(format!(
            "{name} is missing, though another matter refers to it"
        ))
    })
}
