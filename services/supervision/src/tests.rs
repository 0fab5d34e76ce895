//! The service over an SQLite database, called through its handlers.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use prost::Message;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::MigratorTrait;
use taizhang_contracts::caller::Secret;
use taizhang_contracts::common::{Date, Level, Period};
use taizhang_contracts::statistics::GatherFiguresRequest;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::supervision::matter_service_server::MatterService;
use taizhang_contracts::supervision::supervision_settings_service_server::SupervisionSettingsService;
use taizhang_contracts::supervision::*;
use taizhang_contracts::{Caller, Office};
use taizhang_ledger::statistics_service::StatisticsService;
use taizhang_ledger::{Clock, Database, Key, Ledger};
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::{Migrator, Supervision, indicators};

/// The service on a temporary database, with a clock that the test sets.
pub(crate) struct TestService {
    pub(crate) service: Supervision,
    day: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

pub(crate) async fn test_service() -> TestService {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/supervision.db", folder.path().display());
    let database = Database::connect(&url, 4, Some(Duration::from_secs(10)))
        .await
        .unwrap();
    Migrator::up(database.writer(), None).await.unwrap();
    let day = Arc::new(AtomicI64::new(0));
    let seconds = day.clone();
    let clock = Clock::new(move || {
        DateTime::from_timestamp(seconds.load(Ordering::SeqCst), 0).unwrap_or_default()
    });
    let ledger = Ledger::new(
        database,
        Key::new(b"test"),
        clock,
        chrono_tz::Asia::Shanghai,
    );
    let test = TestService {
        service: Supervision { ledger },
        day,
        _folder: folder,
    };
    test.set_day(1);
    test
}

fn june(day: u32) -> Option<Date> {
    NaiveDate::from_ymd_opt(2022, 6, day).map(Date::from)
}

impl TestService {
    /// Sets the clock to noon of a day of June 2022.
    pub(crate) fn set_day(&self, day: u32) {
        let noon = NaiveDate::from_ymd_opt(2022, 6, day)
            .and_then(|d| d.and_hms_opt(4, 0, 0))
            .unwrap();
        self.day.store(noon.and_utc().timestamp(), Ordering::SeqCst);
    }

    pub(crate) async fn create(&self, matter: Matter) -> Matter {
        let request = CreateMatterRequest {
            parent: "offices/demo".into(),
            matter: Some(matter),
            ..Default::default()
        };
        let created = self.service.create_matter(call(request)).await;
        created.unwrap().into_inner()
    }

    async fn get(&self, name: &str) -> Matter {
        let request = GetMatterRequest { name: name.into() };
        let got = self.service.get_matter(call(request)).await;
        got.unwrap().into_inner()
    }

    async fn figures(&self) -> Vec<(String, i64)> {
        let server = StatisticsService::server(self.service.ledger.clone(), indicators());
        let mut statistics = StatisticsServiceClient::new(server);
        let request = GatherFiguresRequest {
            parent: "offices/demo".into(),
            period: Some(Period::year(2022)),
            ..Default::default()
        };
        let answer = statistics.gather_figures(call(request)).await.unwrap();
        let figures = answer.into_inner().figures.into_iter();
        figures.map(|f| (f.indicator, f.value)).collect()
    }
}

/// A request of a caller with two offices.
pub(crate) fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let offices = ["demo", "other"].map(|id| Office::from_id(id).unwrap());
    request.extensions_mut().insert(Arc::new(Caller {
        system: "test".into(),
        offices: offices.into(),
        scopes: Vec::new(),
        token_id: "t1".into(),
        token: Secret(String::new()),
    }));
    request
}

/// A matter that is due on 15 June.
fn matter(kind: SourceKind, level: Level, by_secretary: bool) -> Matter {
    Matter {
        title: "河道整治".into(),
        source: Some(Source {
            kind: kind.into(),
            level: level.into(),
            by_secretary,
            ..Default::default()
        }),
        lead_unit: "水务局".into(),
        due_date: june(15),
        ..Default::default()
    }
}

