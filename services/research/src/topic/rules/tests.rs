#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use taizhang_contracts::Reason;
use taizhang_contracts::research::TopicState as S;
use taizhang_ledger::Record;

use super::*;
use crate::entities::topics;
use crate::testing::{date, fields, june, noon};

/// A topic with a planned start of 5 June and a planned report of 15 June.
fn proposed() -> Topic {
    let mut topic = Topic {
        planned_start: date(5),
        planned_end: date(15),
        ..Default::default()
    };
    topics::Entity::initial(&mut topic, noon(1));
    topic
}

/// A method of a topic, or of its report.
#[derive(Debug, Clone, Copy)]
enum Action {
    Approve,
    Start,
    Report,
    Conclude,
    GiveUp,
}

use Action::*;

impl Action {
    fn method(self) -> &'static str {
        match self {
            Approve => "ApproveTopic",
            Start => "StartTopic",
            Report => "FinishResearchReport",
            Conclude => "ConcludeTopic",
            GiveUp => "DropTopic",
        }
    }

    /// Applies it to a copy, dated on a day and entered at another.
    fn to(self, topic: &Topic, on: Option<Date>, at: Moment) -> Result<Topic> {
        let mut topic = topic.clone();
        let t = &mut topic;
        match self {
            Approve => {
                let q = ApproveTopicRequest {
                    approved_by: "县委书记".into(),
                    approved_on: on,
                    ..Default::default()
                };
                approve(t, &q, at)
            }
            Start => {
                let q = StartTopicRequest {
                    started_on: on,
                    ..Default::default()
                };
                start(t, &q, at)
            }
            Report => report(t, on, at),
            Conclude => {
                let q = ConcludeTopicRequest {
                    conclusion: "已转化".into(),
                    concluded_on: on,
                    ..Default::default()
                };
                conclude(t, &q, at)
            }
            GiveUp => {
                let q = DropTopicRequest {
                    reason: "机构调整".into(),
                    dropped_on: on,
                    ..Default::default()
                };
                give_up(t, &q, at)
            }
        }?;
        Ok(topic)
    }
}

/// The topic after some actions, each entered on its day.
fn topic_after(actions: &[(u32, Action)]) -> Topic {
    actions.iter().fold(proposed(), |topic, (day, action)| {
        action.to(&topic, None, noon(*day)).unwrap()
    })
}

#[test]
fn a_topic_passes_through_all_states() {
    let topic = topic_after(&[
        (2, Approve),
        (3, Start),
        (8, Report),
        (9, Report),
        (10, Conclude),
    ]);
    assert_eq!(topic.state(), S::Concluded);
    assert_eq!(
        [
            topic.approved_on,
            topic.started_on,
            topic.reported_on,
            topic.concluded_on
        ],
        [date(2), date(3), date(8), date(10)]
    );
    assert_eq!(
        (topic.approved_by.as_str(), topic.conclusion.as_str()),
        ("县委书记", "已转化")
    );
}

#[test]
fn a_topic_that_has_not_begun_has_no_report() {
    for actions in [
        &[][..],
        &[(2, Approve)],
        &[(2, Approve), (3, Start), (4, GiveUp)],
    ] {
        let refused = Report
            .to(&topic_after(actions), date(9), noon(9))
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
    }
    let topic = topic_after(&[(2, Approve), (5, Start)]);
    let early = Report.to(&topic, date(4), noon(9)).unwrap_err();
    assert_eq!(fields(&early), ["finished_on"]);
}

#[test]
fn a_dropped_topic_has_a_reason() {
    let topic = topic_after(&[(2, Approve), (3, GiveUp)]);
    assert_eq!(
        (topic.state(), topic.dropped_on, topic.reason.as_str()),
        (S::Dropped, date(3), "机构调整")
    );
    let reported = topic_after(&[(2, Approve), (3, Start), (4, Report)]);
    let refused = GiveUp.to(&reported, None, noon(5)).unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongState);
}

#[test]
fn an_ended_topic_is_immutable() {
    let open = topic_after(&[(2, Approve), (3, Start), (4, Report)]);
    assert!(update(&open, &open, noon(5)).is_ok());
    for ended in [
        Conclude.to(&open, None, noon(5)).unwrap(),
        topic_after(&[(2, GiveUp)]),
    ] {
        let refused = update(&ended, &ended, noon(6)).unwrap_err();
        assert_eq!(refused.reason(), Reason::WrongState);
    }
}

#[test]
fn a_planned_end_is_not_before_the_planned_start() {
    let mut v = Violations::default();
    check(&proposed(), &mut v);
    assert!(v.finish().is_ok());
    let backwards = Topic {
        planned_end: date(4),
        ..proposed()
    };
    let mut v = Violations::default();
    check(&backwards, &mut v);
    assert_eq!(fields(&v.finish().unwrap_err()), ["planned_end"]);
}

#[test]
fn a_topic_is_behind_from_the_day_after_the_planned_one() {
    let late = |topic: &Topic, day| behind(topic, june(day)).map(|b| (b.stage(), b.days_late));
    let approved = topic_after(&[(2, Approve)]);
    for topic in [proposed(), approved.clone()] {
        assert_eq!(late(&topic, 5), None);
        assert_eq!(late(&topic, 6), Some((TopicStage::Start, 1)));
    }
    let begun = Start.to(&approved, None, noon(9)).unwrap();
    assert_eq!(late(&begun, 15), None);
    assert_eq!(late(&begun, 25), Some((TopicStage::Report, 10)));
    let reported = Report.to(&begun, None, noon(20)).unwrap();
    assert_eq!(late(&reported, 25), None);
    assert_eq!(late(&topic_after(&[(9, GiveUp)]), 25), None);
}

fn actions() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![Approve, Start, Report, Conclude, GiveUp])
}

proptest! {
    /// For any sequence of actions: the state follows the table, the days are in order and not in
    /// the future, and exactly a topic that is REPORTED or CONCLUDED has a report.
    #[test]
    fn states_follow_the_table_and_days_are_in_order(
        tries in prop::collection::vec((actions(), prop::option::of(1_u32..30), 1_u32..30), 0..20),
    ) {
        let mut topic = proposed();
        for (action, on, today) in tries {
            let allowed = MACHINE.next(action.method(), topic.state());
            match action.to(&topic, on.and_then(date), noon(today)) {
                Ok(after) => {
                    prop_assert_eq!(Ok(after.state()), allowed.map_err(|e| e.reason()));
                    topic = after;
                }
                Err(error) if error.reason() == Reason::WrongState => prop_assert!(allowed.is_err()),
                Err(error) => prop_assert_eq!(fields(&error).len(), 1),
            }
            let days = [
                topic.approved_on,
                topic.started_on,
                topic.reported_on,
                topic.concluded_on.or(topic.dropped_on),
            ];
            let days: Vec<_> = days.into_iter().filter_map(naive).collect();
            prop_assert!(days.is_sorted());
            let reported = matches!(topic.state(), S::Reported | S::Concluded);
            prop_assert_eq!(topic.reported_on.is_some(), reported);
        }
    }
}
