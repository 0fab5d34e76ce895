//! Visibility of a write's own changes, and isolation of concurrent writes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use sea_orm::sea_query::Condition;
use sea_orm::{ConnectionTrait, TransactionTrait};
use sea_orm_migration::prelude::*;
use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::meetings::{CreateFacilityRequest, Facility};
use taizhang_contracts::{Context, Name, Office, Reason};
use taizhang_ledger::audit::verify;
use taizhang_ledger::schema::{ColumnType, History, create_record_table};
use taizhang_ledger::{Behavior, Clock, Database, Key, Ledger, Record, RecordKind, entity};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

entity! {
    /// Rows of [`Facility`], numbered by their seats.
    #[sea_orm(table_name = "facilities")]
    pub mod facilities for Facility {
        seats: number,
    }
}

impl Record for facilities::Entity {}

impl Behavior for facilities::Entity {}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(History), Box::new(Facilities)]
    }
}

struct Facilities;

impl MigrationName for Facilities {
    fn name(&self) -> &'static str {
        "m0002_facilities"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Facilities {
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        create_record_table(m, "facilities", &[("seats", ColumnType::Number)]).await
    }
}

async fn ledger(url: &str, statement_timeout: Duration) -> Ledger {
    let database = Database::connect(url, 4, Some(statement_timeout))
        .await
        .unwrap();
    Migrator::up(database.writer(), None).await.unwrap();
    let zone = chrono_tz::Asia::Shanghai;
    Ledger::new(database, Key::new(b"test"), Clock::system(), zone)
}

fn context(office: &str) -> Context {
    let office = Office::from_id(office).unwrap();
    let caller = Caller {
        system: "test".into(),
        offices: vec![office.clone()],
        scopes: Vec::new(),
        token_id: "t1".into(),
        token: Secret(String::new()),
    };
    Context {
        caller: Arc::new(caller),
        office,
        until: None,
    }
}

async fn create(
    ledger: &Ledger,
    office: &str,
    id: Option<&str>,
) -> taizhang_contracts::Result<Facility> {
    let (context, request) = (context(office), CreateFacilityRequest::default());
    let work = ledger.write::<facilities::Entity, _, _>(&context, &request, |tx| {
        Box::pin(async move {
            tx.insert::<facilities::Entity>(id, Facility::default())
                .await
        })
    });
    work.await
}

#[tokio::test]
async fn a_write_sees_its_own_changes_by_name_and_numbers_are_unique() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&common::sqlite(&folder), Duration::from_secs(10)).await;
    let context = context("demo");
    let request = CreateFacilityRequest::default();
    for before in [0, 3] {
        let work = ledger.write::<facilities::Entity, _, _>(&context, &request, |tx| {
            Box::pin(async move {
                let all = Condition::all;
                let mut last = Facility::default();
                for _ in 0..3 {
                    let seats = tx.next_number(facilities::COLUMN.seats, all()).await?;
                    let numbered = Facility {
                        seats,
                        ..Default::default()
                    };
                    last = tx.insert::<facilities::Entity>(None, numbered).await?;
                }
                // Queries over columns see the state before, reads by name the new record.
                assert_eq!(tx.greatest(facilities::COLUMN.seats, all()).await?, before);
                let name = Name::parse(&last.name).unwrap();
                let found = tx.find::<facilities::Entity>(&name).await?.unwrap();
                assert_eq!(found, last);
                let changed = Facility {
                    title: "改".into(),
                    ..found.clone()
                };
                let changed = tx.update::<facilities::Entity>(&found, changed).await?;
                let again = tx.find::<facilities::Entity>(&name).await?;
                assert_eq!(again, Some(changed.clone()));
                Ok(changed)
            })
        });
        let answer = work.await.unwrap();
        assert_eq!(i64::from(answer.seats), before + 3);
        assert_eq!(answer.etag, "v2");
        let stored = ledger
            .read::<facilities::Entity>(&context, &answer.name)
            .await
            .unwrap();
        assert_eq!(stored, answer);
    }
}

async fn rename(
    ledger: &Ledger,
    office: &str,
    id: &str,
    title: &str,
) -> taizhang_contracts::Result<Facility> {
    let (context, request) = (context(office), CreateFacilityRequest::default());
    let work = ledger.write::<facilities::Entity, _, _>(&context, &request, |tx| {
        Box::pin(async move {
            let name = Name::<Facility>::new(tx.office(), id);
            let before = tx.find::<facilities::Entity>(&name).await?.unwrap();
            let title = title.to_owned();
            let after = Facility {
                title,
                ..before.clone()
            };
            tx.update::<facilities::Entity>(&before, after).await
        })
    });
    work.await
}

const OFFICES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

