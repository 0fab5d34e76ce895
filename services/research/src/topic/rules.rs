//! The rules of a topic's methods: pure functions of the record, the request and the day.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use taizhang_contracts::common::Date;
use taizhang_contracts::research::{
    ApproveTopicRequest, Behind, ConcludeTopicRequest, DropTopicRequest, StartTopicRequest, Topic,
    TopicStage, TopicState,
};
use taizhang_contracts::{Resource, Result, Violations};
use taizhang_ledger::Moment;
use taizhang_ledger::days::{day, naive};

use super::MACHINE;

pub(super) fn check(topic: &Topic, v: &mut Violations) {
    if naive(topic.planned_end) < naive(topic.planned_start) {
        v.add(
            "planned_end",
            "不得早于计划开始日期",
            "must not be before the planned start",
        );
    }
}

pub(super) fn update(before: &Topic, _after: &Topic, _at: Moment) -> Result<()> {
    MACHINE.next("UpdateTopic", before.state()).map(|_| ())
}

pub(super) fn approve(topic: &mut Topic, q: &ApproveTopicRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ApproveTopic", topic.state())?;
    topic.approved_on = Some(day("approved_on", q.approved_on, since(topic), at)?);
    topic.approved_by.clone_from(&q.approved_by);
    topic.set_state(next);
    Ok(())
}

pub(super) fn start(topic: &mut Topic, q: &StartTopicRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("StartTopic", topic.state())?;
    topic.started_on = Some(day("started_on", q.started_on, since(topic), at)?);
    topic.set_state(next);
    Ok(())
}

/// Called when a report of the topic is finished. The first one changes the state to REPORTED; later
/// ones change nothing.
///
/// # Errors
/// WRONG_STATE if the work has not begun or was dropped; INVALID_ARGUMENT if the report is dated
/// before the work began.
pub(crate) fn report(topic: &mut Topic, finished_on: Option<Date>, at: Moment) -> Result<()> {
    let next = MACHINE
        .next("FinishResearchReport", topic.state())
        .map_err(|refused| refused.about(Topic::MESSAGE, &topic.name))?;
    let day = day("finished_on", finished_on, naive(topic.started_on), at)?;
    topic.reported_on.get_or_insert(day);
    topic.set_state(next);
    Ok(())
}

pub(super) fn conclude(topic: &mut Topic, q: &ConcludeTopicRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("ConcludeTopic", topic.state())?;
    topic.concluded_on = Some(day("concluded_on", q.concluded_on, since(topic), at)?);
    topic.conclusion.clone_from(&q.conclusion);
    topic.set_state(next);
    Ok(())
}

pub(super) fn give_up(topic: &mut Topic, q: &DropTopicRequest, at: Moment) -> Result<()> {
    let next = MACHINE.next("DropTopic", topic.state())?;
    topic.dropped_on = Some(day("dropped_on", q.dropped_on, since(topic), at)?);
    topic.reason.clone_from(&q.reason);
    topic.set_state(next);
    Ok(())
}

/// The day on which the topic came into its present state.
fn since(topic: &Topic) -> Option<NaiveDate> {
    naive(match topic.state() {
        TopicState::Unspecified | TopicState::Proposed => None,
        TopicState::Approved => topic.approved_on,
        TopicState::UnderWay => topic.started_on,
        TopicState::Reported => topic.reported_on,
        TopicState::Concluded => topic.concluded_on,
        TopicState::Dropped => topic.dropped_on,
    })
}

/// How far the topic is behind its plan on a day; `None` on the planned day itself.
pub(super) fn behind(topic: &Topic, today: NaiveDate) -> Option<Behind> {
    let (stage, planned) = match topic.state() {
        TopicState::Proposed | TopicState::Approved => (TopicStage::Start, topic.planned_start),
        TopicState::UnderWay => (TopicStage::Report, topic.planned_end),
        _ => return None,
    };
    let days_late = (today - naive(planned)?).num_days();
    Some(Behind {
        stage: stage.into(),
        days_late: i32::try_from(days_late).ok().filter(|days| *days > 0)?,
    })
}
