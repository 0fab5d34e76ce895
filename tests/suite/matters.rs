//! Matters: rechecks, merges, splits, the timeline, reminders, and `WatchMatters`.

use std::time::{Duration, Instant};

use futures::future::join_all;
use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::GatherFiguresRequest;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::supervision::daily_reminder_service_client::DailyReminderServiceClient;
use taizhang_contracts::supervision::*;
use taizhang_ledger::Clock;
use tokio::time::timeout;
use tonic::{Request, Streaming};

use crate::harness::{ANOTHER, OFFICE, Store, Suite, reason, run_on};
use crate::records::*;

on_each_database!(
    a_failed_recheck_reopens_a_closed_matter,
    a_merged_matter_is_closed_and_reopened_with_the_other_one,
    a_split_matter_is_closed_with_its_parts_and_counted_once,
    a_timeline_has_all_events,
    a_day_has_one_reminder,
    two_processes_create_one_reminder,
    changes_are_streamed_once_and_in_order,
    a_resume_token_belongs_to_its_office,
    writes_of_another_process_are_streamed,
    a_stream_ends_without_error_before_its_deadline,
    open_streams_do_not_delay_a_shutdown,
);

impl Api {
    async fn matter(&self, name: &str) -> Matter {
        let request = GetMatterRequest { name: name.into() };
        let got = self.matters.clone().get_matter(request).await;
        got.unwrap().into_inner()
    }

    async fn registered(&self, title: &str) -> String {
        let made = self.create_matter(new_matter(matter(title))).await;
        made.unwrap().name
    }

    /// Takes a matter from REGISTERED or IN_PROGRESS to CLOSED.
    async fn closed(&self, name: &str) {
        let mut matters = self.matters.clone();
        if self.matter(name).await.state() == MatterState::Registered {
            let request = AssignMatterRequest {
                name: name.into(),
                ..Default::default()
            };
            matters.assign_matter(request).await.unwrap();
            let request = AcceptMatterRequest {
                name: name.into(),
                ..Default::default()
            };
            matters.accept_matter(request).await.unwrap();
        }
        let feedback = Feedback {
            progress: "已办理".into(),
            r#final: true,
            ..Default::default()
        };
        let request = SubmitFeedbackRequest {
            name: name.into(),
            feedback: Some(feedback),
            ..Default::default()
        };
        matters.submit_feedback(request).await.unwrap();
        let request = ReviewMatterRequest {
            name: name.into(),
            ..Default::default()
        };
        matters.review_matter(request).await.unwrap();
        let request = CloseMatterRequest {
            name: name.into(),
            conclusion: "已办结".into(),
            ..Default::default()
        };
        matters.close_matter(request).await.unwrap();
    }

    async fn rechecked(&self, name: &str, passed: bool) -> Matter {
        let recheck = Recheck {
            passed,
            by: "张三".into(),
            findings: "现场查看".into(),
            ..Default::default()
        };
        let request = RecheckMatterRequest {
            name: name.into(),
            recheck: Some(recheck),
            ..Default::default()
        };
        let answer = self.matters.clone().recheck_matter(request).await;
        answer.unwrap().into_inner()
    }

    async fn merged(&self, name: &str, into: &str) -> Matter {
        let request = MergeMatterRequest {
            name: name.into(),
            into: into.into(),
            reason: "同一事项".into(),
            ..Default::default()
        };
        let answer = self.matters.clone().merge_matter(request).await;
        answer.unwrap().into_inner()
    }

    async fn split(&self, name: &str, parts: usize) -> Vec<String> {
        let part = MatterPart {
            title: "分项".into(),
            lead_unit: "县住建局".into(),
            due_date: Some(day("2099-01-01")),
            ..Default::default()
        };
        let request = SplitMatterRequest {
            name: name.into(),
            parts: vec![part; parts],
            ..Default::default()
        };
        let answer = self.matters.clone().split_matter(request).await;
        let parts = answer.unwrap().into_inner().parts.into_iter();
        parts.map(|part| part.matter).collect()
    }

