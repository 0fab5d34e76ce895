//! A service serves only on the schema that it knows.

use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sea_query::Alias;
use sea_orm::{ConnectionTrait, DbBackend, Schema, Statement};
use taizhang::roles::ROLES;
use taizhang_contracts::meetings::{
    CreateMeetingRequest, ListMeetingsRequest, Meeting, UpdateMeetingRequest,
};
use taizhang_ledger::{Clock, history, views};

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

/// One column of a table, as a database describes it: name, type, whether it may be null, and its
/// position in the primary key.
type Description = (String, String, bool, i32);

async fn described(on: &impl ConnectionTrait, table: &str) -> Vec<Description> {
    let backend = on.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, \
             COALESCE(array_position(i.indkey::int2[], a.attnum), 0)::int4 \
             FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
             WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped"
        }
        _ => "SELECT name, type, \"notnull\" = 0, pk FROM pragma_table_info($1)",
    };
    let rows = on
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [table.into()]))
        .await
        .unwrap();
    let mut columns: Vec<Description> = rows
        .iter()
        .map(|row| {
            let at = |i| row.try_get_by_index::<String>(i).unwrap();
            (
                at(0),
                at(1).to_lowercase(),
                row.try_get_by_index(2).unwrap(),
                row.try_get_by_index(3).unwrap(),
            )
        })
        .collect();
    columns.sort();
    columns
}

/// Every entity describes the table that the migrations make: columns, types, nullability, keys.
#[test]
fn entities_are_the_migrated_tables() {
    for store in [Store::Sqlite, Store::Postgres] {
        run(store, async |databases| {
            for role in ROLES {
                let database = database(databases, role.name).await;
                let on = database.writer();
                let backend = on.get_database_backend();
                let history = Schema::new(backend).create_table_from_entity(history::Entity);
                let kinds = role.kinds.iter();
                let kinds = kinds.map(|kind| (kind.table(), kind.definition(backend)));
                for (table, mut definition) in kinds.chain([("history", history)]) {
                    let migrated = described(on, table).await;
                    let made = format!("{table}_of_entity");
                    on.execute(definition.table(Alias::new(&made)))
                        .await
                        .unwrap();
                    assert_eq!(described(on, &made).await, migrated, "{table} on {store:?}");
                    assert!(migrated.len() >= 7, "{table}");
                }
            }
        });
    }
}

#[test]
fn views_have_the_offices_terms_and_are_read_only() {
    run_on(Store::Postgres, async |databases| {
        let suite = Suite::start(databases).await;
        let api = Api::of(&suite);
        api.create_meeting(new_meeting(meeting("水库")))
            .await
            .unwrap();
        let mut seen = Vec::new();
        for role in ROLES {
            let database = suite.database(role.name).await;
            // Twice: they are made anew.
            for _ in 0..2 {
                seen = views::create(&database, role.kinds).await.unwrap();
                assert_eq!(seen.len(), role.kinds.len());
            }
            let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                WHERE table_schema = 'reading'";
            let statement = Statement::from_string(DbBackend::Postgres, sql);
            let columns = database.writer().query_all_raw(statement).await.unwrap();
            for column in columns {
                let name: String = column.try_get_by_index(0).unwrap();
                let is_ascii = name.split(['.', '·']).any(|word| word.is_ascii());
                assert!(!is_ascii, "{name} has no Chinese term");
            }
        }
        assert!(!seen.is_empty());
        let database = suite.database("meetings").await;
        let on = database.writer();
        let sql = "SELECT 会议名称, 会议类型, 状态 FROM reading.会议";
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        let row = on.query_one_raw(statement).await.unwrap().unwrap();
        let at = |i| row.try_get_by_index::<String>(i).unwrap();
        assert_eq!((at(0), at(1)), ("水库".into(), "专题会议".into()));
        for change in [
            "UPDATE reading.会议 SET 会议名称 = '改'",
            "DELETE FROM reading.会议",
            "INSERT INTO reading.会议 (编号) VALUES ('x')",
        ] {
            on.execute_unprepared(change).await.unwrap_err();
        }
        suite.stop().await;
    });
}
