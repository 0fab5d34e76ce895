//! Every measure over random records, on SQLite and PostgreSQL: a figure equals the sum of its
//! evidence and a count in Rust.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sea_orm_migration::prelude::*;
use taizhang_contracts::Office;
use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::common::{Date, Period};
use taizhang_contracts::meetings::{CreateFacilityRequest, Facility, FacilityKind};
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::statistics_service_server::StatisticsServiceServer;
use taizhang_contracts::statistics::*;
use taizhang_ledger::figures::{Indicator, count, days, distinct, sum};
use taizhang_ledger::schema::{ColumnType, History, create_record_table};
use taizhang_ledger::statistics_service::StatisticsService;
use taizhang_ledger::{Behavior, Clock, Database, Key, Ledger, Record, entity};
use tonic::Request;

const OFFICE: &str = "offices/demo";

entity! {
    /// Rows of [`Facility`].
    #[sea_orm(table_name = "facilities")]
    pub mod facilities for Facility {
        kind: FacilityKind,
        place: text,
        seats: number,
        installed_on: day,
        renovated_on: day,
    }
}

impl Record for facilities::Entity {
    fn title(facility: &Facility) -> &str {
        &facility.title
    }
}

impl Behavior for facilities::Entity {}

use facilities::COLUMN;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(History), Box::new(Records)]
    }
}

struct Records;

impl MigrationName for Records {
    fn name(&self) -> &'static str {
        "records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Records {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("kind", ColumnType::Number),
            ("place", ColumnType::Text),
            ("seats", ColumnType::Number),
            ("installed_on", ColumnType::Day),
            ("renovated_on", ColumnType::Day),
        ];
        create_record_table(m, "facilities", &columns).await
    }
}

fn indicators() -> Vec<Indicator> {
    let of_kind = |kind: FacilityKind| COLUMN.kind.eq(kind);
    let rooms = distinct(
        "places_of_rooms",
        "地点",
        "处",
        "有会议室的地点",
        facilities::Column::Place,
    )
    .when(of_kind(FacilityKind::Room))
    .placed_by(COLUMN.installed_on);
    let lines = distinct(
        "places_of_lines",
        "地点",
        "处",
        "有线路的地点",
        facilities::Column::Place,
    )
    .when(of_kind(FacilityKind::VideoLine))
    .placed_by(COLUMN.renovated_on);
    let places = Indicator::total("places", "地点", "处", "合计", &[&rooms, &lines]).unwrap();
    let room_seats = sum("room_seats", "座位", "个", "会议室的座位", COLUMN.seats)
        .when(of_kind(FacilityKind::Room))
        .placed_by(COLUMN.installed_on);
    let line_seats = sum("line_seats", "座位", "个", "线路的座位", COLUMN.seats)
        .when(of_kind(FacilityKind::VideoLine))
        .placed_by(COLUMN.renovated_on);
    let seats = Indicator::total("seats", "座位", "个", "合计", &[&room_seats, &line_seats]);
    vec![
        count("facilities", "设施", "处", "安装的设施").placed_by(COLUMN.installed_on),
        rooms,
        lines,
        places,
        room_seats,
        line_seats,
        seats.unwrap(),
        // Of a column that may be null.
        distinct(
            "days",
            "日数",
            "天",
            "改造的日数",
            facilities::Column::RenovatedOn,
        )
        .placed_by(COLUMN.installed_on),
        // From the installation to the renovation, if that is not before it.
        days("in_use", "使用天数", "天", "安装至改造的天数")
            .placed_over(COLUMN.installed_on, COLUMN.renovated_on),
    ]
}

/// The ledger's today, in the middle of the facilities' days: future days do not count.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2022, 1, 3).unwrap()
}

/// The value and the number of records of an indicator, counted in Rust.
fn by_hand(id: &str, all: &[Facility], first: NaiveDate, last: NaiveDate) -> (i64, i64) {
    let within = |date: &Option<Date>| {
        let day = date.as_ref().and_then(Date::naive);
        day.is_some_and(|day| (first..=last).contains(&day))
    };
    let room = |f: &&Facility| f.kind() == FacilityKind::Room && within(&f.installed_on);
    let line = |f: &&Facility| f.kind() == FacilityKind::VideoLine && within(&f.renovated_on);
    let of: Vec<&Facility> = match id {
        "facilities" | "days" => all.iter().filter(|f| within(&f.installed_on)).collect(),
        "places_of_rooms" | "room_seats" => all.iter().filter(room).collect(),
        "places_of_lines" | "line_seats" => all.iter().filter(line).collect(),
        _ => all.iter().filter(|f| room(f) || line(f)).collect(),
    };
    let overlap = |f: &Facility| {
        let (from, to) = (f.installed_on?.naive()?, f.renovated_on?.naive()?);
        let to = [to, last, today()].into_iter().min()?;
        let from_here = if from > first { from } else { first };
        Some((to - from_here).num_days() + 1)
            .filter(|days| from <= f.renovated_on.and_then(|d| d.naive()).unwrap() && *days > 0)
    };
    if id == "in_use" {
        let lasting: Vec<i64> = all.iter().filter_map(overlap).collect();
        return (lasting.iter().sum(), lasting.len() as i64);
    }
    let places: BTreeSet<&str> = of.iter().map(|f| f.place.as_str()).collect();
    let days: BTreeSet<_> = of.iter().filter_map(|f| f.renovated_on?.naive()).collect();
    let seats = of.iter().map(|f| i64::from(f.seats)).sum();
    let value = match id {
        "facilities" => of.len() as i64,
        "days" => days.len() as i64,
        "room_seats" | "line_seats" | "seats" => seats,
        _ => places.len() as i64,
    };
    (value, of.len() as i64)
}