    async fn watching(&self, resume_token: &str) -> Watching {
        let request = WatchMattersRequest {
            parent: OFFICE.into(),
            resume_token: resume_token.into(),
        };
        let answer = self.matters.clone().watch_matters(request).await;
        Watching::of(answer.unwrap().into_inner()).await
    }
}

async fn a_failed_recheck_reopens_a_closed_matter(suite: Suite) {
    let api = Api::of(&suite);
    let name = api.registered("修渠").await;
    api.closed(&name).await;
    assert_eq!(
        api.rechecked(&name, true).await.state(),
        MatterState::Closed
    );
    let reopened = api.rechecked(&name, false).await;
    assert_eq!(reopened.state(), MatterState::InProgress);
    assert_eq!((reopened.closed_on, reopened.rechecks.len()), (None, 2));
    assert_eq!(reopened.rechecks[1].conclusion, "已办结");
    assert!(reopened.ever_red);
    api.closed(&name).await;
    assert_eq!(api.matter(&name).await.state(), MatterState::Closed);
    assert_eq!(suite.audit("supervision").await.findings, []);
}

async fn a_merged_matter_is_closed_and_reopened_with_the_other_one(suite: Suite) {
    let api = Api::of(&suite);
    let names = join_all((0..3).map(|_| api.registered("修渠"))).await;
    let [first, second, third] = names.as_slice() else {
        panic!("{names:?}")
    };
    // The first is merged into the second, and that into the third.
    assert_eq!(api.merged(first, second).await.state(), MatterState::Merged);
    api.merged(second, third).await;
    assert_eq!(api.matter(third).await.merged, [second.as_str()]);
    let request = MergeMatterRequest {
        name: third.clone(),
        into: first.clone(),
        reason: "同一事项".into(),
        ..Default::default()
    };
    let refused = api.matters.clone().merge_matter(request).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_STATE");
    let request = DeleteMatterRequest {
        name: first.clone(),
        ..Default::default()
    };
    let refused = api
        .matters
        .clone()
        .delete_matter(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "RULE_REFUSES");

    let states = async || join_all(names.iter().map(|name| api.matter(name))).await;
    api.closed(third).await;
    for matter in states().await {
        assert_eq!(matter.state(), MatterState::Closed, "{matter:?}");
        assert_eq!(matter.closed_on, states().await[2].closed_on);
    }
    api.rechecked(third, false).await;
    let states: Vec<_> = states().await.iter().map(Matter::state).collect();
    use MatterState::{InProgress, Merged};
    assert_eq!(states, [Merged, Merged, InProgress]);
    assert_eq!(suite.audit("supervision").await.findings, []);
}

async fn a_split_matter_is_closed_with_its_parts_and_counted_once(suite: Suite) {
    let api = Api::of(&suite);
    let name = api.registered("修渠").await;
    let parts = api.split(&name, 3).await;
    let numbers = join_all(parts.iter().map(|part| api.matter(part))).await;
    let numbers: Vec<_> = numbers.iter().map(|m| m.number).collect();
    // The parts are the first matters of this year; the split one is of another year.
    assert_eq!(numbers, [1, 2, 3]);
    api.registered("修路").await;

    // Registered: the split one and the other one. Handled: the parts and the other one.
    let figures = async || {
        let mut statistics = StatisticsServiceClient::new(suite.authorized("supervision"));
        let request = GatherFiguresRequest {
            parent: OFFICE.into(),
            period: Some(Period {
                first_day: Some(day("2000-01-01")),
                last_day: Some(day("2099-12-31")),
            }),
            ..Default::default()
        };
        let answer = statistics.gather_figures(request).await.unwrap();
        let figures = answer.into_inner().figures;
        let value = |id: &str| figures.iter().find(|f| f.indicator == id).unwrap().value;
        [
            value("county_leader_instructions_handled"),
            value("matters_registered"),
            value("matters_closed"),
        ]
    };
    assert_eq!(figures().await, [2, 4, 0]);
    // One part is merged into another.
    api.merged(&parts[0], &parts[1]).await;
    assert_eq!(figures().await, [2, 3, 0]);
    api.closed(&parts[1]).await;
    assert_eq!(api.matter(&parts[0]).await.state(), MatterState::Closed);
    assert_eq!(api.matter(&name).await.state(), MatterState::Split);
    api.closed(&parts[2]).await;
    let whole = api.matter(&name).await;
    assert_eq!(whole.state(), MatterState::Closed);
    assert_eq!(whole.reported_on, api.matter(&parts[2]).await.reported_on);
    assert_eq!(figures().await, [2, 3, 2]);
    api.rechecked(&parts[1], false).await;
    assert_eq!(api.matter(&name).await.state(), MatterState::Split);
    assert_eq!(api.matter(&parts[0]).await.state(), MatterState::Merged);
    assert_eq!(suite.audit("supervision").await.findings, []);
}

