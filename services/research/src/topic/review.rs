//! The progress of a year's topics, and those behind their plan (课题进度与提醒).

use std::cmp::Reverse;

use chrono::NaiveDate;
use sea_orm::sea_query::Condition;
use taizhang_contracts::common::Period;
use taizhang_contracts::research::{
    LevelReview, ReviewTopicsRequest, ReviewTopicsResponse, Topic, TopicLevel, TopicReminder,
    TopicState,
};
use taizhang_contracts::{Context, Result, Violations};

use super::rules::behind;
use crate::Research;
use crate::entities::topics;

/// The most topics of one year that are reviewed, and the most reminders.
const MOST: u64 = 5000;
const MOST_REMINDERS: usize = 500;

const LEVELS: [TopicLevel; 3] = [
    TopicLevel::CityKey,
    TopicLevel::CountyKey,
    TopicLevel::Township,
];

/// ReviewTopics.
///
/// # Errors
/// INVALID_ARGUMENT if the year has too many topics; if the database is unavailable.
pub(super) async fn review_topics(
    service: &Research,
    context: &Context,
    q: &ReviewTopicsRequest,
) -> Result<ReviewTopicsResponse> {
    let (first, last) = Period::year(q.year).days().unwrap_or_default();
    let of_year = Condition::any()
        .add(topics::COLUMN.approved_on.between(first, last))
        .add(
            Condition::all()
                .add(topics::COLUMN.approved_on.is_null())
                .add(topics::COLUMN.planned_start.between(first, last)),
        );
    let topics = service
        .ledger
        .select::<topics::Entity>(&context.office, of_year, MOST + 1)
        .await?;
    if topics.len() as u64 > MOST {
        return Err(Violations::of(
            "year",
            format!("课题超过{MOST}个"),
            format!("has more than {MOST} topics"),
        ));
    }
    Ok(review(&topics, service.ledger.moment().today()))
}

/// The review of these topics on a day.
fn review(topics: &[Topic], today: NaiveDate) -> ReviewTopicsResponse {
    let mut reminders: Vec<_> = topics.iter().filter_map(|t| reminder(t, today)).collect();
    reminders.sort_by_key(|r| (Reverse(r.behind.map(|b| b.days_late)), r.topic.clone()));
    reminders.truncate(MOST_REMINDERS);
    ReviewTopicsResponse {
        levels: LEVELS.map(|level| of_level(topics, level, today)).into(),
        reminders,
    }
}

fn of_level(topics: &[Topic], level: TopicLevel, today: NaiveDate) -> LevelReview {
    let count = |meant: &dyn Fn(&Topic) -> bool| {
        let topics = topics.iter().filter(|t| t.level() == level && meant(t));
        // A year has at most `MOST`.
        topics.count() as i32
    };
    let in_state = |state| count(&|t| t.state() == state);
    LevelReview {
        level: level.into(),
        proposed: in_state(TopicState::Proposed),
        approved: count(&|t| t.approved_on.is_some()),
        under_way: in_state(TopicState::UnderWay),
        reported: in_state(TopicState::Reported),
        concluded: in_state(TopicState::Concluded),
        dropped: in_state(TopicState::Dropped),
        behind: count(&|t| behind(t, today).is_some()),
    }
}

fn reminder(topic: &Topic, today: NaiveDate) -> Option<TopicReminder> {
    let behind = behind(topic, today)?;
    Some(TopicReminder {
        topic: topic.name.clone(),
        title: topic.title.clone(),
        level: topic.level,
        leader: topic.leader.clone(),
        lead_unit: topic.lead_unit.clone(),
        behind: Some(behind),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{date, june};

    fn topic(id: usize, level: TopicLevel, state: TopicState, planned: u32) -> Topic {
        let approved = !matches!(state, TopicState::Proposed | TopicState::Dropped);
        Topic {
            name: format!("offices/demo/topics/t{id:03}"),
            level: level.into(),
            state: state.into(),
            planned_start: date(planned),
            planned_end: date(planned + 5),
            approved_on: if approved { date(1) } else { None },
            ..Default::default()
        }
    }

    #[test]
    fn the_most_overdue_comes_first() {
        use TopicState::*;
        let topics = [
            topic(1, TopicLevel::CityKey, Proposed, 9),
            topic(2, TopicLevel::CityKey, UnderWay, 1),
            topic(3, TopicLevel::Township, Approved, 2),
            topic(4, TopicLevel::Township, Reported, 1),
        ];
        let told = review(&topics, june(10));
        let late: Vec<_> = told
            .reminders
            .iter()
            .map(|r| (r.topic.as_str(), r.behind.map_or(0, |b| b.days_late)))
            .collect();
        assert_eq!(
            late,
            [
                ("offices/demo/topics/t003", 8),
                ("offices/demo/topics/t002", 4),
                ("offices/demo/topics/t001", 1),
            ]
        );
        let [city, county, township] = told.levels.try_into().unwrap_or_default();
        let city_is = LevelReview {
            level: TopicLevel::CityKey.into(),
            proposed: 1,
            approved: 1,
            under_way: 1,
            behind: 2,
            ..Default::default()
        };
        assert_eq!(city, city_is);
        assert_eq!((county.approved, county.behind), (0, 0));
        assert_eq!(
            (township.approved, township.reported, township.behind),
            (2, 1, 1)
        );
    }

    proptest! {
        /// Each topic is counted in one level; those behind are in the reminders, in order, up to the
        /// limit.
        #[test]
        fn the_numbers_of_a_review_add_up(
            given in prop::collection::vec((0_usize..3, 1_i32..7, 1_u32..25), 0..700),
            today in 1_u32..31,
        ) {
            let topics: Vec<_> = given
                .iter()
                .enumerate()
                .map(|(i, (level, state, planned))| {
                    let state = TopicState::try_from(*state).unwrap_or_default();
                    topic(i, LEVELS[*level], state, *planned)
                })
                .collect();
            let told = review(&topics, june(today));
            let sum = |of: fn(&LevelReview) -> i32| told.levels.iter().map(of).sum::<i32>() as usize;
            let in_state = |s| topics.iter().filter(|t| t.state() == s).count();
            prop_assert_eq!(sum(|l| l.proposed), in_state(TopicState::Proposed));
            prop_assert_eq!(sum(|l| l.concluded), in_state(TopicState::Concluded));
            prop_assert_eq!(sum(|l| l.approved), topics.iter().filter(|t| t.approved_on.is_some()).count());
            prop_assert_eq!(sum(|l| l.behind).min(MOST_REMINDERS), told.reminders.len());
            let days = told.reminders.iter().map(|r| r.behind.map_or(0, |b| b.days_late));
            prop_assert!(days.clone().all(|d| d > 0));
            prop_assert!(days.rev().is_sorted());
        }
    }
}