/// A random facility: values repeat, and some are absent.
fn facility() -> impl Strategy<Value = Facility> {
    let first = NaiveDate::from_ymd_opt(2021, 12, 20).unwrap();
    let some_day =
        move || prop::option::weighted(0.8, (0..20u64).prop_map(move |n| first + Days::new(n)));
    let kinds = [
        FacilityKind::Room,
        FacilityKind::VideoLine,
        FacilityKind::VideoSystem,
    ];
    let places = ["", "一楼", "二楼", "政务中心"];
    (
        prop::sample::select(kinds.to_vec()),
        prop::sample::select(places.to_vec()),
        0..30i32,
        some_day(),
        some_day(),
    )
        .prop_map(|(kind, place, seats, installed, renovated)| Facility {
            title: "设施".into(),
            kind: kind.into(),
            place: place.into(),
            seats,
            installed_on: installed.map(Into::into),
            renovated_on: renovated.map(Into::into),
            ..Default::default()
        })
}

/// A request as the runtime passes it on.
fn call<T>(message: T) -> Request<T> {
    let caller = Caller {
        system: "tests".into(),
        offices: vec![Office::of(OFFICE).unwrap()],
        scopes: Vec::new(),
        token_id: String::new(),
        token: Secret(String::new()),
    };
    let mut request = Request::new(message);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

type Client = StatisticsServiceClient<StatisticsServiceServer<StatisticsService>>;

/// All the evidence of a figure, a page after the other.
async fn evidence(client: &Client, period: Period, id: &str, page_size: i32) -> Vec<Evidence> {
    let mut request = ListEvidenceRequest {
        parent: OFFICE.into(),
        period: Some(period),
        indicator: id.into(),
        page_size,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let answer = client
            .clone()
            .list_evidence(call(request.clone()))
            .await
            .unwrap()
            .into_inner();
        all.extend(answer.evidence);
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

async fn figures_are_their_evidence(url: &str) {
    let database = Database::connect(url, 4, Some(Duration::from_secs(10)))
        .await
        .unwrap();
    Migrator::up(database.writer(), None).await.unwrap();
    let key = Key::new(b"secret");
    let ledger: Ledger = Ledger::new(
        database.clone(),
        key,
        Clock::new(|| today().and_hms_opt(4, 0, 0).unwrap().and_utc()),
        chrono_tz::Asia::Shanghai,
    );
    let client =
        StatisticsServiceClient::new(StatisticsService::server(ledger.clone(), indicators()));

    let facilities = prop::collection::vec(facility(), 80);
    let facilities = facilities
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current();
    for facility in &facilities {
        let request = CreateFacilityRequest {
            parent: OFFICE.into(),
            facility: Some(facility.clone()),
            ..Default::default()
        };
        let created = ledger.create::<facilities::Entity, _>(call(request));
        created.await.unwrap();
    }

    let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
    for (first, last) in [
        (day(2021, 1, 1), day(2021, 12, 31)),
        (day(2022, 1, 1), day(2022, 12, 31)),
        (day(2021, 12, 28), day(2022, 1, 3)),
        (day(2021, 12, 31), day(2021, 12, 31)),
        (day(2030, 1, 1), day(2030, 1, 1)),
    ] {
        let period = Period {
            first_day: Some(first.into()),
            last_day: Some(last.into()),
        };
        let request = GatherFiguresRequest {
            parent: OFFICE.into(),
            period: Some(period),
            ..Default::default()
        };
        let figures = client
            .clone()
            .gather_figures(call(request))
            .await
            .unwrap()
            .into_inner()
            .figures;
        assert_eq!(figures.len(), indicators().len());
        for figure in figures {
            let id = figure.indicator.as_str();
            let expected = by_hand(id, &facilities, first, last);
            assert_eq!(
                (figure.value, figure.records),
                expected,
                "{id} {first}..{last}"
            );
            for page_size in [1, 4, 1000] {
                let evidence = evidence(&client, period, id, page_size).await;
                let sum: i64 = evidence.iter().map(|e| e.contribution).sum();
                assert_eq!(
                    (sum, evidence.len() as i64),
                    expected,
                    "{id} by {page_size}"
                );
                let names: BTreeSet<_> = evidence.iter().map(|e| e.record.as_str()).collect();
                assert_eq!(names.len(), evidence.len(), "{id} by {page_size}");
            }
        }
    }
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    figures_are_their_evidence(&common::sqlite(&folder)).await;
}

#[tokio::test]
async fn on_postgres() {
    let postgres = common::Postgres::new().await;
    figures_are_their_evidence(&postgres.url()).await;
    postgres.remove().await;
}
