//! Backups made while services write have one snapshot of each service. Databases restored from them,
//! SQLite or PostgreSQL, have the same records and figures, and accept writes.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use taizhang::backup::services;
use taizhang::key;
use taizhang::roles::ROLES;
use taizhang_backup::{Checked, Options, Restored, ServiceResult, check, make, restore};
use taizhang_contracts::common::Period;
use taizhang_contracts::meetings::*;
use taizhang_contracts::statistics::statistics_service_client::StatisticsServiceClient;
use taizhang_contracts::statistics::{Figure, GatherFiguresRequest};
use taizhang_ledger::Clock;
use taizhang_ledger::history::Model;
use taizhang_ledger::history_copy::{End, Snapshot};
use taizhang_runtime::Config;

use crate::harness::{ANOTHER, Databases, OFFICE, Store, Suite};
use crate::records::*;

on_each_database!(
    a_backup_made_under_load_is_restored_into_the_other_database,
    a_backup_is_restored_into_empty_databases_only,
    a_history_that_does_not_verify_is_not_backed_up,
    the_program_backs_up_and_restores,
);

const KEY: [u8; 32] = [7; 32];

async fn back_up(config: &Config, to: &Path, with_keys: bool) -> anyhow::Result<Checked> {
    let options = Options {
        to,
        key: Some(&KEY),
        with_keys,
        services: &services(config, ROLES),
        data: &config.data,
        ledger: &key::open_or_create(&config.data).unwrap(),
        program: "0",
    };
    make(&options, &mut |_, _, _| {}).await
}

async fn restored_from(config: &Config, from: &Path) -> anyhow::Result<Restored> {
    restore(
        &services(config, ROLES),
        &config.data,
        from,
        Some(&KEY),
        key::open(&config.data).unwrap(),
        &[],
        &mut |_, _, _| {},
    )
    .await
}

fn other(config: &Config) -> Store {
    let on_postgres = config.services.values().any(|s| s.database.is_some());
    if on_postgres {
        Store::Sqlite
    } else {
        Store::Postgres
    }
}

type Histories = BTreeMap<(&'static str, String), Vec<Model>>;

/// Every entry of every office in every service.
async fn histories(config: &Config) -> Histories {
    let mut all = Histories::new();
    for role in ROLES {
        let database = taizhang::suite::connect(config, role).await.unwrap();
        let snapshot = Snapshot::prepare(&database).await.unwrap();
        snapshot.take().await.unwrap();
        for End { office, .. } in snapshot.ends().await.unwrap() {
            let mut entries = Vec::<Model>::new();
            loop {
                let last = entries.last().map_or(0, |e| e.seq);
                let next = snapshot.entries(&office, last).await.unwrap();
                if next.is_empty() {
                    break;
                }
                entries.extend(next);
            }
            all.insert((role.name, office), entries);
        }
    }
    all
}

/// The figures of every source for an office and a year.
async fn figures(suite: &Suite, office: &str, year: i32) -> Vec<Figure> {
    let mut all = Vec::new();
    for role in ROLES.iter().filter(|role| role.is_source()) {
        let request = GatherFiguresRequest {
            parent: office.into(),
            period: Some(Period::year(year)),
            ..Default::default()
        };
        let mut source = StatisticsServiceClient::new(suite.authorized(role.name));
        let answer = source.gather_figures(request).await.unwrap();
        all.extend(answer.into_inner().figures);
    }
    all
}

/// Writes some records of some kinds in two services and two offices.
async fn write_records(api: &Api, n: usize) {
    for parent in [OFFICE, ANOTHER] {
        let request = CreateMeetingRequest {
            parent: parent.into(),
            request_id: request_id(),
            ..new_meeting(past_meeting(&format!("例会{n}"), "2022-03-01T01:00:00Z"))
        };
        let made = insist(|| api.create_meeting(request.clone()))
            .await
            .unwrap();
        if n.is_multiple_of(3) {
            let request = DeleteMeetingRequest {
                name: made.name,
                ..Default::default()
            };
            insist(|| api.delete_meeting(request.clone()))
                .await
                .unwrap();
        }
    }
    let request = CreateLectureRequest {
        parent: OFFICE.into(),
        lecture: Some(lecture("宣讲", day("2022-05-01"))),
        ..Default::default()
    };
    let lectures = api.lectures.clone();
    insist_on(|| {
        let (mut lectures, request) = (lectures.clone(), request.clone());
        async move { lectures.create_lecture(request).await }
    })
    .await
    .unwrap();
    let request = new_matter(matter(&format!("修渠{n}")));
    insist(|| api.create_matter(request.clone())).await.unwrap();
}

async fn a_backup_made_under_load_is_restored_into_the_other_database(suite: Suite) {
    let api = Api::of(&suite);
    write_records(&api, 0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (api, stop) = (api.clone(), stop.clone());
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Relaxed) {
                    n += 1;
                    write_records(&api, writer * 1000 + n).await;
                }
                n
            })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("under-writing");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let written = back_up(&suite.config, &file, true).await.unwrap();
    stop.store(true, Relaxed);
    let mut rounds = 0;
    for writer in writers {
        rounds += writer.await.unwrap();
    }
    assert!(rounds > 3, "{rounds}");
    assert!(written.chains && written.keys);

    let all = histories(&suite.config).await;
    let databases = Databases::make(other(&suite.config)).await;
    let restored = restored_from(&databases.config, &file).await.unwrap();
    assert_eq!(restored.backup.digest, written.digest);
    let back = histories(&databases.config).await;
    assert_eq!(
        back.keys().collect::<Vec<_>>(),
        all.keys().collect::<Vec<_>>()
    );
    for (office, entries) in &back {
        assert_eq!(entries[..], all[office][..entries.len()], "{office:?}");
    }
    let count = |histories: &Histories| histories.values().map(Vec::len).sum::<usize>();
    assert!(
        count(&back) < count(&all),
        "nothing was written during the backup"
    );

    // Without concurrent writers, records and figures are the same.
    let file = folder.path().join("at-rest");
    back_up(&suite.config, &file, true).await.unwrap();
    let again = Databases::make(other(&suite.config)).await;
    let restored = restored_from(&again.config, &file).await.unwrap();
    assert_eq!(histories(&again.config).await, all);
    assert!(restored.keys.contains(&"identity/signing.key".to_owned()));
    let copy = Suite::with(&again.config, Clock::system()).await;
    for office in [OFFICE, ANOTHER] {
        let counted = figures(&suite, office, 2022).await;
        assert_eq!(figures(&copy, office, 2022).await, counted);
        assert!(office != OFFICE || counted.iter().any(|f| f.value > 0));
    }
    // The signing key was restored, so tokens are valid; and the copy accepts writes.
    let token = suite.every_scope();
    let list = async |suite: &Suite| {
        let request = ListMeetingsRequest {
            parent: OFFICE.into(),
            page_size: 1000,
            ..Default::default()
        };
        let api = Api::with(suite, &token);
        let mut meetings = api.meetings.clone();
        meetings
            .list_meetings(request)
            .await
            .unwrap()
            .into_inner()
            .meetings
    };
    assert_eq!(list(&suite).await, list(&copy).await);
    write_records(&Api::with(&copy, &token), 1).await;
    for role in ROLES {
        let report = copy.audit(role.name).await;
        assert_eq!(report.findings, [], "{}", role.name);
    }
    let last = all[&("supervision", "demo".to_owned())].len() as i64;
    assert_eq!(copy.audit("supervision").await.offices[0].1, last + 1);
    copy.stop().await;
    databases.remove().await;
    again.remove().await;
}

