//! What one write sees of its own changes.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sea_query::Condition;
use sea_orm_migration::prelude::*;
use taizhang_contracts::caller::{Caller, Secret};
use taizhang_contracts::meetings::{CreateFacilityRequest, Facility};
use taizhang_contracts::{Context, Name, Office};
use taizhang_ledger::schema::{ColumnType, History, create_record_table};
use taizhang_ledger::{Clock, Column, Database, Key, Ledger, Record};

/// A service that numbers facilities by their seats.
struct Numbering;

impl Record<Numbering> for Facility {
    const TABLE: &'static str = "facilities";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::number("seats", |f| i64::from(f.seats).into())];
}

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

#[tokio::test]
async fn a_write_sees_its_own_changes_by_name_and_gives_no_number_twice() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/facilities.db", folder.path().display());
    let database = Database::connect(&url, 2, Duration::from_secs(10))
        .await
        .unwrap();
    Migrator::up(database.writer(), None).await.unwrap();
    let zone = chrono_tz::Asia::Shanghai;
    let ledger = Ledger::<Numbering>::new(database, Key::new(b"test"), Clock::system(), zone);
    let office = Office::from_id("demo").unwrap();
    let caller = Caller {
        system: "test".into(),
        offices: vec![office.clone()],
        scopes: Vec::new(),
        token_id: "t1".into(),
        token: Secret(String::new()),
    };
    let context = Context {
        caller: Arc::new(caller),
        office,
        until: None,
    };
    let request = CreateFacilityRequest::default();
    for before in [0, 3] {
        let work = ledger.write(&context, &request, |tx| {
            Box::pin(async move {
                let all = Condition::all;
                let mut last = Facility::default();
                for _ in 0..3 {
                    let seats = tx.next_number::<Facility>("seats", all()).await?;
                    let numbered = Facility {
                        seats,
                        ..Default::default()
                    };
                    last = tx.insert(None, numbered).await?;
                }
                // What was there before is seen by columns, what was made just now by its name.
                assert_eq!(tx.greatest::<Facility>("seats", all()).await?, before);
                let name = Name::parse(&last.name).unwrap();
                let found: Facility = tx.find(&name).await?.unwrap();
                assert_eq!(found, last);
                let changed = Facility {
                    title: "改".into(),
                    ..found.clone()
                };
                let changed = tx.update(&found, changed).await?;
                assert_eq!(tx.find(&name).await?, Some(changed.clone()));
                Ok(changed)
            })
        });
        let answer = work.await.unwrap();
        assert_eq!(i64::from(answer.seats), before + 3);
        assert_eq!(answer.etag, "v2");
        let stored: Facility = ledger.read(&context, &answer.name).await.unwrap();
        assert_eq!(stored, answer);
    }
}