async fn a_timeline_has_all_events(suite: Suite) {
    let api = Api::of(&suite);
    let name = api.registered("修渠").await;
    let other = api.registered("清淤").await;
    api.merged(&other, &name).await;
    let parts = api.split(&name, 2).await;
    for part in &parts {
        api.closed(part).await;
    }
    let request = GetMatterTimelineRequest { name: name.clone() };
    let told = api.matters.clone().get_matter_timeline(request).await;
    let told = told.unwrap().into_inner();
    assert_eq!(told.left_out, 0);
    let of = |matter: &str| -> Vec<TimelineKind> {
        let entries = told.entries.iter().filter(|e| e.matter == matter);
        entries.map(TimelineEntry::kind).collect()
    };
    use TimelineKind::{
        Accepted, Assigned, Closed, FinalReport, Merged, Registered, Reviewed, Split,
    };
    assert_eq!(of(&name), [Registered, Split, Closed]);
    assert_eq!(of(&other), [Registered, Merged, Closed]);
    for part in &parts {
        assert_eq!(
            of(part),
            [
                Registered,
                Assigned,
                Accepted,
                FinalReport,
                Reviewed,
                Closed
            ]
        );
    }
    let dates: Vec<_> = told
        .entries
        .iter()
        .map(|e| e.date.unwrap().naive())
        .collect();
    assert!(dates.is_sorted());
}

async fn remind(suite: &Suite, request_id: String) -> DailyReminder {
    let mut reminders = DailyReminderServiceClient::new(suite.authorized("supervision"));
    let request = RemindDueRequest {
        parent: OFFICE.into(),
        request_id,
        ..Default::default()
    };
    reminders.remind_due(request).await.unwrap().into_inner()
}

async fn a_day_has_one_reminder(suite: Suite) {
    let api = Api::of(&suite);
    let late = api.registered("修渠").await;
    let later = Matter {
        due_date: Some(day("2022-03-15")),
        ..matter("清淤")
    };
    let latest = api.create_matter(new_matter(later)).await.unwrap().name;
    let far = Matter {
        due_date: Some(day("2099-01-01")),
        ..matter("修路")
    };
    api.create_matter(new_matter(far)).await.unwrap();
    let done = api.registered("已办").await;
    api.closed(&done).await;

    let made = join_all((0..20).map(|_| remind(&suite, request_id()))).await;
    let first = &made[0];
    assert!(made.iter().all(|one| one == first));
    let due: Vec<_> = first.entries.iter().map(|e| e.matter.as_str()).collect();
    assert_eq!(due, [latest.as_str(), late.as_str()]);
    assert_eq!(first.total, 2);
    assert!(first.entries.iter().all(|e| e.lamp() == Lamp::Red));
    assert!(first.entries.iter().all(|e| e.working_days_left < -100));
    // Later events of the day do not change it.
    api.closed(&late).await;
    assert_eq!(remind(&suite, String::new()).await, *first);

    let mut reminders = DailyReminderServiceClient::new(suite.authorized("supervision"));
    let request = ListDailyRemindersRequest {
        parent: OFFICE.into(),
        order_by: "date desc".into(),
        ..Default::default()
    };
    let listed = reminders.list_daily_reminders(request).await.unwrap();
    assert_eq!(
        listed.into_inner().daily_reminders,
        std::slice::from_ref(first)
    );
    let request = GetDailyReminderRequest {
        name: first.name.clone(),
    };
    let got = reminders.get_daily_reminder(request).await.unwrap();
    assert_eq!(got.into_inner(), *first);
    assert_eq!(suite.audit("supervision").await.findings, []);
}

