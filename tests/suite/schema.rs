//! A service serves only on the schema that it knows.

use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::ConnectionTrait;
use taizhang::roles::ROLES;
use taizhang_contracts::meetings::{
    CreateMeetingRequest, ListMeetingsRequest, Meeting, UpdateMeetingRequest,
};
use taizhang_ledger::Clock;

use crate::harness::{ANOTHER, Databases, OFFICE, Store, Suite, role, run_on};
use crate::records::{Api, execute, meeting, new_meeting};

async fn started(databases: &Databases) -> Result<(), String> {
    let roles: Vec<_> = ROLES.iter().collect();
    match taizhang::suite::Suite::start(&databases.config, &roles, Clock::system()).await {
        Ok(suite) => {
            suite.stop().await.unwrap();
            Ok(())
        }
        Err(error) => Err(format!("{error:#}")),
    }
}

async fn database(databases: &Databases, service: &str) -> taizhang_ledger::Database {
    taizhang::suite::connect(&databases.config, role(service))
        .await
        .unwrap()
}

fn run(store: Store, test: impl AsyncFnOnce(&Databases)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let databases = Databases::make(store).await;
        test(&databases).await;
        databases.remove().await;
    });
}

#[test]
fn serving_does_not_migrate_postgres() {
    run(Store::Postgres, async |databases| {
        started(databases).await.unwrap();
        let meetings = database(databases, "meetings").await;
        let forget = "DELETE FROM seaql_migrations WHERE version = 'm0002_records'";
        meetings.writer().execute_unprepared(forget).await.unwrap();
        let refused = started(databases).await.unwrap_err();
        assert!(refused.contains("m0002_records"), "{refused}");
        assert!(refused.contains("taizhang migrate meetings"), "{refused}");
    });
}

#[test]
fn a_newer_schema_is_refused() {
    for store in [Store::Sqlite, Store::Postgres] {
        run(store, async |databases| {
            let supervision = database(databases, "supervision").await;
            let newer = "INSERT INTO seaql_migrations VALUES ('m9999_from_the_future', 0)";
            supervision
                .writer()
                .execute_unprepared(newer)
                .await
                .unwrap();
            let refused = started(databases).await.unwrap_err();
            assert!(refused.contains("supervision"), "{refused}");
            assert!(refused.contains("m9999_from_the_future"), "{refused}");
        });
    }
}

/// In an upgrade the schema is extended first; the older program serves on it until it is replaced.
#[test]
fn the_previous_program_serves_on_an_extended_schema() {
    run_on(Store::Postgres, async |databases| {
        let suite = Suite::start(databases).await;
        let (database, api) = (suite.database("meetings").await, Api::of(&suite));
        let grown = AtomicBool::new(false);
        let writing = |office: &'static str| {
            let (api, grown) = (api.clone(), &grown);
            async move {
                // The last round begins after the schema was extended.
                let mut last = false;
                while !last {
                    last = grown.load(Ordering::Relaxed);
                    let request = CreateMeetingRequest {
                        parent: office.into(),
                        ..new_meeting(meeting("升级"))
                    };
                    let made = api.create_meeting(request).await.unwrap();
                    assert_eq!(api.get_meeting(&made.name).await.unwrap(), made);
                    let changed = UpdateMeetingRequest {
                        meeting: Some(Meeting {
                            title: "升级之后".into(),
                            ..made.clone()
                        }),
                        ..Default::default()
                    };
                    api.update_meeting(changed).await.unwrap();
                    assert_eq!(api.history(&made.name).await.len(), 2);
                    let list = ListMeetingsRequest {
                        parent: office.into(),
                        page_size: 5,
                        ..Default::default()
                    };
                    api.meetings.clone().list_meetings(list).await.unwrap();
                }
            }
        };
        let growing = async {
            for table in ["meetings", "history"] {
                for sql in [
                    format!("ALTER TABLE {table} ADD COLUMN next text"),
                    format!("CREATE INDEX CONCURRENTLY {table}_next ON {table} (office, next)"),
                    format!("ALTER TABLE {table} ADD COLUMN flag boolean NOT NULL DEFAULT false"),
                ] {
                    execute(&database, &sql, vec![]).await;
                }
            }
            let newer = "INSERT INTO seaql_migrations VALUES ('m9999_next', 0)";
            execute(&database, newer, vec![]).await;
            grown.store(true, Ordering::Relaxed);
        };
        tokio::join!(writing(OFFICE), writing(ANOTHER), growing);
        assert_eq!(suite.audit("meetings").await.findings, []);
        suite.stop().await;
    });
}

#[test]
fn sqlite_syncs_every_commit_in_full() {
    run(Store::Sqlite, async |databases| {
        let database = database(databases, "meetings").await;
        let pragma = async |name: &str| {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            let statement = sea_orm::Statement::from_string(database.backend(), sql);
            let row = database
                .writer()
                .query_one_raw(statement)
                .await
                .unwrap()
                .unwrap();
            row.try_get_by_index::<String>(0).unwrap()
        };
        assert_eq!(pragma("journal_mode").await, "wal");
        // 2 is FULL.
        assert_eq!(pragma("synchronous").await, "2");
    });
}