pub(crate) fn task() -> Matter {
    matter(SourceKind::KeyTask, Level::County, false)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_concurrent_creates_have_no_gaps() {
    let test = test_service().await;
    let mut calls = JoinSet::new();
    for i in 0..80 {
        let service = test.service.clone();
        calls.spawn(async move {
            let office = if i % 5 == 0 { "other" } else { "demo" };
            let request = CreateMatterRequest {
                parent: format!("offices/{office}"),
                // Every seventh is refused and every sixth is validate_only; neither takes a number.
                matter: Some(if i % 7 == 0 {
                    Matter::default()
                } else {
                    task()
                }),
                validate_only: i % 6 == 0,
                ..Default::default()
            };
            let kept = i % 7 != 0 && i % 6 != 0;
            let answer = service.create_matter(call(request)).await;
            assert_eq!(answer.is_ok(), i % 7 != 0);
            answer
                .ok()
                .filter(|_| kept)
                .map(|a| (office, a.into_inner().number))
        });
    }
    let mut numbers: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    numbers.sort_unstable();
    let count = |office| numbers.iter().filter(|(o, _)| *o == office).count() as i32;
    let expected: Vec<_> = ["demo", "other"]
        .into_iter()
        .flat_map(|office| (1..=count(office)).map(move |n| (office, n)))
        .collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn numbers_belong_to_the_year_of_registration_and_are_not_reused() {
    let test = test_service().await;
    let registered = |year, month, day| Matter {
        registered_on: Some(Date { year, month, day }),
        ..task()
    };
    assert_eq!(test.create(registered(2021, 12, 31)).await.number, 1);
    let first = test.create(registered(2022, 1, 1)).await;
    let second = test.create(registered(2022, 3, 1)).await;
    assert_eq!((first.number, second.number), (1, 2));
    let delete = DeleteMatterRequest {
        name: second.name,
        ..Default::default()
    };
    test.service.delete_matter(call(delete)).await.unwrap();
    assert_eq!(test.create(task()).await.number, 3);
    assert_eq!(test.create(registered(2021, 12, 1)).await.number, 2);

    let future = CreateMatterRequest {
        parent: "offices/demo".into(),
        matter: Some(registered(2022, 6, 2)),
        ..Default::default()
    };
    let refused = test.service.create_matter(call(future)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = refused.get_error_details().bad_request().cloned().unwrap();
    assert_eq!(fields.field_violations[0].field, "matter.registered_on");
}

#[tokio::test]
async fn a_matter_from_registration_to_closing() {
    let t = test_service().await;
    let s = &t.service;
    let name = t.create(task()).await.name;
    macro_rules! then {
        ($day:literal: $method:ident($request:ident { $($field:ident: $value:expr),* })) => {{
            t.set_day($day);
            let request = $request { name: name.clone(), $($field: $value,)* ..Default::default() };
            s.$method(call(request)).await.map(tonic::Response::into_inner)
        }};
    }
    let report = |last| {
        Some(Feedback {
            progress: "已完成".into(),
            r#final: last,
            ..Default::default()
        })
    };

    let early = then!(1: close_matter(CloseMatterRequest {})).unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);
    let info = early.get_error_details().error_info().cloned().unwrap();
    assert_eq!(info.reason, "WRONG_STATE");
    assert_eq!(info.metadata["allowed"], "UNDER_REVIEW");

    then!(2: assign_matter(AssignMatterRequest {})).unwrap();
    then!(3: accept_matter(AcceptMatterRequest {})).unwrap();
    let urging = Some(Urging {
        means: UrgingMeans::Phone.into(),
        ..Default::default()
    });
    then!(4: urge_matter(UrgeMatterRequest { urging: urging })).unwrap();
    then!(5: submit_feedback(SubmitFeedbackRequest { feedback: report(false) })).unwrap();
    let asked = then!(14: request_extension(RequestExtensionRequest {
        due_date: june(22),
        reason: "汛期".into()
    }))
    .unwrap();
    assert_eq!(asked.lamp(), Lamp::Yellow);
    t.set_day(16);
    assert_eq!(
        (t.get(&name).await.lamp(), t.get(&name).await.ever_red),
        (Lamp::Red, true)
    );
    let granted =
        then!(16: grant_extension(GrantExtensionRequest { decided_by: "张三".into() })).unwrap();
    assert_eq!(
        (granted.due_date, granted.original_due_date),
        (june(22), june(15))
    );
    assert_eq!((granted.lamp(), granted.ever_red), (Lamp::Green, true));
    let stopped =
        then!(17: suspend_matter(SuspendMatterRequest { reason: "待批复".into() })).unwrap();
    assert_eq!(stopped.state(), MatterState::Suspended);
    then!(18: resume_matter(ResumeMatterRequest {})).unwrap();
    then!(19: submit_feedback(SubmitFeedbackRequest { feedback: report(true) })).unwrap();
    then!(20: review_matter(ReviewMatterRequest {})).unwrap();
    then!(20: return_matter(ReturnMatterRequest { reason: "不实".into() })).unwrap();
    then!(21: submit_feedback(SubmitFeedbackRequest { feedback: report(true) })).unwrap();
    then!(22: review_matter(ReviewMatterRequest {})).unwrap();
    let closed = then!(24: close_matter(CloseMatterRequest { closed_on: june(22), conclusion: "办结".into() })).unwrap();
    assert_eq!(
        (closed.state(), closed.lamp(), closed.ever_red),
        (MatterState::Closed, Lamp::Green, true)
    );
    assert_eq!(closed.closed_on, june(22));

    let mut after = t.get(&name).await;
    assert_eq!(after, closed);
    after.title = "改".into();
    let update = UpdateMatterRequest {
        matter: Some(after),
        ..Default::default()
    };
    let refused = s.update_matter(call(update)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    // Fields that depend on the day of reading are not stored.
    let sql = "SELECT body FROM matters";
    let row = s.ledger.database().reader();
    let row = row.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql));
    let body: Vec<u8> = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let stored = Matter::decode(body.as_slice()).unwrap();
    assert_eq!((stored.lamp(), stored.ever_red), (Lamp::Unspecified, false));
    assert_eq!(stored.number, 1);

    let ranking = RankUnitsRequest {
        parent: "offices/demo".into(),
        period: Some(Period::year(2022)),
    };
    let units = s
        .rank_units(call(ranking))
        .await
        .unwrap()
        .into_inner()
        .units;
    let expected = UnitRank {
        unit: "水务局".into(),
        rank: 1,
        closed_on_time: 1,
        returned: 1,
        ..Default::default()
    };
    assert_eq!(units, [expected]);
}

#[tokio::test]
async fn an_assigned_matter_gets_its_due_date_by_extension_only() {
    let t = test_service().await;
    let name = t.create(task()).await.name;
    let update = |due_date| UpdateMatterRequest {
        matter: Some(Matter {
            name: name.clone(),
            due_date,
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = t.service.update_matter(call(update(june(20)))).await;
    let changed = changed.unwrap().into_inner();
    assert_eq!(
        (changed.due_date, changed.original_due_date),
        (june(20), june(20))
    );
    let assign = AssignMatterRequest {
        name: name.clone(),
        ..Default::default()
    };
    t.service.assign_matter(call(assign)).await.unwrap();
    let refused = t.service.update_matter(call(update(june(25)))).await;
    let details = refused.unwrap_err().get_error_details();
    let rule = &details.precondition_failure().unwrap().violations[0];
    assert_eq!(rule.r#type, "DUE_DATE_BY_EXTENSION");
    assert_eq!(t.get(&name).await.original_due_date, june(20));
}

#[tokio::test]
async fn lamps_in_a_list_follow_the_offices_settings() {
    let t = test_service().await;
    t.create(task()).await;
    t.set_day(6);
    let list = || ListMattersRequest {
        parent: "offices/demo".into(),
        filter: "source.kind = SOURCE_KIND_KEY_TASK AND year = 2022".into(),
        order_by: "number desc".into(),
        ..Default::default()
    };
    let lamps = async || {
        let page = t.service.list_matters(call(list())).await.unwrap();
        let matters = page.into_inner().matters;
        matters.iter().map(Matter::lamp).collect::<Vec<_>>()
    };
    assert_eq!(lamps().await, [Lamp::Green]);
    let name = "offices/demo/supervisionSettings";
    let get = GetSupervisionSettingsRequest { name: name.into() };
    let settings = t.service.get_supervision_settings(call(get)).await.unwrap();
    assert_eq!(settings.into_inner().warning_working_days, 3);
    // From the 6th, a Monday, to the 15th are seven working days, minus a holiday.
    let settings = SupervisionSettings {
        name: name.into(),
        warning_working_days: 6,
        calendar_days: vec![CalendarDay {
            date: june(10),
            working: false,
        }],
        ..Default::default()
    };
    let update = UpdateSupervisionSettingsRequest {
        supervision_settings: Some(settings),
        ..Default::default()
    };
    t.service
        .update_supervision_settings(call(update))
        .await
        .unwrap();
    assert_eq!(lamps().await, [Lamp::Yellow]);
}

#[tokio::test]
async fn figures_distinguish_closed_implemented_and_handled() {
    let t = test_service().await;
    t.set_day(30);
    let of = |kind, level, by_secretary| Matter {
        registered_on: june(1),
        ..matter(kind, level, by_secretary)
    };
    use SourceKind::{Instruction, SupervisionNotice};
    // The last step of each: 0 registered, 1 reported, 2 under review, 3 closed, 4 returned.
    let matters = [
        (of(Instruction, Level::City, true), 3),
        (of(Instruction, Level::City, true), 2),
        (of(Instruction, Level::City, false), 3),
        (of(SupervisionNotice, Level::City, false), 1),
        (of(SupervisionNotice, Level::City, false), 3),
        (of(SupervisionNotice, Level::City, false), 4),
        (of(SupervisionNotice, Level::Province, false), 3),
        (of(Instruction, Level::County, false), 0),
        (of(Instruction, Level::County, true), 3),
    ];
    for (matter, far) in matters {
        let name = t.create(matter).await.name;
        let (s, name) = (&t.service, || name.clone());
        if far == 0 {
            continue;
        }
        let q = AssignMatterRequest {
            name: name(),
            ..Default::default()
        };
        s.assign_matter(call(q)).await.unwrap();
        let q = AcceptMatterRequest {
            name: name(),
            ..Default::default()
        };
        s.accept_matter(call(q)).await.unwrap();
        let feedback = Some(Feedback {
            progress: "完成".into(),
            r#final: true,
            ..Default::default()
        });
        let q = SubmitFeedbackRequest {
            name: name(),
            feedback,
            ..Default::default()
        };
        s.submit_feedback(call(q)).await.unwrap();
        if far == 1 {
            continue;
        }
        let q = ReviewMatterRequest {
            name: name(),
            ..Default::default()
        };
        s.review_matter(call(q)).await.unwrap();
        if far == 3 {
            let q = CloseMatterRequest {
                name: name(),
                ..Default::default()
            };
            s.close_matter(call(q)).await.unwrap();
        } else if far == 4 {
            let q = ReturnMatterRequest {
                name: name(),
                reason: "重办".into(),
                ..Default::default()
            };
            s.return_matter(call(q)).await.unwrap();
        }
    }
    let expected = [
        ("city_secretary_instructions_closed", 1),
        ("city_supervision_notices_implemented", 2),
        ("county_leader_instructions_handled", 2),
        ("derived_supervision_handled_sum", 5),
        ("matters_registered", 9),
        ("matters_closed", 5),
    ];
    let expected: Vec<_> = expected.map(|(id, n)| (id.to_owned(), n)).into();
    let mut figures = t.figures().await;
    figures.retain(|(_, n)| *n > 0);
    assert_eq!(figures, expected);
}