async fn two_processes_create_one_reminder(suite: Suite) {
    let second = Suite::with(&suite.config, Clock::system()).await;
    let suites = [&suite, &second];
    let made = join_all((0..20).map(|i| remind(suites[i % 2], request_id()))).await;
    assert!(made.iter().all(|one| *one == made[0]));
    second.stop().await;
}

/// A stream of `WatchMatters`.
struct Watching {
    stream: Streaming<WatchMattersResponse>,
    token: String,
}

impl Watching {
    /// Reads the first message, which has only the position.
    async fn of(stream: Streaming<WatchMattersResponse>) -> Self {
        let token = String::new();
        let mut watching = Self { stream, token };
        let first = watching.next().await.unwrap();
        assert_eq!(first.matter, None);
        watching
    }

    /// The next message; `None` at the end, which must be without an error.
    async fn next(&mut self) -> Option<WatchMattersResponse> {
        let message = timeout(Duration::from_secs(20), self.stream.message()).await;
        let message = message.unwrap().unwrap();
        if let Some(message) = &message {
            self.token.clone_from(&message.resume_token);
        }
        message
    }

    /// The next changes: titles and methods.
    async fn told(&mut self, changes: usize) -> Vec<(String, String)> {
        let mut told = Vec::new();
        while told.len() < changes {
            let message = self.next().await.unwrap();
            let matter = message.matter.unwrap();
            assert!(message.time.is_some() && message.caller == "tests");
            told.push((matter.title, message.method));
        }
        told
    }
}

/// The changes of matters that were only created.
fn created(titles: impl IntoIterator<Item = usize>) -> Vec<(String, String)> {
    let told = titles.into_iter();
    told.map(|i| (format!("事项{i}"), "CreateMatter".into()))
        .collect()
}

async fn create(api: &Api, titles: impl IntoIterator<Item = usize>) {
    for i in titles {
        api.registered(&format!("事项{i}")).await;
    }
}

async fn changes_are_streamed_once_and_in_order(suite: Suite) {
    let api = Api::of(&suite);
    // More than one page, and changes of another office.
    create(&api, 0..60).await;
    let elsewhere = CreateMatterRequest {
        parent: ANOTHER.into(),
        ..new_matter(matter("别处"))
    };
    api.create_matter(elsewhere).await.unwrap();
    let mut watching = api.watching("").await;
    assert_eq!(watching.told(60).await, created(0..60));

    // A write wakes a waiting stream at once.
    let since = Instant::now();
    let name = api.registered("事项60").await;
    assert_eq!(watching.told(1).await, created([60]));
    let told_after = since.elapsed();
    assert!(told_after < Duration::from_millis(900), "{told_after:?}");

    // Other kinds of record are skipped; every matter of one write is streamed.
    remind(&suite, String::new()).await;
    api.split(&name, 2).await;
    let split = |title: &str| (title.to_owned(), "SplitMatter".to_owned());
    assert_eq!(
        watching.told(3).await,
        [split("分项"), split("分项"), split("事项60")]
    );

    // Concurrent writers and streams, one of which resumes in the middle.
    let token = watching.token.clone();
    let writers = join_all((0..4).map(|w| create(&api, (0..10).map(move |i| 100 * w + i + 1000))));
    let readers = join_all((0..3).map(async |i| {
        tokio::time::sleep(Duration::from_millis(30 * i)).await;
        let mut reader = api.watching(&token).await;
        reader.told(40).await
    }));
    let (_, told) = futures::join!(writers, readers);
    assert!(told.iter().all(|one| *one == told[0]));
    let mut titles = told[0].clone();
    titles.sort();
    let mut wanted = created((0..4).flat_map(|w| (0..10).map(move |i| 100 * w + i + 1000)));
    wanted.sort();
    assert_eq!(titles, wanted);
}

