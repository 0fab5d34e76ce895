//! A service works on the schema that it knows, and on no other.

use sea_orm::ConnectionTrait;
use taizhang::roles::ROLES;
use taizhang_ledger::Clock;

use crate::harness::{Databases, Store, role};

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
fn postgres_is_not_migrated_by_serving() {
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