/// Concurrent writes share a transaction, and a failed one does not fail the others.
async fn concurrent_writes_fail_independently(url: &str) {
    let timeout = Duration::from_secs(10);
    let ledgers = [ledger(url, timeout).await, ledger(url, timeout).await];
    for office in OFFICES {
        create(&ledgers[0], office, Some("taken")).await.unwrap();
    }
    // The first process has a stale head of this office.
    create(&ledgers[1], "c", None).await.unwrap();
    let id = |office| (office == "f").then_some("taken");
    let at_once = OFFICES.map(|office| create(&ledgers[0], office, id(office)));
    let answers = join_all(at_once).await;
    for (office, answer) in OFFICES.into_iter().zip(answers) {
        match answer {
            Ok(facility) => {
                let stored = ledgers[1]
                    .read::<facilities::Entity>(&context(office), &facility.name)
                    .await
                    .unwrap();
                assert_eq!(stored, facility);
                assert_ne!(office, "f");
            }
            Err(error) => {
                assert_eq!((office, error.reason()), ("f", Reason::AlreadyExists));
            }
        }
        let there = ledgers[1]
            .select::<facilities::Entity>(&context(office).office, Condition::all(), 9)
            .await
            .unwrap();
        let expected = match office {
            "c" => 3,
            "f" => 1,
            _ => 2,
        };
        assert_eq!(there.len(), expected, "{office}");
    }
    // The same with updates.
    create(&ledgers[1], "d", None).await.unwrap();
    let at_once = OFFICES.map(|office| rename(&ledgers[0], office, "taken", office));
    for (office, answer) in OFFICES.into_iter().zip(join_all(at_once).await) {
        let renamed = answer.unwrap();
        assert_eq!(
            (renamed.title.as_str(), renamed.etag.as_str()),
            (office, "v2")
        );
        let stored = ledgers[1]
            .read::<facilities::Entity>(&context(office), &renamed.name)
            .await
            .unwrap();
        assert_eq!(stored, renamed);
    }
    let kind = [RecordKind::of::<facilities::Entity>()];
    let key = Key::new(b"test");
    let report = verify(ledgers[0].database(), &key, &kind, |_| {}).await;
    assert_eq!(report.unwrap().findings, []);
}

#[tokio::test]
async fn concurrent_writes_fail_independently_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    concurrent_writes_fail_independently(&common::sqlite(&folder)).await;
}

#[tokio::test]
async fn concurrent_writes_fail_independently_on_postgres() {
    let postgres = common::Postgres::new().await;
    concurrent_writes_fail_independently(&postgres.url()).await;
    postgres.remove().await;
}

#[tokio::test]
async fn a_wait_for_one_offices_lock_delays_no_other_office() {
    let postgres = common::Postgres::new().await;
    let ledger = ledger(&postgres.url(), Duration::from_secs(30)).await;
    for office in OFFICES {
        create(&ledger, office, None).await.unwrap();
    }
    let elsewhere = sea_orm::Database::connect(postgres.url()).await.unwrap();
    let writing = elsewhere.begin().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('c', 0))";
    writing.execute_unprepared(lock).await.unwrap();
    let waits = create(&ledger, "c", None);
    let others = async {
        let others = OFFICES.into_iter().filter(|office| *office != "c");
        for answer in join_all(others.map(|office| create(&ledger, office, None))).await {
            answer.unwrap();
        }
        writing.commit().await.unwrap();
    };
    join(waits, others).await.0.unwrap();
    postgres.remove().await;
}

/// A TCP proxy that can stop forwarding without closing its connections.
struct Proxy {
    port: u16,
    silent: watch::Sender<bool>,
}

impl Proxy {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = watch::Sender::new(false);
        let sender = silent.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(&address).await.unwrap();
                // Later connections are forwarded.
                let mut silent = sender.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = silent.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, silent }
    }
}

#[tokio::test]
async fn a_half_open_connection_is_given_up() {
    let postgres = common::Postgres::new().await;
    let url = postgres.url();
    let (before, address) = url.split_once('@').unwrap();
    let (address, database) = address.split_once('/').unwrap();
    let proxy = Proxy::to(address.to_owned()).await;
    let url = format!("{before}@127.0.0.1:{}/{database}", proxy.port);
    let ledger = ledger(&url, Duration::from_secs(2)).await;
    let first = create(&ledger, "a", None).await.unwrap();
    proxy.silent.send_replace(true);
    let context = context("a");
    let read = || ledger.read::<facilities::Entity>(&context, &first.name);
    assert_eq!(read().await.unwrap_err().reason(), Reason::Unavailable);
    assert_eq!(read().await.unwrap(), first);
    postgres.remove().await;
}
