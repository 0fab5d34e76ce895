//! Partitioned tables have the same records and figures, and accept writes.

use std::collections::BTreeMap;
use std::process::Command;

use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigratorTrait;
use taizhang::roles::ROLES;
use taizhang_contracts::common::Period;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::{Figure, GatherFiguresRequest};
use taizhang_ledger::Database;
use taizhang_ledger::partitions::partition;

use crate::harness::{Authorized, Bearer, Databases, Store, Suite, role, run_on};
use crate::{bookings, random};

/// Runs `taizhang migrate` with partitions on the databases of a suite; returns its output.
fn migrate(suite: &Suite) -> Result<String, String> {
    let done = Command::new(env!("CARGO_BIN_EXE_taizhang"))
        .args(["migrate", "--partitions", "4", "--config"])
        .arg(suite.config_file())
        .output()
        .unwrap();
    let told = |bytes| String::from_utf8(bytes).unwrap();
    match done.status.success() {
        true => Ok(told(done.stdout)),
        false => Err(told(done.stderr)),
    }
}

async fn texts(database: &Database, sql: String) -> Vec<String> {
    let statement = Statement::from_string(database.backend(), sql);
    let rows = database.reader().query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// Every row of every table, as text.
async fn rows(suite: &Suite) -> BTreeMap<(&'static str, &'static str), Vec<String>> {
    let mut all = BTreeMap::new();
    for role in ROLES {
        let database = suite.database(role.name).await;
        for table in role.kinds.iter().map(|k| k.table()).chain(["history"]) {
            let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
            all.insert((role.name, table), texts(&database, sql).await);
        }
    }
    all
}

async fn figures(suite: &Suite, offices: &[&str]) -> Vec<Figure> {
    let bearer = Bearer::of(&suite.every_scope_in(offices)).unwrap();
    let mut all = Vec::new();
    for role in ROLES.iter().filter(|role| role.is_source()) {
        let channel = Authorized::new(suite.channel(role.name), bearer.clone());
        for office in offices {
            let request = GatherFiguresRequest {
                parent: (*office).into(),
                period: Some(Period::year(2022)),
                ..Default::default()
            };
            let mut source = StatisticsServiceClient::new(channel.clone());
            let answer = source.gather_figures(request).await.unwrap();
            all.extend(answer.into_inner().figures);
        }
    }
    all
}

#[test]
fn a_partitioned_ledger_has_the_same_content_and_accepts_writes() {
    run_on(Store::Postgres, async |databases| {
        let suite = Suite::start(databases).await;
        random::check_after(&suite, async |offices| {
            let before = (rows(&suite).await, figures(&suite, offices).await);
            let told = migrate(&suite).unwrap();
            if std::env::var("TAIZHANG_TEST_PARTITIONS").is_err() {
                let entries = before.0[&("meetings", "history")].len();
                let history = format!("meetings: history: 4 partitions, {entries} rows\n");
                assert!(told.contains(&history), "{told}");
            }
            assert_eq!((rows(&suite).await, figures(&suite, offices).await), before);
            let again = migrate(&suite).unwrap();
            assert!(!again.contains("rows"), "{again}");
            assert!(again.contains("meetings: bookings: has "), "{again}");
        })
        .await;

        // The constraint is enforced by the database, also for direct writes.
        let meetings = suite.database("meetings").await;
        bookings::of_concurrent_bookings_exactly_one_gets_the_slot(suite).await;
        let sql = "SELECT string_agg(column_name, ', ') FROM information_schema.columns \
            WHERE table_name = 'bookings' AND column_name <> 'id'";
        let columns = texts(&meetings, sql.into()).await.remove(0);
        let twice = format!(
            "INSERT INTO bookings (id, {columns}) SELECT 'again', {columns} FROM bookings \
             WHERE state = 1 AND delete_time IS NULL LIMIT 1"
        );
        let refused = meetings.writer().execute_unprepared(&twice).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("no_overlap"), "{refused}");
    });
}

#[test]
fn later_migrations_work_on_partitioned_tables() {
    run_on(Store::Postgres, async |databases| {
        let supervision = role("supervision");
        let database = taizhang::suite::connect(&databases.config, supervision)
            .await
            .unwrap();
        let on = database.writer();
        let fresh = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";
        on.execute_unprepared(fresh).await.unwrap();
        taizhang_supervision::Migrator::up(on, Some(2))
            .await
            .unwrap();
        let first = ["matters", "supervision_settings"];
        let kinds = supervision.kinds.iter().copied();
        let kinds: Vec<_> = kinds.filter(|kind| first.contains(&kind.table())).collect();
        partition(&database, &kinds, 3, |_| {}).await.unwrap();
        (supervision.migrate)(on).await.unwrap();
        let mut left = Vec::new();
        partition(&database, supervision.kinds, 3, |table| {
            left.extend(table.moved.map(|_| table.name));
        })
        .await
        .unwrap();
        assert_eq!(
            left.len(),
            supervision.kinds.len() - first.len(),
            "{left:?}"
        );
        Suite::start(databases).await.stop().await;
    });
}

#[test]
fn partitions_are_refused_on_sqlite() {
    run_on(Store::Sqlite, async |databases: &Databases| {
        let suite = Suite::start(databases).await;
        let refused = migrate(&suite).unwrap_err();
        assert!(
            refused.contains("only PostgreSQL has partitions"),
            "{refused}"
        );
    });
}