async fn a_backup_is_restored_into_empty_databases_only(suite: Suite) {
    let api = Api::of(&suite);
    write_records(&api, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    back_up(&suite.config, &file, false).await.unwrap();
    let twice = back_up(&suite.config, &file, false).await.unwrap_err();
    assert!(twice.to_string().contains("exists already"), "{twice}");
    let bare = Options {
        to: &folder.path().join("bare"),
        key: None,
        with_keys: true,
        services: &[],
        data: &suite.config.data,
        ledger: &key::open_or_create(&suite.config.data).unwrap(),
        program: "0",
    };
    let bare = make(&bare, &mut |_, _, _| {}).await.unwrap_err();
    assert!(bare.to_string().contains("--key-file"), "{bare}");

    // Into the same databases: skipped, since they have the same history.
    let itself = restored_from(&suite.config, &file).await.unwrap();
    assert!(itself.services.iter().all(|(_, f)| {
        matches!(
            f,
            ServiceResult::Unchanged
                | ServiceResult::Restored {
                    entries: 0,
                    records: 0
                }
        )
    }));
    // After another write the history differs.
    write_records(&api, 2).await;
    let before = histories(&suite.config).await;
    let refused = restored_from(&suite.config, &file).await.unwrap_err();
    assert!(
        refused.to_string().contains("empty databases only"),
        "{refused}"
    );
    assert_eq!(histories(&suite.config).await, before);

    // Into a new folder: without the ledger's key, with another one, and with the right one.
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config {
        data: folder.path().join("fresh"),
        ..Config::default()
    };
    for role in ROLES {
        config.services.entry(role.name.into()).or_default().listen = Some(free);
    }
    let refused = restored_from(&config, &file).await.unwrap_err();
    assert!(refused.to_string().contains("no ledger.key"), "{refused}");
    key::open_or_create(&config.data).unwrap();
    let refused = restored_from(&config, &file).await.unwrap_err();
    assert!(
        refused.to_string().contains("not the key of the histories"),
        "{refused}"
    );
    assert!(!config.data.join("meetings.db").exists());
    fs::copy(
        suite.config.data.join("ledger.key"),
        config.data.join("ledger.key"),
    )
    .unwrap();
    let restored = restored_from(&config, &file).await.unwrap();
    let meetings = restored
        .services
        .iter()
        .find(|(name, _)| *name == "meetings");
    let whole = ServiceResult::Restored {
        entries: 3,
        records: 3,
    };
    assert_eq!(meetings, Some(&("meetings", whole)));
    assert_eq!(restored.keys, Vec::<String>::new());
}

async fn a_history_that_does_not_verify_is_not_backed_up(suite: Suite) {
    write_records(&Api::of(&suite), 1).await;
    let database = suite.database("meetings").await;
    let change = "UPDATE history SET caller = 'someone' WHERE office = 'demo' AND seq = 1";
    execute(&database, change, vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let refused = back_up(&suite.config, &file, false).await.unwrap_err();
    let refused = format!("{refused:#}");
    assert!(
        refused.contains("meetings offices/demo: entry 1"),
        "{refused}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

async fn the_program_backs_up_and_restores(suite: Suite) {
    write_records(&Api::of(&suite), 1).await;
    let file = suite.config_file();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_taizhang"))
            .args(arguments)
            .arg("--config")
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let (code, told) = run(&["backup", "new-key", "backup.key"]);
    assert_eq!(code, Some(0), "{told}");
    let key = fs::read_to_string(folder.path().join("backup.key")).unwrap();
    let (code, made) = run(&[
        "backup",
        "--to",
        "b",
        "--key-file",
        "backup.key",
        "meetings",
    ]);
    assert_eq!(code, Some(0), "{made}");
    assert!(made.contains("meetings: 2 offices, 3 entries"), "{made}");
    assert!(
        made.contains("written to b") && !made.contains("reporting"),
        "{made}"
    );
    let (code, told) = run(&["backup", "verify", "b", "--key-file", "backup.key"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("every chain too"), "{told}");
    let (code, told) = run(&["backup", "verify", "b"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("encrypted"), "{told}");
    let (code, told) = run(&["restore", "--from", "b", "--key-file", "backup.key"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("meetings: had this history already"),
        "{told}"
    );
    let (code, told) = run(&[
        "restore",
        "--from",
        "b",
        "--key-file",
        "backup.key",
        "research",
    ]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("the backup has no service research"),
        "{told}"
    );
    assert!(!told.contains(key.trim()));
}

/// Moves a year's records from SQLite to PostgreSQL and back. Any changed byte of the backup is
/// detected.
#[test]
fn a_year_is_moved_from_sqlite_to_postgres_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let tried = Command::new(env!("CARGO_BIN_EXE_taizhang"))
        .args(["try", "--data"])
        .arg(&data)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(tried.status.success(), "{tried:?}");
    let file = folder.path().join("first");
    crate::harness::run_on(Store::Postgres, async |postgres| {
        let source = Config {
            data: data.clone(),
            ..postgres.config.clone()
        };
        let mut source = source;
        for service in source.services.values_mut() {
            service.database = None;
        }
        let first = back_up(&source, &file, true).await.unwrap();
        restored_from(&postgres.config, &file).await.unwrap();
        let second = folder.path().join("second");
        back_up(&postgres.config, &second, true).await.unwrap();
        let sqlite = Databases::make(Store::Sqlite).await;
        restored_from(&sqlite.config, &second).await.unwrap();
        let all = histories(&source).await;
        assert!(all.values().map(Vec::len).sum::<usize>() > 1000);
        assert!(histories(&postgres.config).await == all);
        assert!(histories(&sqlite.config).await == all);
        let mut counted = Vec::new();
        for config in [&source, &postgres.config, &sqlite.config] {
            let suite = Suite::with(config, Clock::system()).await;
            counted.push((
                figures(&suite, OFFICE, 2022).await,
                figures(&suite, OFFICE, 2021).await,
            ));
            suite.stop().await;
        }
        assert_eq!(counted[0], counted[1]);
        assert_eq!(counted[0], counted[2]);
        assert!(counted[0].0.iter().any(|f| f.value == 475));

        let good = fs::read(&file).unwrap();
        let verified = |bytes: &[u8]| {
            let damaged = folder.path().join("damaged");
            fs::write(&damaged, bytes).unwrap();
            check(&damaged, Some(&KEY), None, &mut |_, _, _| {}).map(|c| c.digest)
        };
        assert_eq!(verified(&good).unwrap(), first.digest);
        let damage = (any::<prop::sample::Index>(), 0..8_u8);
        let mut runner = TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(24)
        });
        runner
            .run(&damage, |(at, bit)| {
                let at = at.index(good.len());
                let mut flipped = good.clone();
                flipped[at] ^= 1 << bit;
                prop_assert!(verified(&flipped).is_err(), "byte {}", at);
                prop_assert!(verified(&good[..at]).is_err(), "cut at {}", at);
                Ok(())
            })
            .unwrap();
        let other_key = check(&file, Some(&[8; 32]), None, &mut |_, _, _| {}).unwrap_err();
        assert!(other_key.to_string().contains("not that of the backup"));
        sqlite.remove().await;
    });
}