async fn a_resume_token_belongs_to_its_office(suite: Suite) {
    let api = Api::of(&suite);
    create(&api, 0..1).await;
    let mut watching = api.watching("").await;
    watching.told(1).await;
    let request = WatchMattersRequest {
        parent: ANOTHER.into(),
        resume_token: watching.token.clone(),
    };
    let refused = api.matters.clone().watch_matters(request).await;
    assert_eq!(reason(&refused.unwrap_err()), "INVALID_PAGE_TOKEN");
}

async fn writes_of_another_process_are_streamed(suite: Suite) {
    let second = Suite::with(&suite.config, Clock::system()).await;
    let (api, other) = (Api::of(&suite), Api::of(&second));
    let mut watching = api.watching("").await;
    create(&other, 0..3).await;
    assert_eq!(watching.told(3).await, created(0..3));
    let both = futures::join!(create(&api, 3..8), create(&other, 8..13));
    let ((), ()) = both;
    let mut told = watching.told(10).await;
    told.sort();
    let mut wanted = created(3..13);
    wanted.sort();
    assert_eq!(told, wanted);
    second.stop().await;
}

async fn a_stream_ends_without_error_before_its_deadline(suite: Suite) {
    let api = Api::of(&suite);
    create(&api, 0..2).await;
    let mut request = Request::new(WatchMattersRequest {
        parent: OFFICE.into(),
        ..Default::default()
    });
    request.set_timeout(Duration::from_secs(2));
    let since = Instant::now();
    let answer = api.matters.clone().watch_matters(request).await;
    let mut watching = Watching::of(answer.unwrap().into_inner()).await;
    watching.told(2).await;
    // Changes of other kinds advance the position too.
    remind(&suite, String::new()).await;
    let before = watching.token.clone();
    let last = watching.next().await.unwrap();
    assert_eq!(last.matter, None);
    assert_ne!(last.resume_token, before);
    assert!(watching.next().await.is_none());
    let lasted = since.elapsed();
    assert!(lasted < Duration::from_secs(2), "{lasted:?}");
    assert!(lasted > Duration::from_secs(1), "{lasted:?}");
}

async fn open_streams_do_not_delay_a_shutdown(suite: Suite) {
    let api = Api::of(&suite);
    let mut watching = api.watching("").await;
    let since = Instant::now();
    let ((), ()) = futures::join!(suite.stop(), async {
        assert_eq!(watching.next().await.unwrap().matter, None);
        assert!(watching.next().await.is_none());
    });
    let lasted = since.elapsed();
    assert!(lasted < Duration::from_secs(5), "{lasted:?}");
}

fn a_stream_resumes_after_a_restart(store: Store) {
    run_on(store, async |databases| {
        let suite = Suite::start(databases).await;
        let api = Api::of(&suite);
        create(&api, 0..5).await;
        let mut watching = api.watching("").await;
        assert_eq!(watching.told(3).await, created(0..3));
        let token = watching.token.clone();
        drop(watching);
        suite.stop().await;

        let suite = Suite::start(databases).await;
        let api = Api::of(&suite);
        let mut watching = api.watching(&token).await;
        assert_eq!(watching.told(2).await, created(3..5));
        create(&api, 5..7).await;
        assert_eq!(watching.told(2).await, created(5..7));
        suite.stop().await;
    });
}

#[test]
fn a_stream_resumes_after_a_restart_on_sqlite() {
    a_stream_resumes_after_a_restart(Store::Sqlite);
}

#[test]
fn a_stream_resumes_after_a_restart_on_postgres() {
    a_stream_resumes_after_a_restart(Store::Postgres);
}
